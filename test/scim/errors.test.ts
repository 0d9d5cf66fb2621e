// Whatever a client sends, the answer is a SCIM Error that says what was wrong, and never a 500.

import { gzipSync } from 'node:zlib'
import { type Test, test } from 'tap'
import { startApp } from '../support/app.ts'
import fc from '../support/fuzz.ts'
import { clientOf, type ScimReply, scimClient } from '../support/scim.ts'
import { addTenant } from '../support/tenants.ts'
import { PATCH_OP, SCIM_ERROR, USER } from '../support/urns.ts'

function isError(t: Test, reply: ScimReply, status: number, scimType: string | undefined, what: string): void {
  t.equal(reply.status, status, what)
  t.match(reply.headers, { 'content-type': 'application/scim+json; charset=utf-8' })
  t.match(reply.body, { schemas: [SCIM_ERROR], status: String(status), detail: /./ }, what)
  t.equal(reply.body.scimType, scimType, what)
}

test('a SCIM Error', async (t) => {
  const app = await startApp(t)
  const acme = await addTenant(app, 'acme')
  const scim = await scimClient(app, acme)
  const user = await scim.createUser({ userName: 'ada@acme.test' })
  const body = JSON.stringify({ schemas: [USER], userName: 'x' })

  t.test('is 401 with a challenge for unknown callers', async (t) => {
    for (const authorization of [
      null,
      'non-token',
      'Bearer',
      'Bearer ',
      'Bearer x',
      'Basic YTpi',
      'Bearer mst_scim_x',
      'Bearer mst_api_x'
    ]) {
      const reply = await scim.get('/Users', { authorization })
      isError(t, reply, 401, undefined, String(authorization))
      t.match(reply.headers['www-authenticate'], /^Bearer realm=/)
      t.equal(/error=/.test(String(reply.headers['www-authenticate'])), authorization !== null)
    }
    isError(t, await scim.post('/Users', '{', { authorization: null }), 401, undefined, 'before the body is read')
    isError(t, await clientOf(app, acme, app.deps.operatorToken).get('/Users'), 401, undefined, 'the operator’s token')
  })

  t.test('does not come of a scheme in another letter case', async (t) => {
    t.equal((await scim.get('/Users', { authorization: `bearer ${scim.token}` })).status, 200)
  })

  t.test('says that a tenant is unknown or suspended', async (t) => {
    const nobody = clientOf(app, { id: 0, subdomain: 'nobody' }, scim.token)
    isError(t, await nobody.get('/Users'), 404, undefined, 'unknown')
    const sleepy = await addTenant(app, 'sleepy')
    const client = await scimClient(app, sleepy)
    await app.owner.updateTable('tenants').set({ state: 'suspended' }).where('id', '=', sleepy.id).execute()
    isError(t, await client.get('/Users'), 403, undefined, 'suspended')
  })

  t.test('is 404 or 405 for unknown paths and methods', async (t) => {
    for (const url of ['/Nothing', '/Users/a/b', '/Groups/a/members', '/users', '/..%2f', '/Bulk/x']) {
      isError(t, await scim.get(url), 404, undefined, url)
    }
    for (const [method, url] of [
      ['DELETE', '/Users'],
      ['PUT', '/Users'],
      ['POST', `/Users/${user.id}`],
      ['POST', '/ServiceProviderConfig'],
      ['GET', '/Users/.search']
    ] as const) {
      const reply = await scim.ask(method, url)
      t.ok(reply.status === 405 || reply.status === 404, `${method} ${url}: ${reply.status}`)
      t.match(reply.body, { schemas: [SCIM_ERROR] })
    }
    const reply = await scim.ask('PUT', '/Users', {})
    t.equal(reply.headers['allow'], 'GET, POST')
    const asked = await scim.ask('OPTIONS', '/Users')
    t.match(asked, { status: 405, headers: { allow: 'GET, POST' } }, 'OPTIONS learns from it what there is')
    for (const [url, allow] of [
      ['/Users', 'GET, POST'],
      ['/Bulk', 'POST'],
      ['/Schemas', 'GET']
    ] as const) {
      const traced = await scim.ask('TRACE', url)
      t.match(
        traced,
        { status: 405, headers: { allow }, body: { schemas: [SCIM_ERROR], status: '405' } },
        `TRACE ${url}`
      )
    }
    t.equal((await scim.ask('HEAD', '/Users')).status, 200, 'HEAD is GET without the body')
    t.equal((await scim.ask('HEAD', '/Bulk')).status, 405)
  })

  t.test('is 404 for malformed ids', async (t) => {
    for (const id of ['1', 'x'.repeat(3_000), '%00', '%F0%9F%98%80', user.id.toUpperCase(), `${user.id}x`, "'"]) {
      isError(t, await scim.get(`/Users/${id}`), 404, undefined, id.slice(0, 50))
      isError(t, await scim.delete(`/Users/${id}`), 404, undefined, id.slice(0, 50))
    }
    for (const url of ['/Users/%', '/Users/%zz', '/Users/%E0%A4%A', '/%']) {
      const reply = await scim.get(url)
      t.ok([400, 404].includes(reply.status), `${url} ${reply.status}`)
      t.match(reply.body, { schemas: [SCIM_ERROR] })
    }
  })

  t.test('says what is wrong with a body: its JSON, its type, its 2 MB', async (t) => {
    const send = (payload: string | Buffer, headers: Record<string, string | null> = {}) =>
      scim.ask('POST', '/Users', payload, headers)
    isError(t, await send(''), 400, 'invalidSyntax', 'empty')
    isError(t, await send('{'), 400, 'invalidSyntax', 'broken')
    isError(t, await send('[]'), 400, 'invalidSyntax', 'no object')
    isError(t, await send('"x"'), 400, 'invalidSyntax', 'a text')
    isError(t, await send('null'), 400, 'invalidSyntax', 'null')
    isError(t, await send('\u0000'), 400, 'invalidSyntax', 'NUL')
    isError(
      t,
      await send(Buffer.from(`{"schemas":["${USER}"],"userName":"\xff"}`, 'latin1')),
      400,
      'invalidSyntax',
      'not UTF-8'
    )
    isError(t, await scim.ask('POST', '/Users'), 400, 'invalidSyntax', 'none at all')
    isError(t, await send(body, { 'content-type': 'text/plain' }), 415, undefined, 'text')
    isError(t, await send(body, { 'content-type': 'application/xml' }), 415, undefined, 'XML')
    isError(t, await send(body, { 'content-type': 'application/scim+json; charset=utf-16' }), 415, undefined, 'UTF-16')
    isError(t, await send(body, { 'content-type': 'nonsense' }), 415, undefined, 'no type at all')
    isError(t, await send(gzipSync(body), { 'content-encoding': 'gzip' }), 415, undefined, 'packed')
    const plain = JSON.stringify({ schemas: [USER], userName: 't0' })
    t.equal((await send(plain, { 'content-encoding': 'Identity' })).status, 201, 'a coding that changes nothing')
    isError(
      t,
      await send(JSON.stringify({ schemas: [USER], userName: 'x'.repeat(2_100_000) })),
      413,
      undefined,
      'large'
    )
    for (const [type, userName] of [
      ['application/json', 't1'],
      ['application/scim+json;charset=UTF-8', 't2'],
      ['APPLICATION/SCIM+JSON; charset="utf-8"', 't3'],
      [null, 't4']
    ] as const) {
      const reply = await send(`\ufeff${JSON.stringify({ schemas: [USER], userName })}`, { 'content-type': type })
      t.equal(reply.status, 201, String(type))
    }
    const reply = await scim.ask('DELETE', `/Users/${(await scim.createUser({ userName: 't5' })).id}`, '', {
      'content-type': 'text/plain'
    })
    t.equal(reply.status, 204, 'DELETE reads no body')
  })

  t.test('has a scimType for each wrong value', async (t) => {
    const post = (attributes: Record<string, unknown>) =>
      scim.post('/Users', { schemas: [USER], userName: 'v', ...attributes })
    isError(t, await post({ userName: 'a\u0000b' }), 400, 'invalidValue', 'NUL')
    isError(t, await post({ userName: '\ud800' }), 400, 'invalidValue', 'half a pair')
    isError(t, await post({ userName: 5 }), 400, 'invalidValue', 'a number')
    isError(t, await post({ userName: 'x'.repeat(5_000) }), 400, 'invalidValue', 'too long')
    isError(t, await post({ emails: 'x' }), 400, 'invalidValue', 'a text for a list')
    isError(t, await post({ active: 'perhaps' }), 400, 'invalidValue', 'no boolean')
    isError(t, await scim.post('/Users', { schemas: ['urn:x'], userName: 'v' }), 400, 'invalidSyntax', 'foreign schema')
    const patch = (...operations: unknown[]) => scim.patch(`/Users/${user.id}`, operations)
    isError(t, await patch(), 400, 'invalidSyntax', 'no operations')
    isError(t, await patch({ op: 'move', path: 'title' }), 400, 'invalidSyntax', 'no such op')
    isError(t, await patch({ op: 'replace', path: 'nosuch', value: 1 }), 400, 'invalidPath', 'no such path')
    isError(t, await patch({ op: 'replace', path: 'emails[type eq', value: 1 }), 400, 'invalidPath', 'no path')
    isError(
      t,
      await patch({ op: 'replace', path: 'emails[type zz "x"]', value: {} }),
      400,
      'invalidFilter',
      'no filter'
    )
    isError(t, await patch({ op: 'remove' }), 400, 'noTarget', 'no target')
    isError(t, await patch({ op: 'replace', path: 'meta.created', value: 'x' }), 400, 'mutability', 'read-only')
    isError(t, await patch({ op: 'remove', path: 'userName' }), 400, 'mutability', 'required')
    isError(t, await patch({ op: 'replace', path: 'id', value: 'x' }), 400, 'mutability', 'id')
    isError(
      t,
      await patch(...Array(1_001).fill({ op: 'add', path: 'title', value: 'x' })),
      400,
      'tooMany',
      'operations'
    )
    isError(
      t,
      await scim.ask('PATCH', `/Users/${user.id}`, { schemas: ['urn:x'], Operations: [] }),
      400,
      'invalidSyntax',
      'schemas'
    )
    t.same((await scim.get(`/Users/${user.id}`)).body, user, 'and nothing has changed')
  })

  t.test('does not come of keys that mean something to JavaScript', async (t) => {
    const sent = `{"schemas":["${USER}"],"userName":"proto","__proto__":{"isAdmin":true},"constructor":{"prototype":{"x":1}},
      "name":{"__proto__":{"givenName":"x"},"familyName":"F"},"toString":"x","hasOwnProperty":1}`
    const { status, body: made } = await scim.ask('POST', '/Users', sent)
    t.equal(status, 201)
    t.same(made.name, { familyName: 'F' })
    t.notOk(({} as Record<string, unknown>)['isAdmin'])
    const reply = await scim.ask(
      'PATCH',
      `/Users/${made.id}`,
      `{"schemas":["${PATCH_OP}"],"Operations":[{"op":"add","value":{"__proto__":{"title":"x"},"constructor":"y"}}]}`
    )
    t.equal(reply.status, 200)
    t.notOk('title' in reply.body)
    const strict = await scimClient(app, acme, { profile: 'strict' })
    isError(t, await strict.ask('POST', '/Users', sent), 400, 'invalidSyntax', 'to a strict token')
  })

  t.test('says what is wrong with a query', async (t) => {
    for (const query of [
      '?',
      '?&',
      '?&&=',
      '?x',
      '?=x',
      '?%',
      '?%zz=%',
      '?a[b]=c',
      '?filter=userName+pr&',
      '?count=3&&startIndex=1&'
    ]) {
      t.equal((await scim.get(`/Users${query}`)).status, 200, query)
    }
    for (const [query, scimType] of [
      ['?filter=%', 'invalidFilter'],
      ['?filter=a&filter=b', 'invalidFilter'],
      ['?filter=%00', 'invalidFilter'],
      [`?filter=${'('.repeat(60)}`, 'invalidFilter'],
      [`?filter=${'x'.repeat(5_000)}`, 'invalidFilter'],
      ['?count=x', 'invalidValue'],
      ['?count=1.5', 'invalidValue'],
      ['?count=', 'invalidValue'],
      ['?count=1e3', 'invalidValue'],
      ['?startIndex=99999999999999999999', 'invalidValue'],
      ['?sortBy=nosuch', 'invalidValue'],
      ['?sortBy=name', 'invalidValue'],
      ['?sortBy=password', 'invalidValue'],
      ['?sortBy=groups', 'invalidValue'],
      ['?sortBy=userName&sortOrder=up', 'invalidValue'],
      ['?attributes=id&excludedAttributes=name', 'invalidValue'],
      ['?cursor=x', 'invalidCursor'],
      ['?cursor=&cursor=', 'invalidCursor'],
      ['?cursor=&count=1001', 'invalidCount'],
      ['?cursor=&count=x', 'invalidCount']
    ]) {
      isError(t, await scim.get(`/Users${query}`), 400, scimType, query!.slice(0, 50))
    }
  })

  t.test('is never a 500 for random input', async (t) => {
    const methods = fc.constantFrom('GET', 'POST', 'PUT', 'PATCH', 'DELETE')
    const places = fc.constantFrom(
      '/Users',
      `/Users/${user.id}`,
      '/Groups',
      '/.search',
      '/Users/.search',
      '/Schemas',
      '/Me',
      '/Bulk',
      '/'
    )
    const values = fc.oneof(fc.jsonValue(), fc.constantFrom('', null, [], {}, 'ada@acme.test', [USER], true))
    const attributes = fc.constantFrom(
      'userName',
      'emails',
      'name',
      'active',
      'roles',
      'schemas',
      'externalId',
      'password',
      'filter',
      'sortBy',
      'count',
      'cursor',
      'Operations',
      'members',
      'x'
    )
    const objects = fc.dictionary(attributes, values, { maxKeys: 4 })
    const operations = fc.record(
      {
        op: fc.oneof(fc.constantFrom('add', 'replace', 'remove'), values),
        path: fc.oneof(attributes, values),
        value: values
      },
      { requiredKeys: ['op'] }
    )
    const bodies = fc.oneof(
      objects,
      objects.map((object) => ({ schemas: [USER], ...object })),
      fc.array(operations, { maxLength: 3 }).map((Operations) => ({ schemas: [PATCH_OP], Operations })),
      values
    )
    await fc.assert(
      fc.asyncProperty(methods, places, bodies, fc.webQueryParameters(), async (method, place, sent, query) => {
        const { status, text } = await scim.ask(method, `${place}?${query}`, JSON.stringify(sent) ?? 'null')
        if (status >= 500 && status !== 501) throw new Error(`${status}: ${text}`)
      }),
      { numRuns: 300 }
    )
    t.pass()
  })
})
