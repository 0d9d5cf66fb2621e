// Undo through the real API: a bad synchronization and its end, conflicts, and who may.
import { test } from 'tap'
import { systemActor } from '../../server/provisioning/actor.ts'
import { createScimToken } from '../../server/provisioning/scim-tokens.ts'
import { startApp, type TestApp } from '../support/app.ts'
import { snapshotOf } from '../support/history.ts'
import { insertPeople, signInAs } from '../support/people.ts'
import { addTenant, clientOf, type Scim, USER } from '../support/scim.ts'

const GROUP = 'urn:ietf:params:scim:schemas:core:2.0:Group'

async function openTenant(t: Parameters<typeof startApp>[0], subdomain = 'acme') {
  const app = await startApp(t)
  // the brake would hold most of it
  const tenant = await addTenant(app, subdomain, { brake: { off: true } })
  const [adaId, rootId] = (await insertPeople(app.owner, tenant.id, [
    { email: `ada@${subdomain}.test`, role: 'administrator', displayName: 'Ada' },
    { email: `root@${subdomain}.test`, role: 'administrator', displayName: 'Root' }
  ])) as [string, string]
  const cookie = await signInAs(app.owner, tenant.id, adaId)
  const connect = async (name: string) => {
    const { token, scimToken } = await createScimToken(app.deps, tenant, systemActor, {
      name,
      highestRole: 'administrator'
    })
    return { scim: clientOf(app, tenant, token), connectionId: scimToken.connection_id }
  }
  const ask = (kind: 'query' | 'mutate', procedure: string, input: unknown) =>
    app[kind](subdomain, procedure, input, { cookie })
  return {
    app,
    tenant,
    adaId,
    rootId,
    cookie,
    connect,
    query: (procedure: string, input: unknown) => ask('query', procedure, input),
    mutate: (procedure: string, input: unknown) => ask('mutate', procedure, input),
    snapshot: () => snapshotOf(app.owner, tenant.id)
  }
}

const createUsers = async (scim: Scim, count: number, prefix: string): Promise<string[]> => {
  const operations = Array.from({ length: count }, (_, index) => ({
    method: 'POST',
    path: '/Users',
    bulkId: `u${index}`,
    data: {
      schemas: [USER],
      userName: `${prefix}${index}@acme.test`,
      title: 'Engineer',
      externalId: `${prefix}${index}`
    }
  }))
  const { body } = await scim.post('/Bulk', {
    schemas: ['urn:ietf:params:scim:api:messages:2.0:BulkRequest'],
    Operations: operations
  })
  return body.Operations.map(({ location }: { location: string }) => location.split('/').at(-1))
}

const createGroup = async (scim: Scim, displayName: string, members: string[]): Promise<string> => {
  const { body } = await scim.post('/Groups', {
    schemas: [GROUP],
    displayName,
    externalId: displayName,
    members: members.map((value) => ({ value }))
  })
  return body.id
}

const aWhile = (app: TestApp) => app.clock.advance({ minutes: 1 })

test('a bad synchronization', async (t) => {
  const acme = await openTenant(t)
  const okta = await acme.connect('Okta')
  const entra = await acme.connect('Entra')
  const userIds = await createUsers(okta.scim, 500, 'person')
  const groupIds = [
    await createGroup(okta.scim, 'One', userIds),
    await createGroup(okta.scim, 'Two', userIds),
    await createGroup(entra.scim, 'Three', userIds.slice(0, 250))
  ]
  await acme.mutate('groups.addMembers', { groupId: groupIds[2], userIds: userIds.slice(250) })
  aWhile(acme.app)
  const before = await acme.snapshot()
  const since = acme.app.clock.now().toISOString()
  await okta.scim.patch(`/Groups/${groupIds[0]}`, [{ op: 'remove', path: 'members' }])
  await okta.scim.put(`/Groups/${groupIds[1]}`, {
    schemas: [GROUP],
    displayName: 'Two',
    externalId: 'Two',
    members: []
  })
  for (let start = 0; start < 500; start += 100) {
    await okta.scim.patch(
      `/Groups/${groupIds[2]}`,
      userIds.slice(start, start + 100).map((id) => ({ op: 'remove', path: `members[value eq "${id}"]` }))
    )
  }
  for (const id of userIds.slice(0, 50))
    await okta.scim.patch(`/Users/${id}`, [{ op: 'replace', path: 'active', value: false }])
  const emptied = await acme.snapshot()
  const scope = { connectionId: okta.connectionId, since }

  t.test('is previewed in full, and changes nothing by that', async (t) => {
    const { data, error } = await acme.query('history.preview', scope)
    t.notOk(error)
    t.match(data, { counts: { users: 50, groups: 0, memberships: 1_500, refused: 0 }, isComplete: false })
    t.same(await acme.snapshot(), emptied)
  })

  t.test('is undone exactly: every membership with the authority that it had', async (t) => {
    const { data, error } = await acme.mutate('history.undo', scope)
    t.notOk(error)
    t.match(data.counts, { users: 50, memberships: 1_500, refused: 0 })
    t.same(await acme.snapshot(), before)

    t.test('and the undo is undone, and that again', async (t) => {
      const undone = await acme.mutate('history.undo', { eventId: data.undoId })
      t.match(undone.data.counts, { users: 50, memberships: 1_500, refused: 0 })
      t.same(await acme.snapshot(), emptied)
      await acme.mutate('history.undo', { eventId: undone.data.undoId })
      t.same(await acme.snapshot(), before)
    })
  })

  t.test('twice changes nothing more', async (t) => {
    const { data } = await acme.mutate('history.undo', scope)
    t.match(data, { undoId: null, counts: { users: 0, memberships: 0, refused: 0 } })
  })
})
