// A single query is answered without tRPC's adapter, and the answer is the same.
import { test } from 'tap'
import { OPERATOR, startApp } from '../support/app.ts'
import { scimClient } from '../support/scim.ts'
import { addTenant } from '../support/tenants.ts'

/** A parameter that means nothing to the adapter, but makes a request reach it. */
const BY_ADAPTER = 'connectionParams=null'
const NOBODY = '0190cafe-0000-7000-8000-000000000000'

test('a single query', async (t) => {
  const app = await startApp(t)
  const acme = await addTenant(app, 'acme')
  const scim = await scimClient(app, acme)
  const { id } = await scim.createUser({
    userName: 'ada@acme.test',
    displayName: 'Ada',
    emails: [{ value: 'a@acme.test' }]
  })
  await scim.post('/Groups', { displayName: 'Engineers', members: [{ value: id }] })

  const ask = (url: string, { host = 'acme', token = OPERATOR.token as string | undefined, method = 'GET' } = {}) =>
    app.inject(host, {
      method: method as 'GET',
      url: `/trpc/${url}`,
      headers: token === undefined ? {} : { authorization: `Bearer ${token}` }
    })
  const input = (value: unknown) => `input=${encodeURIComponent(JSON.stringify(value))}`

  const cases: [title: string, url: string, options?: Parameters<typeof ask>[1]][] = [
    ['that finds', `users.get?${input({ userId: id })}`],
    ['that lists', `users.list?${input({ limit: 1 })}`],
    ['without input', 'users.list'],
    ['with an empty input', 'users.list?input='],
    ['with an input that is too much', `users.get?${input({ userId: id, more: 1 })}`],
    ['with an input of another kind', `users.get?${input([1, null, 'ü'])}`],
    ['with an input that is no JSON', 'users.get?input={'],
    ['with two inputs', `users.list?${input({ limit: 1 })}&${input({ limit: 2 })}`],
    ['for somebody who is not there', `users.get?${input({ userId: NOBODY })}`],
    ['by nobody', `users.get?${input({ userId: id })}`, { token: undefined }],
    ['by a wrong token', `users.get?${input({ userId: id })}`, { token: 'mst_api_x' }],
    ['on the wrong host', `users.get?${input({ userId: id })}`, { host: '' }],
    ['on a host of nobody', `users.get?${input({ userId: id })}`, { host: 'nobody' }],
    ['that is a mutation', `users.lock?${input({ userId: id })}`],
    ['that is posted', `users.get?${input({ userId: id })}`, { method: 'POST' }],
    ['that there is not', 'users.nothing'],
    ['that is only a namespace', 'users'],
    ['that every object has', 'constructor']
  ]
  for (const [title, url, options] of cases) {
    t.test(`${title} is answered as by the adapter`, async (t) => {
      const [lone, adapted] = [
        await ask(url, options),
        await ask(`${url}${url.includes('?') ? '&' : '?'}${BY_ADAPTER}`, options)
      ]
      t.equal(lone.statusCode, adapted.statusCode)
      const told = (answer: typeof lone) => JSON.parse(answer.body.replaceAll(/"requestId":"[^"]+"/g, '"requestId":""'))
      t.strictSame(told(lone), told(adapted))
      const { date: _, connection: __, 'content-length': ___, 'transfer-encoding': ____, ...headers } = adapted.headers
      for (const [name, value] of Object.entries(headers)) {
        // Fastify adds the charset, which JSON always has
        t.equal(String(lone.headers[name]).replace('; charset=utf-8', ''), value, name)
      }
    })
  }

  t.test('whose input is a secret may have it in a body, and no other query may', async (t) => {
    const preview = { token: 'x'.repeat(43) }
    const posted = await app.mutate('acme', 'invitations.preview', preview)
    const got = await app.query('acme', 'invitations.preview', preview)
    t.equal(posted.status, 404)
    t.match(posted, { status: got.status, error: { reason: got.error?.reason } })
    t.equal((await app.mutate('acme', 'users.get', { userId: id }, OPERATOR)).status, 405)
  })

  t.test('is answered in batches, too', async (t) => {
    const { statusCode, body } = await ask(
      `users.get,users.list?batch=1&${input({ 0: { userId: id }, 1: { limit: 1 } })}`
    )
    t.equal(statusCode, 200)
    t.match(JSON.parse(body), [{ result: { data: { user: { id } } } }, { result: { data: { items: [{ id }] } } }])
  })

  t.test('reveals nothing of an unexpected error', async (t) => {
    await app.owner.schema.alterTable('mails').renameTo('mails_away').execute()
    const { statusCode, body } = await ask(`users.get?${input({ userId: id })}`)
    t.equal(statusCode, 500)
    t.match(JSON.parse(body), {
      error: { message: 'Something went wrong on our side', data: { reason: 'internal', requestId: String } }
    })
    t.notMatch(body, 'mails')
  })
})
