// What is stored of exchanges: written in batches, after the answers, without secrets.
import { randomUUID } from 'node:crypto'
import { sql } from 'kysely'
import { pino } from 'pino'
import { type Test, test } from 'tap'
import { inTenant } from '../../db/connect.ts'
import type { Deps } from '../../server/deps.ts'
import { type Exchange, parseEntry, type WireEntry } from '../../server/wire-log/entry.ts'
import { unpackLines } from '../../server/wire-log/pack.ts'
import { createWireLog } from '../../server/wire-log/wire-log.ts'
import { startApp, type TestApp } from '../support/app.ts'
import { letStatementsCross } from '../support/cluster.ts'
import { scimClient } from '../support/scim.ts'
import { addTenant, type Tenant } from '../support/tenants.ts'
import { BULK_REQUEST, GROUP, PATCH_OP, SEARCH_REQUEST, USER } from '../support/urns.ts'

const unpackEntries = async (packed: Buffer) => (await unpackLines(packed)).map(parseEntry)

/** All that is stored of a tenant, once everything has been written. */
async function entriesOf(app: TestApp, tenant: Tenant, count: number): Promise<WireEntry[]> {
  for (let tries = 0; tries < 500; tries++) {
    const rows = await app.owner.selectFrom('wire_log').selectAll().where('tenant_id', '=', tenant.id).execute()
    if (rows.reduce((sum, row) => sum + row.exchanges, 0) >= count) {
      const batches = await Promise.all(rows.map(({ entries }) => unpackEntries(entries)))
      return batches.flat().sort((one, other) => one.at - other.at)
    }
    await new Promise((done) => setTimeout(done, 20))
  }
  throw new Error(`fewer than ${count} exchanges of ${tenant.subdomain} were written`)
}

