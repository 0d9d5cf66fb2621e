// A node of a Citus cluster is lost during creates and comes back. What was acknowledged is there, nobody is half
// there, tenants on the other node are served meanwhile, and the server recovers without help.
import { setTimeout } from 'node:timers/promises'
import { sql } from 'kysely'
import { test } from 'tap'
import { connect } from '../../db/connect.ts'
import { settleUsers } from '../faults/scenario.ts'
import type { Tenant } from '../faults/stage.ts'
import { createUsers, namesOf, openAgent, scim, tally, timeUntilServing } from '../faults/traffic.ts'
import { createOnCluster } from '../support/cluster.ts'
import { noOwnCluster, startOwnCluster } from '../support/own-cluster.ts'
import { PATCH_OP } from '../support/urns.ts'
import { addTenant, startServer } from './service.ts'

/** The users of each tenant; the second half is sent after the loss. */
const USERS = 150
const AWAY_MS = 2_000
/** Creates that arrive together are written together. */
const BETWEEN_MS = 2

test('a node that is lost', { skip: noOwnCluster, timeout: 110_000 }, async (t) => {
  const cluster = await startOwnCluster(t)
  const url = await createOnCluster('muster', cluster.nodes)
  const owner = connect({ url, poolSize: 1, isCitus: true })
  t.teardown(() => owner.destroy())
  // how often transactions that only the coordinator has committed are committed on a node that is back; by default
  // every minute
  await sql`alter system set citus.recover_2pc_interval = '1s'`.execute(owner)
  await sql`select pg_reload_conf()`.execute(owner)
  const server = await startServer(t, url)
  const agent = openAgent()
  t.teardown(() => agent.destroy())

  const portOf = async ({ id }: Tenant) => {
    const { rows } = await sql<{ port: number }>`
      select nodeport as port from citus_shards
      where shardid = get_shard_id_for_distribution_column('users', ${sql.lit(id)})`.execute(owner)
    return rows[0]!.port
  }
  const [lost, kept] = cluster.nodes.slice(1).map((node) => Number(new URL(node).port))
  const tenants = new Map<number, Tenant>()
  for (let number = 0; tenants.size < 2; number++) {
    const tenant = await addTenant(server.port, `tenant${number}`)
    tenants.set(await portOf(tenant), tenant)
  }
  const [there, elsewhere] = [tenants.get(lost!)!, tenants.get(kept!)!]
  const ask = (tenant: Tenant, ...rest: [Parameters<typeof scim>[3], string, unknown?]) =>
    scim(agent, server.port, tenant, ...rest)

  const half = USERS / 2
  const strike = Promise.withResolvers<void>()
  const traffic = [there, elsewhere].map((tenant) =>
    createUsers(
      agent,
      () => server.port,
      tenant,
      namesOf(tenant, USERS),
      (index) =>
        index < half
          ? setTimeout(index * BETWEEN_MS)
          : strike.promise.then(() => setTimeout((index - half) * BETWEEN_MS))
    )
  )
  await Promise.all(traffic.map((each) => each.acknowledged(USERS / 4)))
  const { id: known } = [...traffic[1]!.answers.values()].find(({ status }) => status === 201)!
  strike.resolve()
  await cluster.crash('worker1')

  await t.test('answers its tenants 503 meanwhile, while those of the other node are served', async (t) => {
    const patch = (value: string) => ({
      schemas: [PATCH_OP],
      Operations: [{ op: 'replace', path: 'title', value }]
    })
    const began = performance.now()
    for (let turn = 0; turn < 10 || performance.now() - began < AWAY_MS; turn++) {
      t.equal((await ask(there, 'GET', '/Users?count=1')).status, 503)
      t.equal((await ask(elsewhere, 'GET', '/Users?count=1')).status, 200)
      t.equal((await ask(elsewhere, 'PATCH', `/Users/${known}`, patch(`turn ${turn}`))).status, 200)
      await setTimeout(100)
    }
  })

  await t.test('serves its tenants afterwards without help', async (t) => {
    await cluster.revive('worker1')
    for (const tenant of [there, elsewhere]) await timeUntilServing(agent, server.port, tenant)
    t.equal(server.child.exitCode, null)
  })

  await t.test('has lost nothing that was acknowledged, and nobody is half there', async (t) => {
    await Promise.all(traffic.map(({ done }) => done))
    for (;;) {
      const { rows } = await sql<{ result: string }>`
        select result from run_command_on_workers('select count(*) from pg_prepared_xacts')`.execute(owner)
      if (rows.every(({ result }) => result === '0')) break
      await setTimeout(100)
    }
    for (const [place, tenant] of [there, elsewhere].entries()) {
      const statuses = tally(traffic[place]!.answers.values())
      t.strictSame(
        Object.keys(statuses).filter((status) => !['201', '503'].includes(status)),
        [],
        `nothing but 201 and 503 is answered: ${JSON.stringify(statuses)}`
      )
      const { acknowledged, kept } = await settleUsers(
        { cluster: { owner } },
        agent,
        server.port,
        tenant,
        traffic[place]!
      )
      t.equal(kept, acknowledged)
      t.ok(acknowledged >= USERS / 4)
    }
  })
})
