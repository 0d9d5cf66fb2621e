// Measures what no closed loop shows: mails, sign-ins beside other work, the start, memory.
import { spawn } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import bcrypt from 'bcrypt'
import { sql } from 'kysely'
import type { Db } from '../../db/connect.ts'
import { freePort } from '../../db/embedded.ts'
import { insertRows } from '../../db/rows.ts'
import { cpuMicros, residentMiB, treeMicros } from './cpu.ts'
import { askOnce } from './load.ts'
import { addressOf, type Population, subdomainOf, userId } from './population.ts'
import { environment, hasEnded, OPERATOR_TOKEN, ROOT, type Stack } from './stack.ts'
import type { Ask, SourceContext } from './workload.ts'
import { untilMailsHaveLeft } from './workloads/admin.ts'
import { toScim, toTrpcMutation, toTrpcQuery } from './workloads/asks.ts'

/** A measured value with its bound. */
export interface Extra {
  readonly title: string
  readonly value: number
  readonly unit: string
  readonly atMost?: number
  readonly atLeast?: number
}

const contextOf = (stack: Stack, population: Population): SourceContext => ({
  population,
  ports: stack.ports,
  operatorToken: OPERATOR_TOKEN
})

/** Time for a process to notice that it has nothing left to do. */
const REST_MS = 8_000
/** Time for it to give back what it remembers for a minute. */
const FORGOTTEN_MS = 90_000
const MAILS = 1_000
let called = 0

/** How soon the first mail arrives, and at what rate a thousand do. */
export async function measureMails(stack: Stack, db: Db, population: Population): Promise<Extra[]> {
  const tenant = population.firstTenant
  const run = `${Date.now()}-${called++}`
  const invite = (count: number) =>
    askOnce(
      stack.ports.muster,
      toTrpcMutation(contextOf(stack, population), tenant, 'invitations.create', {
        input: {
          invites: Array.from({ length: count }, (_, i) => ({ email: `m${i}-${count}-${run}@mails.example.com` }))
        }
      })
    )
  await untilMailsHaveLeft(db)
  await stack.mails(0)
  const calledAt = performance.timeOrigin + performance.now()
  await invite(1)
  const [firstAt] = await stack.mails(1)
  await invite(MAILS)
  const arrivals = await stack.mails(MAILS)
  const seconds = (arrivals.at(-1)! - arrivals[0]!) / 1000
  return [
    { title: 'the mail of one invitation, from the call on', value: firstAt! - calledAt, unit: 'ms', atMost: 200 },
    { title: 'mails of 1,000 invitations by one worker', value: (MAILS - 1) / seconds, unit: '/s', atLeast: 300 }
  ]
}

const SIGN_INS = 50
const PASSWORD = 'correct horse battery staple'
/** The server's default cost of bcrypt. */
const COST = 12

/** What 50 simultaneous sign-ins do to the slowest answers of SCIM. */
export async function measureSignIns(stack: Stack, db: Db, population: Population, seconds: number): Promise<Extra[]> {
  const tenant = population.firstTenant
  const users = Array.from({ length: SIGN_INS }, (_, index) => index + 1)
  const hash = await bcrypt.hash(PASSWORD, COST)
  await insertRows(
    db,
    'user_credentials',
    { tenant_id: 'int', user_id: 'uuid', password_hash: 'text', updated_at: 'timestamptz' },
    users.map((user) => ({
      tenant_id: tenant,
      user_id: userId(tenant, user),
      password_hash: hash,
      updated_at: new Date()
    }))
  )
  const ids = users.map((user) => userId(tenant, user))
  await sql`update users set state = 'active' where tenant_id = ${tenant} and id = any(${ids}::uuid[])`.execute(db)
  const read = () =>
    stack.drive({
      workload: 'get-user',
      side: 'muster',
      context: contextOf(stack, population),
      load: { connections: 16, seconds, maxRequests: 1e9 }
    })
  await read()
  const idle = await read()
  const signingIn = Promise.all(users.map((user) => askOnce(stack.ports.muster, signIn(stack, population, user))))
  const busy = await read()
  await signingIn
  return [
    {
      title: `GET /Users/{id} during ${SIGN_INS} sign-ins: p99 as a multiple of the idle one`,
      value: busy.p99 / idle.p99,
      unit: '×',
      atMost: 3
    }
  ]
}

