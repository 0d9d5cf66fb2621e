// tenants.*: what the operator creates, suspends and removes; every process knows it at once.
import { once } from 'node:events'
import { test } from 'tap'
import { TENANT_TABLES_LEAVES_FIRST } from '../../db/tenants.ts'
import { OPERATOR, startApp, type TestApp } from '../support/app.ts'
import { insertGroup } from '../support/groups.ts'
import { giveEverything, insertPeople, insertPerson, signInAs } from '../support/people.ts'
import { insertTenant } from '../support/tenants.ts'

const readMails = (app: TestApp) =>
  app.owner.selectFrom('mails').select(['to_address', 'template', 'state']).orderBy('id').execute()

test('tenants.create', async (t) => {
  const app = await startApp(t)
  const create = (input: object) => app.mutate('', 'tenants.create', input, OPERATOR)

  t.test('makes a tenant that answers at its subdomain', async (t) => {
    const { data } = await create({ subdomain: ' Acme ', name: 'Acme' })
    t.match(data, { tenant: { subdomain: 'acme', name: 'Acme', state: 'active', url: 'http://acme.muster.test' } })
    t.equal(data.invitation, null)
    t.equal((await app.query('acme', 'settings.get')).data.settings.name, 'Acme')
    const log = await app.query('acme', 'audit.list', {}, OPERATOR)
    t.match(log.data.items, [{ action: 'tenant.created', actorKind: 'operator', targetName: 'acme' }])
  })

  t.test('invites the first administrator, with one mail', async (t) => {
    const { data } = await create({ subdomain: 'globex', name: 'Globex', admin: 'Ada <ada@globex.test>' })
    t.match(data.invitation, { email: 'ada@globex.test' })
    const { user, invitation } = (await app.query('globex', 'users.get', { userId: data.invitation.userId }, OPERATOR))
      .data
    t.match(user, { email: 'ada@globex.test', role: 'administrator', state: 'invited' })
    t.match(invitation, { id: data.invitation.id, state: 'pending' })
    t.same(await readMails(app), [{ to_address: 'ada@globex.test', template: 'invitation', state: 'queued' }])
  })

  t.test('makes nothing if the administrator cannot be invited', async (t) => {
    for (const [admin, status, reason] of [
      ['ADA@globex.test', 409, 'emailInOtherTenant'],
      ['no address', 400, 'invalidEmail'],
      ['a@x.test, b@x.test', 400, 'invalidEmail'],
      ['', 400, 'invalidEmail']
    ] as const) {
      const answer = await create({ subdomain: 'initech', name: 'Initech', admin })
      t.match({ status: answer.status, reason: answer.error?.reason }, { status, reason }, admin)
      t.equal((await app.query('initech', 'settings.get')).error?.reason, 'unknownTenant')
    }
    t.equal((await readMails(app)).length, 1)
  })

  t.test('refuses names that are no DNS labels, reserved or taken', async (t) => {
    for (const [subdomain, status, reason] of [
      ['', 400, 'invalidSubdomain'],
      ['-a', 400, 'invalidSubdomain'],
      ['a-', 400, 'invalidSubdomain'],
      ['a.b', 400, 'invalidSubdomain'],
      ['a_b', 400, 'invalidSubdomain'],
      ['ä', 400, 'invalidSubdomain'],
      ['xn--80ak6aa92e', 400, 'invalidSubdomain'],
      ['a'.repeat(64), 400, 'invalidSubdomain'],
      ['www', 400, 'subdomainReserved'],
      ['API', 400, 'subdomainReserved'],
      ['auth', 400, 'subdomainReserved'],
      ['scim', 400, 'subdomainReserved'],
      ['acme', 409, 'subdomainTaken'],
      ['ACME', 409, 'subdomainTaken']
    ] as const) {
      const answer = await create({ subdomain, name: 'X' })
      t.match({ status: answer.status, reason: answer.error?.reason }, { status, reason }, subdomain)
    }
    for (const input of [
      { subdomain: 'ok' },
      { subdomain: 'ok', name: ' ' },
      { subdomain: 'ok', name: 'X', role: 1 }
    ]) {
      t.equal((await create(input)).status, 400)
    }
    t.equal((await create({ subdomain: 'a'.repeat(63), name: 'Long' })).status, 200)
    t.equal((await create({ subdomain: '7', name: 'Seven' })).status, 200)
  })

  t.test('gives a name to one of twenty who ask for it at the same time', async (t) => {
    const answers = await Promise.all(
      Array.from({ length: 20 }, (_, index) =>
        create({ subdomain: 'race', name: `Race ${index}`, admin: `ada${index}@race.test` })
      )
    )
    t.same(answers.map(({ status }) => status).sort(), [200, ...Array(19).fill(409)])
    const users = await app.query('race', 'users.list', {}, OPERATOR)
    t.equal(users.data.items.length, 1, 'and one administrator is invited')
  })

  t.test('is for the operator, on the base domain only', async (t) => {
    t.equal((await app.mutate('', 'tenants.create', { subdomain: 'x', name: 'X' })).error?.reason, 'unauthenticated')
    const onTenant = await app.mutate('acme', 'tenants.create', { subdomain: 'x', name: 'X' }, OPERATOR)
    t.match(onTenant, { status: 404, error: { reason: 'wrongHost' } })
    t.equal((await app.query('', 'tenants.list', {}, { token: 'guess' })).status, 401)
  })
})

