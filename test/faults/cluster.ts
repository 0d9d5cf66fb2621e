// A real PostgreSQL with fsync on that can be killed, stopped, restarted and frozen as a whole.
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { connect, type Db } from '../../db/connect.ts'
import { type EmbeddedDatabase, startEmbedded } from '../../db/embedded.ts'
import type { Teardown } from '../support/process.ts'

export interface Cluster {
  readonly url: string
  /** Connected as a superuser, who sees every tenant's rows. */
  readonly owner: Db
  readonly dataDir: string
  /** Connects `owner` again after `owner.destroy()`. */
  reconnect(): void
  /** How often PostgreSQL's log has this text. */
  timesLogged(text: string): number
  /** False if it has ended by itself. */
  isRunning(): boolean
  /** Sends SIGKILL to all its processes at once, so that what was not on disk is lost. */
  kill(): Promise<void>
  /** PostgreSQL's fast shutdown. */
  stop(): Promise<void>
  /** Starts it again on the same port, with the same data. */
  start(): Promise<void>
  /** Sends SIGSTOP: connections stay open, and nobody answers. */
  freeze(): void
  thaw(): void
}

/** Makes the database durable, whatever the defaults become. */
const DURABLE = ['-c', 'fsync=on', '-c', 'synchronous_commit=on', '-c', 'full_page_writes=on']

/** @param options.folder where the data lie; by default a folder of its own, deleted at teardown */
export async function startCluster(
  t: Teardown,
  options: { maxConnections?: number; flags?: string[]; folder?: string } = {}
): Promise<Cluster> {
  const folder = options.folder ?? mkdtempSync(join(tmpdir(), 'muster-faults-'))
  const flags = [...DURABLE, '-c', `max_connections=${options.maxConnections ?? 100}`, ...(options.flags ?? [])]
  const log: string[] = []
  const onLog = (line: string) => void log.push(line)
  let running: EmbeddedDatabase | undefined = await startEmbedded(folder, { flags, onLog })
  const { url, port } = running
  const connectOwner = () => connect({ url, poolSize: 2, applicationName: 'faults' })
  let owner = connectOwner()
  const postmaster = () => Number(readFileSync(join(folder, 'postgres/postmaster.pid'), 'utf8').split('\n', 1)[0])
  const signalAll = (signal: NodeJS.Signals) => {
    const pid = postmaster()
    const all = [pid, ...childrenOf(pid)]
    for (const each of all) signalIfThere(each, signal)
    return all
  }
  const cluster: Cluster = {
    url,
    get owner() {
      return owner
    },
    dataDir: join(folder, 'postgres'),
    reconnect() {
      owner = connectOwner()
    },
    timesLogged: (text) => log.filter((line) => line.includes(text)).length,
    isRunning: () => existsSync(join(folder, 'postgres/postmaster.pid')) && signalIfThere(postmaster(), 0),
    async kill() {
      running = undefined
      const killed = cluster.isRunning() ? signalAll('SIGKILL') : []
      // a process that is left keeps the shared memory, and the next start would be refused
      while (killed.some((pid) => signalIfThere(pid, 0))) await setTimeout(10)
    },
    async stop() {
      if (cluster.isRunning()) await running?.stop()
      running = undefined
    },
    async start() {
      running ??= await startEmbedded(folder, { port, flags, onLog })
    },
    freeze: () => void signalAll('SIGSTOP'),
    thaw: () => void signalAll('SIGCONT')
  }
  t.teardown(async () => {
    if (cluster.isRunning()) cluster.thaw()
    await owner.destroy()
    await cluster.stop()
    if (!options.folder) rmSync(folder, { recursive: true, force: true })
  })
  return cluster
}

/** The child processes, from /proc, where each process names its parent. */
function childrenOf(pid: number): number[] {
  const parentOf = (child: string) => {
    try {
      // the name, in brackets, may contain anything
      return Number(
        readFileSync(`/proc/${child}/stat`, 'utf8')
          .replace(/^.*\) /s, '')
          .split(' ')[1]
      )
    } catch {
      return 0
    }
  }
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name) && parentOf(name) === pid)
    .map(Number)
}

/** Whether there was a process to signal. One that has ended and waits for its parent does not count. */
function signalIfThere(pid: number, signal: NodeJS.Signals | 0): boolean {
  try {
    process.kill(pid, signal)
    return !/^\d+ \(.*\) Z/s.test(readFileSync(`/proc/${pid}/stat`, 'utf8'))
  } catch {
    return false
  }
}
