// SCIM beside invitations, roles and removal: everybody has one lifecycle.
import { sql } from 'kysely'
import { test } from 'tap'
import { startApp, type TestApp } from '../support/app.ts'
import { ACCESS_TABLES, aliveOf, EVERYTHING, giveEverything, insertPerson, signInAs } from '../support/people.ts'
import { type Scim, scimClient } from '../support/scim.ts'
import { addTenant } from '../support/tenants.ts'
import { USER } from '../support/urns.ts'

const rowOf = (app: TestApp, id: string) =>
  app.owner.selectFrom('users').selectAll().where('id', '=', id).executeTakeFirstOrThrow()
const actionsOf = async (app: TestApp, id: string) =>
  (await app.owner.selectFrom('audit_events').select('action').where('target_id', '=', id).orderBy('id').execute()).map(
    ({ action }) => action
  )
const countOf = async (scim: Scim) => (await scim.get('/Users?count=0')).body.totalResults

test('a POST for somebody who is invited', async (t) => {
  const app = await startApp(t)
  const acme = await addTenant(app, 'acme')
  const scim = await scimClient(app, acme, { highestRole: 'manager' })

  t.test('adopts them: the same id and role, and the invitation and its mail end', async (t) => {
    const id = await insertPerson(app.owner, acme.id, {
      email: 'ada@acme.test',
      state: 'invited',
      role: 'manager',
      displayName: 'Old'
    })
    await giveEverything(app.owner, acme.id, id)
    const before = await countOf(scim)
    const { status, body } = await scim.post('/Users', {
      schemas: [USER],
      userName: 'ADA@acme.test',
      externalId: 'ext-ada',
      emails: [{ value: 'Ada@acme.test', primary: true }]
    })
    t.equal(status, 201)
    t.match(body, { id, userName: 'ADA@acme.test', roles: [{ value: 'manager', primary: true }], active: true })
    t.notOk('displayName' in body, 'the profile is the identity provider’s')
    t.match(await rowOf(app, id), {
      state: 'active',
      role: 'manager',
      external_id: 'ext-ada',
      must_reset_password: false
    })
    t.ok((await rowOf(app, id)).connection_id)
    const { invitations } = await aliveOf(app.owner, acme.id, id)
    t.equal(invitations, 0)
    const invitation = await app.owner
      .selectFrom('invitations')
      .selectAll()
      .where('user_id', '=', id)
      .executeTakeFirstOrThrow()
    t.equal(invitation.state, 'adopted')
    const mails = await app.owner.selectFrom('mails').select(['state', 'template']).where('user_id', '=', id).execute()
    t.match(
      mails.find(({ template }) => template === 'invitation'),
      { state: 'cancelled' }
    )
    t.same(await actionsOf(app, id), ['user.adopted'])
    t.same(await actionsOf(app, invitation.id), ['invitation.adopted'])
    t.equal(await countOf(scim), before, 'nobody became more')
  })

  t.test('gives the role that it names', async (t) => {
    const id = await insertPerson(app.owner, acme.id, { email: 'bob@acme.test', state: 'invited', role: 'manager' })
    const { body } = await scim.post('/Users', {
      schemas: [USER],
      userName: 'bob@acme.test',
      roles: [{ value: 'stakeholder' }]
    })
    t.match(body, { id, roles: [{ value: 'stakeholder' }] })
    t.match(await rowOf(app, id), { role: 'stakeholder' })
  })

  t.test('shows no role if it is the usual one and nobody wrote it', async (t) => {
    const id = await insertPerson(app.owner, acme.id, { email: 'cy@acme.test', state: 'invited', role: 'responder' })
    const { body } = await scim.post('/Users', { schemas: [USER], userName: 'cy@acme.test' })
    t.match(body, { id })
    t.notOk('roles' in body)
  })

  t.test('finds them by userName, too, if the mailbox is another one', async (t) => {
    const id = await insertPerson(app.owner, acme.id, { email: 'dee@acme.test', state: 'invited' })
    const { body } = await scim.post('/Users', {
      schemas: [USER],
      userName: 'dee@acme.test',
      emails: [{ value: 'dee.dee@acme.test', type: 'work' }]
    })
    t.equal(body.id, id)
    t.match(await rowOf(app, id), { email_key: 'dee.dee@acme.test', state: 'active' })
    const held = await app.owner.selectFrom('addresses').select('address_key').where('user_id', '=', id).execute()
    t.same(held, [{ address_key: 'dee.dee@acme.test' }], 'the old address is free')
    const found = async (email: string) =>
      (await scim.get(`/Users?filter=emails%20eq%20%22${email}%22`)).body.totalResults
    t.equal(await found('dee.dee@acme.test'), 1)
    t.equal(await found('dee@acme.test'), 0)
  })

  t.test('is refused if their role is above the token’s highest', async (t) => {
    const id = await insertPerson(app.owner, acme.id, {
      email: 'eve@acme.test',
      state: 'invited',
      role: 'administrator'
    })
    const { status, body } = await scim.post('/Users', { schemas: [USER], userName: 'eve@acme.test' })
    t.equal(status, 403)
    t.match(body.detail, /administrator/)
    t.match(await rowOf(app, id), { state: 'invited' })
  })

  t.test('with active: false deactivates them and ends the invitation', async (t) => {
    const id = await insertPerson(app.owner, acme.id, { email: 'fay@acme.test', state: 'invited' })
    await giveEverything(app.owner, acme.id, id)
    const { body } = await scim.post('/Users', { schemas: [USER], userName: 'fay@acme.test', active: false })
    t.match(body, { id, active: false })
    t.match(await rowOf(app, id), { state: 'deactivated', activated_at: null })
    t.match(await aliveOf(app.owner, acme.id, id), { invitations: 0 })
  })

  t.test(
    'is needed to adopt them: other changes leave them invited, and active: false ends the invitation',
    async (t) => {
      const id = await insertPerson(app.owner, acme.id, { email: 'gil@acme.test', state: 'invited' })
      await giveEverything(app.owner, acme.id, id)
      await scim.patch(`/Users/${id}`, [
        { op: 'replace', path: 'active', value: true },
        { op: 'replace', path: 'title', value: 'T' }
      ])
      t.match(await rowOf(app, id), { state: 'invited' })
      const { body } = await scim.patch(`/Users/${id}`, [{ op: 'replace', path: 'active', value: false }])
      t.match(body, { active: false, title: 'T' })
      t.match(await aliveOf(app.owner, acme.id, id), { invitations: 0, mails: 0 })
      await scim.patch(`/Users/${id}`, [{ op: 'replace', path: 'active', value: true }])
      t.match(await rowOf(app, id), { state: 'active' })
    }
  )
})

