import { randomUUID } from 'node:crypto'
import { type AddressInfo, createServer, type Socket } from 'node:net'
import { type Test, test } from 'tap'
import { createTransport, type MailTransport, parseSender, type TransportOptions } from '../../server/mail/transport.ts'
import { MailError, type MailMessage, type StoredMessage } from '../../server/mail/types.ts'
import { smtpError, startSmtpServer } from '../support/smtp-server.ts'

const message = (changes: Partial<MailMessage> = {}): MailMessage => ({
  id: randomUUID(),
  to: 'grace@acme.test',
  subject: 'Ada invited you',
  html: '<p>Join <b>Acme</b></p>',
  text: 'Join Acme\n',
  ...changes
})

function openTransport(t: Test, options: Partial<TransportOptions> = {}): MailTransport {
  const transport = createTransport({
    smtpUrl: undefined,
    from: 'Muster <muster@muster.test>',
    store: async () => {},
    logger: { debug: () => {}, warn: () => {} },
    ...options
  })
  t.teardown(() => transport.close())
  return transport
}

async function failure(sending: Promise<unknown>): Promise<MailError> {
  const error = await sending.then(
    () => undefined,
    (error: unknown) => error
  )
  if (error instanceof MailError) return error
  throw new Error('expected a MailError', { cause: error })
}

test('mail over SMTP', async (t) => {
  const server = await startSmtpServer(t, {
    onRcptTo({ address }, _session, done) {
      if (address === 'nobody@acme.test') return done(smtpError(550, '5.1.1 No such user'))
      if (address === 'later@acme.test') return done(smtpError(451, '4.7.1 Greylisted, try again'))
      done()
    }
  })
  const transport = openTransport(t, { smtpUrl: server.url })

  t.test('is multipart/alternative with the text first and the HTML last', async (t) => {
    t.equal(transport.kind, 'smtp')
    await transport.verify()
    await transport.send(message({ to: 'parts@acme.test' }))
    const [mail] = await server.mailsTo('parts@acme.test')
    const { parsed, raw, envelope } = mail!
    t.match(parsed.headers.get('content-type'), { value: 'multipart/alternative' })
    t.ok(raw.indexOf('text/plain') < raw.indexOf('text/html'))
    t.equal(parsed.text, 'Join Acme\n')
    t.equal(parsed.html, '<p>Join <b>Acme</b></p>')
    t.equal(parsed.subject, 'Ada invited you')
    t.same(parsed.from?.value, [{ name: 'Muster', address: 'muster@muster.test' }])
    t.match(parsed.to, { value: [{ address: 'parts@acme.test' }] })
    t.same(envelope, { from: 'muster@muster.test', to: ['parts@acme.test'] })
  })

  t.test('does not leave if TLS is required and the server does not offer it', async (t) => {
    const strict = openTransport(t, { smtpUrl: server.url, requiresTls: true })
    const refused = await failure(strict.send(message({ to: 'plain@acme.test' })))
    t.match(refused, { permanent: false, message: /STARTTLS/ })
    await t.rejects(strict.verify())
    t.notOk(server.mails.some(({ envelope }) => envelope.to.includes('plain@acme.test')))
  })

  t.test('has headers that keep automatic answers away', async (t) => {
    await transport.send(message({ to: 'auto@acme.test' }))
    const { parsed } = (await server.mailsTo('auto@acme.test'))[0]!
    t.equal(parsed.headers.get('auto-submitted'), 'auto-generated')
    t.equal(parsed.headers.get('x-auto-response-suppress'), 'All')
  })

  t.test('carries names and texts in any script', async (t) => {
    const words = 'Zoë Ångström 招待 приглашает 🦉'
    await transport.send(
      message({ to: 'utf8@acme.test', subject: words, fromName: words, text: words, html: `<p>${words}</p>` })
    )
    const { parsed, raw } = (await server.mailsTo('utf8@acme.test'))[0]!
    t.equal(parsed.subject, words)
    t.same(parsed.from?.value, [{ name: words, address: 'muster@muster.test' }])
    t.equal(parsed.text?.trim(), words)
    t.equal(parsed.html, `<p>${words}</p>`)
    t.match(raw, /^[\p{ASCII}]*$/u, 'in seven bits, for any server')
  })

  t.test('reaches an address of a domain in any script', async (t) => {
    await transport.send(message({ to: 'ada@bücher.example' }))
    t.match(server.mails.at(-1)?.raw, /^To: ada@xn--bcher-kva.example\r$/m)
  })

  t.test('keeps a sender’s name with quotes and commas in one piece', async (t) => {
    await transport.send(message({ to: 'quotes@acme.test', fromName: 'Acme "IT", <evil@evil.test>' }))
    const { parsed } = (await server.mailsTo('quotes@acme.test'))[0]!
    t.same(parsed.from?.value, [{ name: 'Acme "IT", <evil@evil.test>', address: 'muster@muster.test' }])
  })

  t.test('has the same Message-ID when it is repeated, and another one if it is another mail', async (t) => {
    const mail = message({ to: 'twice@acme.test' })
    const first = await transport.send(mail)
    const second = await transport.send(mail)
    const other = await transport.send(message({ to: 'twice@acme.test' }))
    t.equal(first.messageId, `<${mail.id}@muster.test>`)
    t.equal(second.messageId, first.messageId)
    const received = await server.mailsTo('twice@acme.test', 3)
    t.same(
      received.map(({ parsed }) => parsed.messageId),
      [first.messageId, first.messageId, other.messageId]
    )
  })

  t.test('fails for good if the server refuses the recipient for good, with the server’s words', async (t) => {
    const error = await failure(transport.send(message({ to: 'nobody@acme.test' })))
    t.equal(error.permanent, true)
    t.equal(error.response, '550 5.1.1 No such user')
  })

  t.test('may be tried again if the server puts the recipient off', async (t) => {
    const error = await failure(transport.send(message({ to: 'later@acme.test' })))
    t.equal(error.permanent, false)
    t.equal(error.response, '451 4.7.1 Greylisted, try again')
  })

  t.test('still leaves after refusals', async (t) => {
    await transport.send(message({ to: 'after@acme.test' }))
    t.equal((await server.mailsTo('after@acme.test')).length, 1)
  })

  t.test('goes to many recipients at the same time', async (t) => {
    const recipients = Array.from({ length: 25 }, (_, index) => `many-${index}@acme.test`)
    const before = server.connections()
    await Promise.all(recipients.map((to) => transport.send(message({ to }))))
    for (const to of recipients) t.equal((await server.mailsTo(to)).length, 1)
    t.ok(server.connections() - before < 10, 'over few connections')
  })

  t.test('refuses addresses and names that contain more, before anything is sent', async (t) => {
    const sentBefore = server.mails.length
    const addresses = [
      'a@b.test\r\nBcc: all@evil.test',
      'a@b.test\nDATA',
      'a@b.test, all@evil.test',
      'a@b.test;all@evil.test',
      'Ada <a@b.test>',
      '<a@b.test>',
      'a@b.test> SIZE=1',
      'a b@c.test',
      '"a b"@c.test',
      'group:a@b.test;',
      'a@b@c.test',
      'a@b.test\u0000',
      'a@b.test\u0085',
      '@b.test',
      'a@',
      '',
      `${'a'.repeat(250)}@b.test`
    ]
    for (const to of addresses) {
      const error = await failure(transport.send(message({ to })))
      t.equal(error.permanent, true, JSON.stringify(to))
    }
    for (const changes of [
      { fromName: 'Ada\r\nBcc: all@evil.test' },
      { fromName: 'Ada\u0000' },
      { subject: 'Hello\r\nBcc: all@evil.test' },
      { subject: 'Hello\n\nbody' },
      { id: 'x>\r\nBcc: all@evil.test' },
      { id: '' }
    ]) {
      const error = await failure(transport.send(message(changes)))
      t.equal(error.permanent, true, JSON.stringify(changes))
    }
    t.equal(server.mails.length, sentBefore)
  })
})

