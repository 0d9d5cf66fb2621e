import { randomUUID } from 'node:crypto'
import Fastify from 'fastify'
import { sql } from 'kysely'
import { type Test, test } from 'tap'
import { openMailbox } from '../../db/mailbox.ts'
import { handleError, handleNotFound } from '../../server/edge-errors.ts'
import { mailbox } from '../../server/mail/mailbox.ts'
import { createTransport } from '../../server/mail/transport.ts'
import { openDatabase } from '../support/database.ts'

/** The mailbox's pages on a database of their own, and a transport that fills it. */
async function startMailbox(t: Test) {
  const { db, owner } = await openDatabase(t)
  const store = openMailbox(db)
  const app = Fastify()
  app.setErrorHandler(handleError)
  app.setNotFoundHandler(handleNotFound)
  await app.register(mailbox, { ...store, isServed: (request) => request.host === 'muster.test' })
  t.teardown(() => app.close())
  const transport = createTransport({
    smtpUrl: undefined,
    from: 'muster@muster.test',
    store: store.store,
    logger: { debug: () => {}, warn: () => {} }
  })
  const send = async (to: string, subject: string, body: { html?: string; text?: string } = {}) => {
    const id = randomUUID()
    await transport.send({ id, to, subject, html: '<p>Hello</p>', text: 'Hello', ...body })
    return id
  }
  const request = (method: 'GET' | 'DELETE', url: string, headers: Record<string, string> = {}) =>
    app.inject({ method, url, headers: { host: 'muster.test', accept: 'text/html', ...headers } })
  const get = (url: string) => request('GET', url)
  const list = async (query = ''): Promise<{ subject: string; to: string; [name: string]: unknown }[]> =>
    (await get(`/mailbox/messages.json${query}`)).json()
  return { db, owner, transport, store, send, request, get, list }
}

