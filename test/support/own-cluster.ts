// A Citus cluster that one test has to itself, because it loses nodes or needs nodes that never had the server's role.
// It is made if tests run on a cluster (support/cluster.ts) and that cluster is on this machine.
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
  /** URLs of each node's database `postgres`, as a superuser; the coordinator comes first. */
  readonly nodes: readonly string[]
  /** Stops a node, which loses what was not on disk. */
  crash(node: 'worker1' | 'worker2'): Promise<void>
  /** Starts it again on the same port. */
  revive(node: 'worker1' | 'worker2'): Promise<void>
}

/** For `test(title, { skip: noOwnCluster }, …)`: why there can be none, or false. */
export const noOwnCluster = isOnCluster ? false : 'wants a cluster (TEST_CITUS_NODES)'

const SCRIPT = join(import.meta.dirname, 'citus.sh')

/** Starts a durable cluster, unlike the one that tests share; it is deleted at teardown. */
export async function startOwnCluster(t: Teardown): Promise<OwnCluster> {
  // PostgreSQL does not run as root, so the owner of the shared cluster's data owns this one, too
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

/** The first of three consecutive free ports. */
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
