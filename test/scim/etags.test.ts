// Versions as ETags: what a client knows, and what it may change.
import { test } from 'tap'
import { startApp } from '../support/app.ts'
import { addTenant, scimClient, USER } from '../support/scim.ts'

test('ETags', async (t) => {
  const app = await startApp(t)
  const scim = await scimClient(app, await addTenant(app, 'acme'))
  const make = (() => {
    let count = 0
    return () => scim.createUser({ userName: `user${++count}@acme.test` })
  })()

  t.test('the header and meta.version are one weak tag, and go up with each change', async (t) => {
    const { id, meta } = await make()
    t.equal(meta.version, 'W/"1"')
    const patched = await scim.patch(`/Users/${id}`, [{ op: 'add', path: 'title', value: 'T' }])
    t.equal(patched.headers.etag, 'W/"2"')
    t.equal(patched.body.meta.version, 'W/"2"')
    t.ok(patched.body.meta.lastModified > meta.lastModified)
    t.equal(patched.body.meta.created, meta.created)
    t.equal(patched.headers.location, meta.location)
    const got = await scim.get(`/Users/${id}`)
    t.equal(got.headers.etag, 'W/"2"')
  })

  t.test('GET answers 304 without a body where If-None-Match names the version', async (t) => {
    const { id } = await make()
    for (const tag of ['W/"1"', '"1"', '*', 'W/"7", W/"1"', 'W/"1",W/"7"']) {
      const { status, text, headers } = await scim.get(`/Users/${id}`, { 'if-none-match': tag })
      t.equal(status, 304, tag)
      t.equal(text, '')
      t.equal(headers.etag, 'W/"1"')
    }
    for (const tag of ['W/"2"', '"11"', 'nonsense', '']) {
      t.equal((await scim.get(`/Users/${id}`, { 'if-none-match': tag })).status, 200, tag)
    }
  })

  t.test('PUT, PATCH and DELETE answer 412 where If-Match names another version, and change nothing', async (t) => {
    const { id } = await make()
    const { body } = await scim.patch(`/Users/${id}`, [{ op: 'add', path: 'title', value: 'T' }])
    for (const tag of ['W/"1"', '"1"', 'W/"1", W/"3"', 'W/"22"', '']) {
      const headers = { 'if-match': tag }
      for (const reply of await Promise.all([
        scim.put(`/Users/${id}`, { schemas: [USER], userName: 'x' }, headers),
        scim.patch(`/Users/${id}`, [{ op: 'remove', path: 'title' }], headers),
        scim.patch(`/Users/${id}`, [{ op: 'replace', path: 'active', value: false }], headers),
        scim.delete(`/Users/${id}`, headers)
      ])) {
        t.equal(reply.status, 412, tag)
        t.match(reply.body, { status: '412', detail: /changed/ })
      }
    }
    t.same((await scim.get(`/Users/${id}`)).body, body)
  })

  t.test('and work where it names this one, in whichever form', async (t) => {
    const { id } = await make()
    const title = (value: string) => [{ op: 'replace', path: 'title', value }]
    t.equal((await scim.patch(`/Users/${id}`, title('a'), { 'if-match': 'W/"1"' })).status, 200)
    t.equal((await scim.patch(`/Users/${id}`, title('b'), { 'if-match': '"2"' })).status, 200)
    t.equal((await scim.patch(`/Users/${id}`, title('c'), { 'if-match': 'W/"9", W/"3"' })).status, 200)
    t.equal(
      (await scim.put(`/Users/${id}`, { schemas: [USER], userName: 'z@acme.test' }, { 'if-match': '*' })).status,
      200
    )
    t.equal((await scim.delete(`/Users/${id}`, { 'if-match': 'W/"5"' })).status, 204)
  })

  t.test('a change that changes nothing leaves the version, and asks for If-Match all the same', async (t) => {
    const { id, meta } = await make()
    const same = [{ op: 'replace', path: 'active', value: true }]
    const { body } = await scim.patch(`/Users/${id}`, same)
    t.same(body.meta, meta)
    t.equal((await scim.patch(`/Users/${id}`, same, { 'if-match': 'W/"9"' })).status, 412)
  })
})