test('the development mailbox', async (t) => {
  const { send, get, list, request, transport, store, owner } = await startMailbox(t)

  await t.test('says why it is empty', async (t) => {
    t.match((await get('/mailbox')).body, 'Nothing yet. No SMTP_URL is set')
    t.same(await list(), [])
  })

  await t.test('lists messages as JSON, newest first', async (t) => {
    const id = await send('grace@acme.test', 'First', { html: '<p>1</p>', text: 'one' })
    await send('Ada@acme.test', 'Second')
    const messages = await list()
    t.same(
      messages.map(({ subject }) => subject),
      ['Second', 'First']
    )
    const { createdAt, ...first } = messages[1]!
    t.same(first, {
      id,
      messageId: `<${id}@muster.test>`,
      to: 'grace@acme.test',
      subject: 'First',
      html: '<p>1</p>',
      text: 'one'
    })
    t.match(createdAt, /^\d{4}-\d\d-\d\dT[\d:.]+Z$/)
  })

  await t.test('lists messages to one address, in any letter case, and as many as asked for', async (t) => {
    t.match(await list('?to=ada@ACME.test'), [{ subject: 'Second' }])
    t.same(await list('?to=acme.test'), [])
    t.match(await list('?limit=1'), [{ subject: 'Second' }])
    for (const limit of ['0', '1001', 'many', '-1']) {
      t.equal((await get(`/mailbox/messages.json?limit=${limit}`)).statusCode, 400, limit)
    }
  })

  await t.test('escapes everything in the list and in messages', async (t) => {
    const nasty = `<script>alert(1)</script>"'&`
    const id = await send(`o'neil&co@acme.test`, nasty, { text: `${nasty} https://a.test/?a=1&b="x` })
    for (const url of ['/mailbox', `/mailbox/${id}`, `/mailbox?to=${encodeURIComponent(nasty)}`]) {
      const { body, statusCode, headers } = await get(url)
      t.equal(statusCode, 200)
      t.match(headers['content-type'], 'text/html; charset=utf-8')
      t.notMatch(body, '<script>alert')
      t.ok(body.includes('&lt;script&gt;alert(1)&lt;/script&gt;&quot;&#39;&amp;'), url)
    }
    const { body } = await get(`/mailbox/${id}`)
    t.match(body, '<a href="https://a.test/?a=1&amp;b=" target="_blank" rel="noopener noreferrer">')
    t.match(body, `<iframe src="/mailbox/${id}/html"`)
  })

  await t.test('lets a page run its own script and style, and nothing from a mail', async (t) => {
    const { headers, body } = await get('/mailbox')
    const policy = String(headers['content-security-policy'])
    t.match(policy, /^default-src 'none'; style-src 'sha256-[^;]+'; script-src 'sha256-[^;]+';/)
    t.notMatch(policy, 'unsafe')
    t.notMatch(body, / style=| on\w+=/)
    t.equal(headers['cache-control'], 'no-store')
    t.equal(headers['referrer-policy'], 'no-referrer')
  })

  await t.test('shows a mail’s HTML in a sandbox whose links open outside', async (t) => {
    const id = await send('grace@acme.test', 'Html', {
      html: '<!doctype html><html><head><title>x</title></head></html>'
    })
    const { body, headers } = await get(`/mailbox/${id}/html`)
    const policy = String(headers['content-security-policy'])
    t.match(policy, 'sandbox allow-popups allow-popups-to-escape-sandbox;')
    t.match(policy, "default-src 'none'")
    t.match(policy, "frame-ancestors 'self'")
    t.notMatch(policy, 'allow-scripts')
    t.notMatch(policy, 'allow-same-origin')
    t.equal(body, '<!doctype html><html><head><base target="_blank"><title>x</title></head></html>')
  })

  await t.test('answers 404 for a message that does not exist', async (t) => {
    for (const id of [randomUUID(), 'x', '%27%3B--', `${randomUUID()}x`]) {
      t.equal((await get(`/mailbox/${id}`)).statusCode, 404, id)
      t.equal((await get(`/mailbox/${id}/html`)).statusCode, 404, id)
    }
  })

  await t.test('is only on its own host', async (t) => {
    for (const url of ['/mailbox', '/mailbox/messages.json']) {
      t.equal((await request('GET', url, { host: 'acme.muster.test' })).statusCode, 404)
    }
    t.equal((await request('DELETE', '/mailbox/messages', { host: 'evil.test' })).statusCode, 404)
    t.not((await list()).length, 0)
  })

  await t.test('keeps a repeated message once', async (t) => {
    const mail = { id: randomUUID(), to: 'twice@acme.test', subject: 'Once', html: '', text: '' }
    await transport.send(mail)
    await transport.send(mail)
    t.equal((await list('?to=twice@acme.test')).length, 1)
  })

  await t.test('is emptied on request', async (t) => {
    t.equal((await request('DELETE', '/mailbox/messages')).statusCode, 204)
    t.same(await list(), [])
  })

  await t.test('keeps the newest thousand', async (t) => {
    await sql`insert into mailbox_messages (id, message_id, to_address, subject, html, text, created_at)
      select gen_random_uuid(), '<x@muster.test>', 'old@acme.test', 'Old ' || n, '', '', now() - n * interval '1 second'
      from generate_series(1, 1005) n`.execute(owner)
    await send('new@acme.test', 'Newest')
    const messages = await list('?limit=1000')
    t.equal(messages.length, 1_000)
    t.equal(messages[0]!.subject, 'Newest')
    t.equal(messages.at(-1)!.subject, 'Old 999')
    const { count } = await owner
      .selectFrom('mailbox_messages')
      .select(({ fn }) => fn.countAll<string>().as('count'))
      .executeTakeFirstOrThrow()
    t.equal(Number(count), 1_000)
    t.match((await get('/mailbox')).body, 'The newest 100 messages')
    await store.clearMessages()
  })

  await t.test('keeps all messages that arrive at the same time', async (t) => {
    await Promise.all(Array.from({ length: 40 }, (_, index) => send(`many-${index}@acme.test`, 'Many')))
    t.equal((await list()).length, 40)
  })
})
