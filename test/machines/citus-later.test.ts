// A database in use becomes a cluster: the nodes then have everything as if they had been there from the start.
import { sql } from 'kysely'
import { test } from 'tap'
import { connect } from '../../db/connect.ts'
import { SERVER_ROLE } from '../../db/migrate.ts'
import { openAgent, scim } from '../faults/traffic.ts'
import { createOnEach, inDatabase, joinNodes } from '../support/cluster.ts'
import { readNodes } from '../support/nodes.ts'
import { noOwnCluster, startOwnCluster } from '../support/own-cluster.ts'
import { GROUP, PATCH_OP, USER } from '../support/urns.ts'
import { addTenant, startServer } from './service.ts'

const PEOPLE = 30

test('a database that becomes a cluster', { skip: noOwnCluster, timeout: 110_000 }, async (t) => {
  // no node has the server's role yet
  const { nodes } = await startOwnCluster(t)
  await createOnEach('muster', nodes)
  const url = inDatabase(nodes[0]!, 'muster')
  const agent = openAgent()
  t.teardown(() => agent.destroy())
  const emailOf = (place: number) => `user${place}@acme.test`
  const userOf = (place: number) => ({
    schemas: [USER],
    userName: emailOf(place),
    name: { givenName: 'Ada', familyName: `Name${place}` },
    emails: [{ value: emailOf(place), primary: true }]
  })
  const patchOf = (...Operations: unknown[]) => ({
    schemas: [PATCH_OP],
    Operations
  })

  const before = await startServer(t, url)
  const acme = await addTenant(before.port, 'acme', 'ada@acme.test')
  const ids: string[] = []
  for (let place = 0; place < PEOPLE; place++) {
    const { status, id } = await scim(agent, before.port, acme, 'POST', '/Users', userOf(place))
    t.equal(status, 201)
    ids.push(id!)
  }
  const { id: groupId } = await scim(agent, before.port, acme, 'POST', '/Groups', {
    schemas: [GROUP],
    displayName: 'Everybody',
    members: ids.map((value) => ({ value }))
  })
  t.equal(await before.stop(), 0)

  await joinNodes('muster', nodes)
  const after = await startServer(t, url)
  const owner = connect({ url, poolSize: 1, isCitus: true })
  t.teardown(() => owner.destroy())

  await t.test('has the coordinator’s functions, policies and rights on every node', async (t) => {
    const { coordinator, workers } = await readNodes(owner)
    t.equal(workers.length, 2)
    for (const worker of workers) t.same(worker, coordinator)
    const { rows } = await sql<{ result: string }>`
      select result from run_command_on_all_nodes(
        'select rolcanlogin and not rolsuper and not rolbypassrls from pg_roles where rolname = ''muster_server''')`.execute(
      owner
    )
    t.same(
      rows.map(({ result }) => result),
      ['t', 't', 't'],
      `${SERVER_ROLE} may sign in everywhere, and nothing more`
    )
  })

  await t.test('keeps its data, which the same token changes', async (t) => {
    const ask = (method: Parameters<typeof scim>[3], path: string, body?: unknown) =>
      scim(agent, after.port, acme, method, path, body)
    const listed = await ask('GET', `/Users?filter=${encodeURIComponent('userName sw "user"')}&count=100`)
    t.equal(JSON.parse(listed.body).totalResults, PEOPLE)
    t.equal(JSON.parse((await ask('GET', `/Groups/${groupId}`)).body).members.length, PEOPLE)
    t.equal((await ask('POST', '/Users', userOf(PEOPLE))).status, 201)
    t.equal((await ask('POST', '/Users', userOf(PEOPLE))).status, 409)
    const renamed = patchOf({ op: 'replace', path: 'name.familyName', value: 'Byron' })
    t.equal((await ask('PATCH', `/Users/${ids[0]}`, renamed)).status, 200)
    const found = await ask('GET', `/Users?filter=${encodeURIComponent('name.familyName eq "byron"')}`)
    t.equal(JSON.parse(found.body).totalResults, 1)
    const left = patchOf({ op: 'remove', path: `members[value eq "${ids[1]}"]` })
    t.match((await ask('PATCH', `/Groups/${groupId}`, left)).status, /^20[04]$/)
    t.equal(JSON.parse((await ask('GET', `/Groups/${groupId}`)).body).members.length, PEOPLE - 1)
    t.equal((await ask('DELETE', `/Users/${ids[2]}`)).status, 204)
  })

  await t.test('counts people whom a token deactivates', async (t) => {
    const statuses: number[] = []
    for (const id of ids.slice(3)) {
      const { status } = await scim(
        agent,
        after.port,
        acme,
        'PATCH',
        `/Users/${id}`,
        patchOf({ op: 'replace', path: 'active', value: false })
      )
      statuses.push(status)
    }
    t.same(new Set(statuses), new Set([200, 429]), 'so many, and no more')
  })

  await t.test('protects its audit log from the server', async (t) => {
    const db = connect({ url, role: SERVER_ROLE, poolSize: 1, isCitus: true })
    t.teardown(() => db.destroy())
    await t.rejects(sql`delete from audit_events where tenant_id = ${acme.id}`.execute(db), { code: '42501' })
  })
})