test('a POST for somebody who was removed', async (t) => {
  const app = await startApp(t)
  const acme = await addTenant(app, 'acme')
  const scim = await scimClient(app, acme)

  t.test('brings back the same user with a clean profile and without old credentials', async (t) => {
    const user = await scim.createUser({ userName: 'ada@acme.test', displayName: 'Old', title: 'T', externalId: 'e1' })
    await giveEverything(app.owner, acme.id, user.id)
    await app.owner.updateTable('users').set({ locked: true }).where('id', '=', user.id).execute()
    const before = await countOf(scim)
    await scim.delete(`/Users/${user.id}`)
    t.equal(await countOf(scim), before - 1)
    t.same(
      Object.values(await aliveOf(app.owner, acme.id, user.id)).filter((count) => count > 0),
      [],
      'nothing that gave access is left'
    )
    const { status, body } = await scim.post('/Users', {
      schemas: [USER],
      userName: 'ADA@ACME.TEST',
      displayName: 'New'
    })
    t.equal(status, 201)
    t.match(body, { id: user.id, displayName: 'New', userName: 'ADA@ACME.TEST', active: true })
    t.notOk('title' in body)
    t.notOk('externalId' in body)
    t.equal(await countOf(scim), before)
    t.match(await rowOf(app, user.id), { state: 'active', locked: false, must_reset_password: true, role: 'responder' })
    t.match(await aliveOf(app.owner, acme.id, user.id), { passwords: 0, google: 0, sessions: 0, addresses: 1 })
    t.same((await actionsOf(app, user.id)).slice(-2), ['user.removed', 'user.revived'])
    t.match((await scim.get('/Users?filter=userName%20eq%20%22ada@acme.test%22')).body, { totalResults: 1 })
  })

  t.test('leaves nothing of their former access, whatever single thing they had', async (t) => {
    for (const kept of ACCESS_TABLES) {
      const { id } = await scim.createUser({ userName: `had-${kept}` })
      await giveEverything(app.owner, acme.id, id)
      for (const table of ACCESS_TABLES.filter((table) => table !== kept)) {
        await app.owner.deleteFrom(table).where('user_id', '=', id).execute()
      }
      t.equal((await scim.delete(`/Users/${id}`)).status, 204)
      const left = Object.entries(await aliveOf(app.owner, acme.id, id)).filter(([, count]) => count > 0)
      t.same(left, [], kept)
    }
  })

  t.test('accepts a password from the identity provider as a new one', async (t) => {
    const user = await scim.createUser({ userName: 'bob@acme.test' })
    await scim.delete(`/Users/${user.id}`)
    const again = await scim.createUser({ userName: 'bob@acme.test', password: 'entirely new 1' })
    t.equal(again.id, user.id)
    t.match(await rowOf(app, user.id), { must_reset_password: false })
  })

  t.test('requires no new password of somebody who never had access', async (t) => {
    const user = await scim.createUser({ userName: 'cy@acme.test', active: false })
    await scim.delete(`/Users/${user.id}`)
    await scim.createUser({ userName: 'cy@acme.test' })
    t.match(await rowOf(app, user.id), { must_reset_password: false })
  })

  t.test('answers 409 if another tenant has taken the address meanwhile', async (t) => {
    const user = await scim.createUser({ userName: 'moved@acme.test' })
    await scim.delete(`/Users/${user.id}`)
    const globex = await scimClient(app, await addTenant(app, 'globex'))
    await globex.createUser({ userName: 'moved@acme.test' })
    const { status, body } = await scim.post('/Users', { schemas: [USER], userName: 'moved@acme.test' })
    t.equal(status, 409)
    t.match(body, { scimType: 'uniqueness' })
    t.match(await rowOf(app, user.id), { state: 'removed' })
  })
})

