// The processes of a run: PostgreSQL, the server, the floor, the driver and a mail server.
import { type ChildProcess, type ForkOptions, fork, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { freePort, startEmbedded } from '../../db/embedded.ts'
import { migrate } from '../../db/migrate.ts'
import { prepareQueue } from '../../jobs/queue.ts'
import type { DriverAnswer, DriverTask } from './driver.ts'
import type { Measured } from './load.ts'
import type { Server } from './workload.ts'

export const ROOT = join(import.meta.dirname, '../..')
export const OPERATOR_TOKEN = 'operator-token-of-the-bench-0123456789'

export interface Stack {
  readonly databaseUrl: string
  readonly ports: Readonly<Record<Server, number>>
  readonly pids: Readonly<Record<Server | 'database', number>>
  /** The server's settings other than defaults. */
  readonly settings: Readonly<Record<string, string>>
  /** @throws Error if an answer was wrong */
  drive(task: DriverTask): Promise<Measured>
  /** Waits until `count` mails have come. @returns when each of them came, in order: milliseconds since 1970 */
  mails(count: number): Promise<number[]>
  close(): Promise<void>
}

/** Makes the database durable, whatever the defaults become. */
const DURABLE = ['-c', 'fsync=on', '-c', 'synchronous_commit=on', '-c', 'full_page_writes=on']

/**
 * @param options.dataFolder where the data lie and stay; without it they are deleted at the end
 * @param options.profileFolder where the server writes a CPU profile when it ends
 */
export async function startStack(options: { dataFolder?: string; profileFolder?: string } = {}): Promise<Stack> {
  const closers: (() => unknown)[] = []
  const close = async () => {
    for (const closer of closers.splice(0).reverse()) await closer()
  }
  try {
    const folder = options.dataFolder ? resolve(options.dataFolder) : mkdtempSync(join(tmpdir(), 'muster-bench-'))
    if (!options.dataFolder) closers.push(() => rmSync(folder, { recursive: true, force: true }))
    const flags = [...DURABLE, ...(options.profileFolder ? ['-c', 'shared_preload_libraries=pg_stat_statements'] : [])]
    const database = await startEmbedded(folder, { flags })
    closers.push(() => database.stop())
    await migrate(database.url, () => prepareQueue(database.url))
    const sink = forkFile('smtp-sink.ts')
    closers.push(() => stop(sink, 'SIGKILL'))
    const [smtpPort] = (await once(sink, 'message')) as [number]
    const ports = { muster: await freePort(), floor: await freePort() }
    const settings = settingsOf(database.url, ports.muster, smtpPort)
    const muster = startServer(folder, settings, options.profileFolder)
    closers.push(() => stop(muster, 'SIGTERM'))
    await untilReady(muster, ports.muster, () => tailOf(join(folder, LOG)))
    const floor = await startFloor(database.url, ports.floor)
    closers.push(() => stop(floor, 'SIGKILL'))
    const driver = forkFile('driver.ts')
    closers.push(() => stop(driver, 'SIGKILL'))
    const postmaster = Number(readFileSync(join(folder, 'postgres/postmaster.pid'), 'utf8').split('\n', 1)[0])
    return {
      databaseUrl: database.url,
      ports,
      pids: { muster: muster.pid!, floor: floor.pid!, database: postmaster },
      settings,
      async drive(task) {
        const answer = await ask(driver, task)
        if ('measured' in answer) return answer.measured
        if (hasEnded(muster)) throw new ServerEnded(tailOf(join(folder, LOG)))
        throw new Error(answer.error)
      },
      async mails(count) {
        sink.send(count)
        const [times] = (await once(sink, 'message')) as [number[]]
        return times
      },
      close
    }
  } catch (error) {
    await close()
    throw error
  }
}

/** What must be set to run the server on one's own database; and no limit of requests, which a bench must not meet. */
const settingsOf = (databaseUrl: string, port: number, smtpPort: number) => ({
  DATABASE_URL: databaseUrl,
  PORT: String(port),
  SECRET_KEY: 'secret-key-of-the-bench-0123456789-abcdef',
  OPERATOR_TOKEN,
  SMTP_URL: `smtp://127.0.0.1:${smtpPort}`,
  MAIL_FROM: 'Muster <muster@example.com>',
  SCIM_REQUESTS_PER_SECOND: '0'
})

export const environment = (settings: Record<string, string>) => ({
  PATH: process.env['PATH'] ?? '',
  HOME: process.env['HOME'] ?? '/',
  ...settings
})

function startServer(folder: string, settings: Record<string, string>, profileFolder?: string): ChildProcess {
  const log = openSync(join(folder, LOG), 'w')
  const profiling = profileFolder ? ['--cpu-prof', `--cpu-prof-dir=${profileFolder}`] : []
  return spawn(process.execPath, [...profiling, 'server/main.ts'], {
    cwd: ROOT,
    env: environment(settings),
    stdio: ['ignore', log, log]
  })
}

async function untilReady(child: ChildProcess, port: number, log: () => string): Promise<void> {
  for (;;) {
    if (hasEnded(child)) throw new ServerEnded(log())
    const answer = await fetch(`http://127.0.0.1:${port}/readyz`).catch(() => undefined)
    if (answer?.ok) return
    await new Promise((done) => setTimeout(done, 20))
  }
}

async function startFloor(databaseUrl: string, port: number): Promise<ChildProcess> {
  const floor = forkFile('floor.ts', { env: environment({ DATABASE_URL: databaseUrl, PORT: String(port) }) })
  await once(floor, 'message')
  return floor
}

const forkFile = (file: string, options: ForkOptions = {}): ChildProcess =>
  fork(join(import.meta.dirname, file), { stdio: ['ignore', 'inherit', 'inherit', 'ipc'], ...options })

export async function stop(child: ChildProcess, signal: 'SIGTERM' | 'SIGKILL'): Promise<void> {
  if (hasEnded(child)) return
  child.kill(signal)
  await once(child, 'exit')
}

async function ask(driver: ChildProcess, task: DriverTask): Promise<DriverAnswer> {
  driver.send(task)
  const [answer] = (await once(driver, 'message')) as [DriverAnswer]
  return answer
}

/** The server has ended, so nothing more can be measured. */
export class ServerEnded extends Error {
  constructor(log: string) {
    super(`The server has ended:\n${log}`)
    this.name = 'ServerEnded'
  }
}

const LOG = 'server.log'
const tailOf = (file: string) => readFileSync(file, 'utf8').slice(-2_000)
export const hasEnded = ({ exitCode, signalCode }: ChildProcess) => exitCode !== null || signalCode !== null