test('tenants.list and tenants.get', async (t) => {
  const app = await startApp(t)
  for (const subdomain of ['globex', 'acme', 'hooli', 'initech']) {
    await app.mutate('', 'tenants.create', { subdomain, name: `The ${subdomain} company` }, OPERATOR)
  }
  await app.mutate('', 'tenants.suspend', { subdomain: 'hooli' }, OPERATOR)
  const subdomains = async (input: object) =>
    (await app.query('', 'tenants.list', input, OPERATOR)).data.items.map(
      ({ subdomain }: { subdomain: string }) => subdomain
    )

  t.test('lists by subdomain, page by page', async (t) => {
    t.same(await subdomains({}), ['acme', 'globex', 'hooli', 'initech'])
    const first = await app.query('', 'tenants.list', { limit: 3 }, OPERATOR)
    t.same(await subdomains({ limit: 3, cursor: first.data.nextCursor }), ['initech'])
    t.equal((await app.query('', 'tenants.list', { cursor: 'x' }, OPERATOR)).error?.reason, 'invalidCursor')
  })

  t.test('searches name and subdomain, narrows by state', async (t) => {
    t.same(await subdomains({ search: 'GLOB' }), ['globex'])
    t.same(await subdomains({ search: 'company' }), ['acme', 'globex', 'hooli', 'initech'])
    t.same(await subdomains({ search: '%' }), [])
    t.same(await subdomains({ filter: { state: 'suspended' } }), ['hooli'])
  })

  t.test('get counts what is in a tenant', async (t) => {
    const { data } = await app.query('', 'tenants.get', { subdomain: 'acme' }, OPERATOR)
    await insertPeople(app.owner, data.tenant.id, [
      { email: 'ada@acme.test', role: 'administrator' },
      { email: 'ben@acme.test', state: 'removed' }
    ])
    t.match(await app.query('', 'tenants.get', { tenantId: data.tenant.id }, OPERATOR), {
      data: { tenant: { subdomain: 'acme' }, counts: { users: 1, administrators: 1, groups: 0, scimConnections: 0 } }
    })
    t.equal((await app.query('', 'tenants.get', { subdomain: 'nobody' }, OPERATOR)).status, 404)
    t.equal((await app.query('', 'tenants.get', { tenantId: 999 }, OPERATOR)).status, 404)
    t.equal((await app.query('', 'tenants.get', {}, OPERATOR)).status, 400)
  })
})

