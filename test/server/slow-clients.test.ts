// Connections that are held without use (slow loris, half-open ones, readers that do not read) are closed, and what is
// not HTTP never reaches a handler.
import { test } from 'tap'
import { TIMEOUTS } from '../../server/app.ts'
import { startApp } from '../support/app.ts'
import { drip, openRaw, type RawClient } from '../support/sockets.ts'
import { addTenant } from '../support/tenants.ts'

const SHORT = { headers: 400, request: 800, silence: 800, keepAlive: 400, checking: 50 }
const HOST = 'host: acme.muster.test\r\n'
const HEALTH = `GET /healthz HTTP/1.1\r\n${HOST}\r\n`

test('a slow client', async (t) => {
  const started = await startApp(t, { timeouts: SHORT })
  await addTenant(started, 'acme')
  const { app } = started
  await app.listen({ port: 0, host: '127.0.0.1' })
  const { port } = app.server.address() as { port: number }
  const open = () => new Promise<number>((done) => app.server.getConnections((_, count) => done(count)))
  const ask = async () => (await fetch(`http://127.0.0.1:${port}/healthz`, { headers: { connection: 'close' } })).status

  t.test('that drips headers is answered 408 and disconnected, while others are served', async (t) => {
    const clients = await Promise.all(Array.from({ length: 50 }, () => openRaw(port)))
    const text = `${HEALTH.slice(0, -2)}x-drip: ${'y'.repeat(1_000)}`
    const dripping = clients.map((client) => drip(client, text, 20))
    t.equal(await ask(), 200)
    await Promise.all(clients.map(({ closed }) => closed))
    for (const client of clients) t.match(client.received(), /^HTTP\/1\.1 408 /)
    for (const sent of await Promise.all(dripping)) t.ok(sent < text.length)
  })

  t.test('that drips a body is disconnected, too', async (t) => {
    const client = await openRaw(port)
    const head = `POST /trpc/auth.signIn HTTP/1.1\r\n${HOST}content-type: application/json\r\ncontent-length: 5000\r\n\r\n`
    client.socket.write(head)
    const dripping = drip(client, ' '.repeat(5_000), 20)
    await client.closed
    t.ok((await dripping) < 5_000)
    t.match(client.received(), /^HTTP\/1\.1 408 /)
  })

  t.test('that sends nothing is disconnected', async (t) => {
    const client = await openRaw(port)
    await client.closed
    t.notMatch(client.received(), / 200 /)
  })

  t.test('that sends nothing after an answer is disconnected', async (t) => {
    const client = await openRaw(port)
    client.socket.write(HEALTH)
    await client.closed
    t.match(client.received(), /^HTTP\/1\.1 200 /)
  })

  t.test('that closes its side in the middle of a request is disconnected', async (t) => {
    const client = await openRaw(port)
    client.socket.end(HEALTH.slice(0, 20))
    await client.closed
    t.notMatch(client.received(), / 200 /)
  })

  t.test('that does not read its answer is disconnected', async (t) => {
    const client = await openRaw(port, { reads: false })
    // more than the buffers of both sides can hold
    client.socket.write(`GET /scim/v2/Schemas HTTP/1.1\r\n${HOST}\r\n`.repeat(1_000))
    // a socket that nobody reads does not notice its end, so the server's side is observed
    while ((await open()) > 0) await new Promise((done) => setTimeout(done, 20))
    client.socket.destroy()
    t.equal(await ask(), 200)
  })

  t.test('leaves no connection behind', async (t) => {
    while ((await open()) > 0) await new Promise((done) => setTimeout(done, 20))
    t.equal(await open(), 0)
  })
})

test('invalid and ambiguous HTTP is refused', async (t) => {
  const { app } = await startApp(t)
  await app.listen({ port: 0, host: '127.0.0.1' })
  const { port } = app.server.address() as { port: number }
  const answerTo = async (text: string): Promise<string> => {
    const client: RawClient = await openRaw(port)
    client.socket.write(text)
    await client.closed
    return client.received()
  }
  const post = `POST /trpc/auth.signIn HTTP/1.1\r\n${HOST}content-type: application/json\r\n`
  const smuggled = 'GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n'
  const texts: Record<string, [text: string, status: number]> = {
    'another protocol': ['\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03', 400],
    'headers without end': [`GET /healthz HTTP/1.1\r\n${HOST}x-long: ${'y'.repeat(20_000)}\r\n\r\n`, 431],
    'a length and chunks': [`${post}content-length: 4\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n${smuggled}`, 400],
    'two lengths': [`${post}content-length: 2\r\ncontent-length: 40\r\n\r\n{}${smuggled}`, 400],
    'a length that is none': [`${post}content-length: 2x\r\n\r\n{}`, 400],
    'a folded header': [`GET /healthz HTTP/1.1\r\n${HOST}x-a: b\r\n c\r\n\r\n`, 400],
    'a header with a NUL': [`GET /healthz HTTP/1.1\r\n${HOST}x-a: b\0c\r\n\r\n`, 400],
    'no host': ['GET /healthz HTTP/1.1\r\n\r\n', 400]
  }
  for (const [what, [text, status]] of Object.entries(texts)) {
    t.test(what, async (t) => {
      const answer = await answerTo(text)
      t.match(answer, new RegExp(`^HTTP/1\\.1 ${status} `))
      t.equal(answer.split('HTTP/1.1 ').length, 2, 'one answer, and nothing behind it')
    })
  }
})

test('the time that clients have is limited', async (t) => {
  const { app } = await startApp(t)
  t.match(app.server, { headersTimeout: TIMEOUTS.headers, requestTimeout: TIMEOUTS.request })
  t.match(app.server, { timeout: TIMEOUTS.silence, keepAliveTimeout: TIMEOUTS.keepAlive })
  for (const ms of Object.values(TIMEOUTS)) t.ok(ms > 0 && ms <= 120_000)
})
