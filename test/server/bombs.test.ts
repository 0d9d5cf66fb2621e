// Input that is dearer than it looks: nested, wide, repeated, or as long as allowed. Each is answered with a refusal or
// a result, and the process continues.
import { Readable } from 'node:stream'
import { test } from 'tap'
import { MAX_BODY_BYTES } from '../../server/config.ts'
import { startApp } from '../support/app.ts'
import { insertPeople, signInAs } from '../support/people.ts'
import { scimClient } from '../support/scim.ts'
import { addTenant } from '../support/tenants.ts'
import { PATCH_OP, SEARCH_REQUEST, USER } from '../support/urns.ts'

const DEPTH = 100_000
const nest = (open: string, close: string, inner = '1') => open.repeat(DEPTH) + inner + close.repeat(DEPTH)

test('input that is dearer than it looks is answered', async (t) => {
  const app = await startApp(t)
  const tenant = await addTenant(app, 'acme')
  const [adaId, benId] = (await insertPeople(app.owner, tenant.id, [
    { email: 'ada@acme.test', role: 'administrator' },
    { email: 'ben@acme.test' }
  ])) as [string, string]
  const cookie = await signInAs(app.owner, tenant.id, adaId)
  const scim = await scimClient(app, tenant, { profile: 'auto' })
  const trpc = (procedure: string, payload: string) =>
    app.inject('acme', {
      method: 'POST',
      url: `/trpc/${procedure}`,
      headers: { cookie, 'content-type': 'application/json' },
      payload
    })
  const isRefused = (status: number) => status >= 400 && status < 500

  const deep: Record<string, string> = {
    'arrays in arrays': nest('[', ']'),
    'objects in objects': nest('{"a":', '}'),
    'objects in arrays': nest('[{"emails":', '}]')
  }
  for (const [what, value] of Object.entries(deep)) {
    // a profile that leaves out unknown attributes parses such a body and takes the rest
    t.test(`${what}, endlessly nested`, async (t) => {
      const isAnswered = (status: number, of: string) => t.ok(status < 500, `${of}: ${status}`)
      for (const attribute of ['name', 'emails', 'nickName', 'roles', 'unknown', '__proto__', 'schemas', 'userName']) {
        const body = `{"schemas":["${USER}"],"userName":"deep ${attribute}","${attribute}":${value}}`
        isAnswered((await scim.post('/Users', body)).status, attribute)
      }
      for (const path of ['name', 'emails', 'nickName', 'emails[type eq \\"work\\"]', 'roles']) {
        const operation = `{"op":"add","path":"${path}","value":${value}}`
        const body = `{"schemas":["${PATCH_OP}"],"Operations":[${operation}]}`
        isAnswered((await scim.ask('PATCH', `/Users/${benId}`, body)).status, path)
      }
      for (const path of ['/Users/.search', '/Groups', '/Bulk']) isAnswered((await scim.post(path, value)).status, path)
      for (const procedure of ['users.update', 'invitations.create', 'scimSchemas.create', 'settings.update']) {
        for (const payload of [value, `{"userId":${value}}`, `{"definition":${value}}`, `{"invites":${value}}`]) {
          const { statusCode } = await trpc(procedure, payload)
          t.ok(isRefused(statusCode), `${procedure}: ${statusCode}`)
        }
      }
    })
  }

  t.test('a query that is endlessly nested', async (t) => {
    const url = `/trpc/users.list?input=${encodeURIComponent(nest('[', ']').slice(0, 8_000))}`
    t.equal((await app.inject('acme', { url, headers: { cookie } })).statusCode, 400)
    const batch = Array(51).fill('users.list').join(',')
    const many = await app.inject('acme', { url: `/trpc/${batch}?batch=1&input={}`, headers: { cookie } })
    t.equal(many.statusCode, 400, 'and more procedures in one request than there may be')
  })

  t.test('10,000 operations in one PATCH are refused, a thousand are done', async (t) => {
    const operations = (count: number) =>
      Array.from({ length: count }, (_, index) => ({ op: 'replace', path: 'nickName', value: `nick ${index}` }))
    const refused = await scim.patch(`/Users/${benId}`, operations(10_000))
    t.match(refused, { status: 400, body: { detail: /1,?000/ } })
    t.equal((await scim.patch(`/Users/${benId}`, operations(1_000))).body.nickName, 'nick 999')
  })

  t.test('a thousand operations with a filter each, over a thousand values', async (t) => {
    const values = Array.from({ length: 1_000 }, (_, index) => ({ value: `photo ${index}`, type: `t${index}` }))
    t.equal((await scim.patch(`/Users/${benId}`, [{ op: 'add', path: 'photos', value: values }])).status, 200)
    const filter = 'value co "photo" and not (type eq "nothing" or value ew "x") and value sw "p"'
    const operations = values.map((_, index) => ({
      op: 'replace',
      path: `photos[${filter} and type eq "t${index}"].display`,
      value: 'x'
    }))
    // this takes more work than one request may, and is refused before the work is done
    t.match(await scim.patch(`/Users/${benId}`, operations), { status: 400, body: { scimType: 'tooMany' } })
    t.equal((await scim.patch(`/Users/${benId}`, operations.slice(0, 50))).status, 200)
  })

  t.test('values that grow with each operation', async (t) => {
    const value = Array.from({ length: 900 }, (_, index) => ({
      value: `${index}@x.test ${'y'.repeat(100)}`,
      type: 'work'
    }))
    const { status } = await scim.patch(
      `/Users/${benId}`,
      Array.from({ length: 15 }, (_, round) => ({
        op: 'add',
        path: 'phoneNumbers',
        value: value.map((entry) => ({ ...entry, value: `${round} ${entry.value}` }))
      }))
    )
    t.ok(isRefused(status), String(status))
  })

  t.test('filters as long and as deep as a body can be', async (t) => {
    const search = (filter: string) => scim.post('/Users/.search', { schemas: [SEARCH_REQUEST], filter })
    const texts = [
      '('.repeat(1_000_000),
      'not ('.repeat(300_000),
      'emails['.repeat(200_000),
      `userName eq "${'\\u0041'.repeat(200_000)}"`,
      `userName co "${'x'.repeat(1_900_000)}"`,
      'title pr or '.repeat(150_000)
    ]
    for (const text of texts) t.match(await search(text), { status: 400, body: { scimType: 'invalidFilter' } })
    // the longest that is accepted: each of its terms looks into a document
    const longest = Array(200).fill('title co "a"').join(' or ')
    t.equal((await search(longest)).status, 200)
    t.equal((await search(`${'('.repeat(50)}title pr${')'.repeat(50)}`)).status, 200)
  })

  t.test('parameters that are given a thousand times', async (t) => {
    const repeated = Array.from({ length: 1_000 }, (_, index) => `attributes=name.x${index}`).join('&')
    t.equal((await scim.get(`/Users?${repeated}`)).status, 200)
    t.equal((await scim.get(`/Users?${'filter=title%20pr&'.repeat(500)}`)).status, 400)
    t.ok((await scim.get(`/Users?${'%'.repeat(10_000)}`)).status < 500)
  })

  t.test('numbers, keys and texts of the wrong kind', async (t) => {
    const base = `"schemas":["${USER}"]`
    const bodies = [
      `{${base},"userName":"n1","active":1e999}`,
      `{${base},"userName":"n2","userName":"n3"}`,
      `{${base},"userName":"n\\u0000ul"}`,
      `{${base},"userName":"\\ud800"}`,
      `{${base},"userName":"${'x'.repeat(1_000_000)}"}`,
      `{${base},"userName":"n4","emails":[${Array(1_001).fill('{"value":"a@x.test"}').join(',')}]}`,
      `{${base},"userName":"n5",${Array.from({ length: 60_000 }, (_, index) => `"key${index}":1`).join(',')}}`
    ]
    for (const body of bodies) {
      const { status } = await scim.post('/Users', body)
      t.ok(isRefused(status) || status === 201, `${body.slice(60, 100)}: ${status}`)
    }
  })

  t.test('`__proto__` and `constructor`, as ordinary members', async (t) => {
    const poison =
      '"__proto__":{"polluted":"yes","role":"administrator"},"constructor":{"prototype":{"polluted":"yes"}}'
    const { status, body } = await scim.post('/Users', `{"schemas":["${USER}"],"userName":"proto",${poison}}`)
    t.equal(status, 201)
    t.same(body.roles ?? [], [])
    await scim.ask(
      'PATCH',
      `/Users/${body.id}`,
      `{"schemas":["${PATCH_OP}"],"Operations":[{"op":"add","value":{${poison}}},{"op":"add","path":"__proto__.polluted","value":1}]}`
    )
    await trpc('users.update', `{"userId":"${benId}",${poison}}`)
    await trpc('settings.update', `{${poison}}`)
    await app.inject('acme', {
      url: '/trpc/users.list?input[__proto__][polluted]=1&__proto__[polluted]=1',
      headers: { cookie }
    })
    t.equal(({} as Record<string, unknown>)['polluted'], undefined)
    const { role } = await app.owner
      .selectFrom('users')
      .select('role')
      .where('id', '=', body.id)
      .executeTakeFirstOrThrow()
    t.not(role, 'administrator')
  })

  t.test('a body over the limit, with and without a length: 413 on each edge', async (t) => {
    const payload = JSON.stringify({ email: 'x'.repeat(MAX_BODY_BYTES) })
    for (const [url, headers] of [
      ['/trpc/auth.signIn', { 'content-type': 'application/json' }],
      ['/scim/v2/Users', { 'content-type': 'application/scim+json', authorization: `Bearer ${scim.token}` }]
    ] as const) {
      for (const body of [payload, Readable.from([payload])]) {
        t.equal((await app.inject('acme', { method: 'POST', url, headers, payload: body })).statusCode, 413, url)
      }
    }
  })

  t.equal((await scim.get('/Users?count=1')).status, 200, 'and the service goes on')
})
