// A Citus cluster that test files run on in place of a single PostgreSQL:
// `TEST_CITUS_NODES=postgres://…/postgres,postgres://…/postgres npm run test:run test/scim/groups-crud.test.ts`, the
// coordinator first, each as a superuser. A database is made on every node, and cloned there.
import pg from 'pg'

const nodes = (process.env.TEST_CITUS_NODES ?? '').split(',').filter(Boolean)

/** Whether tests run on a cluster. */
export const isOnCluster = nodes.length > 0

/** Runs `work` on each node, or on the single PostgreSQL at `url`, in the database `postgres`. */
export async function onNodes(url: string, work: (client: pg.Client) => Promise<unknown>): Promise<void> {
  await Promise.all((isOnCluster ? nodes : [inDatabase(url, 'postgres')]).map((node) => withClient(node, work)))
}

/**
 * Makes the cluster's database of this name anew, with nothing in it but the extension.
 * @returns its URL on the coordinator
 */
export async function createOnCluster(name: string, on: readonly string[] = nodes): Promise<string> {
  await createOnEach(name, on)
  return joinNodes(name, on)
}

/** Makes an empty database of this name on each node, which know nothing of one another. */
export async function createOnEach(name: string, on: readonly string[]): Promise<void> {
  for (const node of on) {
    await withClient(node, async (client) => {
      await client.query(`drop database if exists ${name} with (force)`)
      await client.query(`create database ${name} template template0`)
    })
  }
}

/**
 * Makes a cluster of the databases of this name, as docs/operation.md says.
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

/** In the message by which Citus tells that a statement asks several nodes, once `watchNodes` was asked for. */
const CROSSES = 'multi-task query about to be executed'

/** Whatever crosses shards and may: an address is one person's over all tenants, and lies where its text says. */
const MAY_CROSS = /\baddresses\b/

let mayCross = false
/** For tests of what becomes of statements that forget their tenant. */
export function letStatementsCross(): void {
  mayCross = true
}

/**
 * Fails the file where a statement of this pool asks more than one node: a tenant's rows lie on one.
 * @param url of its database, before anything is connected
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

/** Ends what Citus keeps connected to a database, which could not be cloned else. */
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

/** Where the coordinator's data lies. */
export const dataDirectory = (): Promise<string> =>
  withClient(nodes[0]!, async (client) => (await client.query('show data_directory')).rows[0].data_directory)