test('active', async (t) => {
  const app = await startApp(t)
  const acme = await addTenant(app, 'acme')
  const scim = await scimClient(app, acme)

  t.test('false ends sessions and API tokens at once; memberships, password and address stay', async (t) => {
    const user = await scim.createUser({ userName: 'ada@acme.test' })
    const group = await scim.post('/Groups', { displayName: 'G', members: [{ value: user.id }] })
    await giveEverything(app.owner, acme.id, user.id)
    const cookie = await signInAs(app.owner, acme.id, user.id)
    t.equal((await app.query('acme', 'auth.me', undefined, { cookie })).status, 200)
    await scim.patch(`/Users/${user.id}`, [{ op: 'replace', path: 'active', value: 'False' }])
    t.equal((await app.query('acme', 'auth.me', undefined, { cookie })).status, 401)
    t.match(await aliveOf(app.owner, acme.id, user.id), {
      ...EVERYTHING,
      sessions: 0,
      apiTokens: 0,
      codes: 0,
      resets: 0,
      invitations: 0,
      mails: 0
    })
    t.match((await scim.get(`/Users/${user.id}`)).body.groups, [{ value: group.body.id }])
    await scim.patch(`/Users/${user.id}`, [{ op: 'replace', path: 'active', value: true }])
    t.match((await scim.get(`/Users/${user.id}`)).body, { active: true, groups: [{ value: group.body.id }] })
  })

  t.test('can be changed together with the profile, in one answer', async (t) => {
    const user = await scim.createUser({ userName: 'bob@acme.test' })
    const { body } = await scim.put(`/Users/${user.id}`, {
      schemas: [USER],
      userName: 'robert@acme.test',
      displayName: 'Robert',
      active: false
    })
    t.match(body, { userName: 'robert@acme.test', displayName: 'Robert', active: false })
    t.same((await scim.get(`/Users/${user.id}`)).body, body)
  })
})

