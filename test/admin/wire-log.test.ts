// wireLog.*: requests are found by user, status and time, explained, and replayed without effect.
import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { sql } from 'kysely'
import { type Test, test } from 'tap'
import { type Caller, OPERATOR, OPERATOR_TOKEN, startApp } from '../support/app.ts'
import { EMPTY } from '../support/empty.ts'
import { insertPerson, signInAs } from '../support/people.ts'
import { musterOn } from '../support/process.ts'
import { scimClient } from '../support/scim.ts'
import { addTenant } from '../support/tenants.ts'
import { PATCH_OP } from '../support/urns.ts'

// biome-ignore lint/suspicious/noExplicitAny: tests read whatever the procedure gives and assert on it
type Json = any

test('wireLog', async (t) => {
  const app = await startApp(t)
  const acme = await addTenant(app, 'acme', { scimWelcomeMail: true })
  const okta = await scimClient(app, acme, { name: 'okta', profile: 'okta' })
  const entra = await scimClient(app, acme, { name: 'entra', profile: 'entra' })
  const list = async (input: object = {}, caller: Caller = OPERATOR) => {
    const { data, error } = await app.query('acme', 'wireLog.list', input, caller)
    if (error) throw Object.assign(new Error(error.message), error)
    return data
  }
  const get = async (id: string) => (await app.query('acme', 'wireLog.get', { id }, OPERATOR)).data.entry
  const replay = (id: string) => app.mutate('acme', 'wireLog.replay', { id }, OPERATOR)
  const newest = async (input: object = {}) => (await list({ ...input, limit: 1 })).items[0]

  t.test('finds exchanges by connection, user, text, status and time', async (t) => {
    const ada = await okta.createUser({ userName: 'ada@acme.test', emails: [{ value: 'ada@acme.test' }] })
    const bob = await entra.createUser({ userName: 'bob@acme.test', emails: [{ value: 'bob@acme.test' }] })
    await okta.get('/Users?filter=userName%20eq%20%22ada%40acme.test%22')
    await okta.get(`/Users/${ada.id}`)
    const { body: team } = await okta.post('/Groups', { displayName: 'Team', members: [{ value: ada.id }] })
    await okta.patch(`/Groups/${team.id}`, [{ op: 'add', path: 'members', value: [{ value: bob.id }] }])
    await okta.post('/Users', { userName: 'ada@acme.test' })
    const all = await list()
    t.equal(all.items.length, 7)
    t.match(all, { nextCursor: null, dropped: 0, days: 30 })
    t.match(all.items[0], { method: 'POST', path: '/scim/v2/Users', status: 409, name: 'okta', reason: 'uniqueness' })
    const paths = async (input: object) =>
      (await list(input)).items.map(({ method, path }: Json) => `${method} ${path.split('?')[0].slice(8)}`)
    const { connectionId } = (await newest({ search: 'bob@acme.test' })) as Json
    t.strictSame(await paths({ connectionId }), ['POST /Users'])
    t.strictSame(await paths({ userId: ada.id }), ['POST /Groups', `GET /Users/${ada.id}`, 'GET /Users', 'POST /Users'])
    t.strictSame(await paths({ userId: bob.id }), [`PATCH /Groups/${team.id}`, 'POST /Users'])
    t.strictSame(await paths({ groupId: team.id }), [`PATCH /Groups/${team.id}`, 'POST /Groups'])
    t.strictSame(await paths({ search: 'ADA@acme.test' }), [
      'POST /Users',
      'POST /Groups',
      `GET /Users/${ada.id}`,
      'GET /Users',
      'POST /Users'
    ])
    t.strictSame(await paths({ status: 'refused' }), ['POST /Users'])
    t.strictSame(await paths({ status: 201 }), ['POST /Groups', 'POST /Users', 'POST /Users'])
    t.equal((await paths({ status: 'answered' })).length, 6)
    const [, , middle] = all.items
    t.strictSame(await paths({ requestId: middle.requestId }), ['POST /Groups'])
    t.ok((await list({ from: middle.at })).items.some(({ id }: Json) => id === middle.id))
    t.notOk((await list({ to: middle.at })).items.some(({ id }: Json) => id === middle.id))
    t.strictSame((await list({ to: '2020-01-01T00:00:00Z' })).items, [])
  })

  t.test('pages through batches and shows each exchange once', async (t) => {
    for (let round = 0; round < 4; round++) {
      for (let i = 0; i < 5; i++) await okta.get(`/Users?filter=userName+eq+%22page-${round}-${i}%22`)
      await list({ limit: 1 })
    }
    const seen: string[] = []
    let cursor: string | undefined
    do {
      const page: Json = await list({ search: 'page-', limit: 3, cursor })
      seen.push(...page.items.map(({ path }: Json) => /page-\d-\d/.exec(path)![0]))
      cursor = page.nextCursor ?? undefined
    } while (cursor)
    const expected = [3, 2, 1, 0].flatMap((round) => [4, 3, 2, 1, 0].map((i) => `page-${round}-${i}`))
    t.strictSame(seen, expected)
    await t.rejects(list({ cursor: 'nonsense' }), { code: 'BAD_REQUEST' })
  })

  t.test('explains a refusal and gives the command that repeats the request', async (t) => {
    await okta.post('/Users', { userName: "o'neil@acme.test", active: 'perhaps' })
    const entry = await get((await newest()).id)
    t.match(entry, {
      status: 400,
      reason: 'invalidValue',
      kind: 'scimToken',
      headers: { 'content-type': 'application/scim+json' },
      explanation: { means: /^A value has the wrong form/, change: /^Correct the value/ }
    })
    t.match(JSON.parse(entry.request.text), { active: 'perhaps' })
    t.match(JSON.parse(entry.response.text), { scimType: 'invalidValue' })
    const { stdout } = await promisify(execFile)('sh', ['-c', entry.curl.replace(/^curl/, 'printf "%s\\n"')], {
      env: { TOKEN: 'the token', PATH: process.env['PATH'] }
    })
    t.match(stdout, /http:\/\/acme\.muster\.test\/scim\/v2\/Users\n/)
    t.match(stdout, /Authorization: Bearer the token\n/)
    t.match(stdout, /"userName":"o'neil@acme\.test"/)
    t.notMatch(entry.curl, /mst_/)
  })

  t.test('tells a 412 to If-None-Match from one to If-Match', async (t) => {
    const { id } = await okta.createUser({ userName: 'conditional@acme.test' })
    const explained = async (headers: Record<string, string>) => {
      const reply = await okta.patch(`/Users/${id}`, [{ op: 'replace', path: 'title', value: 'Dr' }], headers)
      t.equal(reply.status, 412)
      return (await get((await newest()).id)).explanation
    }
    t.match(await explained({ 'if-match': 'W/"9"' }), { means: /^Somebody else had changed/ })
    t.match(await explained({ 'if-none-match': '*' }), { means: /^The request excludes/ })
  })

  t.test('names the lenience that a request needed, in words', async (t) => {
    await entra.createUser({ userName: 'lenient@acme.test', active: 'True' })
    const entry = await get((await newest()).id)
    t.match(entry.leniences, [{ name: 'stringBooleans', means: /for booleans/, where: ['active'] }])
    t.equal(entry.explanation, null)
  })

  t.test('replays a request without effect and shows what would be answered and changed now', async (t) => {
    const eve = { userName: 'eve@acme.test', emails: [{ value: 'eve@acme.test' }], password: 'a password of eve' }
    const { body } = await okta.post('/Users', eve)
    const made = await newest()
    const again = (await replay(made.id)).data
    t.match(again, { before: { status: 201 }, now: { status: 409, reason: 'uniqueness' }, changes: EMPTY, mails: 0 })
    t.match(again.now.explanation, { means: /^Somebody else has this name/ })
    await okta.delete(`/Users/${body.id}`)
    const users = async () =>
      (
        await sql<Json>`select (select count(*)::int from users) as users, (select count(*)::int from mails) as mails,
        (select count(*)::int from audit_events) as events, (select count(*)::int from pgboss.job) as jobs,
        (select max(version) from users) as version`.execute(app.owner)
      ).rows
    const before = await users()
    const revived = (await replay(made.id)).data
    t.match(revived, { before: { status: 201 }, now: { status: 201, reason: null, explanation: null }, mails: 1 })
    t.match(revived.changes, [{ action: 'user.revived', targetType: 'user', targetId: body.id }])
    t.match(revived.changes[0].after, { state: 'active' })
    t.match(JSON.parse(revived.now.response.text), { id: body.id, userName: 'eve@acme.test' })
    t.strictSame(await users(), before, 'nothing has changed')
    t.equal((await okta.get(`/Users/${body.id}`)).status, 404)
    t.equal((await newest()).method, 'GET', 'nor is the replay in the log')
  })

  t.test('replays with the connection’s present settings', async (t) => {
    const { body } = await entra.post('/Users', { userName: 'kim@acme.test' })
    await entra.patch(`/Users/${body.id}`, [{ op: 'Replace', path: 'active', value: 'False' }])
    const patched = await newest()
    t.equal(patched.status, 200)
    await sql`update scim_connections set profile = 'strict' where name = 'entra'`.execute(app.owner)
    t.match((await replay(patched.id)).data, { before: { status: 200 }, now: { status: 400 }, changes: EMPTY })
    await sql`update scim_connections set profile = 'entra' where name = 'entra'`.execute(app.owner)
    await sql`update users set state = 'active' where user_name = 'kim@acme.test'`.execute(app.owner)
    t.match((await replay(patched.id)).data, { now: { status: 200 }, changes: [{ action: 'user.deactivated' }] })
  })

  t.test('says why a request cannot be replayed', async (t) => {
    const refused = async (why: RegExp) => {
      const { error } = await replay((await newest()).id)
      t.match(error, { code: 'CONFLICT', reason: 'notReplayable', message: why })
    }
    await okta.get('/Users', { authorization: 'Bearer nobody' })
    await refused(/whose token/)
    await okta.get('/Users?filter=password%20eq%20%22x%22')
    await refused(/query was not kept/)
    await okta.post('/Users', '{"broken')
    await refused(/body was not kept/)
    await okta.post('/Users', { userName: 'x', title: 'x'.repeat(40_000), nickName: 'y'.repeat(40_000) })
    await refused(/too long/)
  })

  t.test('shows each tenant only its own, and only to administrators', async (t) => {
    const globex = await addTenant(app, 'globex')
    const { id } = await newest()
    t.strictSame((await app.query('globex', 'wireLog.list', {}, OPERATOR)).data.items, [])
    t.equal((await app.query('globex', 'wireLog.get', { id }, OPERATOR)).status, 404)
    t.equal((await app.mutate('globex', 'wireLog.replay', { id }, OPERATOR)).status, 404)
    t.equal((await app.query('globex', 'wireLog.get', { id: '1' }, OPERATOR)).status, 400)
    const ben = await insertPerson(app.owner, globex.id, { email: 'ben@globex.test', role: 'manager' })
    const cookie = await signInAs(app.owner, globex.id, ben)
    for (const procedure of ['list', 'get', 'replay']) {
      const ask = procedure === 'replay' ? app.mutate : app.query
      t.equal((await ask('globex', `wireLog.${procedure}`, { id }, { cookie })).status, 403)
    }
  })

  await commandLine(t)
})

