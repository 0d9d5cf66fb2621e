// What every edge does with input that reaches no rule, and without its database.
import pg from 'pg'
import { test } from 'tap'
import { OPERATOR, startApp } from '../support/app.ts'

test('bad input is answered in the form of its path', async (t) => {
  const { inject, mutate, query, owner } = await startApp(t)
  const now = new Date()
  await owner
    .insertInto('tenants')
    .values([
      { subdomain: 'acme', name: 'Acme', state: 'active', created_at: now, updated_at: now },
      { subdomain: 'asleep', name: 'Asleep', state: 'suspended', created_at: now, updated_at: now }
    ])
    .execute()

  t.test('with 413 for a body of 10 MB', async (t) => {
    const payload = JSON.stringify({ invites: 'x'.repeat(10 * 1024 * 1024) })
    const headers = { 'content-type': 'application/json' }
    const trpc = await inject('acme', { method: 'POST', url: '/trpc/invitations.create', headers, payload })
    t.equal(trpc.statusCode, 413)
    t.match(trpc.json(), { error: { data: { code: 'PAYLOAD_TOO_LARGE', reason: 'tooLarge' } } })
  })

  t.test('with 404 for an unknown tenant and 403 for a suspended one, on every edge', async (t) => {
    for (const [host, status] of [
      ['nobody', 404],
      ['asleep', 403],
      ['elsewhere.test', 404]
    ] as const) {
      t.equal((await inject(host, { url: '/trpc/auth.me' })).statusCode, status, `${host}: tRPC`)
      const scim = await inject(host, { url: '/scim/v2/Users', headers: { authorization: 'Bearer x' } })
      t.equal(scim.statusCode, status, `${host}: SCIM`)
      t.match(scim.headers['content-type'], 'application/scim+json')
      t.equal(scim.json().status, String(status))
      const url = '/auth/link?code=x'
      const page = await inject(host, { url })
      t.equal(page.statusCode, status, `${host}: a page`)
      t.match(page.headers['content-type'], 'text/html')
      const asked = await inject(host, { url, headers: { accept: 'application/json' } })
      t.match(asked.json(), { status }, `${host}: JSON where it is asked for`)
    }
  })

  t.test('with words for broken JSON, unknown procedures and wrong methods', async (t) => {
    const post = (url: string, payload: string) =>
      inject('acme', { method: 'POST', url, payload, headers: { 'content-type': 'application/json' } })
    t.match((await post('/trpc/auth.signIn', '{')).json(), { error: { data: { httpStatus: 400 } } })
    t.match((await post('/trpc/nothing.here', '{}')).json(), { error: { data: { reason: 'notFound' } } })
    t.match(await inject('acme', { url: '/trpc/auth.signIn' }), { statusCode: 405, headers: { allow: 'POST' } })
    const posted = { url: '/trpc/settings.get', method: 'POST', payload: {} } as const
    t.match(await inject('acme', posted), { statusCode: 405, headers: { allow: 'GET' } })
    for (const method of ['DELETE', 'OPTIONS', 'PUT', 'PATCH', 'TRACE'] as const) {
      for (const [path, allow] of [
        ['auth.signIn', 'POST'],
        ['settings.get', 'GET'],
        ['auth.me,settings.get', 'GET, POST']
      ] as const) {
        const refused = await inject('acme', { url: `/trpc/${path}`, method: method as 'DELETE' })
        t.match(refused, { statusCode: 405, headers: { allow } }, `${method} ${path}`)
        t.match(refused.json(), { error: { data: { code: 'METHOD_NOT_SUPPORTED', reason: 'methodNotSupported' } } })
      }
    }
    t.equal((await inject('acme', { url: '/%zz' })).statusCode, 400)
  })

  t.test('with words that name the field for input of a wrong shape', async (t) => {
    const UUID = '01890000-0000-7000-8000-000000000000'
    const told = async (call: typeof mutate, host: string, name: string, input: unknown) => {
      const { status, error } = await call(host, name, input, OPERATOR)
      t.match({ status, reason: error?.reason }, { status: 400, reason: 'invalid' }, name)
      return error?.message
    }
    for (const [name, input, message] of [
      [
        'tenants.create',
        { subdomain: 7, colour: 'red' },
        'subdomain must be text; name is missing; colour is no field of this call'
      ],
      ['tenants.create', [], 'The input must be an object'],
      ['tenants.suspend', { subdomain: 'acme', suspended: 'yes' }, 'suspended must be true or false'],
      ['tenants.create', { subdomain: 'x', name: '' }, 'name must not be empty']
    ] as const) {
      t.equal(await told(mutate, '', name, input), message)
    }
    const roles = 'stakeholder, responder, manager, administrator'
    for (const [name, input, message] of [
      [
        'invitations.create',
        { invites: [{ email: 'a@b.test', role: 'king' }] },
        `invites.0.role must be one of ${roles}`
      ],
      ['invitations.create', { invites: 'a@b.test' }, 'invites must be a list'],
      ['users.lock', { userId: 'x' }, 'userId must be a UUID'],
      ['users.update', { userId: UUID, timeZone: 'Mars' }, 'timeZone: Not a time zone such as Europe/Zurich'],
      ['users.update', { userId: UUID, displayName: 'x'.repeat(201) }, 'displayName must have at most 200 characters'],
      ['history.undo', { userId: UUID }, 'at is missing'],
      ['history.undo', { userId: UUID, at: 'today' }, 'at must be a time such as 2027-01-31T09:40:00Z'],
      ['settings.update', { invitationTtlHours: 9_000 }, 'invitationTtlHours must be at most 8760'],
      ['groups.addMembers', { groupId: UUID, userIds: [] }, 'userIds must not be empty']
    ] as const) {
      t.equal(await told(mutate, 'acme', name, input), message)
    }
    for (const [name, input, message] of [
      ['users.list', { limit: 0.5 }, 'limit must be a whole number'],
      ['users.list', { limit: 201 }, 'limit must be at most 200'],
      ['users.list', { sort: { by: 'shoe' } }, /^sort\.by must be one of /],
      ['audit.list', { filter: { action: '!' } }, /^filter\.action: An action is such as /]
    ] as const) {
      t.match(await told(query, 'acme', name, input), message)
    }
    const exported = await inject('acme', {
      url: '/audit.csv?from=now',
      headers: { authorization: `Bearer ${OPERATOR.token}` }
    })
    t.match(exported, { statusCode: 400, payload: /from must be a time such as/ })
  })
})

test('a lost database means 503 until it is back, without a restart', async (t) => {
  const { inject, query, url } = await startApp(t)
  t.equal((await inject('', { url: '/readyz' })).statusCode, 200)
  const name = new URL(url).pathname.slice(1)
  // all connections are ended and refused, as when PostgreSQL restarts
  const maintenance = new pg.Client({ connectionString: url.replace(`/${name}`, '/postgres') })
  await maintenance.connect()
  t.teardown(() => maintenance.end())
  await maintenance.query(`alter database ${name} allow_connections false`)
  await maintenance.query('select pg_terminate_backend(pid) from pg_stat_activity where datname = $1', [name])
  const away = await query('', 'tenants.list', {}, OPERATOR)
  t.equal(away.status, 503)
  t.equal(away.error?.reason, 'unavailable')
  t.ok(Number(away.response.headers['retry-after']) > 0)
  t.equal((await inject('', { url: '/readyz' })).statusCode, 503)
  t.equal((await inject('', { url: '/healthz' })).statusCode, 200)
  await maintenance.query(`alter database ${name} allow_connections true`)
  t.equal((await query('', 'tenants.list', {}, OPERATOR)).status, 200)
  t.equal((await inject('', { url: '/readyz' })).statusCode, 200)
})
