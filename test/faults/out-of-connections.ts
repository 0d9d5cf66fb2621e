// PostgreSQL has no connection left: those that are open keep working, other requests are told to come back, and a
// starting process waits.
import assert from 'node:assert/strict'
import pg from 'pg'
import { type Scenario, settleUsers } from './scenario.ts'
import { createUsers, namesOf, openAgent, persist, scim, tally, timeUntilServing } from './traffic.ts'

export const outOfConnections: Scenario = {
  fault: 'PostgreSQL out of connections',
  cluster: { maxConnections: 24 },
  async play(stage, { users }) {
    const agent = openAgent()
    const hogs: pg.Client[] = []
    try {
      const server = await stage.startServer()
      const tenant = await stage.addTenant(server)
      await takeAll(stage.cluster.url, hogs)
      let isWaiting = true
      const starting = stage.startServer().finally(() => {
        isWaiting = false
      })
      const traffic = createUsers(agent, () => server.port, tenant, namesOf(tenant, users))
      await traffic.done
      const statuses = tally(traffic.answers.values())
      await persist(
        () => scim(agent, server.port, tenant, 'GET', '/Users?count=1'),
        ({ status }) => status === 200 || status === 503
      )
      const hasWaited = isWaiting
      await giveBack(hogs)
      const recoveryMs = await timeUntilServing(agent, server.port, tenant)
      const another = await starting
      const { acknowledged, kept } = await settleUsers(stage, agent, another.port, tenant, traffic)
      for (const { status, retryAfter } of traffic.answers.values()) {
        assert.ok(status === 201 || (status === 503 && Number(retryAfter) > 0), `${status}, Retry-After ${retryAfter}`)
      }
      await Promise.all([server.stop(), another.stop()])
      return {
        acknowledged,
        kept,
        recoveryMs,
        note: `${users} creates at once; answers ${JSON.stringify(statuses)}; a server that was started meanwhile ${hasWaited ? 'waited' : 'found a connection'}, and serves`
      }
    } finally {
      await giveBack(hogs)
      await agent.destroy()
    }
  }
}

/** Opens connections until PostgreSQL has none left. */
async function takeAll(url: string, hogs: pg.Client[]): Promise<void> {
  for (;;) {
    const client = new pg.Client({ connectionString: url })
    client.on('error', () => {})
    try {
      await client.connect()
    } catch (error) {
      assert.equal((error as { code?: string }).code, '53300')
      return
    }
    hogs.push(client)
  }
}

const giveBack = (hogs: pg.Client[]) => Promise.all(hogs.splice(0).map((hog) => hog.end()))
