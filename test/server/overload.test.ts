// More is asked for than can be done: some requests are served, and the others are told at once to come back.
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { sql } from 'kysely'
import { type Test, test } from 'tap'
import { poolStats } from '../../db/connect.ts'
import { createBlockedJudge } from '../../server/overload.ts'
import { startApp, type TestApp } from '../support/app.ts'
import { type Scim, scimClient } from '../support/scim.ts'
import { addTenant } from '../support/tenants.ts'
import { SCIM_ERROR } from '../support/urns.ts'

async function start(t: Test, maxInFlight: number): Promise<{ app: TestApp; scim: Scim }> {
  const app = await startApp(t, { env: { MAX_REQUESTS_IN_FLIGHT: String(maxInFlight) } })
  const scim = await scimClient(app, await addTenant(app, 'acme'))
  // remembers what a first request looks up
  await scim.get('/Users')
  return { app, scim }
}

/** Makes every read of users wait until the returned function is called. */
async function holdUsers({ owner }: TestApp): Promise<() => Promise<void>> {
  let release = () => {}
  const released = new Promise<void>((done) => (release = done))
  let isHeld = () => {}
  const held = new Promise<void>((done) => (isHeld = done))
  const holding = owner.transaction().execute(async (trx) => {
    await sql`lock table users in access exclusive mode`.execute(trx)
    isHeld()
    await released
  })
  await held
  return () => {
    release()
    return holding
  }
}

const isInFlight = async ({ app }: TestApp, count: number): Promise<boolean> => {
  const { body } = await app.inject({ url: '/metrics', headers: { host: 'muster.test' } })
  return new RegExp(`^muster_http_requests_in_flight ${count}$`, 'm').test(body)
}

async function until(isSo: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await isSo())) await new Promise((done) => setTimeout(done, 5))
}

test('a process with as many requests as it may have', async (t) => {
  const { app, scim } = await start(t, 4)
  const release = await holdUsers(app)
  const asked = Array.from({ length: 4 }, () => scim.get('/Users'))
  await until(() => isInFlight(app, 4))

  t.test('answers another request 503 at once, in the form of its path, and says when to come back', async (t) => {
    const overScim = await scim.get('/Groups')
    t.match(overScim.body, { schemas: [SCIM_ERROR], status: '503' })
    t.match(overScim.headers['content-type'], 'application/scim+json')
    const overTrpc = await app.query('acme', 'settings.get')
    t.match(overTrpc, { status: 503, error: { code: 'SERVICE_UNAVAILABLE', reason: 'overloaded' } })
    const page = await app.inject('acme', { url: '/auth/link?code=x' })
    t.match(page.headers['content-type'], 'text/html')
    for (const { headers } of [overScim, overTrpc.response, page]) {
      const seconds = Number(headers['retry-after'])
      t.ok(Number.isInteger(seconds) && seconds >= 1 && seconds <= 5, String(seconds))
    }
    t.same([overScim.status, page.statusCode], [503, 503])
  })

  t.test('does not look up who sends the refused request', async (t) => {
    t.equal((await app.inject('nobody', { url: '/scim/v2/Users' })).statusCode, 503)
  })

  t.test('still answers those who watch it', async (t) => {
    for (const url of ['/healthz', '/readyz', '/metrics']) t.equal((await app.inject('', { url })).statusCode, 200, url)
    const { body } = await app.inject('', { url: '/metrics' })
    t.match(body, /^muster_http_requests_in_flight 4$/m)
    t.match(body, /^muster_http_refused_total\{status="503"\} [1-9]/m)
    t.match(body, /^muster_http_shed_total\{reason="requests"\} [1-9]/m)
  })

  t.test('serves all that it has accepted, and then others again', async (t) => {
    await release()
    t.same(
      (await Promise.all(asked)).map(({ status }) => status),
      [200, 200, 200, 200]
    )
    t.equal((await scim.get('/Users')).status, 200)
    t.match((await app.inject('', { url: '/metrics' })).body, /^muster_http_requests_in_flight 0$/m)
  })
})

test('requests of clients that hung up count as long as they wait for the database', async (t) => {
  const { app, scim } = await start(t, 4)
  await app.app.listen({ port: 0, host: '127.0.0.1' })
  const { port } = app.app.server.address() as { port: number }
  const release = await holdUsers(app)
  const ask = async (): Promise<Socket> => {
    const socket = connect(port, '127.0.0.1')
    socket.on('error', () => {})
    socket.resume()
    await once(socket, 'connect')
    socket.write(`GET /scim/v2/Users HTTP/1.1\r\nhost: acme.muster.test\r\nauthorization: Bearer ${scim.token}\r\n\r\n`)
    return socket
  }
  const waiting = () => poolStats(app.db).waiting
  // reads share exchanges; some are sent, and the rest waits
  for (let asked = 1; waiting() < 4; asked++) {
    t.ok(asked <= 50)
    const socket = await ask()
    await until(() => isInFlight(app, 1))
    socket.destroy()
    await until(() => isInFlight(app, 0))
  }
  t.equal((await scim.get('/Users')).status, 503)
  await release()
  await until(() => waiting() === 0)
  t.equal((await scim.get('/Users')).status, 200)
})

test('a crowd at the same time is served or sent away, and nobody is left waiting', async (t) => {
  const { scim } = await start(t, 50)
  const answers = await Promise.all(Array.from({ length: 500 }, () => scim.get('/Users')))
  const statuses = new Map<number, number>()
  for (const { status } of answers) statuses.set(status, (statuses.get(status) ?? 0) + 1)
  t.same([...statuses.keys()].sort(), [200, 503])
  t.ok(statuses.get(200)! >= 50)
  t.equal((await scim.get('/Users')).status, 200)
})

test('without a limit nobody is sent away', async (t) => {
  const { scim } = await start(t, 0)
  const answers = await Promise.all(Array.from({ length: 200 }, () => scim.get('/Users')))
  t.ok(answers.every(({ status }) => status === 200))
})

test('a process counts as blocked after it was late two seconds running, until it is in time', async (t) => {
  const judge = createBlockedJudge()
  const seen = [2_000, 3, 1_500, 1_200, 5_000, 20, 1_001].map((delayMs) => {
    judge.sample(delayMs)
    return judge.isBlocked()
  })
  t.same(seen, [false, false, false, true, true, false, false])
})