function signIn(stack: Stack, { firstTenant, users }: Population, user: number): Ask {
  const host = `${subdomainOf(firstTenant)}.localhost:${stack.ports.muster}`
  return {
    method: 'POST',
    path: '/trpc/auth.signIn',
    headers: `host: ${host}\r\norigin: http://${host}\r\ncontent-type: application/json\r\n`,
    body: JSON.stringify({ email: addressOf(firstTenant, users, user), password: PASSWORD }),
    status: 200
  }
}

/** The size of all tables with their indexes, in bytes. */
export async function storageOf(db: Db): Promise<number> {
  const { rows } = await sql<{ bytes: string }>`
    select sum(pg_total_relation_size(c.oid)) as bytes from pg_class c
    where c.relkind = 'r' and c.relnamespace = 'public'::regnamespace`.execute(db)
  return Number(rows[0]!.bytes)
}

/** The disk space of a user with emails, memberships and all indexes, before anything has changed. */
export const storageExtra = ({ label, tenants, users }: Population, bytes: number): Extra => ({
  title: `tables and indexes, ${label}`,
  value: bytes / (tenants * users),
  unit: 'bytes a user'
})

/**
 * The cost of a request from a tenant that the server does not remember: first by its SCIM token, then by its API
 * token.
 */
export async function visitExtras(stack: Stack, population: Population): Promise<Extra[]> {
  const used = () => [cpuMicros(stack.pids.muster), treeMicros(stack.pids.database)] as const
  const before = used()
  await visitTenants(stack, population)
  const after = used()
  return ['server', 'database'].map((side, index) => ({
    title: `a request by a token that is not remembered, each on its own connection, ${population.label}: ${side}`,
    value: (after[index]! - before[index]!) / (2 * population.tenants),
    unit: 'µs'
  }))
}

/** Sends a request with both tokens of each tenant. The server then remembers them for a minute. */
export async function visitTenants(stack: Stack, population: Population): Promise<void> {
  const context = contextOf(stack, population)
  const visit = async (tenant: number) => {
    const id = userId(tenant, 1)
    await askOnce(stack.ports.muster, toScim(context, tenant, { method: 'GET', path: `/Users/${id}`, status: 200 }))
    await askOnce(stack.ports.muster, toTrpcQuery(context, tenant, 'users.get', { input: { userId: id } }))
  }
  const { firstTenant, tenants } = population
  let next = 0
  await Promise.all(
    Array.from({ length: 8 }, async () => {
      while (next < tenants) await visit(firstTenant + next++)
    })
  )
}

/** The memory after the whole run, once its last work is done. */
export async function measureMemory(stack: Stack): Promise<Extra[]> {
  const title = 'resident memory of the server after the run'
  const resident = (what: string): Extra => ({
    title: `${title}, ${what}`,
    value: residentMiB(stack.pids.muster),
    unit: 'MiB',
    atMost: 180
  })
  await setTimeout(REST_MS)
  const atRest = resident('at rest')
  await setTimeout(FORGOTTEN_MS)
  return [atRest, resident('a minute and a half later')]
}

/** The time from `npm start`, with an existing database folder of its own, to the first answered request. */
export async function measureStart(): Promise<Extra> {
  const folder = mkdtempSync(join(tmpdir(), 'muster-bench-start-'))
  try {
    await startAndStop(folder)
    const seconds = await startAndStop(folder)
    return { title: '`npm start` to the first answered request', value: seconds, unit: 's', atMost: 3 }
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

async function startAndStop(folder: string): Promise<number> {
  const port = await freePort()
  const began = performance.now()
  const npm = spawn('npm', ['start'], {
    cwd: ROOT,
    env: environment({ DATA_DIR: folder, PORT: String(port) }),
    stdio: 'ignore',
    // in a process group of its own, so that a signal reaches npm and what it runs
    detached: true
  })
  const isGone = () => hasEnded(npm) && !existsSync(join(folder, 'postgres/postmaster.pid'))
  try {
    await until(async () => {
      if (hasEnded(npm)) throw new Error(`npm start ended with status ${npm.exitCode}`)
      return fetch(`http://127.0.0.1:${port}/healthz`).then(
        ({ ok }) => ok,
        () => false
      )
    })
    return (performance.now() - began) / 1000
  } finally {
    if (!hasEnded(npm)) process.kill(-npm.pid!, 'SIGTERM')
    await until(async () => isGone())
  }
}

async function until(isDone: () => Promise<boolean>): Promise<void> {
  while (!(await isDone())) await setTimeout(10)
}
