// What browsers are told with each kind of answer: what may run, what may be stored, who may frame it.
import { createHash } from 'node:crypto'
import type { InjectOptions } from 'fastify'
import { test } from 'tap'
import { startApp } from '../support/app.ts'
import { insertPerson, signInAs } from '../support/people.ts'
import { scimClient } from '../support/scim.ts'
import { addTenant } from '../support/tenants.ts'

test('each kind of answer has its headers', async (t) => {
  const webFolder = t.testdir({
    'index.html': '<meta name="csp-nonce" content="__CSP_NONCE__"><title>Muster</title>',
    assets: { 'entry.js': 'plain' }
  })
  const app = await startApp(t, { webFolder, env: { PUBLIC_SCHEME: 'https', PUBLIC_PORT: '443' } })
  const tenant = await addTenant(app, 'acme')
  const ada = await insertPerson(app.owner, tenant.id, { email: 'ada@acme.test', role: 'administrator' })
  const cookie = (await signInAs(app.owner, tenant.id, ada)).replace('muster_session', '__Host-muster_session')
  const { token } = await scimClient(app, tenant)
  const bearer = { authorization: `Bearer ${token}` }
  const json = { 'content-type': 'application/json' }

  type Kind = [what: string, status: number, request: InjectOptions & { host?: string }]
  const kinds: Kind[] = [
    ['the page', 200, { url: '/users' }],
    ['an asset', 200, { url: '/assets/entry.js' }],
    ['an asset that is not there', 404, { url: '/assets/none.js' }],
    ['a page that is not there', 404, { url: '/nothing' }],
    ['a path that cannot be read', 400, { url: '/%zz' }],
    ['a host that is none of ours', 404, { url: '/', host: 'elsewhere.test' }],
    ['a query', 200, { url: '/trpc/auth.me', headers: { cookie } }],
    ['a query by nobody', 401, { url: '/trpc/auth.me' }],
    ['a query that is refused', 400, { url: '/trpc/users.get?input={}', headers: { cookie } }],
    ['a procedure that is not there', 404, { url: '/trpc/none' }],
    ['a mutation', 200, { method: 'POST', url: '/trpc/auth.signOut', payload: '{}', headers: { ...json, cookie } }],
    [
      'a body that is too long',
      413,
      { method: 'POST', url: '/trpc/auth.signIn', payload: 'x'.repeat(3e6), headers: json }
    ],
    [
      'a body of another kind',
      415,
      { method: 'POST', url: '/trpc/auth.signIn', payload: 'x', headers: { 'content-type': 'text/x' } }
    ],
    ['SCIM', 200, { url: '/scim/v2/Users', headers: bearer }],
    ['SCIM by nobody', 401, { url: '/scim/v2/Users' }],
    ['SCIM’s discovery', 200, { url: '/scim/v2/Schemas' }],
    ['a SCIM path that is not there', 404, { url: '/scim/v2/nothing', headers: bearer }],
    ['a SCIM method that is not taken', 405, { method: 'DELETE', url: '/scim/v2/Users', headers: bearer }],
    [
      'a SCIM body that is broken',
      400,
      { method: 'POST', url: '/scim/v2/Users', payload: '{', headers: { ...bearer, ...json } }
    ],
    ['a sign-in link that is wrong', 401, { url: '/auth/link?code=x' }],
    ['the same as JSON', 401, { url: '/auth/link?code=x', headers: { accept: 'application/json' } }],
    ['health', 200, { url: '/healthz' }],
    ['metrics', 200, { url: '/metrics' }],
    ['the mailbox', 200, { url: '/mailbox', host: '' }],
    ['the mailbox on a tenant’s host', 404, { url: '/mailbox' }]
  ]
  for (const [what, status, { host = 'acme', ...request }] of kinds) {
    t.test(what, async (t) => {
      const { statusCode, headers, payload } = await app.inject(host, request)
      t.equal(statusCode, status)
      t.equal(headers['x-content-type-options'], 'nosniff')
      t.match(headers['content-type'], /^(text\/html|application\/(scim\+)?json|text\/plain|application\/javascript)/)
      const isAsset = what === 'an asset'
      t.match(headers['cache-control'], isAsset ? 'immutable' : 'no-store')
      t.equal(headers['strict-transport-security'], 'max-age=31536000; includeSubDomains', 'also for the hosts below')
      t.equal(headers['x-powered-by'], undefined)
      t.equal(headers.server, undefined)
      t.equal(headers['access-control-allow-origin'], undefined, 'no other site reads it')
      const policy = String(headers['content-security-policy'] ?? '')
      t.notMatch(policy, /unsafe-(inline|eval)/)
      if (!String(headers['content-type']).startsWith('text/html')) return
      t.match(policy, "frame-ancestors 'none'")
      t.match(policy, "base-uri 'none'")
      t.notMatch(payload, /<\w+[^>]*\s(on\w+|style)=/, 'nothing is inline')
      for (const [, , inline] of payload.matchAll(/<(style|script)>([\s\S]*?)<\/\1>/g)) {
        t.match(policy, createHash('sha256').update(inline!).digest('base64'), 'but what the policy names')
      }
    })
  }

  t.test('over http no answer requires https for the future', async (t) => {
    const plain = await startApp(t)
    for (const url of ['/healthz', '/scim/v2/Schemas', '/%zz']) {
      const { headers } = await plain.inject('acme', { url })
      t.notOk('strict-transport-security' in headers, url)
    }
  })

  t.test('SCIM clients get few of the headers that only browsers understand', async (t) => {
    for (const url of ['/scim/v2/Users', '/scim/v2/Schemas']) {
      const { headers } = await app.inject('acme', { url, headers: bearer })
      const expected = [
        'cache-control',
        'connection',
        'content-length',
        'content-type',
        'date',
        'strict-transport-security',
        'x-content-type-options'
      ]
      t.strictSame(Object.keys(headers).sort(), expected, url)
    }
  })

  t.test('the page of an error does not repeat what was asked for', async (t) => {
    for (const url of [
      '/<script>alert(1)</script>',
      '/%3Cscript%3Ealert(1)%3C/script%3E',
      '/auth/link?code=<script>x'
    ]) {
      const { payload } = await app.inject('acme', { url, headers: { accept: 'text/html' } })
      t.notMatch(payload, '<script', url)
    }
  })
})
