// Two servers and two workers that know nothing of each other are asked the same things at the same time.
import assert from 'node:assert/strict'
import { setTimeout } from 'node:timers/promises'
import { reasonOf } from '../../client/index.ts'
import { holdInvariants, hurryRetries, storedUsers } from './invariants.ts'
import { inviteesOf, mailsSettled, repeated, type Scenario } from './scenario.ts'
import { createRest, createUsers, namesOf, openAgent, tally } from './traffic.ts'

export const crowd: Scenario = {
  fault: 'two servers and two workers at once, asked for the same people',
  async play(stage, { users, invitations }) {
    const agent = openAgent()
    try {
      const [one, two, ...workers] = await Promise.all([
        stage.startServer(),
        stage.startServer(),
        stage.startWorker(),
        stage.startWorker()
      ])
      const tenant = await stage.addTenant(one)
      const began = performance.now()
      const names = namesOf(tenant, users / 2)
      const invites = inviteesOf(tenant, invitations).map((email) => ({ email }))
      const invite = (server: typeof one, order: typeof invites) =>
        untilServed(() => stage.client(server, tenant.subdomain).invitations.create.mutate({ invites: order }))
      const traffic = [one, two].map((server) => createUsers(agent, () => server.port, tenant, names))
      const invited = await Promise.all([invite(one, invites), invite(two, [...invites].reverse())])
      await Promise.all(traffic.map(({ done }) => done))
      const made = names.filter((name) => traffic.some(({ answers }) => answers.get(name)!.status === 201))
      const statuses = tally(traffic.flatMap(({ answers }) => [...answers.values()]))
      assert.equal(statuses[201], made.length, 'nobody was made by both')
      assert.deepEqual(
        Object.keys(statuses).filter((status) => !['201', '409', '503'].includes(status)),
        []
      )
      await createRest(
        agent,
        two.port,
        tenant,
        names.filter((name) => !made.includes(name))
      )
      const total = (what: 'invited' | 'alreadyInvited') =>
        invited.reduce((sum, { counts }) => sum + (counts[what] ?? 0), 0)
      assert.deepEqual([total('invited'), total('alreadyInvited')], [invites.length, invites.length])
      await mailsSettled(stage, tenant, () => hurryRetries(stage.cluster.owner))
      const recoveryMs = performance.now() - began
      await holdInvariants(stage.cluster.owner)
      assert.deepEqual(repeated(stage.mail), [], 'each mail left once')
      const stored = await storedUsers(stage.cluster.owner, tenant.id)
      const reached = new Set(stage.mail.taken.map(({ to }) => to))
      await Promise.all([one, two, ...workers].map((each) => each.stop()))
      return {
        acknowledged: names.length + invites.length,
        kept:
          names.filter((name) => stored.has(name)).length + invites.filter(({ email }) => reached.has(email)).length,
        recoveryMs,
        note: `answers ${JSON.stringify(statuses)}: each user was made by one; each invitation made once; each mail left once (the time is that of all the work)`
      }
    } finally {
      await agent.destroy()
    }
  }
}

/** Asks again while a server says that it cannot serve now. */
async function untilServed<T>(ask: () => Promise<T>): Promise<T> {
  for (;;) {
    try {
      return await ask()
    } catch (error) {
      if (!['unavailable', 'overloaded'].includes(reasonOf(error) ?? '')) throw error
      await setTimeout(200)
    }
  }
}
