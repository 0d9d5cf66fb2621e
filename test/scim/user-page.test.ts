// A page is copied from the bytes that PostgreSQL sent, and a single user is put together as text. Both are the same.
import { type Test, test } from 'tap'
import { SentRow } from '../../db/sent-rows.ts'
import type { ScimContext } from '../../server/scim/context.ts'
import { LongBody } from '../../server/scim/long-body.ts'
import { userWriter } from '../../server/scim/user-page.ts'
import { startApp } from '../support/app.ts'
import { type Scim, scimClient } from '../support/scim.ts'
import { addTenant } from '../support/tenants.ts'
import { ENTERPRISE } from '../support/urns.ts'

async function compare(t: Test, scim: Scim, rest = '') {
  const list = await scim.get(`/Users?${rest}`)
  t.equal(list.status, 200)
  const texts = await Promise.all(
    list.body.Resources.map(async ({ id }: { id: string }) => (await scim.get(`/Users/${id}?${rest}`)).text)
  )
  t.equal(list.text.slice(list.text.indexOf('"Resources":[')), `"Resources":[${texts.join(',')}]}`, rest)
}

test('a page of users', async (t) => {
  const app = await startApp(t)
  const tenant = await addTenant(app, 'acme')
  const scim = await scimClient(app, tenant)
  const ada = await scim.createUser({ userName: 'ada', displayName: 'Ada é 😀', name: { familyName: 'L' } })
  const bob = await scim.createUser({
    userName: 'bob',
    active: false,
    [ENTERPRISE]: { manager: { value: ada.id } },
    title: 'knows "$ref":"../Users/ by heart'
  })
  const cy = await scim.createUser({ userName: 'cy', [ENTERPRISE]: { manager: { value: bob.id } } })
  await scim.patch(`/Users/${cy.id}`, [{ op: 'replace', path: 'title', value: 'Ms' }])

  t.test('shows each user as it is shown alone', async (t) => {
    for (const rest of ['', 'excludedAttributes=groups', 'attributes=userName,groups', 'excludedAttributes=name']) {
      await compare(t, scim, rest)
    }
  })

  t.test('shows the groups of each, even if all are in the same one', async (t) => {
    const everybody = [ada, bob, cy].map(({ id }) => ({ value: id }))
    const all = await scim.post('/Groups', { displayName: 'All "of" them', members: everybody })
    await compare(t, scim)
    await scim.post('/Groups', { displayName: 'Some', members: [{ value: cy.id }] })
    await compare(t, scim)
    await scim.post('/Groups', { displayName: 'Around', members: [{ value: all.body.id }, { value: ada.id }] })
    await compare(t, scim)
    const { body } = await scim.get('/Users?attributes=groups')
    t.same(
      body.Resources.map(({ groups }: { groups: { display: string; type: string }[] }) =>
        groups.map(({ display, type }) => `${display}: ${type}`)
      ),
      [
        ['All "of" them: direct', 'Around: direct'],
        ['All "of" them: direct', 'Around: indirect'],
        ['All "of" them: direct', 'Some: direct', 'Around: indirect']
      ]
    )
  })

  t.test('assumes a name for users whom no connection has named', async (t) => {
    const doc = { schemas: bob.schemas, userName: 'cy.d@acme.test', roles: [{ value: 'responder' }] }
    const changed = { connection_id: null, doc: JSON.stringify(doc) }
    await app.owner.updateTable('users').set(changed).where('id', '=', cy.id).execute()
    await compare(t, scim)
    t.match((await scim.get('/Users')).body.Resources[2].name, { givenName: 'cy', familyName: 'd' })
  })
})

test('a row in an unusual form is shown all the same', async (t) => {
  const schemas = { isPlain: { User: true }, User: { core: { attributes: new Map() } } }
  const context = { baseUrl: 'http://x', schemas, leniency: { profile: 'auto' }, actor: {}, tenant: { settings: {} } }
  const write = userWriter(context as unknown as ScimContext, { mode: 'default', selections: new Map() }, null)
  const body = new LongBody(0)
  const times = ['2026-06-01 12:00:00.25-03:30', '2026-06-01 12:00:00.25+00']
  write(SentRow.of(['1', null, 'active', 'ID', '7', 'c', '{"userName":"ada"}', ...times]), body)
  t.match(JSON.parse(body.endWith('', body.length, '').body.toString()), {
    id: 'ID',
    userName: 'ada',
    active: true,
    meta: { created: '2026-06-01T15:30:00.250Z', lastModified: '2026-06-01T12:00:00.250Z', version: 'W/"7"' }
  })
})
