// Passwords that are in a list of stolen ones; the service asks for them by the first five characters of their hash.
import { createHash } from 'node:crypto'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { type Test, test } from 'tap'
import { PASSWORD, startAcme } from './acme.ts'

const BREACHED = 'Stolen-glacier-umbrella-9'
const FRESH = 'another-glacier-staple-9'

/** Serves a list as Have I Been Pwned does, and keeps what it was asked. */
async function startList(t: Test, entries: Record<string, number>) {
  const asked: { path: string; padding: unknown }[] = []
  const state = { isAway: false }
  const hashes = Object.entries(entries).map(([password, count]) => [sha1(password), count] as const)
  const server = createServer((request, response) => {
    asked.push({ path: request.url!, padding: request.headers['add-padding'] })
    if (state.isAway) return response.writeHead(503).end()
    const prefix = request.url!.slice('/range/'.length)
    const lines = hashes.filter(([hash]) => hash.startsWith(prefix)).map(([hash, count]) => `${hash.slice(5)}:${count}`)
    response.end(['0018A45C4D1DEF81644B54AB7F969B88D65:1', ...lines].join('\r\n'))
  })
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
  t.teardown(() => {
    server.closeAllConnections()
    server.close()
  })
  return { asked, state, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/range/` }
}

const sha1 = (text: string) => createHash('sha1').update(text).digest('hex').toUpperCase()

test('a stolen password', async (t) => {
  const padding = 'padding-glacier-umbrella-7'
  const list = await startList(t, { [BREACHED]: 3, [padding]: 0 })
  const acme = await startAcme(t, { env: { BREACHED_PASSWORDS_URL: list.url } })
  const change = async (cookie: string, newPassword: string) =>
    acme.mutate('acme', 'auth.changePassword', { currentPassword: PASSWORD, newPassword }, { cookie })

  t.test('is refused', async (t) => {
    const answer = await change(await acme.cookieOf('ada@acme.test'), BREACHED)
    t.match(answer, { status: 400, error: { reason: 'weakPassword', message: /stolen elsewhere/ } })
    t.equal((await acme.signIn('ada@acme.test', PASSWORD)).status, 200)
  })

  t.test('is looked up by five characters of its hash, and the answer is padded', async (t) => {
    t.same(list.asked, [{ path: `/range/${sha1(BREACHED).slice(0, 5)}`, padding: 'true' }])
  })

  t.test('is told apart from other passwords and from padding', async (t) => {
    t.equal((await change(await acme.cookieOf('ben@acme.test'), padding)).status, 200)
    t.equal((await change(await acme.cookieOf('ada@acme.test'), FRESH)).status, 200)
  })

  t.test('is accepted if the list does not answer, so that nobody is kept out', async (t) => {
    list.state.isAway = true
    t.equal((await change(await acme.cookieOf('cleo@acme.test'), BREACHED)).status, 200)
  })
})

test('without the setting no list is asked', async (t) => {
  const { fetch } = globalThis
  t.teardown(() => {
    globalThis.fetch = fetch
  })
  globalThis.fetch = () => t.fail('nothing leaves') as never
  const acme = await startAcme(t)
  const cookie = await acme.cookieOf('ada@acme.test')
  const answer = await acme.mutate(
    'acme',
    'auth.changePassword',
    { currentPassword: PASSWORD, newPassword: BREACHED },
    { cookie }
  )
  t.equal(answer.status, 200)
})
