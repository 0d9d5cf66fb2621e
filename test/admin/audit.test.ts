// audit.*: the log is complete, in order, can be searched, and is for administrators.
import { test } from 'tap'
import { insertAuditEvents } from '../../db/audit.ts'
import { inTenant } from '../../db/connect.ts'
import { toCsv } from '../../server/admin/csv.ts'
import { OPERATOR_TOKEN, startApp } from '../support/app.ts'
import { actorOf } from '../support/groups.ts'
import { insertPeople, insertPerson, signInAs } from '../support/people.ts'
import { insertTenant } from '../support/tenants.ts'

const TARGET = '018f0000-0000-7000-8000-000000000042'
const START = new Date('2026-01-01T00:00:00.000Z')

test('the audit log', async (t) => {
  const app = await startApp(t)
  const tenantId = await insertTenant(app.owner, 'acme')
  const otherTenantId = await insertTenant(app.owner, 'globex')
  const [adaId, benId] = (await insertPeople(app.owner, tenantId, [
    { email: 'ada@acme.test', role: 'administrator' },
    { email: 'ben@acme.test', role: 'manager' }
  ])) as [string, string]
  const ada = { cookie: await signInAs(app.owner, tenantId, adaId) }
  const write = (id: number, minute: number, action: string, rest: object = {}) =>
    inTenant(app.deps.db, id, (trx) =>
      insertAuditEvents(
        trx,
        id,
        { ...actorOf('administrator', adaId), name: 'Ada' },
        new Date(START.getTime() + minute * 60_000),
        [{ action, targetType: 'user', targetId: null, ...rest }]
      )
    )
  await write(tenantId, 0, 'user.locked', { targetId: TARGET, targetName: 'Ben' })
  await write(tenantId, 1, 'user.unlocked', { targetName: '=HYPERLINK("x")', before: { locked: true } })
  await write(tenantId, 2, 'group.created', { targetType: 'group', targetName: 'Team, "A"', after: { size: 2 } })
  await write(otherTenantId, 3, 'user.removed')
  const actions = async (input: object) => {
    const { data, error } = await app.query('acme', 'audit.list', input, ada)
    if (error) throw new Error(error.message)
    return data.items.map(({ action }: { action: string }) => action)
  }

  t.test('lists the events of one tenant, newest first', async (t) => {
    const { data } = await app.query('acme', 'audit.list', {}, ada)
    t.match(data, {
      items: [
        { action: 'group.created', targetType: 'group', targetName: 'Team, "A"', before: null, after: { size: 2 } },
        { action: 'user.unlocked', before: { locked: true }, after: null },
        { action: 'user.locked', at: START.toISOString(), actorId: adaId, actorName: 'Ada', targetId: TARGET }
      ],
      nextCursor: null
    })
  })

  t.test('lists each event once, page by page', async (t) => {
    const first = (await app.query('acme', 'audit.list', { limit: 2 }, ada)).data
    t.same(await actions({ limit: 2, cursor: first.nextCursor }), ['user.locked'])
    for (const cursor of ['x', Buffer.from('["audit","x"]').toString('base64url')]) {
      t.equal((await app.query('acme', 'audit.list', { cursor }, ada)).error?.reason, 'invalidCursor')
    }
  })

  t.test('is narrowed by action, kind of actor, actor, target and time', async (t) => {
    t.same(await actions({ filter: { action: 'user.locked' } }), ['user.locked'])
    t.same(await actions({ filter: { action: 'user.' } }), ['user.unlocked', 'user.locked'])
    t.same(await actions({ filter: { actorId: benId } }), [])
    t.same((await actions({ filter: { actorId: adaId, actorKind: 'user' } })).length, 3)
    t.same(await actions({ filter: { targetId: TARGET } }), ['user.locked'])
    t.same(await actions({ filter: { from: '2026-01-01T00:01:00Z', to: '2026-01-01T00:02:00Z' } }), ['user.unlocked'])
    t.same(await actions({ filter: { from: '2026-01-01T02:01:00+02:00' } }), ['group.created', 'user.unlocked'])
  })

  t.test('is searched by action, actor and target', async (t) => {
    t.same(await actions({ search: 'TEAM' }), ['group.created'])
    t.same(await actions({ search: 'lock' }), ['user.unlocked', 'user.locked'])
    t.same((await actions({ search: 'ada' })).length, 3)
    t.same(await actions({ search: '%' }), [])
  })

  t.test('refuses unknown filters and bad values', async (t) => {
    for (const input of [
      { filter: { action: "x' or 1=1" } },
      { filter: { from: 'yesterday' } },
      { filter: { actorId: 'ada' } },
      { filter: { who: 'ada' } },
      { limit: 0 }
    ]) {
      t.equal((await app.query('acme', 'audit.list', input, ada)).status, 400, JSON.stringify(input))
    }
  })

  t.test('is for administrators', async (t) => {
    const ben = { cookie: await signInAs(app.owner, tenantId, benId) }
    t.match(await app.query('acme', 'audit.list', {}, ben), { status: 403, error: { reason: 'administratorOnly' } })
    t.equal((await app.query('acme', 'audit.list', {})).status, 401)
  })

  t.test('is exported as CSV that no spreadsheet takes for formulas', async (t) => {
    const answer = await app.inject('acme', { url: '/audit.csv?action=user.', headers: ada })
    t.match(answer.headers, {
      'content-type': 'text/csv; charset=utf-8',
      'content-disposition': /^attachment; filename="audit-log-acme-\d{4}-\d\d-\d\d\.csv"$/,
      'cache-control': 'no-store'
    })
    const lines = answer.payload.split('\r\n')
    t.match(lines[0], /^at,action,actorKind,/)
    t.match(lines[1], `"'=HYPERLINK(""x"")"`)
    t.match(lines[1], '"{""locked"":true}"')
    t.match(lines[2], /^2026-01-01T00:00:00\.000Z,user\.locked,user,/)
    t.equal(lines[3], '', 'each line is ended')
    const marked = await app.inject('acme', { url: '/audit.csv?bom=true', headers: ada })
    t.match(marked.payload, /^\ufeffat,/)
  })

  t.test('is exported as JSON lines like those of the list', async (t) => {
    const { payload, headers } = await app.inject('acme', { url: '/audit.jsonl', headers: ada })
    t.equal(headers['content-type'], 'application/jsonl')
    const { items } = (await app.query('acme', 'audit.list', {}, ada)).data
    t.same(
      payload
        .trimEnd()
        .split('\n')
        .map((line) => JSON.parse(line)),
      items
    )
    const from = encodeURIComponent('2026-01-01T02:01:00+02:00')
    const narrowed = await app.inject('acme', { url: `/audit.jsonl?from=${from}&search=team`, headers: ada })
    t.equal(narrowed.payload.split('\n').length, 2)
  })

  t.test('is exported only for administrators, and only with known filters', async (t) => {
    const ben = { cookie: await signInAs(app.owner, tenantId, benId) }
    const accept = 'application/json'
    const status = async (host: string, url: string, headers: object = {}) =>
      (await app.inject(host, { url, headers: { accept, ...headers } })).statusCode
    for (const url of ['/audit.csv', '/audit.jsonl']) {
      t.equal(await status('acme', url), 401)
      t.equal(await status('acme', url, ben), 403)
      t.equal(await status('globex', url, ada), 401)
      t.equal(await status('', url, { authorization: `Bearer ${OPERATOR_TOKEN}` }), 404)
      t.equal(await status('acme', url, { authorization: `Bearer ${OPERATOR_TOKEN}` }), 200)
      t.equal(await status('acme', `${url}?who=ada`, ada), 400)
      t.equal(await status('acme', `${url}?from=yesterday`, ada), 400)
    }
  })

  t.test('is exported page by page while more is written', async (t) => {
    await inTenant(app.deps.db, otherTenantId, (trx) =>
      insertAuditEvents(
        trx,
        otherTenantId,
        actorOf('administrator', adaId),
        START,
        Array.from({ length: 2_500 }, (_, index) => ({
          action: 'user.locked',
          targetType: 'user' as const,
          targetId: null,
          targetName: `n${index}`
        }))
      )
    )
    const id = await insertPerson(app.owner, otherTenantId, { email: 'eve@globex.test', role: 'administrator' })
    const eve = { cookie: await signInAs(app.owner, otherTenantId, id) }
    const { payload } = await app.inject('globex', { url: '/audit.jsonl', headers: eve })
    const names = payload
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line).targetName)
    t.equal(names.length, 2_501)
    t.equal(new Set(names).size, 2_501, 'each once')
    t.equal(names[1], 'n2499', 'behind what was written first and happened last')
  })
})

test('CSV', async (t) => {
  t.equal(
    toCsv([
      ['a', 'b'],
      [null, 'x,y'],
      ['+1', 'two\nlines'],
      ['@x', '-2'],
      ['a=b', '\tx']
    ]),
    `a,b\r\n,"x,y"\r\n'+1,"two\nlines"\r\n'@x,'-2\r\na=b,'\tx\r\n`
  )
})
