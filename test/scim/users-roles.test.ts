import { test } from 'tap'
import { startApp, type TestApp } from '../support/app.ts'
import { insertPerson } from '../support/people.ts'
import { type Scim, scimClient } from '../support/scim.ts'
import { addTenant } from '../support/tenants.ts'
import { USER } from '../support/urns.ts'

const rowOf = (app: TestApp, id: string) =>
  app.owner.selectFrom('users').selectAll().where('id', '=', id).executeTakeFirstOrThrow()

test('roles', async (t) => {
  const app = await startApp(t)
  const acme = await addTenant(app, 'acme')
  const scim = await scimClient(app, acme, { highestRole: 'manager' })
  const role = async (id: string) => (await rowOf(app, id)).role

  t.test('come from the primary value among the four; others are kept and have no effect', async (t) => {
    const roles = [
      { value: 'Auditor', type: 'x' },
      { value: 'Manager', primary: true }
    ]
    const user = await scim.createUser({ userName: 'ada@acme.test', roles })
    t.same(user.roles, roles)
    t.equal(await role(user.id), 'manager')
    const other = await scim.createUser({
      userName: 'bob@acme.test',
      roles: [{ value: 'Auditor', primary: true }, { value: 'manager' }]
    })
    t.equal(await role(other.id), 'responder', 'the primary one counts, and it is none of ours')
  })

  t.test('above the token’s highest are refused', async (t) => {
    const { status, body } = await scim.post('/Users', {
      schemas: [USER],
      userName: 'x@acme.test',
      roles: [{ value: 'administrator' }]
    })
    t.equal(status, 403)
    t.match(body, { status: '403', detail: /administrator/ })
    const user = await scim.createUser({ userName: 'cy@acme.test' })
    t.equal(
      (await scim.patch(`/Users/${user.id}`, [{ op: 'add', path: 'roles', value: [{ value: 'administrator' }] }]))
        .status,
      403
    )
    t.equal(await role(user.id), 'responder')
  })

  t.test('above the token’s highest protect their users from it', async (t) => {
    const id = await insertPerson(app.owner, acme.id, { email: 'admin@acme.test', role: 'administrator' })
    await insertPerson(app.owner, acme.id, { email: 'second@acme.test', role: 'administrator' })
    for (const reply of await Promise.all([
      scim.patch(`/Users/${id}`, [{ op: 'replace', path: 'title', value: 'x' }]),
      scim.patch(`/Users/${id}`, [{ op: 'replace', path: 'active', value: false }]),
      scim.put(`/Users/${id}`, { schemas: [USER], userName: 'admin@acme.test' }),
      scim.delete(`/Users/${id}`)
    ])) {
      t.equal(reply.status, 403)
      t.match(reply.body.detail, /administrator, which is above manager/)
    }
    t.match(await rowOf(app, id), { version: 1, state: 'active' })
    t.equal((await scim.get(`/Users/${id}`)).status, 200, 'but seen')
  })

  t.test('stay and are shown after a PUT without roles', async (t) => {
    const user = await scim.createUser({
      userName: 'dee@acme.test',
      roles: [{ value: 'manager', primary: true }, { value: 'other' }]
    })
    const { body } = await scim.put(`/Users/${user.id}`, { schemas: [USER], userName: 'dee@acme.test' })
    t.same(body.roles, [{ value: 'manager', primary: true }])
    t.equal(await role(user.id), 'manager')
    const plain = await scim.createUser({ userName: 'eve@acme.test' })
    const after = await scim.put(`/Users/${plain.id}`, { schemas: [USER], userName: 'eve@acme.test', title: 'T' })
    t.notOk('roles' in after.body, 'and none is shown that nobody wrote')
    const usual = await scim.createUser({ userName: 'fae@acme.test', roles: [{ value: 'responder', primary: true }] })
    const put = await scim.put(`/Users/${usual.id}`, { schemas: [USER], userName: 'fae@acme.test' })
    t.notOk('roles' in put.body, 'nor the usual one, once it is left out')
    t.equal(await role(usual.id), 'responder')
  })

  t.test('fall back to the usual one when removed, unless that would be higher', async (t) => {
    const user = await scim.createUser({ userName: 'fay@acme.test', roles: [{ value: 'manager' }] })
    const { body } = await scim.patch(`/Users/${user.id}`, [{ op: 'remove', path: 'roles' }])
    t.notOk('roles' in body)
    t.equal(await role(user.id), 'responder')
    await scim.patch(`/Users/${user.id}`, [{ op: 'add', path: 'roles', value: [{ value: 'manager', primary: true }] }])
    t.equal(await role(user.id), 'manager')
    await scim.put(`/Users/${user.id}`, { schemas: [USER], userName: 'fay@acme.test', roles: [{ value: 'Auditor' }] })
    t.equal(await role(user.id), 'responder', 'a list without a role of ours takes it away too')
    const low = await scim.createUser({ userName: 'low@acme.test', roles: [{ value: 'stakeholder' }] })
    await scim.patch(`/Users/${low.id}`, [{ op: 'remove', path: 'roles' }])
    t.equal(await role(low.id), 'stakeholder')
  })

  t.test('are stakeholder from a token with that highest role', async (t) => {
    const low = await scimClient(app, acme, { highestRole: 'stakeholder' })
    const user = await low.createUser({ userName: 'gil@acme.test' })
    t.equal(await role(user.id), 'stakeholder')
    t.notOk('roles' in user)
  })
})

test('the last administrator stays', async (t) => {
  const app = await startApp(t)
  const acme = await addTenant(app, 'acme')
  const scim = await scimClient(app, acme, { highestRole: 'administrator' })
  const id = await insertPerson(app.owner, acme.id, { email: 'ada@acme.test', role: 'administrator' })
  const ways: [string, () => ReturnType<Scim['get']>][] = [
    ['PATCH active', () => scim.patch(`/Users/${id}`, [{ op: 'replace', path: 'active', value: false }])],
    ['PUT active', () => scim.put(`/Users/${id}`, { schemas: [USER], userName: 'ada@acme.test', active: false })],
    [
      'PATCH roles',
      () => scim.patch(`/Users/${id}`, [{ op: 'replace', path: 'roles', value: [{ value: 'manager' }] }])
    ],
    ['DELETE', () => scim.delete(`/Users/${id}`)]
  ]
  for (const [what, ask] of ways) {
    const { status, body } = await ask()
    t.equal(status, 403, what)
    t.match(body.detail, /at least one active administrator/)
    t.match(await rowOf(app, id), { state: 'active', role: 'administrator', version: 1 })
  }
  const second = await scim.createUser({ userName: 'bob@acme.test', roles: [{ value: 'administrator' }] })
  const replies = await Promise.all([scim.delete(`/Users/${id}`), scim.delete(`/Users/${second.id}`)])
  t.same(replies.map(({ status }) => status).sort(), [204, 403], 'also when both would go at the same moment')
})