test('a failing mail server', async (t) => {
  t.test('makes the failure permanent if it refuses the message itself', async (t) => {
    const server = await startSmtpServer(t, {
      onData(stream, _session, done) {
        stream.resume()
        stream.on('end', () => done(smtpError(554, '5.7.1 Looks like spam')))
      }
    })
    const error = await failure(openTransport(t, { smtpUrl: server.url }).send(message()))
    t.match(error, { permanent: true, response: '554 5.7.1 Looks like spam' })
  })

  t.test('leaves the mail to be tried again if it refuses our sender, which is a wrong setting', async (t) => {
    const server = await startSmtpServer(t, {
      onMailFrom: (_address, _session, done) => done(smtpError(550, '5.7.1 Sender not allowed'))
    })
    const error = await failure(openTransport(t, { smtpUrl: server.url }).send(message()))
    t.match(error, { permanent: false, response: '550 5.7.1 Sender not allowed' })
  })

  t.test('leaves the mail to be tried again if it refuses our password, which verify finds', async (t) => {
    const server = await startSmtpServer(t, {
      authOptional: false,
      allowInsecureAuth: true,
      onAuth: ({ username, password }, _session, done) =>
        password === 'right' ? done(null, { user: username }) : done(smtpError(535, '5.7.8 Wrong password'))
    })
    const urlWith = (password: string) => server.url.replace('//', `//muster:${password}@`)
    const wrong = openTransport(t, { smtpUrl: urlWith('wrong') })
    t.match(await failure(wrong.send(message())), { permanent: false, response: /^535/ })
    const error = await failure(wrong.verify())
    t.match(error, { permanent: false, response: /^535/ })
    t.notMatch(error.message, 'wrong@', 'and the message does not repeat the URL')
    const right = openTransport(t, { smtpUrl: urlWith('right') })
    await right.verify()
    await right.send(message({ to: 'signed-in@acme.test' }))
    t.equal((await server.mailsTo('signed-in@acme.test')).length, 1)
  })

  t.test('leaves the mail to be tried again if it cannot be reached', async (t) => {
    const server = await startSmtpServer(t)
    await server.close()
    const transport = openTransport(t, { smtpUrl: server.url })
    const error = await failure(transport.send(message()))
    t.match(error, { permanent: false, response: undefined, message: /ECONNREFUSED/ })
    t.equal((await failure(transport.verify())).permanent, false)
  })

  t.test('is given up if it never answers, after the time that one mail may take', async (t) => {
    const sockets = new Set<Socket>()
    const silent = createServer((socket) => sockets.add(socket))
    await new Promise<void>((listening) => {
      silent.listen(0, '127.0.0.1', listening)
    })
    t.teardown(() => {
      for (const socket of sockets) socket.destroy()
      silent.close()
    })
    const smtpUrl = `smtp://127.0.0.1:${(silent.address() as AddressInfo).port}`
    const error = await failure(openTransport(t, { smtpUrl, sendTimeoutMs: 50 }).send(message()))
    t.equal(error.permanent, false)
  })

  t.test('costs no mail by closing idle connections', async (t) => {
    const server = await startSmtpServer(t)
    const transport = openTransport(t, { smtpUrl: server.url })
    for (const to of ['first@acme.test', 'second@acme.test', 'third@acme.test']) {
      await transport.send(message({ to }))
      t.equal((await server.mailsTo(to)).length, 1)
      server.dropConnections()
    }
  })
})

