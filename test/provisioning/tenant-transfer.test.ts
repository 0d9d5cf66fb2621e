// A tenant moves from one database to another: everything arrives and works, and nothing arrives by half.
import { gunzipSync, gzipSync } from 'node:zlib'
import { sql } from 'kysely'
import { type Test, test } from 'tap'
import type { Db } from '../../db/connect.ts'
import { DERIVED_TABLES, readTransferTables } from '../../db/tenant-transfer.ts'
import { systemActor } from '../../server/provisioning/actor.ts'
import { exportTenant } from '../../server/provisioning/tenant-transfer.ts'
import { type Inviting, PASSWORD, startInviting } from '../invitations/acme.ts'
import { OPERATOR, OPERATOR_TOKEN, startApp, type TestApp } from '../support/app.ts'
import { isOnCluster } from '../support/cluster.ts'
import { giveEverything } from '../support/people.ts'
import { type Scim, scimClient } from '../support/scim.ts'
import { addTenant } from '../support/tenants.ts'

const AUTHORIZATION = { authorization: `Bearer ${OPERATOR_TOKEN}` }

const exportFrom = async (app: TestApp, subdomain = 'acme', query = '') => {
  const url = `/operator/tenants/${subdomain}/export${query}`
  const answer = await app.inject('', { url, headers: AUTHORIZATION })
  return { status: answer.statusCode, text: answer.payload, headers: answer.headers }
}

const importInto = async (app: TestApp, payload: string | Buffer, query = '', type = 'application/jsonl') => {
  const headers = { ...AUTHORIZATION, 'content-type': type, accept: 'application/json' }
  const answer = await app.inject('', { method: 'POST', url: `/operator/tenants/import${query}`, headers, payload })
  return { status: answer.statusCode, body: answer.json() }
}

const tenantIdOf = async ({ owner }: { owner: Db }, subdomain = 'acme') =>
  (await owner.selectFrom('tenants').select('id').where('subdomain', '=', subdomain).executeTakeFirstOrThrow()).id

/** All rows of a tenant by table, without tenant ids, transaction ids, and the events of export and import. */
async function contentsOf(app: TestApp, tables: readonly string[], subdomain = 'acme') {
  const tenantId = await tenantIdOf(app, subdomain)
  const contents: Record<string, string[]> = {}
  for (const table of tables) {
    const { rows } = await sql<{ row: string }>`
      select (to_jsonb(t) - 'tenant_id' - 'xid' - 'cursor_node' - 'cursor_xid' - 'cursor_id')::text as row from ${sql.table(table)} t
      where tenant_id = ${tenantId} order by 1`.execute(app.owner)
    contents[table] = rows.map(({ row }) => row).filter((row) => !/"tenant\.(ex|im)ported"/.test(row))
  }
  return contents
}

/** Tables with a tenant's rows, from the catalogue. */
async function tenantTables({ owner }: { owner: Db }): Promise<string[]> {
  const { rows } = await sql<{ name: string }>`
    select c.relname as name from pg_class c join pg_attribute a on a.attrelid = c.oid and a.attname = 'tenant_id'
    where c.relnamespace = 'public'::regnamespace and c.relkind = 'r' order by 1`.execute(owner)
  return rows.map(({ name }) => name).filter((name) => !DERIVED_TABLES.has(name))
}

/** Makes a webhook, a stream of tokens, and an event that is being sent to the webhook. */
async function startStream(acme: Inviting): Promise<void> {
  const url = 'https://hooks.example/muster'
  const { data } = await acme.call('eventStreams.create', { kind: 'webhook', name: 'hook', url })
  await acme.call('eventStreams.create', { kind: 'set', name: 'tokens', url, audience: 'us' })
  await acme.call('scimSchemas.create', {
    definition: { id: 'urn:acme:badge', name: 'Badge', attributes: [{ name: 'badge', type: 'string' }] }
  })
  await sql`
    insert into event_deliveries (tenant_id, id, stream_id, event_id, state, queued_at)
    select tenant_id, gen_random_uuid(), ${data.stream.id}::uuid, id, 'queued', now() from audit_events
    where tenant_id = ${acme.acmeId} order by id limit 1`.execute(acme.owner)
}

