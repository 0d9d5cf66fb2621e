import { test } from 'tap'
import { startApp } from '../support/app.ts'
import { clientOf, type Scim, scimClient } from '../support/scim.ts'
import { countStatements } from '../support/statements.ts'
import { addTenant } from '../support/tenants.ts'
import { BULK_REQUEST, ENTERPRISE, USER } from '../support/urns.ts'

interface Result {
  bulkId: string
  status: string
  location?: string
  version?: string
  response?: { scimType?: string; detail: string }
}

test('users that a bulk request creates together', async (t) => {
  const app = await startApp(t)
  // the tests count statements, and the log would add some
  const acme = await addTenant(app, 'acme', { wireLogDays: 0 })
  const scim = await scimClient(app, acme)
  const user = (name: string, rest: object = {}) => ({
    method: 'POST',
    path: '/Users',
    bulkId: name,
    data: { schemas: [USER], userName: name, ...rest }
  })
  const work = (value: string) => ({ emails: [{ value, type: 'work', primary: true }] })
  const bulk = async (Operations: object[], rest: object = {}, client: Scim = scim): Promise<Result[]> =>
    (await client.post('/Bulk', { schemas: [BULK_REQUEST], Operations, ...rest })).body.Operations
  const statuses = (results: Result[]) => results.map(({ status }) => status).join(' ')
  const idOf = ({ location }: Result) => location!.slice(location!.lastIndexOf('/') + 1)
  const read = async (result: Result) => (await scim.get(`/Users/${idOf(result)}`)).body
  const named = (prefix: string, count: number) =>
    Array.from({ length: count }, (_, index) => user(`${prefix}${index}`))

  t.test('are as single POSTs would have made them', async (t) => {
    const full = {
      externalId: 'e-1',
      displayName: 'Full',
      name: { givenName: 'F', familyName: 'Ull' },
      ...work('full@acme.test'),
      roles: [{ value: 'stakeholder', primary: true }],
      active: false,
      [ENTERPRISE]: { department: 'Sales' }
    }
    const results = await bulk([user('full', full), user('plain')])
    t.equal(statuses(results), '201 201')
    const { id: _, meta, ...made } = await read(results[0]!)
    const single = await scim.createUser({
      ...full,
      userName: 'single',
      externalId: 'e-2',
      ...work('single@acme.test'),
      schemas: [USER, ENTERPRISE]
    })
    const { id: __, meta: ___, ...expected } = single
    t.strictSame({ ...made, userName: 'single', externalId: 'e-2', emails: expected.emails }, expected)
    t.match(meta, { version: results[0]!.version, location: results[0]!.location })
    t.equal((await scim.get('/Users?filter=emails.value eq "full@acme.test"')).body.totalResults, 1)
    const rows = await app.owner.selectFrom('users').select(['role', 'state', 'email', 'activated_at']).execute()
    t.match(
      rows.find(({ email }) => email === 'full@acme.test'),
      { role: 'stakeholder', state: 'deactivated', activated_at: null }
    )
    const events = await app.owner.selectFrom('audit_events').select(['action', 'target_id', 'after']).execute()
    t.match(
      events.filter(({ target_id }) => target_id === idOf(results[0]!)),
      [{ action: 'user.created', after: /"role":"stakeholder"/ }]
    )
    t.equal((await scim.get('/Users?count=0')).body.totalResults, 3, 'and they are counted')
  })

  t.test('cost the same number of statements for any number of users', async (t) => {
    const ten = await countStatements(() => bulk(named('ten', 10)))
    t.equal(await countStatements(() => bulk(named('hundred', 100))), ten)
  })

  t.test('have their passwords, and one that is too short fails alone', async (t) => {
    const results = await bulk([
      user('pass-1', { password: 'correct horse battery' }),
      user('pass-2', { password: 'x' }),
      user('pass-3', { password: 'another long password' })
    ])
    t.equal(statuses(results), '201 400 201')
    t.match(results[1], { response: { scimType: 'invalidValue' } })
    const rows = await app.owner.selectFrom('user_credentials').select('user_id').execute()
    t.strictSame(rows.map(({ user_id }) => user_id).sort(), [idOf(results[0]!), idOf(results[2]!)].sort())
  })

  t.test('leave out those whose name, externalId or address is taken, in the list or before', async (t) => {
    await scim.createUser({ userName: 'was-there', externalId: 'was-there', ...work('was-there@acme.test') })
    const results = await bulk([
      user('new-1', { externalId: 'once', ...work('once@acme.test') }),
      user('WAS-there'),
      user('new-2'),
      user('new-3', { externalId: 'was-there' }),
      user('new-4', work('WAS-THERE@acme.test')),
      user('new-5', { externalId: 'once' }),
      user('new-6', work('Once@acme.test')),
      user('NEW-2x'),
      { ...user('new-2X'), bulkId: 'other' },
      user('new-7')
    ])
    t.equal(statuses(results), '201 409 201 409 409 409 409 201 409 201')
    for (const { status, response } of results) if (status === '409') t.equal(response?.scimType, 'uniqueness')
  })

  t.test('leave out those whose address another tenant holds', async (t) => {
    const other = await scimClient(app, await addTenant(app, 'other'))
    await other.createUser({ userName: 'held', ...work('held@elsewhere.test') })
    const results = await bulk([user('o-1'), user('o-2', work('held@elsewhere.test')), user('o-3')])
    t.equal(statuses(results), '201 409 201')
    t.match(results[1], { response: { scimType: 'uniqueness', detail: 'This e-mail address is already in use' } })
  })

  t.test('stop where failOnErrors says, with nobody made after it', async (t) => {
    const results = await bulk([user('f-1'), user('f-2'), user('f-1x', { externalId: 'was-there' }), user('f-3')], {
      failOnErrors: 1
    })
    t.equal(statuses(results), '201 201 409')
    t.equal((await scim.get('/Users?filter=userName eq "f-3"')).body.totalResults, 0)
  })

  t.test('adopt invited people and bring back removed ones, each with the same id', async (t) => {
    const removed = await scim.createUser({ userName: 'comes-back', ...work('comes-back@acme.test') })
    await scim.delete(`/Users/${removed.id}`)
    const results = await bulk([user('n-1'), user('again', work('comes-back@acme.test')), user('n-2')])
    t.equal(statuses(results), '201 201 201')
    t.equal(idOf(results[1]!), removed.id)
    const events = await app.owner
      .selectFrom('audit_events')
      .select('action')
      .where('target_id', '=', removed.id)
      .orderBy('id')
      .execute()
    t.strictSame(
      events.map(({ action }) => action),
      ['user.created', 'user.removed', 'user.revived']
    )
  })

  t.test('refer to those before them, and fail if they refer to one after them', async (t) => {
    const managed = (by: string) => ({ [ENTERPRISE]: { manager: { value: `bulkId:${by}` } } })
    const results = await bulk([
      user('r-1'),
      user('r-2'),
      user('r-3', managed('r-1')),
      user('r-4', managed('r-6')),
      user('r-5', managed('r-4')),
      user('r-6')
    ])
    t.equal(statuses(results), '201 201 201 201 201 201')
    const manager = async (index: number) => (await read(results[index]!))[ENTERPRISE].manager.value
    t.equal(await manager(2), idOf(results[0]!))
    t.equal(await manager(3), idOf(results[5]!))
    t.equal(await manager(4), idOf(results[3]!))
  })

  t.test('get a welcome mail if the tenant asks for it', async (t) => {
    const warm = await addTenant(app, 'warm', { scimWelcomeMail: true })
    const client = await scimClient(app, warm)
    await bulk([user('w-1', work('w-1@warm.test')), user('w-2', work('w-2@warm.test')), user('w-3')], {}, client)
    const mails = await app.owner.selectFrom('mails').select('to_address').where('tenant_id', '=', warm.id).execute()
    t.strictSame(mails.map(({ to_address }) => to_address).sort(), ['w-1@warm.test', 'w-2@warm.test'])
  })

  t.test('are made once if the same request comes four times at the same time', async (t) => {
    const operations = Array.from({ length: 40 }, (_, index) => user(`race-${index}`, work(`race-${index}@acme.test`)))
    const clients = [scim, clientOf(app, acme, scim.token), await scimClient(app, acme), await scimClient(app, acme)]
    const answers = await Promise.all(
      clients.map((client, index) => bulk(index % 2 ? operations : [...operations].reverse(), {}, client))
    )
    const made = answers.flat().filter(({ status }) => status === '201')
    t.strictSame(made.map(({ bulkId }) => bulkId).sort(), operations.map(({ bulkId }) => bulkId).sort())
    t.strictSame([...new Set(answers.flat().map(({ status }) => status))].sort(), ['201', '409'])
    t.equal((await scim.get('/Users?filter=userName sw "race-"&count=0')).body.totalResults, 40)
  })
})