test('closing waits for mails that are being sent', async (t) => {
  let answer = () => {}
  const isReceiving = Promise.withResolvers<void>()
  const server = await startSmtpServer(t, {
    onRcptTo(_address, _session, done) {
      answer = () => done()
      isReceiving.resolve()
    }
  })
  const transport = openTransport(t, { smtpUrl: server.url })
  let isSent = false
  const sending = transport.send(message({ to: 'last@acme.test' })).then(() => {
    isSent = true
  })
  await isReceiving.promise
  const closing = transport.close()
  answer()
  await closing
  t.equal(isSent, true)
  await sending
  t.equal(server.mails.length, 1)
  t.equal((await failure(transport.send(message()))).permanent, false, 'and nothing is taken any more')
})

test('mail without a server', async (t) => {
  t.test('is handed to the mailbox', async (t) => {
    const stored: StoredMessage[] = []
    const transport = openTransport(t, {
      store: async (message) => {
        stored.push(message)
      }
    })
    t.equal(transport.kind, 'mailbox')
    await transport.verify()
    const mail = message({ fromName: 'Acme IT' })
    const { messageId } = await transport.send(mail)
    const { id, to, subject, html, text } = mail
    t.same(stored, [{ id, messageId: `<${id}@muster.test>`, to, subject, html, text }])
    t.equal(messageId, stored[0]!.messageId)
  })

  t.test('refuses the same addresses as with a server', async (t) => {
    const transport = openTransport(t, { store: () => Promise.reject(new Error('must not be called')) })
    t.equal((await failure(transport.send(message({ to: 'a@b.test\r\nBcc: c@d.test' })))).permanent, true)
  })

  t.test('passes the mailbox’s error on', async (t) => {
    const transport = openTransport(t, { store: () => Promise.reject(new Error('database down')) })
    await t.rejects(transport.send(message()), { message: 'database down' })
  })
})

test('parseSender separates name and address', async (t) => {
  const cases: [from: string, name: string, address: string][] = [
    ['muster@muster.test', '', 'muster@muster.test'],
    ['Muster <muster@muster.test>', 'Muster', 'muster@muster.test'],
    ['"Muster, Inc." <muster@muster.test>', 'Muster, Inc.', 'muster@muster.test'],
    ['<muster@muster.test>', '', 'muster@muster.test'],
    ['Zoë Å <m@bücher.example>', 'Zoë Å', 'm@bücher.example']
  ]
  for (const [from, name, address] of cases) t.same(parseSender(from), { name, address }, from)
  for (const from of ['', 'Muster', 'a@b.test, c@d.test', 'A <a@b.test> B', 'A\r\nBcc: x@y.test <a@b.test>']) {
    t.throws(() => parseSender(from), { message: /is no sender/ }, JSON.stringify(from))
  }
})