/** Makes a group that gives a role, a change that the brake holds, and a removed connection. */
async function startMapping(acme: Inviting, scim: Scim, groupId: string, userId: string): Promise<void> {
  await acme.call('brake.update', { settings: { people: 1, percent: 0 } })
  await scim.delete(`/Users/${userId}`)
  await acme.call('groupRoles.update', { mapping: [{ groupId, role: 'manager' }] })
  const { data } = await acme.call('scimTokens.create', { name: 'gone' })
  await acme.call('scimConnections.remove', { connectionId: data.scimToken.connectionId })
}

/** Makes a connection in shadow mode. @returns its token */
const startShadow = async (acme: Inviting): Promise<string> =>
  (await acme.call('scimTokens.create', { name: 'shadow', shadow: true })).data.token

/** Starts acme with people in every state, nested groups, past memberships, an identity provider and its refusals. */
async function startSource(t: Test) {
  const acme = await startInviting(t)
  const scim = await scimClient(acme, { id: acme.acmeId, subdomain: 'acme' })
  const [eva, finn] = [
    await scim.createUser({ userName: 'eva@x.test', displayName: 'Eva \u2028 Ünïcode "quoted" \\ \n line' }),
    await scim.createUser({ userName: 'finn@x.test', externalId: 'f-1', roles: [{ value: 'responder' }] })
  ]
  const inner = await scim.post('/Groups', { displayName: 'Inner', members: [{ value: eva.id }, { value: finn.id }] })
  await scim.post('/Groups', { displayName: 'Outer', members: [{ value: inner.body.id }] })
  await scim.patch(`/Groups/${inner.body.id}`, [{ op: 'remove', path: `members[value eq "${finn.id}"]` }])
  await scim.post('/Users', { userName: 'eva@x.test' })
  await acme.join('dan@x.test')
  await acme.removeMember(await acme.join('gone@x.test'))
  await acme.invite(['pending@x.test'])
  await giveEverything(acme.owner, acme.acmeId, finn.id)
  await startStream(acme)
  await startMapping(acme, scim, inner.body.id, eva.id)
  const shadowToken = await startShadow(acme)
  await acme.mutate('acme', 'settings.update', { senderName: 'Acme’s people' }, { cookie: acme.cookies.administrator })
  await acme.deps.auth.background.close()
  return { ...acme, scim, eva, shadowToken }
}

