// SIGTERM: running work is finished within ten seconds, nothing new is taken, and nobody is left waiting.
import assert from 'node:assert/strict'
import { holdInvariants, hurryRetries, mailStates, storedUsers } from './invariants.ts'
import {
  inviteAll,
  inviteesOf,
  mailsSettled,
  repeated,
  type Scenario,
  startCreating,
  startSending
} from './scenario.ts'
import { createUsers, namesOf, openAgent, scim, tally } from './traffic.ts'

const PROMISED_MS = 10_000

/** @returns how many milliseconds it took to end */
async function stopInTime(stop: () => Promise<number | null>, status: number): Promise<number> {
  const began = performance.now()
  assert.equal(await stop(), status, 'the status that it ends with')
  const tookMs = performance.now() - began
  assert.ok(tookMs < PROMISED_MS, `it took ${tookMs} ms`)
  return tookMs
}

export const serverStopped: Scenario = {
  fault: 'SIGTERM to the server in the middle of concurrent creates',
  async play(stage, { users }) {
    const agent = openAgent()
    try {
      const { server, tenant, traffic } = await startCreating(stage, agent, users)
      const recoveryMs = await stopInTime(server.stop, 0)
      assert.doesNotMatch(server.output(), /not answered in time/, 'no client was hung up on')
      await traffic.done
      const statuses = tally(traffic.answers.values())
      assert.equal((await scim(agent, server.port, tenant, 'GET', '/Users')).status, 0, 'nobody listens any more')
      const stored = await storedUsers(stage.cluster.owner, tenant.id)
      const acknowledged = [...traffic.answers.values()].filter(({ status }) => status === 201)
      assert.equal(stored.size, acknowledged.length, 'what was begun was answered')
      await holdInvariants(stage.cluster.owner)
      const kept = acknowledged.filter(({ id }) => [...stored.values()].includes(id!)).length
      return {
        acknowledged: acknowledged.length,
        kept,
        recoveryMs,
        note: `ended with status 0; answers ${JSON.stringify(statuses)}; nobody was made without an answer (the time is that until the end)`
      }
    } finally {
      await agent.destroy()
    }
  }
}

export const workerStopped: Scenario = {
  fault: 'SIGTERM to the worker in the middle of sending',
  async play(stage, { invitations }) {
    const { owner } = stage.cluster
    const { server, tenant, emails, worker } = await startSending(stage, invitations, 1 / 8)
    const recoveryMs = await stopInTime(worker.stop, 0)
    const left = (await mailStates(owner, tenant.id))['sent']
    await holdInvariants(owner)
    const another = await stage.startWorker()
    await mailsSettled(stage, tenant, () => hurryRetries(owner))
    assert.deepEqual(repeated(stage.mail), [])
    await Promise.all([another.stop(), server.stop()])
    const reached = new Set(stage.mail.taken.map(({ to }) => to))
    return {
      acknowledged: emails.length,
      kept: emails.filter((email) => reached.has(email)).length,
      recoveryMs,
      note: `ended with status 0 after ${left} of ${emails.length} mails; another worker sent the rest; no mail left twice (the time is that until the end)`
    }
  }
}

export const stoppedWhileStuck: Scenario = {
  fault: 'SIGTERM while PostgreSQL and the mail server answer nothing',
  async play(stage, { invitations }) {
    const count = Math.min(invitations, 20)
    const agent = openAgent()
    try {
      const [server, worker] = [await stage.startServer(), await stage.startWorker()]
      const tenant = await stage.addTenant(server)
      const isSending = Promise.withResolvers<void>()
      stage.mail.mood = {
        delayMs: 60_000,
        refuses: () => {
          isSending.resolve()
          return undefined
        }
      }
      const emails = await inviteAll(stage, server, tenant, inviteesOf(tenant, count))
      await isSending.promise
      stage.cluster.freeze()
      const traffic = createUsers(agent, () => server.port, tenant, namesOf(tenant, 10))
      const began = performance.now()
      await Promise.all([server.stop(), worker.stop()])
      const recoveryMs = performance.now() - began
      assert.ok(recoveryMs < PROMISED_MS, `it took ${recoveryMs} ms`)
      await traffic.done
      stage.cluster.thaw()
      await holdInvariants(stage.cluster.owner)
      const states = await mailStates(stage.cluster.owner, tenant.id)
      assert.equal(states['queued'], emails.length, 'the mails are still to be sent')
      return {
        acknowledged: emails.length,
        kept: states['queued'],
        recoveryMs,
        note: `both ended in time; answers ${JSON.stringify(tally(traffic.answers.values()))}; ${states['queued']} mails are in the queue (the time is that until the end)`
      }
    } finally {
      await agent.destroy()
    }
  }
}
