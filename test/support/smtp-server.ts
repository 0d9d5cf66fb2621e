// A real SMTP server on a free loopback port, that keeps what it is sent.
import type { AddressInfo, Socket } from 'node:net'
import { type ParsedMail, simpleParser } from 'mailparser'
import { SMTPServer, type SMTPServerOptions } from 'smtp-server'
import type { Test } from 'tap'

interface ReceivedMail {
  /** As it came over the wire. */
  raw: string
  parsed: ParsedMail
  envelope: { from: string; to: string[] }
}

export interface TestSmtpServer {
  /** smtp:// URL for SMTP_URL. */
  url: string
  /** In the order of their arrival. */
  mails: ReceivedMail[]
  /** The mails to one address, once there are at least `count` of them. */
  mailsTo(address: string, count?: number): Promise<ReceivedMail[]>
  /** Ends every connection without a word, as a server or a firewall does to idle ones. */
  dropConnections(): void
  close(): Promise<void>
}

/** A refusal for a handler of smtp-server: `throw`n or given to its callback, it becomes the answer. */
export const smtpError = (responseCode: number, message: string) => Object.assign(new Error(message), { responseCode })

/**
 * @param options smtp-server's own, to refuse a sender, a recipient or a sign-in
 * @param port a free one unless it is named, for a server that comes back
 */
export async function startSmtpServer(t: Test, options: SMTPServerOptions = {}, port = 0): Promise<TestSmtpServer> {
  const mails: ReceivedMail[] = []
  const waiting = new Set<() => void>()
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
        for (const check of waiting) check()
      })
    },
    ...options
  })
  // a client that goes away in the middle is part of these tests
  server.on('error', () => {})
  await new Promise<void>((listening) => {
    server.listen(port, '127.0.0.1', listening)
  })
  const sockets = new Set<Socket>()
  server.server.on('connection', (socket: Socket) => {
    sockets.add(socket)
    socket.on('close', () => sockets.delete(socket))
  })
  const close = () => new Promise<void>((closed) => server.close(() => closed()))
  const dropConnections = () => {
    for (const socket of sockets) socket.destroy()
  }
  // smtp-server would wait half a minute for whoever keeps a connection open
  t.teardown(() => {
    const closed = close()
    dropConnections()
    return closed
  })
  return {
    url: `smtp://127.0.0.1:${(server.server.address() as AddressInfo).port}`,
    mails,
    close,
    dropConnections,
    mailsTo(address, count = 1) {
      return new Promise((found) => {
        const check = () => {
          const theirs = mails.filter(({ envelope }) => envelope.to.includes(address))
          if (theirs.length < count) return
          waiting.delete(check)
          found(theirs)
        }
        waiting.add(check)
        check()
      })
    }
  }
}