test('the wire log', async (t) => {
  const app = await startApp(t)
  const open = async (name: string, settings = {}) => {
    const tenant = await addTenant(app, name, settings)
    return { tenant, scim: await scimClient(app, tenant) }
  }

  t.test('keeps what was sent and answered', async (t) => {
    const { tenant, scim } = await open('kept')
    const ada = await scim.createUser({ userName: 'ada@kept.test', active: 'True' })
    await scim.get(`/Users/${ada.id}?attributes=userName`, { 'user-agent': 'tester/1.0' })
    await scim.get('/Users?filter=userName%20is%20wrong')
    await scim.delete(`/Users/${ada.id}`)
    await scim.ask('POST', '/Users', '{"userName":\n"bob@kept.test", "title": "R\\/D"}')
    const [made, read, refused, deleted, inLines] = await entriesOf(app, tenant, 5)
    t.match(made, {
      method: 'POST',
      url: '/scim/v2/Users',
      status: 201,
      kind: 'scimToken',
      request: { userName: 'ada@kept.test', active: 'True' },
      response: { id: ada.id, userName: 'ada@kept.test', active: true },
      leniences: [{ lenience: 'stringBooleans', where: ['active'] }],
      resourceIds: [ada.id]
    })
    t.ok(made!.durationMs > 0)
    t.match(read, { url: `/scim/v2/Users/${ada.id}?attributes=userName`, headers: { 'user-agent': 'tester/1.0' } })
    t.match(refused, { status: 400, error: { reason: 'invalidFilter', scimType: 'invalidFilter' } })
    t.match(deleted, { method: 'DELETE', status: 204, resourceIds: [ada.id] })
    t.notOk('response' in deleted!, 'and no body where there was none')
    t.strictSame(inLines!.request, { userName: 'bob@kept.test', title: 'R/D' }, 'however it was written')
    const { rows } = await sql<{ connections: number; statuses: number[] }>`
      select cardinality(connection_ids) as connections, statuses from wire_log where tenant_id = ${tenant.id}
      `.execute(app.owner)
    t.ok(rows.length > 0 && rows.every(({ connections }) => connections === 1))
  })

  t.test('contains no password and no token, wherever they were sent', async (t) => {
    const { tenant, scim } = await open('secret')
    await app.owner
      .insertInto('scim_schemas')
      .values({
        tenant_id: tenant.id,
        urn: 'urn:test:door',
        resource_type: 'User',
        definition: JSON.stringify({
          id: 'urn:test:door',
          name: 'Door',
          description: '',
          attributes: [pin]
        }),
        created_at: new Date()
      })
      .execute()
    const secrets = await sendSecrets(t, scim.ask, scim.token)
    const entries = await entriesOf(app, tenant, 16)
    t.equal(entries.length, 16)
    const stored = JSON.stringify(entries)
    for (const secret of secrets) t.notOk(stored.includes(secret), secret)
    const { rows } = await sql<{ bytes: string }>`
      select string_agg(row_to_json(w)::text, '') as bytes from wire_log w`.execute(app.owner)
    for (const secret of secrets) t.notOk(rows[0]!.bytes.includes(secret), `${secret}, in any column`)
    t.ok(stored.includes('ada@secret.test'), 'the rest is there')
  })

  t.test('keeps 65,536 characters of a body, and says how many were cut', async (t) => {
    const { tenant, scim } = await open('long')
    const half = 'ä'.repeat(40_000)
    await scim.createUser({ userName: 'ada@long.test', nickName: half, title: half })
    const [entry] = await entriesOf(app, tenant, 1)
    t.equal((entry!.request as string).length, 65_536)
    t.ok(entry!.requestCut! > 70_000 && entry!.responseCut! > 70_000)
    t.match(entry!.request, /^\{"schemas":/)
  })

  t.test('names the users whom a bulk request created, changed and named', async (t) => {
    const { tenant, scim } = await open('bulk')
    const ada = await scim.createUser({ userName: 'ada@bulk.test' })
    const made = (userName: string) => ({ method: 'POST', path: '/Users', bulkId: userName, data: { userName } })
    const answer = await scim.ask('POST', '/Bulk', {
      schemas: [BULK_REQUEST],
      Operations: [made('bob@bulk.test'), made('cy@bulk.test'), { method: 'DELETE', path: `/Users/${ada.id}` }]
    })
    const ids = answer.body.Operations.map(({ location }: { location: string }) => location.slice(-36))
    const entry = (await entriesOf(app, tenant, 2)).at(-1)!
    t.match(entry, { method: 'POST', url: '/scim/v2/Bulk', status: 200 })
    t.equal(ids.length, 3)
    t.same([...entry.resourceIds].sort(), [...ids].sort())
  })

  t.test('names all whom a large bulk request created, whatever other uuids it contains', async (t) => {
    const { tenant, scim } = await open('large')
    const Operations = Array.from({ length: 800 }, (_, i) => {
      const data = { userName: `u${i}@large.test`, externalId: randomUUID() }
      return { method: 'POST', path: '/Users', bulkId: randomUUID(), data }
    })
    const schemas = [BULK_REQUEST]
    const answer = await scim.ask('POST', '/Bulk', { schemas, Operations })
    const ids = answer.body.Operations.map(({ location }: { location: string }) => location.slice(-36))
    t.equal(ids.length, 800)
    const [entry] = await entriesOf(app, tenant, 1)
    t.same(entry!.resourceIds.slice(0, 800), ids)
  })

  t.test('names groups that are found by a member, and that member, but not the others', async (t) => {
    const { tenant, scim } = await open('sought')
    const [ada, bob] = [
      await scim.createUser({ userName: 'ada@sought.test' }),
      await scim.createUser({ userName: 'bob@sought.test' })
    ]
    const schemas = [GROUP]
    const members = [{ value: ada.id }, { value: bob.id }]
    const group = (await scim.ask('POST', '/Groups', { schemas, displayName: 'All', members })).body
    const filter = `members.value eq "${ada.id}"`
    const search = { schemas: [SEARCH_REQUEST], filter }
    await scim.ask('POST', '/Groups/.search', search)
    const [, , made, found] = await entriesOf(app, tenant, 4)
    t.same(made!.resourceIds, [group.id, ada.id, bob.id])
    t.same(found!.resourceIds, [ada.id, group.id])
  })

  t.test('can be read whatever is taken for a secret', async (t) => {
    const { tenant, scim } = await open('secrets')
    await scim.ask('POST', '/Users', { userName: 'ada@secrets.test', changePasswordAtNextLogin: 'true' })
    await scim.ask('POST', '/Users', {
      userName: 'x\nabc1234@secrets.test',
      displayName: 'x\nabc1234',
      password: 'nabc1234'
    })
    const [ada] = await entriesOf(app, tenant, 2)
    t.match(ada, { status: 201, request: { changePasswordAtNextLogin: '[redacted]' }, response: { active: true } })
  })

  t.test('keeps the beginning of a long list, and names whom that shows', async (t) => {
    const { tenant, scim } = await open('lists')
    const ids: string[] = []
    for (const name of ['ada', 'bob', 'cy', 'dee']) {
      const user = await scim.createUser({ userName: `${name}@lists.test`, nickName: 'x'.repeat(1_000) })
      ids.push(user.id)
    }
    const list = await scim.get('/Users')
    const [entry] = (await entriesOf(app, tenant, 5)).slice(-1)
    const text = JSON.stringify(list.body)
    t.equal(entry!.response, text.slice(0, 4_096))
    t.equal(entry!.responseCut, text.length)
    t.same(entry!.resourceIds, ids.slice(0, 3), 'others are in the part that is not kept')
  })

  t.test('knows tokens that have ended, and keeps little of unknown callers', async (t) => {
    const { tenant, scim } = await open('ended')
    const [token] = await app.owner.selectFrom('scim_tokens').selectAll().where('tenant_id', '=', tenant.id).execute()
    await app.owner.updateTable('scim_tokens').set({ revoked_at: new Date() }).where('id', '=', token!.id).execute()
    // begins a full minute
    app.clock.advance({ seconds: 60 - app.clock.now().getUTCSeconds() })
    t.equal((await scim.get('/Users')).status, 401)
    for (let i = 0; i < 70; i++) await scim.get('/Users', { authorization: 'Bearer nobody' })
    await scim.get('/ServiceProviderConfig', { authorization: null })
    const entries = await entriesOf(app, tenant, 61)
    t.match(entries[0], { status: 401, connectionId: token!.connection_id, error: { reason: 'invalidToken' } })
    const strangers = entries.slice(1)
    t.equal(strangers.length, 60, 'a minute')
    t.ok(strangers.every(({ connectionId, kind, request }) => !connectionId && !kind && !request))
  })

  t.test('keeps nothing if the tenant wants none', async (t) => {
    const { tenant, scim } = await open('off', { wireLogDays: 0 })
    const { tenant: beside, scim: other } = await open('beside')
    await scim.get('/Users')
    await scim.get('/Users', { authorization: 'Bearer nobody' })
    await other.get('/Users')
    await entriesOf(app, beside, 1)
    t.equal((await app.owner.selectFrom('wire_log').where('tenant_id', '=', tenant.id).execute()).length, 0)
  })

  t.test('keeps each exchange once, in its own tenant, with any number at the same time', async (t) => {
    const tenants = await Promise.all(['north', 'south'].map((name) => open(name)))
    const marks = await Promise.all(
      tenants.flatMap(({ tenant, scim }) =>
        Array.from({ length: 400 }, async (_, i) => {
          const mark = `${tenant.subdomain}-${i}`
          await (i % 4 === 0
            ? scim.createUser({ userName: `${mark}@${tenant.subdomain}.test` })
            : scim.get(`/Users?filter=userName+eq+%22${mark}%22`))
          return mark
        })
      )
    )
    for (const { tenant } of tenants) {
      const entries = await entriesOf(app, tenant, 400)
      const text = ({ url, request }: WireEntry) => /(north|south)-\d+/.exec(`${url} ${JSON.stringify(request)}`)![0]
      const own = marks.filter((mark) => mark.startsWith(tenant.subdomain))
      t.strictSame(entries.map(text).sort(), own.sort())
      t.equal(new Set(entries.map(({ requestId }) => requestId)).size, 400)
    }
    const { rows } = await sql<{ batches: number }>`select count(*)::int as batches from wire_log
      where tenant_id = any (${tenants.map(({ tenant }) => tenant.id)})`.execute(app.owner)
    t.ok(rows[0]!.batches < 40, `${rows[0]!.batches} batches for 800 exchanges`)
    letStatementsCross()
    const seen = await inTenant(app.db, tenants[0]!.tenant.id, (trx) =>
      trx.selectFrom('wire_log').select('tenant_id').execute()
    )
    t.ok(seen.length > 0 && seen.every(({ tenant_id }) => tenant_id === tenants[0]!.tenant.id))
  })
})

const pin = {
  name: 'pin',
  type: 'string',
  multiValued: false,
  description: '',
  required: false,
  caseExact: true,
  mutability: 'writeOnly',
  returned: 'never',
  uniqueness: 'none'
}

type Ask = Awaited<ReturnType<typeof scimClient>>['ask']

/** Sends sixteen requests. @returns the texts that must not be stored */
async function sendSecrets(t: Test, ask: Ask, token: string): Promise<string[]> {
  const schemas = [USER]
  const OP = PATCH_OP
  const made = await ask('POST', '/Users', { schemas, userName: 'ada@secret.test', password: 'hunter2-made' })
  t.equal(made.status, 201, made.text)
  const at = `/Users/${made.body.id}`
  const patch = (operation: object) => ask('PATCH', at, { schemas: [OP], Operations: [operation] })
  t.equal((await patch({ op: 'replace', path: 'password', value: 'hunter2-path' })).status, 200)
  t.equal((await patch({ op: 'replace', value: { PassWord: 'hunter2-value' } })).status, 200)
  await patch({ Op: 'replace', PATH: `${schemas[0]}:password`, Value: 'hunter2-cases' })
  await patch({ op: 'replace', path: 'password', value: ['hunter2-array'] })
  await patch({ op: 'replace', path: 'password', value: { deep: 'hunter2-deep' } })
  await patch({ op: 'add', path: 'emails[password eq "hunter2-filter"]', value: 1 })
  t.equal((await patch({ op: 'replace', path: 'urn:test:door:pin', value: '4711-door' })).status, 200)
  await ask('PUT', at, { schemas, userName: 'ada@secret.test', 'urn:test:door': { pin: '4712-door' } })
  await ask('POST', '/Bulk', {
    schemas: [BULK_REQUEST],
    Operations: [
      { method: 'POST', path: '/Users', bulkId: '1', data: { schemas, userName: 'bob', password: 'hunter2-bulk' } }
    ]
  })
  await ask('GET', '/Users?filter=password%20eq%20%22hunter2-query%22')
  await ask('GET', `/Users?access_token=${token}`)
  await ask('POST', '/Users', `{"schemas":["${schemas[0]}"],"userName":"eve","password":"hunter2-broken" oops`)
  await ask('POST', '/Users', `{"schemas":["${schemas[0]}"],"userName":"mallory","p\\u0061ssword":"hunter2-escaped"}`)
  await ask('POST', '/Users', JSON.stringify({ schemas, userName: 'trent', password: 'hunter2-lines' }, null, 2))
  await ask('POST', '/Users/.search', { schemas: ['x'], filter: 'password eq "hunter2-search"', note: token })
  return ['hunter2', '-door', token, token.slice(0, 20)]
}

test('the wire log’s buffer', async (t) => {
  const app = await startApp(t)
  const log = pino({ level: 'silent' }) as unknown as Deps['log']
  const acme = await addTenant(app, 'acme')
  const noted = (tenant: Tenant, i: number): Exchange => ({
    isShadow: false,
    tenantId: tenant.id,
    requestId: `00000000-0000-7000-8000-${String(i).padStart(12, '0')}`,
    at: new Date(1_800_000_000_000 + i),
    durationMs: 1,
    method: 'GET',
    url: `/scim/v2/Users/${i}`,
    headers: {},
    ip: null,
    connectionId: null,
    name: 'okta',
    kind: 'scimToken',
    status: 200,
    requestBody: undefined,
    requestText: undefined,
    responseBody: '{}',
    leniences: [],
    error: undefined,
    secretNames: new Set()
  })

  t.test('drops the oldest exchanges when it is full, and counts them', async (t) => {
    const wireLog = createWireLog({ db: app.db, log }, { maxWaitingEntries: 10 })
    for (let i = 0; i < 25; i++) wireLog.note(noted(acme, i))
    await wireLog.close()
    const [row] = await app.owner.selectFrom('wire_log').selectAll().where('tenant_id', '=', acme.id).execute()
    t.match(row, { exchanges: 10, dropped: 15 })
    const kept = await unpackEntries(row!.entries)
    t.strictSame(
      kept.map(({ url }) => url),
      Array.from({ length: 10 }, (_, i) => `/scim/v2/Users/${i + 15}`)
    )
  })

  t.test('writes what the database could not take as soon as it can, each batch once', async (t) => {
    const globex = await addTenant(app, 'globex')
    await sql`alter table wire_log rename to wire_log_away`.execute(app.owner)
    const wireLog = createWireLog({ db: app.db, log })
    for (let i = 0; i < 600; i++) wireLog.note(noted(globex, i))
    await wireLog.flush()
    await sql`alter table wire_log_away rename to wire_log`.execute(app.owner)
    wireLog.note(noted(globex, 600))
    await wireLog.close()
    t.equal((await entriesOf(app, globex, 601)).length, 601)
  })

  t.test('forgets a removed tenant', async (t) => {
    const gone = { id: 999_999, subdomain: 'gone' }
    const wireLog = createWireLog({ db: app.db, log })
    wireLog.note(noted(gone, 1))
    wireLog.note(noted(acme, 700))
    await wireLog.close()
    const rows = await app.owner.selectFrom('wire_log').select('tenant_id').where('tenant_id', '=', gone.id).execute()
    t.equal(rows.length, 0)
  })
})
