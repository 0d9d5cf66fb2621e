// Starts PgBouncer in transaction mode in front of a test's database.
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import pg from 'pg'
import { freePort } from '../../db/embedded.ts'
import type { Teardown } from './process.ts'

/** The path of PgBouncer; undefined if it is not installed. With REQUIRE_PGBOUNCER that is an error. */
export function findPgBouncer(): string | undefined {
  const folders = [...(process.env['PATH'] ?? '').split(delimiter), '/usr/sbin', '/usr/local/sbin']
  const found = folders.map((folder) => join(folder, 'pgbouncer')).find((path) => existsSync(path))
  if (!found && process.env['REQUIRE_PGBOUNCER']) throw new Error('REQUIRE_PGBOUNCER is set, and there is no pgbouncer')
  return found
}

export const versionOf = (binary: string): string =>
  /\d+\.\d+\.\d+/.exec(spawnSync(binary, ['--version'], { encoding: 'utf8' }).stdout)?.[0] ?? 'unknown'

/** Whether it supports prepared statements of clients, as versions since 1.21 do. */
export function knowsStatements(binary: string): boolean {
  const [major = 0, minor = 0] = versionOf(binary).split('.').map(Number)
  return major > 1 || minor >= 21
}

/**
 * @param target the database, with the user and the password that the pooler connects with
 * @param poolSize connections to PostgreSQL: fewer than there are clients, so that clients share them
 * @returns the URL to connect to
 */
export async function startPgBouncer(t: Teardown, binary: string, target: string, poolSize: number): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), 'muster-pgbouncer-'))
  const port = await freePort()
  const { hostname, port: targetPort, pathname, username, password } = new URL(target)
  const file = join(folder, 'pgbouncer.ini')
  writeFileSync(
    file,
    `[databases]
muster = host=${hostname} port=${targetPort} dbname=${pathname.slice(1)} user=${username} password=${password}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = ${port}
unix_socket_dir =
auth_type = any
pool_mode = transaction
default_pool_size = ${poolSize}
max_client_conn = 200
${knowsStatements(binary) ? 'max_prepared_statements = 500' : ''}
`
  )
  chmodSync(folder, 0o755)
  // PgBouncer refuses to run as root
  const asNobody = process.getuid?.() === 0 ? ['-u', 'nobody'] : []
  const child = spawn(binary, [...asNobody, file], { stdio: ['ignore', 'ignore', 'pipe'] })
  let log = ''
  child.stderr.on('data', (chunk: Buffer) => (log += chunk))
  t.teardown(async () => {
    child.kill('SIGKILL')
    if (child.exitCode === null && child.signalCode === null) await once(child, 'exit')
    rmSync(folder, { recursive: true, force: true })
  })
  const url = `postgres://muster@127.0.0.1:${port}/muster`
  while (!(await answers(url))) {
    if (child.exitCode !== null) throw new Error(`PgBouncer ended: ${log}`)
    await new Promise((done) => setTimeout(done, 20))
  }
  return url
}

async function answers(url: string): Promise<boolean> {
  const client = new pg.Client({ connectionString: url })
  client.on('error', () => {})
  try {
    await client.connect()
    await client.query('select 1')
    return true
  } catch {
    return false
  } finally {
    await client.end().catch(() => {})
  }
}
