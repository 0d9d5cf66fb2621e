// How the page is served: the same document for all its paths, with a policy that lets only its own code run.
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'tap'
import { OPERATOR, startApp } from '../support/app.ts'

test('the web page', async (t) => {
  const folder = t.testdir({ 'index.html': '<meta name="csp-nonce" content="__CSP_NONCE__"><title>Muster</title>' })
  mkdirSync(join(folder, 'assets'))
  writeFileSync(join(folder, 'assets/entry-abc123.js'), 'plain')
  writeFileSync(join(folder, 'assets/entry-abc123.js.br'), 'brotli')
  const app = await startApp(t, { webFolder: folder })
  await app.mutate('', 'tenants.create', { subdomain: 'acme', name: 'Acme' }, OPERATOR)
  const get = (host: string, url: string, headers = {}) => app.inject(host, { url, headers })

  t.test('is the same document on every path of its own', async (t) => {
    for (const path of ['/', '/users', '/users/some-id', '/accept?token=x', '/sign-in', '/settings', '/users/']) {
      const answer = await get('acme', path)
      t.equal(answer.statusCode, 200, path)
      t.match(answer.body, '<title>Muster</title>')
      t.match(answer.headers, {
        'content-type': /^text\/html/,
        'cache-control': 'no-store',
        'referrer-policy': 'no-referrer'
      })
    }
    t.equal((await get('', '/tenants')).statusCode, 200, 'the operator’s page, on the base domain')
    t.equal((await get('acme', '/nothing-of-ours')).statusCode, 404)
  })

  t.test('lets no inline script run, and only style with the answer’s own nonce', async (t) => {
    const [first, second] = await Promise.all([get('acme', '/'), get('acme', '/')])
    const nonceOf = (body: string) => /content="([^"]+)"/.exec(body)![1]!
    t.not(nonceOf(first.body), nonceOf(second.body), 'each answer has its own')
    const policy = String(first.headers['content-security-policy'])
    t.match(policy, `style-src 'self' 'nonce-${nonceOf(first.body)}'`)
    t.match(policy, "script-src 'self';")
    t.notMatch(policy, 'unsafe')
  })

  t.test('is not served on unknown hosts', async (t) => {
    t.equal((await get('nobody', '/users')).statusCode, 404)
    t.equal((await get('elsewhere.test', '/')).statusCode, 404)
  })

  t.test('sends assets compressed, to be kept as long as a browser will', async (t) => {
    const answer = await get('acme', '/assets/entry-abc123.js', { 'accept-encoding': 'gzip, br' })
    t.equal(answer.body, 'brotli')
    t.match(answer.headers, { 'content-encoding': 'br', 'cache-control': 'public, max-age=31536000, immutable' })
    t.equal((await get('acme', '/assets/entry-abc123.js')).body, 'plain')
    t.equal((await get('acme', '/assets/../index.html')).statusCode, 404)
  })
})

test('without a built page only the API answers', async (t) => {
  const app = await startApp(t, { webFolder: t.testdir() })
  t.equal((await app.inject('', { url: '/' })).statusCode, 404)
  t.equal((await app.inject('', { url: '/healthz' })).statusCode, 200)
})
