// A Citus cluster of a test's own, for what no other test can go on beside: nodes that are lost, or that have never seen
// the server's role. Made where tests run on a cluster (support/cluster.ts) that is on this machine.
import { execFile } from 'node:child_process'
import { chownSync, mkdtempSync, rmSync, statSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { freePort } from '../../db/embedded.ts'
import { dataDirectory, isOnCluster } from './cluster.ts'
import type { Teardown } from './process.ts'

export interface OwnCluster {
  /** Of each node's database `postgres`, as a superuser; the coordinator first. */
  readonly nodes: readonly string[]
  /** What was not on disk is lost. */
  crash(node: 'worker1' | 'worker2'): Promise<void>
  /** Comes back on the same port. */
  revive(node: 'worker1' | 'worker2'): Promise<void>
}

/** Why there is none, for a test to be skipped. */
export const noOwnCluster = isOnCluster ? false : 'wants a cluster (TEST_CITUS_NODES)'

const SCRIPT = join(import.meta.dirname, 'citus.sh')

/** Durable, unlike the one that tests share; deleted at teardown. */
export async function startOwnCluster(t: Teardown): Promise<OwnCluster> {
  // PostgreSQL does not run as root: whoever has the shared cluster has this one
  const { uid, gid } = statSync(await dataDirectory())
  const folder = mkdtempSync(join(tmpdir(), 'muster-cluster-'))
  chownSync(folder, uid, gid)
  const run = (...args: string[]) =>
    promisify(execFile)('sh', [SCRIPT, ...args], {
      ...(process.getuid?.() === 0 && { uid, gid }),
      env: { PATH: process.env.PATH, DURABLE: '1', ...(process.env.PG_BIN && { PG_BIN: process.env.PG_BIN }) }
    })
  t.teardown(async () => {
    await run('stop', folder).catch(() => {})
    rmSync(folder, { recursive: true, force: true })
  })
  const { stdout } = await run('start', folder, String(await threeFreePorts()))
  const nodes = /^TEST_CITUS_NODES=(.*)$/m.exec(stdout)![1]!.split(',')
  return {
    nodes,
    crash: async (node) => void (await run('crash', folder, node)),
    revive: async (node) => void (await run('revive', folder, node))
  }
}

/** The first of three that follow one another. */
async function threeFreePorts(): Promise<number> {
  for (;;) {
    const first = await freePort()
    if ((await isFree(first + 1)) && (await isFree(first + 2))) return first
  }
}

const isFree = (port: number) =>
  new Promise<boolean>((resolve) => {
    const server = createServer()
    server.once('error', () => resolve(false))
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)))
  })
