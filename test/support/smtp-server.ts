// A real SMTP server on a free loopback port that keeps what it is sent.
import type { AddressInfo, Socket } from 'node:net'
import { type ParsedMail, simpleParser } from 'mailparser'
import { SMTPServer, type SMTPServerOptions } from 'smtp-server'
import type { Test } from 'tap'
import { createWaiting } from './waiting.ts'

interface ReceivedMail {
  /** The message as it came over the wire. */
  raw: string
  parsed: ParsedMail
  envelope: { from: string; to: string[] }
}

export interface TestSmtpServer {
  /** The value for SMTP_URL. */
  url: string
  /** In the order of arrival. */
  mails: ReceivedMail[]
  /** How many connections have been opened so far. */
  connections(): number
  /** The mails to an address, once there are at least `count` of them. */
  mailsTo(address: string, count?: number): Promise<ReceivedMail[]>
  /** Ends every connection without a message, as servers and firewalls do with idle ones. */
  dropConnections(): void
  close(): Promise<void>
}

/** A refusal for a handler of smtp-server: thrown, or passed to its callback, it becomes the answer. */
export const smtpError = (responseCode: number, message: string) => Object.assign(new Error(message), { responseCode })

/**
 * @param options smtp-server's own, such as a handler that refuses a sender, a recipient or a sign-in
 * @param port for a server that comes back; any free one by default
 */
export async function startSmtpServer(t: Test, options: SMTPServerOptions = {}, port = 0): Promise<TestSmtpServer> {
  const mails: ReceivedMail[] = []
  const waiting = createWaiting()
  const server = new SMTPServer({
    authOptional: true,
    disabledCommands: ['STARTTLS'],
    disableReverseLookup: true,
    onData(stream, session, done) {
      const chunks: Buffer[] = []
      stream.on('data', (chunk: Buffer) => chunks.push(chunk))
      stream.on('end', async () => {
        const raw = Buffer.concat(chunks)
        const { mailFrom, rcptTo } = session.envelope
        mails.push({
          raw: raw.toString('utf8'),
          parsed: await simpleParser(raw),
          envelope: { from: mailFrom ? mailFrom.address : '', to: rcptTo.map(({ address }) => address) }
        })
        done()
        waiting.look()
      })
    },
    ...options
  })
  // some tests have clients that disconnect in the middle
  server.on('error', () => {})
  await new Promise<void>((listening) => {
    server.listen(port, '127.0.0.1', listening)
  })
  const sockets = new Set<Socket>()
  let connections = 0
  server.server.on('connection', (socket: Socket) => {
    connections++
    sockets.add(socket)
    socket.on('close', () => sockets.delete(socket))
  })
  const close = () => new Promise<void>((closed) => server.close(() => closed()))
  const dropConnections = () => {
    for (const socket of sockets) socket.destroy()
  }
  // smtp-server would wait half a minute for clients that keep a connection open
  t.teardown(() => {
    const closed = close()
    dropConnections()
    return closed
  })
  return {
    url: `smtp://127.0.0.1:${(server.server.address() as AddressInfo).port}`,
    mails,
    connections: () => connections,
    close,
    dropConnections,
    mailsTo: (address, count = 1) =>
      waiting.until(() => {
        const theirs = mails.filter(({ envelope }) => envelope.to.includes(address))
        return theirs.length < count ? undefined : theirs
      })
  }
}
