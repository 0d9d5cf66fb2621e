// Who has an address, a userName or an externalId, and to which connection a user belongs.
import { type Test, test } from 'tap'
import { startApp, type TestApp } from '../support/app.ts'
import { aliveOf, insertPerson, signInAs } from '../support/people.ts'
import { clientOf, scimClient } from '../support/scim.ts'
import { addTenant } from '../support/tenants.ts'
import { USER } from '../support/urns.ts'

const rowOf = (app: TestApp, id: string) =>
  app.owner.selectFrom('users').selectAll().where('id', '=', id).executeTakeFirstOrThrow()
const actionsOf = async (app: TestApp, id: string) =>
  (await app.owner.selectFrom('audit_events').select('action').where('target_id', '=', id).orderBy('id').execute()).map(
    ({ action }) => action
  )

test('what is taken', async (t) => {
  const app = await startApp(t)
  const acme = await addTenant(app, 'acme')
  const okta = await scimClient(app, acme, { name: 'okta' })
  const entra = await scimClient(app, acme, { name: 'entra' })
  const globex = await scimClient(app, await addTenant(app, 'globex'))
  const taken = async (t: Test, reply: Promise<{ status: number; body: unknown }>, detail: RegExp) => {
    const { status, body } = await reply
    t.equal(status, 409)
    t.match(body, { status: '409', scimType: 'uniqueness', detail })
  }

  t.test('an address belongs to one person across tenants, and nobody is told whose it is', async (t) => {
    await globex.createUser({ userName: 'ada', emails: [{ value: 'ada@shared.test' }] })
    await okta.createUser({ userName: 'bob', emails: [{ value: 'bob@shared.test' }] })
    const details = await Promise.all(
      ['ada@shared.test', 'bob@shared.test'].map(async (value) => {
        const { body } = await okta.post('/Users', { schemas: [USER], userName: `other-${value}`, emails: [{ value }] })
        return [body.status, body.scimType, body.detail]
      })
    )
    t.same(details[0], details[1], 'the same words for another tenant’s address and for one’s own')
    t.equal(details[0]![0], '409')
  })

  t.test('an address that a change would take is refused too, and nothing changes', async (t) => {
    const user = await okta.createUser({ userName: 'cy@acme.test', displayName: 'Cy' })
    await taken(
      t,
      okta.patch(`/Users/${user.id}`, [
        { op: 'replace', path: 'displayName', value: 'Lost' },
        { op: 'add', path: 'emails', value: [{ value: 'ada@shared.test', primary: true }] }
      ]),
      /address/
    )
    t.same((await okta.get(`/Users/${user.id}`)).body, user)
    t.match(await app.owner.selectFrom('addresses').selectAll().where('user_id', '=', user.id).execute(), [
      { address_key: 'cy@acme.test' }
    ])
  })

  t.test('a change of the login address frees the old one', async (t) => {
    const user = await okta.createUser({ userName: 'dee@acme.test' })
    const { body } = await okta.patch(`/Users/${user.id}`, [
      { op: 'replace', path: 'userName', value: 'dee2@acme.test' }
    ])
    t.equal(body.userName, 'dee2@acme.test')
    t.match(await globex.createUser({ userName: 'dee@acme.test' }), { active: true })
    await taken(t, globex.post('/Users', { schemas: [USER], userName: 'dee2@acme.test' }), /address/)
  })

  t.test('a second e-mail address is nobody’s login address, and others may have it', async (t) => {
    const emails = (first: string) => [
      { value: first, primary: true },
      { value: 'team@acme.test', type: 'other' }
    ]
    await okta.createUser({ userName: 'e1', emails: emails('e1@acme.test') })
    await okta.createUser({ userName: 'e2', emails: emails('e2@acme.test') })
    t.match((await okta.get('/Users?filter=emails%20eq%20%22TEAM@acme.test%22')).body, { totalResults: 2 })
  })

  t.test('userName is taken in any letter case, and is free in another tenant', async (t) => {
    await okta.createUser({ userName: 'Straße' })
    await taken(t, okta.post('/Users', { schemas: [USER], userName: 'STRAßE' }), /userName/)
    await taken(t, entra.post('/Users', { schemas: [USER], userName: 'straße' }), /userName/)
    t.match(await globex.createUser({ userName: 'Straße' }), { active: true })
  })

  t.test('externalId is taken within a connection, in its letter case', async (t) => {
    await okta.createUser({ userName: 'f1', externalId: 'X' })
    await taken(t, okta.post('/Users', { schemas: [USER], userName: 'f2', externalId: 'X' }), /externalId/)
    t.match(await okta.createUser({ userName: 'f3', externalId: 'x' }), { externalId: 'x' })
    const other = await entra.createUser({ userName: 'f4', externalId: 'X' })
    t.match(other, { externalId: 'X' })
    const f3 = (await okta.get('/Users?filter=externalId%20eq%20x')).body.Resources[0]
    await taken(t, okta.patch(`/Users/${f3.id}`, [{ op: 'replace', path: 'externalId', value: 'X' }]), /externalId/)
  })

  t.test('an invited person belongs to the connection that first gives them an externalId', async (t) => {
    const id = await insertPerson(app.owner, acme.id, { email: 'hal@acme.test' })
    await okta.patch(`/Users/${id}`, [{ op: 'replace', path: 'title', value: 'T' }])
    t.equal((await rowOf(app, id)).connection_id, null)
    await okta.patch(`/Users/${id}`, [{ op: 'add', path: 'externalId', value: 'hal' }])
    t.ok((await rowOf(app, id)).connection_id)
    await taken(t, okta.post('/Users', { schemas: [USER], userName: 'h2', externalId: 'hal' }), /externalId/)
  })

  t.test(
    'a user without a connection, but with an externalId, belongs to the next connection that changes them',
    async (t) => {
      const administrator = await insertPerson(app.owner, acme.id, { email: 'admin@acme.test', role: 'administrator' })
      const cookie = await signInAs(app.owner, acme.id, administrator)
      const { data } = await app.mutate('acme', 'apiTokens.create', { name: 'backend' }, { cookie })
      const backend = clientOf(app, acme, data.token)
      const invited = await app.mutate(
        'acme',
        'invitations.create',
        { invites: [{ email: 'ivy@acme.test' }] },
        { cookie }
      )
      t.equal(invited.status, 200)
      const [{ id }] = (await okta.get('/Users?filter=userName%20eq%20%22ivy@acme.test%22')).body.Resources
      await backend.patch(`/Users/${id}`, [{ op: 'add', path: 'externalId', value: 'ivy' }])
      t.match(await rowOf(app, id), { state: 'invited', connection_id: null })
      const { body } = await okta.patch(`/Users/${id}`, [{ op: 'replace', path: 'active', value: true }])
      t.match(body, { active: true, externalId: 'ivy' })
      const row = await rowOf(app, id)
      t.match(row, { state: 'active' })
      t.ok(row.connection_id)
      t.equal((await aliveOf(app.owner, acme.id, id))['invitations'], 0)
      t.same((await actionsOf(app, id)).slice(-1), ['user.adopted'])

      const member = await insertPerson(app.owner, acme.id, { email: 'jo@acme.test' })
      await backend.patch(`/Users/${member}`, [{ op: 'add', path: 'externalId', value: 'jo' }])
      const taken = await okta.patch(`/Users/${member}`, [{ op: 'replace', path: 'active', value: true }])
      t.ok((await rowOf(app, member)).connection_id)
      const again = await okta.patch(`/Users/${member}`, [{ op: 'replace', path: 'active', value: true }])
      t.equal(again.body.meta.version, taken.body.meta.version, 'once')
    }
  )
})
