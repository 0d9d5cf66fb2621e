// One statement and the setting that row-level security asks for, in one exchange with PostgreSQL: what is executed
// between two Sync messages is one transaction (PostgreSQL, protocol flow, pipelining), so BEGIN and COMMIT, with an
// answer each, are saved. `pg` sends a Sync behind each of its queries; this query brings the setting along.
import pg from 'pg'

const SET_TENANT = { name: 'set_tenant', text: "select set_config('app.tenant', $1, true)" }

/** What of pg's connection is used here; its types leave it out. */
interface Wire {
  parsedStatements: Record<string, string | undefined>
  submittedNamedStatements: Record<string, string | undefined>
  bind(config: { statement: string; values: string[] }): void
  execute(config: { portal: string }): void
}

interface QueryInternals {
  prepare(connection: Wire): void
  handleRowDescription(message: unknown): void
  handleDataRow(message: unknown): void
  handleCommandComplete(message: unknown, connection: Wire): void
}
type QueryClass = new (
  config: pg.QueryConfig,
  callback: (error: Error | null, result: pg.QueryResult) => void
) => QueryInternals & pg.Submittable

class TenantQuery extends (pg.Query as unknown as QueryClass) {
  private readonly tenantId: number
  private isTenantSet: boolean

  constructor(
    tenantId: number,
    config: pg.QueryConfig,
    callback: (error: Error | null, result: pg.QueryResult) => void
  ) {
    super(config, callback)
    this.tenantId = tenantId
    this.isTenantSet = false
  }

  override prepare(connection: Wire): void {
    connection.bind({ statement: SET_TENANT.name, values: [String(this.tenantId)] })
    connection.execute({ portal: '' })
    super.prepare(connection)
  }

  /** The setting's row is nobody's. */
  override handleDataRow(message: unknown): void {
    if (this.isTenantSet) super.handleDataRow(message)
  }

  override handleCommandComplete(message: unknown, connection: Wire): void {
    if (this.isTenantSet) super.handleCommandComplete(message, connection)
    else this.isTenantSet = true
  }
}

/** Runs a statement with at least one value, in a transaction of its own that sees one tenant's rows. */
export function queryAsTenant(
  client: pg.PoolClient,
  tenantId: number,
  config: pg.QueryConfig
): Promise<pg.QueryResult> {
  const { connection } = client as unknown as { connection: Wire }
  const { parsedStatements, submittedNamedStatements } = connection
  if (!(SET_TENANT.name in parsedStatements) && !(SET_TENANT.name in submittedNamedStatements)) {
    // its answer comes before that of the statement behind it, which fails where this one does
    client.query({ ...SET_TENANT, values: [''] }).catch(() => {})
  }
  return new Promise((resolve, reject) => {
    client.query(new TenantQuery(tenantId, config, (error, result) => (error ? reject(error) : resolve(result))))
  })
}
