import fc from 'fast-check'
import { test } from 'tap'
import { startApp } from '../support/app.ts'
import { scimClient } from '../support/scim.ts'
import { addTenant } from '../support/tenants.ts'
import { BULK_REQUEST, ENTERPRISE, GROUP, PATCH_OP, SCIM_ERROR, USER } from '../support/urns.ts'

const BASE = 'http://acme.muster.test/scim/v2'

interface Result {
  method: string
  bulkId?: string
  status: string
  location?: string
  version?: string
  response?: { status: string; scimType?: string; detail: string }
}

test('POST /Bulk', async (t) => {
  const app = await startApp(t)
  const acme = await addTenant(app, 'acme')
  const scim = await scimClient(app, acme)
  const send = (Operations: unknown, rest: object = {}) =>
    scim.post('/Bulk', { schemas: [BULK_REQUEST], Operations, ...rest })
  const bulk = async (operations: object[], rest: object = {}): Promise<Result[]> => {
    const { status, body, text } = await send(operations, rest)
    if (status !== 200) throw new Error(text)
    return body.Operations
  }
  const user = (bulkId: string, userName: string, rest: object = {}) => ({
    method: 'POST',
    path: '/Users',
    bulkId,
    data: { schemas: [USER], userName, ...rest }
  })
  const group = (bulkId: string, displayName: string, ...members: string[]) => ({
    method: 'POST',
    path: '/Groups',
    bulkId,
    data: { schemas: [GROUP], displayName, members: members.map((value) => ({ value })) }
  })
  const managedBy = (value: string) => ({ [ENTERPRISE]: { manager: { value } } })
  const statuses = (results: Result[]) => results.map(({ status }) => status).join(' ')
  const idOf = ({ location }: Result) => location!.slice(location!.lastIndexOf('/') + 1)
  const read = async ({ location }: Result) => (await scim.get(location!.slice(BASE.length))).body

  t.test('reads the names of the message and of its operations in any letter case', async (t) => {
    const { status, body } = await scim.post('/Bulk', {
      Schemas: [BULK_REQUEST],
      operations: [{ Method: 'POST', PATH: '/Users', bulkID: 'cased', Data: { schemas: [USER], userName: 'cased' } }]
    })
    t.equal(status, 200)
    t.match(body.Operations, [{ method: 'POST', bulkId: 'cased', status: '201' }])
    const { version } = body.Operations[0]
    const late = [{ METHOD: 'DELETE', Path: `/Users/${idOf(body.Operations[0])}`, Version: 'W/"9"' }]
    t.equal(statuses(await bulk(late)), '412', 'the version counts, too')
    t.equal(statuses(await bulk([{ ...late[0], Version: version }])), '204')
  })

  t.test('creates, replaces, changes and removes users and groups, each with its result', async (t) => {
    const made = await bulk([user('a', 'ada'), group('g', 'Engineers'), user('b', 'bob')])
    const [ada, engineers, bob] = made as [Result, Result, Result]
    t.strictSame(ada, {
      location: `${BASE}/Users/${idOf(ada)}`,
      method: 'POST',
      bulkId: 'a',
      version: 'W/"1"',
      status: '201'
    })
    t.match(engineers, { method: 'POST', bulkId: 'g', status: '201', location: /\/Groups\// })
    const changed = await bulk([
      { method: 'PUT', path: `/Users/${idOf(ada)}`, data: { schemas: [USER], userName: 'ada', title: 'Countess' } },
      {
        method: 'PATCH',
        path: `/Groups/${idOf(engineers)}`,
        bulkId: 'own mark',
        data: { schemas: [PATCH_OP], Operations: [{ op: 'add', path: 'members', value: [{ value: idOf(ada) }] }] }
      },
      {
        method: 'PATCH',
        path: `/Users/${idOf(bob)}`,
        data: { schemas: [PATCH_OP], Operations: [{ op: 'add', path: 'title', value: 'Mr' }] }
      },
      { method: 'DELETE', path: `/Users/${idOf(bob)}` }
    ])
    t.strictSame(changed, [
      { location: ada.location, method: 'PUT', version: 'W/"2"', status: '200' },
      { location: engineers.location, method: 'PATCH', bulkId: 'own mark', status: '204' },
      { location: bob.location, method: 'PATCH', version: 'W/"2"', status: '200' },
      { location: bob.location, method: 'DELETE', status: '204' }
    ])
    t.match(await read(ada), { title: 'Countess', groups: [{ value: idOf(engineers) }] })
    t.equal((await scim.get(`/Users/${idOf(bob)}`)).status, 404)
  })

  t.test('reports why an operation failed, and continues with the others', async (t) => {
    const results = await bulk([
      user('1', 'fails-1'),
      user('2', 'FAILS-1'),
      user('3', ''),
      { method: 'DELETE', path: '/Groups/0190cafe-0000-7000-8000-000000000000' },
      { method: 'PATCH', path: '/Users/x', data: { schemas: [PATCH_OP], Operations: [] } },
      user('4', 'fails-4')
    ])
    t.equal(statuses(results), '201 409 400 404 400 201')
    t.match(results[1], { method: 'POST', bulkId: '2', response: { status: '409', scimType: 'uniqueness' } })
    t.notOk('location' in results[1]!)
    t.match(results[3], {
      location: `${BASE}/Groups/0190cafe-0000-7000-8000-000000000000`,
      response: { status: '404', schemas: [SCIM_ERROR] }
    })
  })

  t.test('answers what is no operation with a failure of its own', async (t) => {
    const data = { schemas: [USER], userName: 'never' }
    const cases: [operation: unknown, scimType: string][] = [
      [{ method: 'POST', path: '/Users', data }, 'invalidValue'],
      [{ method: 'GET', path: '/Users', bulkId: 'x' }, 'invalidValue'],
      [{ method: 7, path: '/Users', bulkId: 'x' }, 'invalidValue'],
      [{ path: '/Users', bulkId: 'x', data }, 'invalidValue'],
      [{ method: 'POST', bulkId: 'x', data }, 'invalidSyntax'],
      [{ method: 'POST', path: '/Things', bulkId: 'x', data }, 'invalidValue'],
      [{ method: 'POST', path: '/Users/1', bulkId: 'x', data }, 'invalidValue'],
      [{ method: 'PUT', path: '/Users', data }, 'invalidValue'],
      [{ method: 'PUT', path: '/Users/%zz', data }, 'invalidValue'],
      [{ method: 'POST', path: '/Users', bulkId: 'x' }, 'invalidSyntax'],
      [{ method: 'PATCH', path: '/Users/1', data: [] }, 'invalidSyntax'],
      [null, 'invalidSyntax'],
      ['POST', 'invalidSyntax']
    ]
    const results = await bulk([...cases.map(([operation]) => operation as object), user('fine', 'after all of them')])
    for (const [index, [operation, scimType]] of cases.entries()) {
      t.match(results[index], { status: '400', response: { scimType } }, JSON.stringify(operation))
    }
    t.match(results.at(-1), { status: '201' })
    const twice = await bulk([user('same', 'same-1'), user('same', 'same-2')])
    t.equal(statuses(twice), '201 400')
  })

  t.test('refuses what is no bulk request as a whole', async (t) => {
    t.match(await scim.post('/Bulk', []), { status: 400, body: { scimType: 'invalidSyntax' } })
    t.match(await send(undefined), { status: 400, body: { scimType: 'invalidSyntax' } })
    t.match(await send([]), { status: 400, body: { scimType: 'invalidSyntax' } })
    t.match(await send({}), { status: 400, body: { scimType: 'invalidSyntax' } })
    t.match(await send([user('x', 'x')], { failOnErrors: -1 }), { status: 400, body: { scimType: 'invalidValue' } })
    t.match(await send([user('x', 'x')], { failOnErrors: 'many' }), { status: 400 })
    t.match(await send([user('x', 'x')], { schemas: ['urn:other'] }), { status: 400 })
    t.match(await send(Array.from({ length: 1_001 }, () => ({ method: 'DELETE', path: '/Users/x' }))), {
      status: 413,
      body: { status: '413', scimType: 'tooMany' }
    })
    t.match(await send([user('x', 'x', { title: 'x'.repeat(2 * 1024 * 1024) })]), {
      status: 413,
      body: { status: '413' }
    })
  })

  t.test('answers each operation of any JSON, never with a fault of ours', async (t) => {
    const deep = `${'['.repeat(100_000)}${']'.repeat(100_000)}`
    const operations = [user('deep', 'deep', { title: 'DEEP', name: 'DEEP' }), group('deep too', 'Deep', 'DEEP')]
    const text = JSON.stringify({ schemas: [BULK_REQUEST], Operations: operations }).replaceAll('"DEEP"', deep)
    t.equal(statuses((await scim.post('/Bulk', text)).body.Operations), '400 400')
    const member = fc.constantFrom('method', 'path', 'bulkId', 'data', 'version')
    const value = fc.oneof(
      fc.constantFrom('POST', 'PATCH', 'PUT', 'DELETE', '/Users', '/Groups', '/Users/bulkId:a', 'bulkId:a', 'a'),
      fc.jsonValue()
    )
    const operation = fc.oneof({ weight: 4, arbitrary: fc.dictionary(member, value) }, fc.jsonValue())
    await fc.assert(
      fc.asyncProperty(fc.array(operation, { minLength: 1, maxLength: 8 }), async (random) => {
        for (const { status } of await bulk(random as object[])) if (status.startsWith('5')) throw new Error(status)
      }),
      { numRuns: 100, seed: 20_611 }
    )
  })

  t.test('ends after as many failures as failOnErrors says; operations not begun have no result', async (t) => {
    const operations = [
      user('1', 'stop-1'),
      user('2', 'stop-1'),
      user('3', 'stop-3'),
      user('4', ''),
      user('5', 'stop-5')
    ]
    t.equal(statuses(await bulk(operations, { failOnErrors: 2 })), '201 409 201 400')
    t.equal((await scim.get('/Users?filter=userName eq "stop-5"')).body.totalResults, 0)
    t.equal(statuses(await bulk([user('1', ''), user('2', 'stop-6')], { failOnErrors: 1 })), '400')
    t.equal(statuses(await bulk([user('1', ''), user('2', 'stop-7')], { failOnErrors: '2' })), '400 201')
    t.equal(statuses(await bulk([user('1', ''), user('2', 'stop-8')], { failOnErrors: 0 })), '400', '0 is like 1')
  })

  t.test('takes a PATCH’s operations alone, as in the example of RFC 7644 §3.7.3', async (t) => {
    for (const profile of ['auto', 'strict', 'okta'] as const) {
      const client = await scimClient(app, acme, { profile })
      const made = await client.createUser({ userName: `${profile}-array`, nickName: 'Before' })
      const data = [
        { op: 'remove', path: 'nickName' },
        { op: 'add', path: 'title', value: 'Dave' }
      ]
      const path = `/Users/${made.id}`
      const { body } = await client.post('/Bulk', {
        schemas: [BULK_REQUEST],
        Operations: [{ method: 'PATCH', path, version: made.meta.version, data }]
      })
      t.match(body.Operations, [{ method: 'PATCH', status: '200', version: 'W/"2"' }], profile)
      const user = (await client.get(path)).body
      t.equal(user.title, 'Dave')
      t.notOk('nickName' in user)
    }
    const [sailors, sailor, joined] = await bulk([
      group('sailors', 'Sailors'),
      user('sailor', 'sailor'),
      {
        method: 'PATCH',
        path: '/Groups/bulkId:sailors',
        data: [{ op: 'add', path: 'members', value: [{ value: 'bulkId:sailor' }] }]
      }
    ])
    t.equal(joined!.status, '204')
    t.match((await read(sailors!)).members, [{ value: idOf(sailor!) }], 'references are replaced in it')
    const put = { method: 'PUT', path: `/Users/${idOf(sailor!)}`, data: [{ op: 'remove', path: 'title' }] }
    t.equal(statuses(await bulk([put])), '400', 'of a PATCH alone')
  })

  t.test('resolves references forward and backward, in paths and in PATCH', async (t) => {
    const results = await bulk([
      group('team', 'Team', 'bulkId:later', 'bulkId:sub'),
      user('later', 'later', managedBy('bulkId:boss')),
      {
        method: 'PATCH',
        path: '/Groups/bulkId:team',
        data: {
          schemas: [PATCH_OP],
          Operations: [
            { op: 'add', path: 'members', value: [{ value: 'bulkId:boss' }] },
            { op: 'remove', path: 'members[value eq "bulkId:later"]' }
          ]
        }
      },
      user('boss', 'boss'),
      group('sub', 'Sub'),
      { method: 'DELETE', path: '/Groups/bulkId:sub' }
    ])
    t.equal(statuses(results), '201 201 204 201 201 204')
    t.match(results[2], { location: results[0]!.location })
    const team = await read(results[0]!)
    t.strictSame(
      team.members.map(({ value }: { value: string }) => value),
      [idOf(results[3]!)]
    )
    t.match((await read(results[1]!))[ENTERPRISE].manager, { value: idOf(results[3]!) })
  })

  t.test('lets users refer to each other in a circle, and to themselves', async (t) => {
    const results = await bulk([
      user('x', 'circle-x', { ...managedBy('bulkId:y'), title: 'X', password: 'correct horse battery' }),
      user('y', 'circle-y', managedBy('bulkId:z')),
      user('z', 'circle-z', managedBy('bulkId:x')),
      user('self', 'circle-self', managedBy('bulkId:self')),
      group('all', 'Circle', 'bulkId:x', 'bulkId:y', 'bulkId:z')
    ])
    t.equal(statuses(results), '201 201 201 201 201')
    const manager = async (result: Result) => (await read(result))[ENTERPRISE].manager.value
    t.equal(await manager(results[0]!), idOf(results[1]!))
    t.equal(await manager(results[1]!), idOf(results[2]!))
    t.equal(await manager(results[2]!), idOf(results[0]!))
    t.equal(await manager(results[3]!), idOf(results[3]!))
    t.equal((await read(results[4]!)).members.length, 3)
    const x = await read(results[0]!)
    t.match(x, { title: 'X', meta: { version: results[0]!.version, location: results[0]!.location } })
  })

  t.test('refuses groups that would contain each other, and creates none of them', async (t) => {
    const results = await bulk([
      group('a', 'Loop A', 'bulkId:b'),
      group('b', 'Loop B', 'bulkId:a'),
      group('c', 'Loop C', 'bulkId:c'),
      group('d', 'Loop D', 'bulkId:a'),
      group('e', 'Loop E')
    ])
    t.equal(statuses(results), '409 409 409 409 201')
    t.match(results[0]!.response!.detail, /contain each other/)
    t.match(results[3]!.response!.detail, /bulkId:a was not made/)
    t.equal((await scim.get('/Groups?filter=displayName sw "Loop"')).body.totalResults, 1)
  })

  t.test('fails an operation that refers to something missing or failed', async (t) => {
    const results = await bulk([
      group('g', 'Refers', 'bulkId:nowhere'),
      user('taken', 'ada'),
      group('h', 'Refers to a failure', 'bulkId:taken'),
      { method: 'DELETE', path: '/Users/bulkId:taken' },
      { method: 'POST', path: '/Users', bulkId: 'bad' },
      group('i', 'Refers to what is no operation', 'bulkId:bad'),
      user('c1', 'ada', managedBy('bulkId:c2')),
      user('c2', 'half-made', managedBy('bulkId:c1'))
    ])
    t.equal(statuses(results), '400 409 409 409 400 409 409 409')
    t.match(results[0], { response: { scimType: 'invalidValue', detail: /bulkId:nowhere/ } })
    t.match(results[7], { location: /\/Users\//, response: { detail: /bulkId:c1 was not made/ } })
    t.equal((await read(results[7]!)).userName, 'half-made')
    t.equal((await scim.get('/Groups?filter=displayName sw "Refers"')).body.totalResults, 0)
  })

  t.test('applies an operation’s version', async (t) => {
    const [made] = (await bulk([group('v', 'Guarded')])) as [Result]
    const path = made.location!.slice(BASE.length)
    const put = { method: 'PUT', path, data: { schemas: [GROUP], displayName: 'Guarded 2' } }
    const results = await bulk([
      { ...put, version: made.version },
      { ...put, version: made.version, data: { schemas: [GROUP], displayName: 'Guarded 3' } },
      { method: 'DELETE', path, version: 'W/"1"' },
      { method: 'DELETE', path, version: 'W/"2"' }
    ])
    t.equal(statuses(results), '200 412 412 204')
  })

  t.test('takes a thousand operations in one request', async (t) => {
    const operations = Array.from({ length: 999 }, (_, index) => user(`u${index}`, `thousand-${index}`))
    const results = await bulk([
      group('all', 'Thousand', ...operations.map(({ bulkId }) => `bulkId:${bulkId}`)),
      ...operations
    ])
    t.equal(results.length, 1_000)
    t.strictSame([...new Set(results.map(({ status }) => status))], ['201'])
    t.equal((await read(results[0]!)).members.length, 999)
  })

  t.test('applies the token’s rights to each operation', async (t) => {
    const results = await bulk([user('m', 'wants-more', { roles: [{ value: 'administrator' }] })])
    t.match(results, [{ status: '403', response: { status: '403' } }])
  })
})
