// No space is left: first for tables while the log can still be written, then for everything, which ends PostgreSQL.
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { appendFileSync, chmodSync, chownSync, mkdirSync, mkdtempSync, rmSync, statfsSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { sql } from 'kysely'
import pg from 'pg'
import type { Agent } from 'undici'
import { type Cluster, startCluster } from './cluster.ts'
import { type Outcome, type Scenario, type Size, settleUsers } from './scenario.ts'
import type { Stage, Tenant } from './stage.ts'
import { createUsers, namesOf, openAgent, persist, type Traffic, tally, timeUntilServing } from './traffic.ts'

const MIB = 1024 * 1024
/** A file system of so many bytes in memory, with a file that can fill it. */
class SmallDisk {
  readonly folder: string
  private readonly ballast: string

  constructor(bytes: number) {
    this.folder = mkdtempSync(join(tmpdir(), 'muster-small-disk-'))
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${bytes},mode=755`, 'tmpfs', this.folder])
    chmodSync(this.folder, 0o755)
    this.ballast = join(this.folder, 'ballast')
  }

  /** Fills it completely. */
  fill(): void {
    const { bavail, bsize } = statfsSync(this.folder)
    try {
      appendFileSync(this.ballast, Buffer.alloc(bavail * bsize))
    } catch (error) {
      // PostgreSQL took some space meanwhile; what could be written fills the rest
      if ((error as { code?: string }).code !== 'ENOSPC') throw error
    }
  }

  free(): void {
    rmSync(this.ballast, { force: true })
  }

  remove(): void {
    execFileSync('umount', ['-l', this.folder])
    rmSync(this.folder, { recursive: true, force: true })
  }
}

/** @returns why there can be no small disk here */
function noSmallDisk(): string | undefined {
  if (process.platform !== 'linux' || process.getuid?.() !== 0) return 'a small file system is mounted by root on Linux'
  try {
    new SmallDisk(MIB).remove()
    return undefined
  } catch (error) {
    return `no file system can be mounted here: ${(error as Error).message.split('\n')[0]}`
  }
}

interface Full {
  disk: SmallDisk
  /** What else must fail properly when the disk is full. */
  meanwhile?: () => Promise<unknown>
  comeBack?: () => Promise<unknown>
}

async function playFull(stage: Stage, { users }: Size, { disk, meanwhile, comeBack }: Full): Promise<Outcome> {
  const agent = openAgent()
  try {
    const server = await stage.startServer()
    const tenant = await stage.addTenant(server)
    const full = Promise.withResolvers<void>()
    // half of them are sent when it is full
    const traffic = createUsers(
      agent,
      () => server.port,
      tenant,
      namesOf(tenant, users),
      (index) => (index < users / 2 ? undefined : full.promise)
    )
    await traffic.acknowledged(users / 4)
    disk.fill()
    full.resolve()
    await meanwhile?.()
    await traffic.done
    // a table with room in a page takes a few more rows, until it needs another page
    const more = await fillUp(agent, server.port, tenant)
    disk.free()
    const freedAt = performance.now()
    await comeBack?.()
    await timeUntilServing(agent, server.port, tenant)
    const recoveryMs = performance.now() - freedAt
    for (const [userName, answer] of more) traffic.answers.set(userName, answer)
    const { acknowledged, kept } = await settleUsers(stage, agent, server.port, tenant, traffic)
    const statuses = tally(traffic.answers.values())
    assert.ok((statuses[503] ?? 0) > 0, `the disk was full: ${JSON.stringify(statuses)}`)
    assert.deepEqual(Object.keys(statuses), ['201', '503'], 'nothing but 201 and 503 is answered')
    for (const { status, retryAfter } of traffic.answers.values()) assert.ok(status === 201 || Number(retryAfter) > 0)
    await server.stop()
    const said = stage.cluster.timesLogged('No space left on device')
    return {
      acknowledged,
      kept,
      recoveryMs,
      note: `answers ${JSON.stringify(statuses)}; PostgreSQL found no space ${said} times`
    }
  } finally {
    await agent.destroy()
  }
}

/** Creates users until one is refused. */
async function fillUp(agent: Agent, port: number, tenant: Tenant): Promise<Traffic['answers']> {
  const answers: Traffic['answers'] = new Map()
  for (let round = 0; round < 50; round++) {
    const traffic = createUsers(agent, () => port, tenant, namesOf(tenant, 200, `more${round}x`))
    await traffic.done
    for (const [userName, answer] of traffic.answers) answers.set(userName, answer)
    if ([...traffic.answers.values()].some(({ status }) => status === 503)) break
  }
  return answers
}

export const tablesFull: Scenario = {
  fault: 'disk full under the tables',
  skipped: noSmallDisk,
  async play(stage, size): Promise<Outcome> {
    const disk = new SmallDisk(64 * MIB)
    try {
      await moveTables(stage, disk.folder)
      const outcome = await playFull(stage, size, { disk })
      const panics = stage.cluster.timesLogged('PANIC')
      return { ...outcome, note: `${outcome.note}, and ${panics === 0 ? 'ran on' : 'broke down'}` }
    } finally {
      await stage.cluster.stop()
      disk.remove()
    }
  }
}

/** Moves the database to a tablespace on the small disk. */
async function moveTables(stage: Stage, folder: string): Promise<void> {
  const location = join(folder, 'tables')
  mkdirSync(location)
  const { uid, gid } = statSync(stage.cluster.dataDir)
  chownSync(location, uid, gid)
  await stage.cluster.owner.destroy()
  const url = new URL(stage.cluster.url)
  url.pathname = '/postgres'
  const client = new pg.Client({ connectionString: url.href })
  await client.connect()
  try {
    await client.query(`create tablespace small location '${location}'`)
    // its connections are closed, but PostgreSQL may not have noticed yet
    await persist(
      () => client.query('alter database muster set tablespace small').catch((error) => error),
      (answer) => answer.code !== '55006'
    )
  } finally {
    await client.end()
  }
  stage.cluster.reconnect()
}

export const everythingFull: Scenario = {
  fault: 'disk full under PostgreSQL as a whole, its log too',
  skipped: noSmallDisk,
  async play(stage, size): Promise<Outcome> {
    await stage.cluster.stop()
    const disk = new SmallDisk(192 * MIB)
    const closers: (() => unknown)[] = []
    try {
      const cluster = await startCluster(
        { teardown: (work: () => unknown) => closers.push(work) },
        {
          folder: disk.folder
        }
      )
      const outcome = await playFull(stage.on(cluster), size, {
        disk,
        meanwhile: () => exhaustLog(cluster, disk),
        async comeBack() {
          await cluster.kill()
          await cluster.start()
        }
      })
      const panics = cluster.timesLogged('PANIC')
      assert.ok(panics > 0, 'it breaks down, as it must without its log')
      return { ...outcome, note: `${outcome.note}, broke down ${panics} times, ended, and was started again` }
    } finally {
      for (const closer of closers.reverse()) await closer()
      disk.remove()
    }
  }
}

/** Uses up the log's prepared segments, until PostgreSQL needs another one and ends. */
async function exhaustLog(cluster: Cluster, disk: SmallDisk): Promise<void> {
  while (cluster.isRunning()) {
    disk.fill()
    await sql`select pg_logical_emit_message(true, 'fault', repeat('x', 1024)), pg_switch_wal()`
      .execute(cluster.owner)
      .catch(() => setTimeout(20))
  }
}
