import { test } from 'tap'
import { consumeOneTimeCode, createOneTimeCode, createSignInLink } from '../../server/auth/one-time-code.ts'
import { hashToken } from '../../server/secrets.ts'
import { startAcme } from './acme.ts'

test('GET /auth/link', async (t) => {
  const acme = await startAcme(t)
  const { inject, query, deps, clock, owner, ids } = acme
  const tenant = { id: acme.acmeId, subdomain: 'acme' }
  const linkFor = (userId: string) => createSignInLink(deps, tenant, userId, clock.now())
  const open = (
    link: string,
    options: { method?: 'GET' | 'HEAD'; headers?: Record<string, string>; host?: string } = {}
  ) => {
    const { pathname, search } = new URL(link)
    return inject(options.host ?? 'acme', {
      method: options.method ?? 'GET',
      url: pathname + search,
      headers: options.headers
    })
  }

  t.test('signs in once and leads to the page', async (t) => {
    const link = await linkFor(ids.ada)
    t.match(link, /^http:\/\/acme\.muster\.test\/auth\/link\?code=[\w-]{43}$/)
    const answer = await open(link)
    t.equal(answer.statusCode, 303)
    t.equal(answer.headers.location, '/')
    const [{ name, value }] = answer.cookies as [{ name: string; value: string }]
    const cookie = `${name}=${value}`
    t.equal((await query('acme', 'auth.me', undefined, { cookie })).data.user.id, ids.ada)
    t.match((await query('acme', 'auth.sessions', undefined, { cookie })).data.items[0], { method: 'link' })

    const again = await open(link)
    t.equal(again.statusCode, 401)
    t.equal(again.headers['set-cookie'], undefined)
    const inJson = await open(link, { headers: { accept: 'application/json' } })
    t.match(inJson.json(), { reason: 'signInLinkInvalid' })
    const page = await open(link)
    t.match(page.headers['content-type'], 'text/html')
    t.match(page.body, /used already/)
  })

  t.test('signs in once if it is opened twice at the same time', async (t) => {
    const link = await linkFor(ids.ada)
    const answers = await Promise.all([open(link), open(link)])
    t.same(answers.map(({ statusCode }) => statusCode).sort(), [303, 401])
  })

  t.test('is not used up by a mere look', async (t) => {
    const link = await linkFor(ids.ada)
    const looks: Parameters<typeof open>[1][] = [
      { method: 'HEAD' },
      { headers: { 'sec-purpose': 'prefetch;prerender' } },
      { headers: { purpose: 'prefetch' } }
    ]
    for (const look of looks) {
      const answer = await open(link, look)
      t.equal(answer.statusCode, 204)
      t.equal(answer.headers['set-cookie'], undefined)
    }
    t.equal((await open(link)).statusCode, 303)
  })

  t.test('works for a day, on its own tenant’s host', async (t) => {
    const link = await linkFor(ids.ada)
    t.equal((await open(link, { host: 'globex' })).statusCode, 401)
    t.equal((await open(link, { host: '' })).statusCode, 404)
    const late = await linkFor(ids.ada)
    clock.advance({ hours: 23 })
    t.equal((await open(link)).statusCode, 303)
    clock.advance({ hours: 2 })
    t.equal((await open(late)).statusCode, 401)
  })

  t.test('signs in nobody whose access has ended', async (t) => {
    const id = await acme.addPerson({ email: 'dora@acme.test' })
    const link = await linkFor(id)
    await owner.updateTable('users').set({ locked: true }).where('id', '=', id).execute()
    const answer = await open(link)
    t.equal(answer.statusCode, 403)
    t.equal(answer.headers['set-cookie'], undefined)
  })

  t.test('is refused without a code, and with anything else', async (t) => {
    for (const url of [
      '/auth/link',
      '/auth/link?code=',
      '/auth/link?code=x&code=y',
      `/auth/link?code=${'x'.repeat(43)}`
    ]) {
      t.equal((await inject('acme', { url })).statusCode, 401, url)
    }
  })

  t.test('takes only codes of its own purpose, from the browser that they were made for', async (t) => {
    const expiresAt = new Date(clock.now().getTime() + 60_000)
    const browserHash = hashToken('a browser')
    const code = await createOneTimeCode(deps, acme.acmeId, {
      purpose: 'google',
      userId: ids.ben,
      browserHash,
      expiresAt
    })
    const consume = (more: object) =>
      consumeOneTimeCode(deps, acme.acmeId, { purpose: 'google', code, browserHash, ...more })
    t.equal(await consume({ purpose: 'link' }), undefined)
    t.equal(await consume({ browserHash: undefined }), undefined)
    t.equal(await consume({ browserHash: hashToken('another') }), undefined)
    t.same(await consume({}), { userId: ids.ben }, 'none of these has used it up')
    t.equal(await consume({}), undefined)
  })
})