test('tenants.suspend and tenants.update', async (t) => {
  const app = await startApp(t)
  const other = await startApp(t, { database: app })
  const tenantId = await insertTenant(app.owner, 'acme')
  await insertTenant(app.owner, 'globex')
  const adaId = await insertPerson(app.owner, tenantId, { email: 'ada@acme.test', role: 'administrator' })
  const ada = { cookie: await signInAs(app.owner, tenantId, adaId) }

  t.test('a suspended tenant is refused by every process, and served again afterwards', async (t) => {
    t.equal((await other.query('acme', 'users.list', {}, ada)).status, 200, 'the other process knows the tenant')
    const heard = once(other.deps.listener, 'change')
    const { data } = await app.mutate('', 'tenants.suspend', { subdomain: 'acme' }, OPERATOR)
    t.equal(data.tenant.state, 'suspended')
    t.match(await app.query('acme', 'users.list', {}, ada), { status: 403, error: { reason: 'tenantSuspended' } })
    await heard
    t.match(await other.query('acme', 'users.list', {}, ada), { status: 403, error: { reason: 'tenantSuspended' } })
    t.equal((await other.query('globex', 'settings.get')).status, 200, 'another tenant is served')

    const heardAgain = once(other.deps.listener, 'change')
    await app.mutate('', 'tenants.suspend', { subdomain: 'acme', suspended: false }, OPERATOR)
    t.equal((await app.query('acme', 'users.list', {}, ada)).status, 200, 'the session is still good')
    await heardAgain
    t.equal((await other.query('acme', 'users.list', {}, ada)).status, 200)
    const log = await app.query('acme', 'audit.list', {}, ada)
    t.match(log.data.items, [
      { action: 'tenant.resumed', before: { state: 'suspended' }, after: { state: 'active' } },
      { action: 'tenant.suspended', actorKind: 'operator' }
    ])
  })

  t.test('suspending twice changes nothing the second time', async (t) => {
    await app.mutate('', 'tenants.suspend', { subdomain: 'globex' }, OPERATOR)
    const first = (await app.query('', 'tenants.get', { subdomain: 'globex' }, OPERATOR)).data
    app.clock.advance({ minutes: 1 })
    const again = await app.mutate('', 'tenants.suspend', { subdomain: 'globex' }, OPERATOR)
    t.same(again.data.tenant, first.tenant)
  })

  t.test('update changes name, settings and state', async (t) => {
    const settings = { passwordMinLength: 12, googleSignIn: false, secondFactor: 'everybody' }
    const input = { tenantId, name: 'Acme Ltd', settings }
    const { data } = await app.mutate('', 'tenants.update', input, OPERATOR)
    t.match(data.tenant, { name: 'Acme Ltd', settings })
    const reset = { tenantId, settings: { passwordMinLength: null, secondFactor: null } }
    t.same((await app.mutate('', 'tenants.update', reset, OPERATOR)).data.tenant.settings, { googleSignIn: false })
    t.equal((await app.mutate('', 'tenants.update', { tenantId, subdomain: 'acme' }, OPERATOR)).status, 400)
    t.equal((await app.mutate('', 'tenants.update', { subdomain: 'nobody', name: 'X' }, OPERATOR)).status, 404)
  })
})

test('tenants.remove', async (t) => {
  const app = await startApp(t)
  const fill = async (subdomain: string) => {
    const tenantId = await insertTenant(app.owner, subdomain)
    const userId = await insertPerson(app.owner, tenantId, { email: `ada@${subdomain}.test`, role: 'administrator' })
    await giveEverything(app.owner, tenantId, userId)
    await app.mutate(subdomain, 'users.setRole', { userId, role: 'administrator' }, OPERATOR)
    await app.mutate(subdomain, 'users.update', { userId, displayName: 'Ada' }, OPERATOR)
    await insertGroup(app.owner, tenantId, 'A', [userId])
    return tenantId
  }
  const tenantId = await fill('acme')
  const keptId = await fill('globex')
  const remove = (confirm = 'acme') => app.mutate('', 'tenants.remove', { subdomain: 'acme', confirm }, OPERATOR)
  const rowsOf = async (id: number) => {
    const counts: [string, number][] = []
    for (const table of [...TENANT_TABLES_LEAVES_FIRST, 'audit_events'] as const) {
      const { count } = await app.owner
        .selectFrom(table)
        .select((of) => of.fn.countAll<string>().as('count'))
        .where('tenant_id', '=', id)
        .executeTakeFirstOrThrow()
      if (Number(count) > 0) counts.push([table, Number(count)])
    }
    return Object.fromEntries(counts)
  }

  t.test('requires that the tenant is suspended and its name confirmed', async (t) => {
    t.match(await remove(), { status: 409, error: { reason: 'notSuspended' } })
    await app.mutate('', 'tenants.suspend', { subdomain: 'acme' }, OPERATOR)
    const before = await rowsOf(tenantId)
    t.ok(Object.keys(before).length > 12, 'there is something in it')
    t.match(await remove('acne'), { status: 400, error: { reason: 'confirmationNeeded' } })
    t.same(await rowsOf(tenantId), before)
  })

  t.test('deletes everything of the tenant, nothing of another, and frees the addresses', async (t) => {
    const kept = await rowsOf(keptId)
    t.equal((await remove()).data.tenant.subdomain, 'acme')
    t.same(await rowsOf(tenantId), {})
    t.same(await rowsOf(keptId), kept)
    t.equal((await app.query('acme', 'settings.get')).error?.reason, 'unknownTenant')
    t.equal((await remove()).status, 404)
    const again = { subdomain: 'acme', name: 'Acme', admin: 'ada@acme.test' }
    t.equal((await app.mutate('', 'tenants.create', again, OPERATOR)).status, 200, 'the name and the address are free')
  })
})