test('a tenant moves to another database', async (t) => {
  const source = await startSource(t)
  const tables = await tenantTables(source)

  t.test('exports every table of a tenant', async (t) => {
    t.same((await readTransferTables(source.owner)).map(({ name }) => name).sort(), tables)
  })

  const exported = await exportFrom(source)
  t.equal(exported.status, 200)
  t.match(exported.headers, { 'content-type': 'application/jsonl', 'cache-control': 'no-store' })
  const lines = exported.text
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line))
  t.match(lines[0], { muster: 'tenant', version: 1, credentials: true, tenant: { subdomain: 'acme' } })
  const before = await contentsOf(source, tables)
  t.test('has a foot that counts the rows of each table', async (t) => {
    const { rows } = lines.at(-1)
    for (const table of tables) {
      const more = table === 'audit_events' ? 1 : 0
      t.equal(rows[table] ?? 0, before[table]!.length + more, table)
    }
  })
  t.test('has rows in nearly every table of the source', async (t) => {
    // what a shadow began with belongs to the shadow
    const empty = tables.filter((table) => before[table]!.length === 0 && !table.startsWith('shadow_'))
    t.ok(empty.length < 4, `nothing in ${empty.join(', ')}`)
  })

  const target = await startApp(t)
  const imported = await importInto(target, exported.text)
  t.equal(imported.status, 200, JSON.stringify(imported.body))
  t.match(imported.body, { tenant: { subdomain: 'acme', state: 'active' }, rows: lines.at(-1).rows })

  t.test('has every row as it was', async (t) => {
    const after = await contentsOf(target, tables)
    for (const table of tables.filter((name) => name !== 'scim_shadows')) t.same(after[table], before[table], table)
    t.match(after['scim_shadows'], [/"shadow_id": ?null/], 'a shadow stays behind')
    const settings = (app: TestApp) =>
      app.owner
        .selectFrom('tenants')
        .select(['name', 'settings', 'created_at'])
        .where('subdomain', '=', 'acme')
        .execute()
    t.same(await settings(target), await settings(source))
  })

  t.test('finds everybody by search, though the index is not exported', async (t) => {
    const { rows } = await sql`select id from users where id not in (select user_id from search_pending)`.execute(
      target.owner
    )
    t.same(rows, [])
  })

  t.test('keeps serving people and identity providers, and counting', async (t) => {
    const signedIn = await target.mutate('acme', 'auth.signIn', { email: 'dan@x.test', password: PASSWORD })
    t.equal(signedIn.status, 200)
    const me = await target.query('acme', 'auth.me', undefined, { cookie: source.cookies.administrator })
    t.equal(me.status, 200, 'a session is still one')
    const token = { authorization: `Bearer ${source.scim.token}` }
    const eva = await target.inject('acme', { url: `/scim/v2/Users/${source.eva.id}`, headers: token })
    t.equal(eva.statusCode, 200)
    const made = await target.inject('acme', {
      method: 'POST',
      url: '/scim/v2/Users',
      headers: { ...token, 'content-type': 'application/scim+json' },
      payload: JSON.stringify({ userName: 'new@x.test' })
    })
    t.equal(made.statusCode, 201, 'and a number that nobody has had')
    const inShadow = await target.inject('acme', {
      url: '/scim/v2/Users',
      headers: { authorization: `Bearer ${source.shadowToken}` }
    })
    t.equal(inShadow.statusCode, 503, 'whose shadow stayed behind does not go live by that')
    const { rows } = await sql<{ name: string }>`
      select user_name as name from users where tenant_id = ${await tenantIdOf(target)} order by ordinal desc limit 1`.execute(
      target.owner
    )
    t.same(rows, [{ name: 'new@x.test' }])
  })

  t.test('queues what waited to be sent', async (t) => {
    const { rows } = await sql<{ mail: string }>`
      select data->>'mailId' as mail from pgboss.job where name = 'send-mail' order by 1`.execute(target.owner)
    const queued = await target.owner.selectFrom('mails').select('id').where('state', '=', 'queued').execute()
    t.ok(queued.length > 0)
    t.same(rows.map(({ mail }) => mail).sort(), queued.map(({ id }) => id).sort())
  })

  t.test('continues events where they stood, and delivers what was being sent', async (t) => {
    const byNumber = sql`(e.xid, e.id) > (s.cursor_xid, s.cursor_id)`
    const standing = async ({ owner }: TestApp, isBehind = byNumber) => {
      const { rows } = await sql<{ streams: number; left: string[] }>`
        select t.event_stream_count as streams, array(
          select e.action from audit_events e where e.tenant_id = s.tenant_id
            and ${isBehind} and e.action not like 'tenant.%ported' order by e.id) as left
        from event_streams s join tenants t on t.id = s.tenant_id where s.name = 'hook'`.execute(owner)
      return rows
    }
    const [there] = await standing(source)
    // on a cluster the place is found again by the id
    const [here] = await standing(target, isOnCluster ? sql`e.id > s.cursor_id` : byNumber)
    t.ok(there!.left.length > 1)
    // events of this database come after those that were imported
    t.same({ ...here, left: here!.left.slice(0, there!.left.length) }, there)
    const { rows: jobs } = await sql<{ key: string }>`
      select singleton_key as key from pgboss.job where name = 'deliver-event'`.execute(target.owner)
    t.match(jobs, [{ key: /^[0-9a-f-]{36}:[0-9a-f-]{36}$/ }])
  })

  t.test('is recorded in both logs', async (t) => {
    const last = async (app: TestApp) => (await app.query('acme', 'audit.list', { limit: 5 }, OPERATOR)).data.items
    t.match((await last(source))[0], { action: 'tenant.exported', actorKind: 'operator', after: { credentials: true } })
    const events = (await last(target)).map(({ action }: { action: string }) => action)
    t.ok(events.includes('tenant.imported'), events.join())
  })

  t.test('refuses what is taken, and leaves nothing', async (t) => {
    const count = async () => {
      const { rows } = await sql<{
        n: number
      }>`select (select count(*) from tenants)::int + (select count(*) from users)::int
        + (select count(*) from audit_events)::int as n`.execute(target.owner)
      return rows[0]!.n
    }
    const known = await count()
    t.match(await importInto(target, exported.text), { status: 409, body: { reason: 'subdomainTaken' } })
    const elsewhere = await importInto(target, exported.text, '?subdomain=acme2')
    t.match(elsewhere, {
      status: 409,
      body: { reason: 'emailInOtherTenant', message: /dan@x\.test, .*taken by another tenant/ }
    })
    t.match(await importInto(target, exported.text, '?subdomain=www'), { body: { reason: 'subdomainReserved' } })
    t.equal(await count(), known)
  })

  t.test('refuses a file that is changed, incomplete or none, and leaves nothing', async (t) => {
    const cut = exported.text.slice(0, exported.text.lastIndexOf('\n{"end"') + 1)
    const cases: Record<string, [text: string, problem: RegExp]> = {
      empty: ['', /does not begin/],
      'not JSON': ['x\n', /not JSON/],
      'another version': [exported.text.replace('"version":1', '"version":2'), /does not begin/],
      'from the future': [exported.text.replace(/"migration":"\d/, '"migration":"9'), /newer version/],
      cut: [cut, /ends too early/],
      'cut in a line': [exported.text.slice(0, -100), /not JSON|ends too early/],
      changed: [exported.text.replace('finn@x.test', 'mallory@x.test'), /do not add up/],
      'a row less': [exported.text.replace(/\{"table":"sessions".*\n/, ''), /do not add up/],
      'more behind the end': [`${exported.text}{"table":"users","row":{}}\n`, /do not add up/],
      'an unknown table': [exported.text.replace('{"table":"users"', '{"table":"tenants"'), /no table tenants/],
      'an unknown column': [exported.text.replace('"user_name":', '"tenant_id":'), /no column tenant_id/],
      'no value of its type': [exported.text.replace(/"created_at":"[^"]+"/g, '"created_at":"soon"'), /timestamp/]
    }
    const empty = await startApp(t)
    for (const [name, [text, problem]] of Object.entries(cases)) {
      const { status, body } = await importInto(empty, text)
      t.match({ status, ...body }, { status: 400, reason: 'invalidTenantFile', message: problem }, name)
    }
    t.equal((await importInto(empty, 'not gzip', '', 'application/gzip')).status, 400)
    t.same(await empty.owner.selectFrom('tenants').selectAll().execute(), [])
    t.same(await empty.owner.selectFrom('addresses').selectAll().execute(), [])

    const zipped = await importInto(empty, gzipSync(exported.text), '?subdomain=other', 'application/gzip')
    t.match(zipped, { status: 200, body: { tenant: { subdomain: 'other' } } }, 'packed and under another name it works')
    t.ok(gunzipSync(gzipSync(exported.text)).equals(Buffer.from(exported.text)))
  })

  t.test('refuses a file that is too long, packed or unpacked, and leaves nothing', async (t) => {
    const small = await startApp(t, { env: { IMPORT_MAX_MB: '1' } })
    // blanks after the first line, which compress well
    const long = exported.text.replace('\n', `${' '.repeat(1_000_000)}\n`)
    for (const [what, payload, type] of [
      ['as it is sent', long, 'application/jsonl'],
      ['unpacked', gzipSync(long), 'application/gzip']
    ] as const) {
      const { status, body } = await importInto(small, payload, '', type)
      t.match({ status, ...body }, { status: 413, reason: 'tooLarge', message: /at most 1 MB/ }, what)
    }
    t.same(await small.owner.selectFrom('tenants').selectAll().execute(), [])
  })

  t.test('puts no hash and nothing sealed into the file if asked to leave out credentials', async (t) => {
    const { text } = await exportFrom(source, 'acme', '?credentials=false')
    const { rows } = await sql<{ table: string; column: string }>`
      select table_name as table, column_name as column from information_schema.columns
      where table_schema = 'public' and (column_name like '%\_hash' or column_name like '%\_sealed')
        and table_name = any(${tables})`.execute(source.owner)
    t.ok(rows.length > 8)
    let secrets = 0
    for (const { table, column } of rows) {
      const found = await sql<{ secret: string }>`
        select ${sql.ref(column)}::text as secret from ${sql.table(table)} where ${sql.ref(column)} is not null`.execute(
        source.owner
      )
      for (const { secret } of found.rows) {
        secrets++
        t.notOk(text.includes(JSON.stringify(secret).slice(1, -1)) && secret.length > 8, `${table}.${column}`)
      }
    }
    t.ok(secrets > 10)
    const other = await startApp(t)
    t.equal((await importInto(other, text)).status, 200)
    const { rows: credentials } = await sql`select 1 from user_credentials union all select 1 from sessions
      union all select 1 from scim_tokens union all select 1 from invitation_links`.execute(other.owner)
    t.equal(credentials.length, 0)
    t.ok((await other.owner.selectFrom('users').select('id').execute()).length > 5)
  })

  t.test('is for the operator, on the base domain', async (t) => {
    const url = '/operator/tenants/acme/export'
    t.equal((await source.inject('', { url })).statusCode, 401)
    t.equal((await source.inject('', { url, headers: { authorization: 'Bearer x' } })).statusCode, 401)
    t.equal((await source.inject('acme', { url, headers: AUTHORIZATION })).statusCode, 404)
    const cookie = source.cookies.administrator
    t.equal((await source.inject('acme', { url, headers: { cookie } })).statusCode, 404)
    t.equal((await source.inject('', { url: '/operator/tenants/import', method: 'POST' })).statusCode, 401)
    t.equal((await exportFrom(source, 'nobody')).status, 404)
    t.equal((await exportFrom(source, 'acme', '?credentials=maybe')).status, 400)
  })
})

test('an export shows one moment, however long reading takes', async (t) => {
  const app = await startApp(t)
  const tenant = await addTenant(app, 'acme')
  const scim = await scimClient(app, tenant)
  for (let index = 0; index < 3; index++) await scim.createUser({ userName: `user${index}@x.test` })
  const row = await app.owner.selectFrom('tenants').selectAll().where('id', '=', tenant.id).executeTakeFirstOrThrow()
  const pieces = exportTenant(app.deps, row, systemActor, { credentials: true })
  let text = (await pieces.next()).value as string
  await scim.createUser({ userName: 'late@x.test' })
  for await (const piece of pieces) text += piece
  t.match(text, 'user2@x.test')
  t.notMatch(text, 'late@x.test')

  const left = exportTenant(app.deps, row, systemActor, { credentials: true })
  await left.next()
  await left.return(undefined)
  const isIdle = async () => {
    const { rows } = await sql`select from pg_stat_activity where datname = current_database()
      and state = 'idle in transaction'`.execute(app.owner)
    return rows.length === 0
  }
  while (!(await isIdle())) await new Promise((done) => setTimeout(done, 20))
  t.pass('who stops reading leaves no transaction open')
})
