// PostgreSQL is killed, restarted or frozen during creates and sending of mails: servers and workers recover by
// themselves.
import assert from 'node:assert/strict'
import { setTimeout } from 'node:timers/promises'
import { hurryRetries, sentMessageIds } from './invariants.ts'
import {
  inviteAll,
  inviteesOf,
  mailsSettled,
  type Outcome,
  repeated,
  type Scenario,
  type Size,
  settleUsers
} from './scenario.ts'
import type { Stage } from './stage.ts'
import { createUsers, namesOf, openAgent, scim, tally, timeUntilServing } from './traffic.ts'

/** How PostgreSQL goes away and comes back while 1,000 users are created and invitations are sent. */
interface Absence {
  go(stage: Stage): Promise<unknown>
  comeBack(stage: Stage): Promise<unknown>
  awaySeconds: number
  /** Whether it is away for longer than anything waits. */
  isTooLong?: boolean
}

/**
 * Creates that arrive together are written together, so these are sent one after the other, to be in the middle of
 * them.
 */
const BETWEEN_MS = 2

async function playAbsence(stage: Stage, { users, invitations }: Size, absence: Absence): Promise<Outcome> {
  const agent = openAgent()
  try {
    const [server, worker] = [await stage.startServer(), await stage.startWorker()]
    const tenant = await stage.addTenant(server)
    stage.mail.mood = { delayMs: 20 }
    const emails = await inviteAll(stage, server, tenant, inviteesOf(tenant, invitations))
    const half = users / 2
    const strike = Promise.withResolvers<void>()
    // the second half is sent after the strike
    const traffic = createUsers(
      agent,
      () => server.port,
      tenant,
      namesOf(tenant, users),
      (index) =>
        index < half
          ? setTimeout(index * BETWEEN_MS)
          : strike.promise.then(() => setTimeout((index - half) * BETWEEN_MS))
    )
    await traffic.acknowledged(users / 4)
    const underWay = traffic.underWay()
    strike.resolve()
    await absence.go(stage)
    const away = setTimeout(absence.awaySeconds * 1_000)
    const askMeanwhile = () => scim(agent, server.port, tenant, 'GET', '/Users?count=1')
    const meanwhile = absence.awaySeconds > 0 ? await Promise.race([askMeanwhile(), away]) : undefined
    await away
    await absence.comeBack(stage)
    const recoveryMs = await timeUntilServing(agent, server.port, tenant)
    await traffic.done
    const { acknowledged, kept, unknowingly } = await settleUsers(stage, agent, server.port, tenant, traffic)
    await mailsSettled(stage, tenant, () => hurryRetries(stage.cluster.owner))
    const known = await sentMessageIds(stage.cluster.owner, tenant.id)
    const reached = new Set(stage.mail.taken.map(({ to }) => to))
    const unanswered = [...traffic.answers.values()].filter(({ status }) => status === 503)
    for (const { retryAfter } of unanswered) assert.ok(Number(retryAfter) > 0, '503 says when to try again')
    const statuses = tally(traffic.answers.values())
    assert.deepEqual(
      Object.keys(statuses).filter((status) => !['201', '503'].includes(status)),
      [],
      'nothing but 201 and 503 is answered'
    )
    if (absence.isTooLong) assert.ok(unanswered.length > 0, 'who waited for too long is answered 503')
    assert.equal(known.size, emails.length, 'every mail is known to have left')
    assert.equal(server.child.exitCode ?? worker.child.exitCode, null, 'both run on')
    await Promise.all([worker.stop(), server.stop()])
    return {
      acknowledged: acknowledged + emails.length,
      kept: kept + emails.filter((email) => reached.has(email)).length,
      recoveryMs,
      note: `${users} creates, ${underWay} under way when it struck, and ${emails.length} mails; answers ${JSON.stringify(statuses)}${meanwhile ? `, a read meanwhile ${meanwhile.status}` : ''}; ${unknowingly} made without an answer; ${repeated(stage.mail).length} mails left twice`
    }
  } finally {
    await agent.destroy()
  }
}

export const databaseKilled: Scenario = {
  fault: 'kill -9 of PostgreSQL in the middle of creates and of sending',
  play: (stage, size) =>
    playAbsence(stage, size, {
      go: ({ cluster }) => cluster.kill(),
      comeBack: ({ cluster }) => cluster.start(),
      awaySeconds: Math.min(size.awaySeconds, 3)
    })
}

export const databaseRestarted: Scenario = {
  fault: 'PostgreSQL restarted in the middle of creates and of sending',
  play: (stage, size) =>
    playAbsence(stage, size, {
      go: ({ cluster }) => cluster.stop(),
      comeBack: ({ cluster }) => cluster.start(),
      awaySeconds: 0
    })
}

export const databaseFrozen: Scenario = {
  fault: 'PostgreSQL frozen (SIGSTOP) for 20 s in the middle of creates and of sending',
  play: (stage, size) =>
    playAbsence(stage, size, {
      go: async ({ cluster }) => cluster.freeze(),
      comeBack: async ({ cluster }) => cluster.thaw(),
      awaySeconds: size.awaySeconds
    })
}

/**
 * What was sent before the freeze is given up after 35 s, and later requests after 5 s; PostgreSQL may do them all the
 * same.
 */
export const databaseFrozenForLong: Scenario = {
  fault: 'PostgreSQL frozen (SIGSTOP) for 45 s, longer than an answer is waited for',
  play: (stage, size) =>
    playAbsence(stage, size, {
      go: async ({ cluster }) => cluster.freeze(),
      comeBack: async ({ cluster }) => cluster.thaw(),
      awaySeconds: 45,
      isTooLong: true
    })
}