/** Asks the same of `muster`, run as a process. */
async function commandLine(t: Test): Promise<void> {
  await t.test('muster scim test and muster wire-log do the same', async (t) => {
    const app = await startApp(t, { env: { BASE_DOMAIN: 'localhost' } })
    const url = await app.app.listen({ host: '127.0.0.1', port: 0 })
    const tenant = await addTenant(app, 'acme')
    const scim = await scimClient(app, tenant, { name: 'careful', profile: 'strict' })
    const muster = musterOn(url, 'acme', OPERATOR_TOKEN)
    const passed = await muster('scim', 'test', '--as', 'google')
    t.equal(passed.status, 0)
    t.match(passed.stdout, /Google: users\n {2}✓ A token that has ended is refused/)
    t.match(passed.stdout, /15 passed, 0 failed, 0 not tried/)
    const [row] = await app.owner.selectFrom('scim_connections').select('id').execute()
    const failed = await muster('scim', 'test', '--as', 'entra', '--connection', row!.id, '--json')
    t.equal(failed.status, 1)
    t.match(JSON.parse(failed.stdout), { as: 'entra', connection: { name: 'careful', profile: 'strict' } })
    await scim.ask('PATCH', '/Users/x', { schemas: [PATCH_OP], Operations: [{ op: 'Replace', path: 'a', value: 1 }] })
    const listed = JSON.parse((await muster('wire-log', 'list', '--status', 'refused', '--json')).stdout)
    t.match(listed.items, [{ status: 400, name: 'careful' }])
    const shown = await muster('wire-log', 'show', listed.items[0].id)
    t.match(shown.stdout, /PATCH \/scim\/v2\/Users\/x 400/)
    t.match(shown.stdout, /change {5}\S/)
    const again = await muster('wire-log', 'replay', listed.items[0].id)
    t.match(again.stdout, /It was answered 400; now it would be 400\..*It would change nothing\./s)
  })
}
