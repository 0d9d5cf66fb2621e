// Writes of one or several tenants in one exchange with PostgreSQL (tenant-query.ts).
import type pg from 'pg'
import type { SentRow } from './sent-rows.ts'
import {
  AS_SENT,
  beginning,
  type Fields,
  isLostBy,
  mannersOf,
  prepareOnce,
  SET_TENANT,
  type TenantRead,
  TenantReads
} from './tenant-query.ts'

/** How long to wait for a lock when other tenants would wait, too. */
const BRIEFLY = '100ms'
const SET_TENANT_BRIEFLY = {
  name: 'set_tenant_briefly',
  text: `${SET_TENANT.text}, set_config('lock_timeout', '${BRIEFLY}', true)`
}

/** One statement of an exchange, which fails as a whole: single statements need no notification. */
class Part implements TenantRead {
  readonly tenantId: number
  readonly statement: TenantRead['statement']
  readonly rows: Fields[]

  constructor(tenantId: number, statement: TenantRead['statement']) {
    this.tenantId = tenantId
    this.statement = statement
    this.rows = []
  }

  take(row: SentRow): void {
    this.rows.push(row.fields())
  }

  done(): void {}
  failed(): void {}
}

/** Statements that change one tenant's rows. */
export interface TenantWrites {
  readonly tenantId: number
  readonly statements: readonly TenantRead['statement'][]
}

/** Nothing was changed for any tenant. */
export interface FailedWrites {
  readonly error: Error
  /** The index of the write that failed; undefined if it was the commit. */
  readonly at: number | undefined
  /** Whether the connection is unusable; it is then unknown whether the commit succeeded. */
  readonly isLost: boolean
}
/** The rows of each statement of each of the writes. */
export type WriteOutcome = { readonly rows: Fields[][][] } | FailedWrites

/**
 * Runs statements that change rows of one or several tenants in one exchange and one transaction: each sees its own
 * tenant's rows, changes by the statements before it, and what others have committed by the time it runs.
 * @param writes of only one tenant on a client that sets tenants locally
 * @param options.isBrief whether to give up rather than wait long for a lock
 */
export async function writeAsTenants(
  client: pg.PoolClient,
  writes: readonly TenantWrites[],
  { isBrief = false }: { isBrief?: boolean } = {}
): Promise<WriteOutcome> {
  const { prepares, setsLocally } = mannersOf(client)
  if (setsLocally) return writeInBlock(client, writes[0]!)
  const setting = isBrief ? SET_TENANT_BRIEFLY : SET_TENANT
  const parts = writes.map(({ tenantId, statements }) => statements.map((statement) => new Part(tenantId, statement)))
  const all = parts.flat()
  let unprepared: Error | undefined
  prepareOnce(client, setting)
  for (const { statement } of all) {
    prepareOnce(client, statement, (error) => {
      unprepared = error
    })
  }
  return new Promise((resolve) => {
    const query: TenantReads = new TenantReads(all, { isPrepared: prepares, setting }, (ended) => {
      if (!ended) return resolve({ rows: parts.map((ofTenant) => ofTenant.map(({ rows }) => rows)) })
      const error = unprepared ?? ended
      const failed = all[query.answered]
      const at = failed && parts.findIndex((ofTenant) => ofTenant.includes(failed))
      resolve({ error, at, isLost: isLostBy(error) })
    })
    client.query(query)
  })
}

/** The same for one tenant, with BEGIN and COMMIT. */
async function writeInBlock(client: pg.PoolClient, { tenantId, statements }: TenantWrites): Promise<WriteOutcome> {
  const { prepares } = mannersOf(client)
  for (const text of beginning(tenantId, mannersOf(client))) client.query(text).catch(() => {})
  try {
    const all: Fields[][] = []
    for (const { name, text, values } of statements) {
      const config = { name: prepares ? name : undefined, text, values: [...values], ...AS_SENT }
      all.push((await client.query(config)).rows as unknown as Fields[])
    }
    await client.query('commit')
    return { rows: [all] }
  } catch (error) {
    await client.query('rollback').catch(() => {})
    return { error: error as Error, at: 0, isLost: isLostBy(error) }
  }
}