test('scimScope own hides other connections’ users', async (t) => {
  const app = await startApp(t)
  const acme = await addTenant(app, 'acme', { scimScope: 'own' })
  const okta = await scimClient(app, acme)
  const entra = await scimClient(app, acme)
  const mine = await okta.createUser({ userName: 'mine@acme.test' })
  const theirs = await entra.createUser({ userName: 'theirs@acme.test' })
  const nobodys = await insertPerson(app.owner, acme.id, { email: 'invited@acme.test' })
  t.match((await okta.get('/Users')).body, { totalResults: 1, Resources: [{ id: mine.id }] })
  t.match((await okta.get('/Users?filter=userName%20pr')).body, { totalResults: 1 })
  for (const id of [theirs.id, nobodys]) {
    t.equal((await okta.get(`/Users/${id}`)).status, 404)
    t.equal((await okta.put(`/Users/${id}`, { schemas: [USER], userName: 'x' })).status, 404)
    t.equal((await okta.patch(`/Users/${id}`, [{ op: 'replace', path: 'active', value: false }])).status, 404)
    t.equal((await okta.patch(`/Users/${id}`, [{ op: 'replace', path: 'title', value: 'x' }])).status, 404)
    t.equal((await okta.delete(`/Users/${id}`)).status, 404)
  }
  t.equal((await okta.patch(`/Users/${mine.id}`, [{ op: 'replace', path: 'title', value: 'x' }])).status, 200)
  t.equal((await okta.delete(`/Users/${mine.id}`)).status, 204)
})

test('the welcome mail', async (t) => {
  const app = await startApp(t)
  const mailsOf = (id: string) => app.owner.selectFrom('mails').selectAll().where('user_id', '=', id).execute()

  t.test('is sent only if the tenant asks for it', async (t) => {
    const scim = await scimClient(app, await addTenant(app, 'quiet'))
    const user = await scim.createUser({ userName: 'ada@quiet.test' })
    t.same(await mailsOf(user.id), [])
  })

  t.test('waits for two minutes, and is not sent to somebody who is deleted by then', async (t) => {
    const scim = await scimClient(app, await addTenant(app, 'polite', { scimWelcomeMail: true }))
    const user = await scim.createUser({ userName: 'ada@polite.test' })
    const [mail] = await mailsOf(user.id)
    t.match(mail, { state: 'queued', to_address: 'ada@polite.test', template: 'password-reset' })
    const { rows } = await sql<{ data: { mailId: string }; start_after: Date }>`
      select data, start_after from pgboss.job where name = 'send-mail'`.execute(app.owner)
    const job = rows.find(({ data }) => data.mailId === mail!.id)
    t.ok(job && job.start_after.getTime() - app.clock.now().getTime() > 60_000)
    await scim.delete(`/Users/${user.id}`)
    t.match(await mailsOf(user.id), [{ state: 'cancelled', token_sealed: null }])
    const inactive = await scim.createUser({ userName: 'bob@polite.test', active: false })
    t.same(await mailsOf(inactive.id), [])
    const unreachable = await scim.createUser({ userName: 'robot' })
    t.same(await mailsOf(unreachable.id), [])
  })
})
