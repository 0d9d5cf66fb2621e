// How shadow mode ends: going live or discarded, whatever happens at the same time.
import { setImmediate } from 'node:timers/promises'
import { sql } from 'kysely'
import { test } from 'tap'
import { cleanUp } from '../../jobs/handlers/clean-up.ts'
import { OPERATOR } from '../support/app.ts'
import { openHistory } from '../support/history.ts'
import { insertPeople } from '../support/people.ts'
import { GROUP } from '../support/urns.ts'
import { countShadowRows, dump, openShadow, person } from './shadowing.ts'

test('the end of a shadow', async (t) => {
  const acme = await openHistory(t, 'end')
  const { app, tenant } = acme

  t.test('loses nothing of an identity provider that continues while the shadow goes live', async (t) => {
    const { scim, connectionId } = await openShadow(acme, 'Busy')
    for (let i = 0; i < 20; i++) await scim.createUser(person(`early${i}`, 'end'))
    const acknowledged: string[] = []
    const answers = new Map<number, number>()
    let isLive = false
    const write = async (worker: number) => {
      for (let i = 0; !isLive || i < 10; i++) {
        // a request that is refused at once does not wait for the event loop, so let others run
        await setImmediate()
        const reply = await scim.post('/Users', person(`w${worker}-${i}`, 'end'))
        answers.set(reply.status, (answers.get(reply.status) ?? 0) + 1)
        if (reply.status === 201) acknowledged.push(reply.body.id)
        else t.ok(Number(reply.headers['retry-after']) > 0, `${reply.status} says when to try again`)
      }
    }
    const writers = [1, 2, 3].map(write)
    const live = await acme.mutate('scimShadow.goLive', { connectionId })
    isLive = true
    await Promise.all(writers)
    t.equal(live.status, 200)
    t.same(
      [...answers.keys()].filter((status) => status !== 201 && status !== 503),
      []
    )
    const { rows } = await sql<{ id: string }>`
      select id from users where tenant_id = ${tenant.id} and user_name like 'w%'`.execute(app.owner)
    t.same(rows.map(({ id }) => id).sort(), acknowledged.sort(), 'whoever was acknowledged is there')
    t.equal(await countShadowRows(acme), 0)
  })

  t.test('refuses writes of a process that has not heard of it', async (t) => {
    const { scim, connectionId, shadowId } = await openShadow(acme, 'Deaf')
    const { body } = await scim.post('/Users', person('deaf', 'end'))
    // what going live does first; nobody is told of it
    await app.owner.updateTable('tenants').set({ state: 'suspended' }).where('id', '=', shadowId).execute()
    const replies = [
      await scim.post('/Users', person('late', 'end')),
      await scim.patch(`/Users/${body.id}`, [{ op: 'replace', path: 'title', value: 'Late' }]),
      await scim.patch(`/Users/${body.id}`, [{ op: 'replace', path: 'active', value: false }]),
      await scim.post('/Groups', { schemas: [GROUP], displayName: 'Late' }),
      await scim.delete(`/Users/${body.id}`)
    ]
    t.same(
      replies.map(({ status }) => status),
      [503, 503, 503, 503, 503]
    )
    t.ok(replies.every(({ headers }) => Number(headers['retry-after']) > 0))
    await acme.mutate('scimConnections.remove', { connectionId })
    t.equal(await countShadowRows(acme), 0, 'and it goes with its connection')
  })

  t.test('leaves conflicts to be decided in the shadow, and in the tenant once it is live', async (t) => {
    const [ownerId, otherId] = (await insertPeople(app.owner, tenant.id, [
      { email: 'off@end.test' },
      { email: 'other@end.test' }
    ])) as [string, string]
    for (const userId of [ownerId, otherId]) await acme.mutate('users.deactivate', { userId })
    const { scim, connectionId } = await openShadow(acme, 'Judged')
    t.equal((await scim.post('/Users', person('off', 'end'))).status, 409)
    t.match((await acme.query('scimConflicts.count', undefined)).data, { open: 0 }, 'not in the tenant')
    t.match((await acme.query('scimShadow.summary', { connectionId })).data, { refused: 1 })
    const [found] = (await acme.query('scimConflicts.list', { connectionId })).data.items
    t.match(found, { reason: 'deactivated', candidates: [{ id: ownerId }] })
    const decision = { conflictId: found.id, decision: 'adopt', userId: ownerId }
    t.equal((await acme.mutate('scimConflicts.decide', decision)).status, 404)
    t.equal((await acme.mutate('scimConflicts.decide', { ...decision, connectionId })).status, 200)
    t.match(await scim.post('/Users', person('off', 'end')), { status: 201, body: { id: ownerId } })
    t.equal((await scim.post('/Users', person('other', 'end'))).status, 409)
    t.match((await acme.query('scimShadow.summary', { connectionId })).data.counts, { users: { link: 1 } })
    t.equal((await acme.mutate('scimShadow.goLive', { connectionId })).status, 200)
    t.match((await scim.get(`/Users/${ownerId}`)).body, { active: true, externalId: 'x-off' })
    t.match((await acme.query('scimConflicts.list', {})).data.items, [
      { connection: { name: 'Judged' }, candidates: [{ id: otherId }] }
    ])
  })

  t.test('cleans up what a process left when it ended', async (t) => {
    const { connectionId, shadowId } = await openShadow(acme, 'Left')
    await app.owner.deleteFrom('scim_shadows').where('connection_id', '=', connectionId).execute()
    await app.owner.updateTable('tenants').set({ state: 'suspended' }).where('id', '=', shadowId).execute()
    await cleanUp(app.deps, new AbortController().signal)
    t.equal(await countShadowRows(acme), 0)
  })

  t.test('removes the shadow and ends the tokens if it is discarded', async (t) => {
    const before = await dump(acme, tenant.id)
    const { scim, connectionId } = await openShadow(acme, 'Wrong')
    await scim.createUser(person('wrong', 'end'))
    t.match(await acme.mutate('scimShadow.open', { connectionId }), { error: { reason: 'alreadyShadow' } })
    t.equal((await acme.mutate('scimShadow.discard', { connectionId })).status, 200)
    t.equal(await countShadowRows(acme), 0)
    t.equal((await scim.get('/Users')).status, 401)
    t.match(await acme.mutate('scimShadow.discard', { connectionId }), { error: { reason: 'notInShadow' } })
    const after = await dump(acme, tenant.id)
    for (const table of ['users', 'groups', 'group_members', 'addresses', 'user_emails', 'resource_counts']) {
      t.equal(after[table], before[table], table)
    }
  })

  t.test('a working connection can enter shadow mode, at most three at once', async (t) => {
    const { scim, connectionId } = await acme.connect('Live')
    const user = await scim.createUser(person('live', 'end'))
    t.equal((await acme.mutate('scimShadow.open', { connectionId })).status, 200)
    t.match(await scim.patch(`/Users/${user.id}`, [{ op: 'replace', path: 'title', value: 'Shadowy' }]), {
      body: { title: 'Shadowy' }
    })
    const { rows } = await sql<{
      doc: string
    }>`select doc from users where tenant_id = ${tenant.id} and id = ${user.id}`.execute(app.owner)
    t.notMatch(rows[0]!.doc, 'Shadowy')
    for (const name of ['second', 'third']) await openShadow(acme, name)
    const fourth = await acme.mutate('scimTokens.create', { name: 'fourth', shadow: true })
    t.match(fourth, { status: 409, error: { reason: 'tooManyShadows' } })
    const { items } = (await acme.query('scimTokens.list', {})).data
    t.equal(items.find(({ name }: { name: string }) => name === 'fourth').revoked, true, 'no token works without one')
    const sent = async () =>
      (await acme.query('wireLog.list', { connectionId })).data.items as {
        id: string
        shadow: boolean
        method: string
      }[]
    const [patch, made] = await sent()
    t.match(
      [patch, made],
      [
        { method: 'PATCH', shadow: true },
        { method: 'POST', shadow: false }
      ]
    )
    await scim.patch(`/Users/${user.id}`, [{ op: 'replace', path: 'title', value: 'Other' }])
    t.match((await acme.mutate('wireLog.replay', { id: patch!.id })).data, {
      now: { status: 200 },
      changes: [{ action: 'user.updated', after: { title: 'Shadowy' } }]
    })
  })

  t.test('comes with the removal of its tenant', async (t) => {
    await app.mutate('', 'tenants.suspend', { subdomain: 'end', suspended: true }, OPERATOR)
    const removed = await app.mutate('', 'tenants.remove', { subdomain: 'end', confirm: 'end' }, OPERATOR)
    t.equal(removed.status, 200, String(removed.error?.message))
    t.equal(await countShadowRows(acme), 0)
  })
})

test('after a shadow GET answers 304 only for a version that no shadow has shown', async (t) => {
  const acme = await openHistory(t, 'passing')
  const { scim, connectionId } = await openShadow(acme, 'Passing')
  const { id, meta } = await scim.createUser(person('passing', 'passing'))
  const read = async (version: string) => (await scim.get(`/Users/${id}`, { 'if-none-match': version })).status
  t.equal(await read(meta.version), 200, 'nor within one, which has no history from before')
  const group = { schemas: [GROUP], displayName: 'Passing', members: [{ value: id }] }
  const { body } = await scim.post('/Groups', group)
  await scim.delete(`/Groups/${body.id}`)
  t.equal((await acme.mutate('scimShadow.goLive', { connectionId })).status, 200)
  t.equal((await scim.get(`/Users/${id}`)).body.meta.version, meta.version)
  t.equal(await read(meta.version), 200, 'it may have been read with the group')
  acme.app.clock.advance({ hours: 25 })
  const changed = await scim.patch(`/Users/${id}`, [{ op: 'replace', path: 'title', value: 'Head' }])
  t.equal(await read(changed.body.meta.version), 304)
})
