// Runs test files on a Citus cluster instead of a single PostgreSQL. `TEST_CITUS_NODES` names the nodes, the
// coordinator first, each as a superuser:
// TEST_CITUS_NODES=postgres://…/postgres,postgres://…/postgres npm run test:run test/scim/groups-crud.test.ts
// Each database is made on every node and cloned there.
import pg from 'pg'

const nodes = (process.env.TEST_CITUS_NODES ?? '').split(',').filter(Boolean)

/** Whether tests run on a cluster. */
export const isOnCluster = nodes.length > 0

/** Runs `work` on each node, or on the single PostgreSQL at `url`, in the database `postgres`. */
export async function onNodes(url: string, work: (client: pg.Client) => Promise<unknown>): Promise<void> {
  await Promise.all((isOnCluster ? nodes : [inDatabase(url, 'postgres')]).map((node) => withClient(node, work)))
}

/**
 * Drops and creates the cluster's database of this name; it holds nothing but the extension.
 * @returns its URL on the coordinator
 */
export async function createOnCluster(name: string, on: readonly string[] = nodes): Promise<string> {
  await createOnEach(name, on)
  return joinNodes(name, on)
}

/** Creates an empty database of this name on each node. The nodes do not know of each other yet. */
export async function createOnEach(name: string, on: readonly string[]): Promise<void> {
  for (const node of on) {
    await withClient(node, async (client) => {
      await client.query(`drop database if exists ${name} with (force)`)
      await client.query(`create database ${name} template template0`)
    })
  }
}

/**
 * Joins the databases of this name to a cluster, as docs/operation.md describes.
 * @returns its URL on the coordinator
 */
export async function joinNodes(name: string, on: readonly string[]): Promise<string> {
  const [coordinator, ...workers] = on.map((node) => inDatabase(node, name))
  for (const node of [coordinator!, ...workers]) {
    await withClient(node, (client) => client.query('create extension citus'))
  }
  await withClient(coordinator!, async (client) => {
    const { hostname, port } = new URL(coordinator!)
    await client.query('select citus_set_coordinator_host($1, $2)', [hostname, Number(port)])
    for (const worker of workers) {
      const { hostname, port } = new URL(worker)
      await client.query('select citus_add_node($1, $2)', [hostname, Number(port)])
    }
  })
  return coordinator!
}

/** Part of Citus' message about a statement that asks several nodes; `watchNodes` switches the message on. */
const CROSSES = 'multi-task query about to be executed'

/**
 * Statements that may ask several nodes: addresses are unique over all tenants, so their text decides where they lie.
 */
const MAY_CROSS = /\baddresses\b/

let mayCross = false
/** Allows statements that ask several nodes, for tests of statements that forget their tenant. */
export function letStatementsCross(): void {
  mayCross = true
}

/**
 * Fails the test file if a statement of this pool asks more than one node, since a tenant's rows lie on one node.
 * @param url of the pool's database, before anything connects to it
 */
export async function watchNodes(url: string, pool: pg.Pool): Promise<void> {
  if (!isOnCluster) return
  await withClient(url, (client) =>
    client.query(`alter database ${new URL(url).pathname.slice(1)} set citus.multi_task_query_log_level = 'warning'`)
  )
  const crossing = new Set<string>()
  pool.on('connect', (client) => {
    const { _getActiveQuery: active } = client as unknown as { _getActiveQuery(): { text?: string } | null }
    client.on('notice', ({ message }) => {
      const text = active.call(client)?.text ?? '(unknown)'
      if (message === CROSSES && !MAY_CROSS.test(text)) crossing.add(text)
    })
  })
  process.on('exit', () => {
    if (crossing.size === 0 || mayCross) return
    process.exitCode = 1
    console.error(`These ask several nodes:\n${[...crossing].join('\n\n')}`)
  })
}

/** Ends Citus' own connections to a database; while they exist it cannot be cloned. */
export const endConnections = (client: pg.Client, database: string) =>
  client.query(
    `select pg_terminate_backend(pid, 5000) from pg_stat_activity where datname = $1 and pid <> pg_backend_pid()`,
    [database]
  )

export function inDatabase(url: string, database: string): string {
  const changed = new URL(url)
  changed.pathname = `/${database}`
  return changed.href
}

async function withClient<T>(url: string, work: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  try {
    return await work(client)
  } finally {
    await client.end()
  }
}

/** The coordinator's data directory. */
export const dataDirectory = (): Promise<string> =>
  withClient(nodes[0]!, async (client) => (await client.query('show data_directory')).rows[0].data_directory)
