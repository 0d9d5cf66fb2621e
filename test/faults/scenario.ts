// A fault, how to play it, and what came of it.
import assert from 'node:assert/strict'
import type { Agent } from 'undici'
import type { RunningProcess } from '../support/process.ts'
import type { Cluster } from './cluster.ts'
import { holdInvariants, mailStates, storedUsers } from './invariants.ts'
import type { MailSink } from './mail-sink.ts'
import type { Stage, Tenant } from './stage.ts'
import { createRest, createUsers, namesOf, persist, scim, type Traffic } from './traffic.ts'

/** How much is played: everything in `npm run faults`, a little in `npm test`. */
export interface Size {
  readonly users: number
  readonly invitations: number
  /** How many seconds something is away or frozen. */
  readonly awaySeconds: number
  /** Whether to shorten the service's own waits, where that can be done in the database. */
  readonly isHurried: boolean
}
export const WHOLE: Size = { users: 1_000, invitations: 300, awaySeconds: 20, isHurried: false }
export const LITTLE: Size = { users: 150, invitations: 40, awaySeconds: 1, isHurried: true }

export interface Outcome {
  /** Changes that were answered with success, or mails that were requested. */
  readonly acknowledged: number
  /** How many of those are there afterwards. */
  readonly kept: number
  /** Milliseconds until the service works again, from the end of the fault, or from the strike if it is sudden. */
  readonly recoveryMs: number
  /** What else the table says. */
  readonly note: string
}

export interface Scenario {
  readonly fault: string
  play(stage: Stage, size: Size): Promise<Outcome>
  /** Options for a PostgreSQL of its own, if the scenario needs one. */
  readonly cluster?: { maxConnections?: number; flags?: string[] }
  /** Why the scenario cannot be played here, if it cannot. */
  readonly skipped?: () => string | undefined
}

/**
 * Checks that acknowledged users are there, that nobody is half there, and that the rest can be created.
 * @returns how many were acknowledged and how many of them were kept
 */
export async function settleUsers(
  stage: { readonly cluster: Pick<Cluster, 'owner'> },
  agent: Agent,
  port: number,
  tenant: Tenant,
  traffic: Traffic
): Promise<{ acknowledged: number; kept: number; unknowingly: number }> {
  const acknowledged = [...traffic.answers].filter(([, { status }]) => status === 201)
  const stored = await storedUsers(stage.cluster.owner, tenant.id)
  const kept = acknowledged.filter(([userName, { id }]) => stored.get(userName) === id)
  await holdInvariants(stage.cluster.owner)
  const rest = [...traffic.answers.keys()].filter((userName) => traffic.answers.get(userName)!.status !== 201)
  const known = await createRest(agent, port, tenant, rest)
  for (const userName of known) assert.ok(stored.has(userName), `${userName} was made without an answer`)
  const all = await storedUsers(stage.cluster.owner, tenant.id)
  for (const userName of traffic.answers.keys()) assert.ok(all.has(userName), `${userName} is there`)
  await holdInvariants(stage.cluster.owner)
  const [userName, { id }] = acknowledged[0] ?? ['', { id: undefined }]
  if (id) {
    const { status, body } = await scim(agent, port, tenant, 'GET', `/Users/${id}`)
    assert.equal(status, 200)
    assert.equal((JSON.parse(body) as { userName: string }).userName, userName)
  }
  return { acknowledged: acknowledged.length, kept: kept.length, unknowingly: known.length }
}

export const inviteesOf = (tenant: Tenant, count: number) => namesOf(tenant, count, 'guest')

/** Waits until no mail of the tenant is queued. */
export async function mailsSettled(stage: Stage, tenant: Tenant, while_?: () => Promise<unknown>): Promise<void> {
  for (;;) {
    const states = await mailStates(stage.cluster.owner, tenant.id)
    if (!states['queued']) return
    await while_?.()
    await new Promise((done) => setTimeout(done, 50))
  }
}

/** Invites addresses as the operator would, in batches. @returns the addresses, each of which must get a mail */
export async function inviteAll(
  stage: Stage,
  server: RunningProcess,
  tenant: Tenant,
  emails: readonly string[]
): Promise<readonly string[]> {
  for (let from = 0; from < emails.length; from += 500) {
    const invites = emails.slice(from, from + 500).map((email) => ({ email }))
    const { counts } = await stage.client(server, tenant.subdomain).invitations.create.mutate({ invites })
    assert.deepEqual(counts, { invited: invites.length })
  }
  return emails
}

/** Starts a server and creates users, a quarter of whom have been acknowledged when the promise resolves. */
export async function startCreating(stage: Stage, agent: Agent, users: number) {
  const server = await stage.startServer()
  const tenant = await stage.addTenant(server)
  const traffic = createUsers(agent, () => server.port, tenant, namesOf(tenant, users))
  await traffic.acknowledged(users / 4)
  return { server, tenant, traffic }
}

/** Invites people and starts a worker, which has sent this share of their mails when the promise resolves. */
export async function startSending(stage: Stage, invitations: number, share: number) {
  const server = await stage.startServer()
  const tenant = await stage.addTenant(server)
  stage.mail.mood = { delayMs: 20 }
  const emails = await inviteAll(stage, server, tenant, inviteesOf(tenant, invitations))
  const worker = await stage.startWorker()
  await persist(
    async () => (await mailStates(stage.cluster.owner, tenant.id))['sent'] ?? 0,
    (sent) => sent >= invitations * share
  )
  return { server, tenant, emails, worker }
}

/** Message-IDs of mails that were taken more than once. */
export const repeated = (mail: MailSink): string[] =>
  [...mail.timesTaken()].filter(([, times]) => times > 1).map(([messageId]) => messageId)
