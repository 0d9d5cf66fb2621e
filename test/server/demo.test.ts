// The demo data: made once, whichever process starts, and useful for what the printed lines promise.
import { test } from 'tap'
import { createDemo } from '../../server/demo.ts'
import { OPERATOR, OPERATOR_TOKEN, SECRET_KEY, startApp } from '../support/app.ts'
import { createDatabase } from '../support/database.ts'
import { EMPTY } from '../support/empty.ts'
import { startProcess } from '../support/process.ts'

test('the demo data', async (t) => {
  const app = await startApp(t)
  const other = await startApp(t, { database: app })

  const printed = await Promise.all([createDemo(app.deps), createDemo(other.deps)])
  const lines = printed.flat()

  t.test('is made once by two processes that start at the same time', async (t) => {
    t.same(printed.map(({ length }) => length).sort(), [0, 3])
    const { data } = await app.query('', 'tenants.list', {}, OPERATOR)
    t.match(data.items, [{ subdomain: 'acme', name: 'Acme' }])
    t.equal(data.items.length, 1)
    t.same(await createDemo(app.deps), [], 'and it is not made again')
  })

  t.test('has a link that signs the administrator in once', async (t) => {
    const url = new URL(/http:\S+\/auth\/link\S+/.exec(lines.join('\n'))![0])
    const open = () => app.inject('acme', { method: 'GET', url: url.pathname + url.search })
    const cookie = (await open()).cookies.find(({ value }) => value)
    t.ok(cookie)
    const caller = { cookie: `${cookie!.name}=${cookie!.value}` }
    const { data } = await app.query('acme', 'users.list', {}, caller)
    t.match(data.items, [{ email: 'ada@acme.test', role: 'administrator', state: 'active', displayName: 'Ada Admin' }])
    t.equal((await open()).cookies.filter(({ value }) => value).length, 0)
  })

  t.test('has no passwords, and takes the address', async (t) => {
    t.same(await app.owner.selectFrom('user_credentials').selectAll().execute(), [])
    const again = { subdomain: 'globex', name: 'Globex', admin: 'ADA@acme.test' }
    t.equal((await app.mutate('', 'tenants.create', again, OPERATOR)).error?.reason, 'emailInOtherTenant')
  })

  t.test('has a SCIM token that provisions', async (t) => {
    const token = /mst_scim_\S+/.exec(lines.join('\n'))![0]
    const response = await app.inject('acme', {
      method: 'GET',
      url: '/scim/v2/ServiceProviderConfig',
      headers: { authorization: `Bearer ${token}` }
    })
    t.equal(response.statusCode, 200)
  })
})

test('a service open to the world has no demo data and no open mailbox', async (t) => {
  const env = {
    DATABASE_URL: await createDatabase(t),
    SECRET_KEY,
    OPERATOR_TOKEN,
    PUBLIC_SCHEME: 'https',
    DEMO: 'false'
  }
  const service = await startProcess(t, env)
  t.match(service.output(), /Muster answers at https:/)
  t.match(service.output(), /Nobody gets mail/)
  t.notMatch(service.output(), /SCIM token|works once/)
  t.equal((await fetch(`http://127.0.0.1:${service.port}/mailbox`, { headers: { host: 'localhost' } })).status, 404)
  const answer = await fetch(`http://127.0.0.1:${service.port}/trpc/tenants.list`, {
    headers: { host: 'localhost', authorization: `Bearer ${OPERATOR_TOKEN}` }
  })
  t.match(await answer.json(), { result: { data: { items: EMPTY } } })
})
