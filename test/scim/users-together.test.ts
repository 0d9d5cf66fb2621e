// Changes that come in one moment share a transaction: each has its own answer, and none takes another one along.
import { test } from 'tap'
import { startApp } from '../support/app.ts'
import { addTenant, scimClient } from '../support/scim.ts'

test('changes of one moment', async (t) => {
  const app = await startApp(t)
  const acme = await addTenant(app, 'acme')
  const scim = await scimClient(app, acme)
  const make = async (name: string) => {
    const user = { userName: `${name}@acme.test`, externalId: name, name: { familyName: name } }
    return (await scim.post('/Users', user)).body.id as string
  }
  const set = (path: string, value: unknown) => [{ op: 'replace', path, value }]
  const statesOf = async (ids: readonly string[]) => {
    const rows = await app.owner.selectFrom('users').select(['id', 'state', 'version']).where('id', 'in', ids).execute()
    const found = new Map(rows.map(({ id, state, version }) => [id, `${state} ${version}`]))
    return ids.map((id) => found.get(id))
  }
  const eventsOf = async (ids: readonly string[]) =>
    app.owner
      .selectFrom('audit_events')
      .select(['action', 'target_id', 'request_id'])
      .where('target_id', 'in', ids)
      .where('action', '<>', 'user.created')
      .execute()

  t.test('have an answer, a version and an event each', async (t) => {
    const ids = await Promise.all(['a', 'b', 'c', 'd', 'e', 'f'].map(make))
    const [a, b, c, d, e, f] = ids as [string, string, string, string, string, string]
    const answers = await Promise.all([
      scim.patch(`/Users/${a}`, set('name.familyName', 'Alpha')),
      scim.patch(`/Users/${b}`, set('active', false)),
      scim.delete(`/Users/${c}`),
      scim.patch(`/Users/${d}`, set('name.familyName', 'Delta')),
      scim.patch(`/Users/${d}`, set('displayName', 'D. Delta')),
      scim.patch(`/Users/${e}`, set('active', true)),
      scim.patch(`/Users/${f}`, set('userName', 'g@acme.test')),
      scim.delete('/Users/00000000-0000-4000-8000-000000000000')
    ])
    t.same(
      answers.map(({ status }) => status),
      [200, 200, 204, 200, 200, 200, 200, 404]
    )
    t.equal(answers[0].body.name.familyName, 'Alpha')
    t.equal(answers[1].body.active, false)
    const both = (await scim.get(`/Users/${d}`)).body
    t.same([both.name.familyName, both.displayName, both.meta.version], ['Delta', 'D. Delta', 'W/"3"'])
    t.same(await statesOf(ids), ['active 2', 'deactivated 2', 'removed 2', 'active 3', 'active 1', 'active 2'])
    const events = await eventsOf(ids)
    t.same(events.map(({ action }) => action).sort(), [
      'user.deactivated',
      'user.removed',
      'user.updated',
      'user.updated',
      'user.updated',
      'user.updated'
    ])
    t.equal(new Set(events.map(({ request_id }) => request_id)).size, events.length, 'with its own request')
    t.equal((await scim.get('/Users?count=0')).body.totalResults, 5)
  })

  t.test('fail alone', async (t) => {
    const ids = await Promise.all(['k', 'l', 'm', 'n'].map(make))
    const [k, l, m, n] = ids as [string, string, string, string]
    const answers = await Promise.all([
      scim.patch(`/Users/${k}`, set('externalId', 'n')),
      scim.patch(`/Users/${l}`, set('name.familyName', 'Lambda')),
      scim.patch(`/Users/${m}`, set('active', false), { 'if-match': 'W/"7"' }),
      scim.delete(`/Users/${n}`, { 'if-match': 'W/"7"' })
    ])
    t.same(
      answers.map(({ status }) => status),
      [409, 200, 412, 412]
    )
    t.same(await statesOf(ids), ['active 1', 'active 2', 'active 1', 'active 1'])
    t.equal((await eventsOf(ids)).length, 1)
  })

  t.test('of the same user wait for each other', async (t) => {
    const id = await make('same')
    const answers = await Promise.all(
      Array.from({ length: 12 }, (_, index) => scim.patch(`/Users/${id}`, set('nickName', `n${index}`)))
    )
    t.same(new Set(answers.map(({ status }) => status)), new Set([200]))
    t.same(
      answers.map(({ body }) => body.meta.version).sort(),
      Array.from({ length: 12 }, (_, index) => `W/"${index + 2}"`).sort()
    )
  })
})

test('users that are made in one moment', async (t) => {
  const app = await startApp(t)
  const acme = await addTenant(app, 'acme')
  const scim = await scimClient(app, acme)

  t.test('have an answer and an event each', async (t) => {
    const names = Array.from({ length: 12 }, (_, index) => `new-${index}@acme.test`)
    const answers = await Promise.all(names.map((userName) => scim.post('/Users', { userName })))
    t.same(
      answers.map(({ status, body }) => `${status} ${body.userName}`),
      names.map((name) => `201 ${name}`)
    )
    const events = await app.owner
      .selectFrom('audit_events')
      .select(['target_id', 'request_id'])
      .where('action', '=', 'user.created')
      .execute()
    t.same(new Set(events.map(({ target_id }) => target_id)), new Set(answers.map(({ body }) => body.id)))
    t.equal(new Set(events.map(({ request_id }) => request_id)).size, names.length)
    t.equal((await scim.get('/Users?count=0')).body.totalResults, names.length)
  })

  t.test('are refused alone', async (t) => {
    const post = (userName: string, rest = {}) => scim.post('/Users', { userName, ...rest })
    const answers = await Promise.all([
      post('fresh@acme.test'),
      post('NEW-1@acme.test'),
      post('twice@acme.test'),
      post('twice@acme.test'),
      post('above@acme.test', { roles: [{ value: 'administrator', primary: true }] })
    ])
    const statuses = answers.map(({ status }) => status)
    t.same([statuses[0], statuses[1], statuses[4]], [201, 409, 403])
    t.same(statuses.slice(2, 4).sort(), [201, 409], 'one of two with the same name is made')
  })
})
