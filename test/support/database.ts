// Gives each test file a database of its own: a clone of the migrated template, dropped when the test ends.
import { randomUUID } from 'node:crypto'
import pg from 'pg'
import { connect, type Db, driverOf, openBeside } from '../../db/connect.ts'
import { SERVER_ROLE } from '../../db/migrate.ts'
import { endConnections, isOnCluster, onNodes, watchNodes } from './cluster.ts'
import type { Teardown } from './process.ts'

export interface TestDatabase {
  /** Connected as the server: row-level security holds. */
  db: Db
  /** Connected as the owner, who is a superuser here and sees everything. */
  owner: Db
  url: string
}

const templateUrl = () => {
  const url = process.env.TEST_TEMPLATE_URL
  if (!url) throw new Error('Run tests through `npm run test:run [files]`, which starts PostgreSQL')
  return url
}

export async function asMaintenance(work: (client: pg.Client) => Promise<unknown>): Promise<void> {
  const url = new URL(templateUrl())
  url.pathname = '/postgres'
  const client = new pg.Client({ connectionString: url.href })
  await client.connect()
  try {
    await work(client)
  } finally {
    await client.end()
  }
}

/**
 * @param template `template0` for a database with nothing in it
 * @returns the URL of a fresh clone; it is dropped at teardown, after everything registered later has closed
 */
export async function createDatabase(
  t: Teardown,
  template: 'muster_template' | 'template0' = 'muster_template'
): Promise<string> {
  const name = `test_${randomUUID().replaceAll('-', '')}`
  const url = new URL(templateUrl())
  await onNodes(url.href, async (client) => {
    if (isOnCluster) await endConnections(client, template)
    // FILE_COPY makes no others wait; WAL_LOG would write the whole template to the log
    await client.query(`create database ${name} template ${template} strategy file_copy`)
  })
  t.teardown(() => onNodes(url.href, (client) => dropDatabase(client, name)))
  url.pathname = `/${name}`
  return url.href
}

async function dropDatabase(client: pg.Client, name: string): Promise<void> {
  for (;;) {
    try {
      await client.query(`drop database if exists ${name} with (force)`)
      return
    } catch (error) {
      // the nodes of a cluster connect to each other meanwhile
      if (!isOnCluster || (error as { code?: string }).code !== '55006') throw error
    }
  }
}

export async function openDatabase(t: Teardown): Promise<TestDatabase> {
  const url = await createDatabase(t)
  // on a busy machine connecting takes seconds, and these tests are not about that
  const patient = { url, connectTimeoutMs: 60_000, isCitus: isOnCluster }
  const db = connect({ ...patient, role: SERVER_ROLE, poolSize: 8 })
  await watchNodes(url, poolOf(db))
  const owner = connect({ ...patient, poolSize: 2 })
  t.teardown(async () => {
    await Promise.all([db.destroy(), owner.destroy()])
  })
  return { db, owner, url }
}

/** The pool that `connect` has opened. */
function poolOf(db: Db): pg.Pool {
  let found: pg.Pool | undefined
  openBeside(db, (pool) => {
    found = pool
    return driverOf(db)
  })
  return found!
}
