// A mail server that can be away, slow, picky, or hang up before it answers. It remembers every mail that it took.
import type { AddressInfo, Socket } from 'node:net'
import { setTimeout } from 'node:timers/promises'
import { SMTPServer } from 'smtp-server'
import type { Teardown } from '../support/process.ts'

interface TakenMail {
  readonly messageId: string
  readonly to: string
  /** False if the connection was ended before the answer, so that the sender cannot know that the mail was taken. */
  readonly wasAnswered: boolean
}

export interface Mood {
  /** How many milliseconds each mail takes. */
  delayMs?: number
  /** The answer to a recipient: 550 for ever, 451 for now, undefined to take it. */
  refuses?: (address: string) => 550 | 451 | undefined
  /** Whether to hang up after the message instead of answering. */
  hangsUp?: (address: string) => boolean
}

export interface MailSink {
  readonly url: string
  readonly taken: readonly TakenMail[]
  mood: Mood
  /** How often each Message-ID was taken. */
  timesTaken(): Map<string, number>
  /** Forgets what it took, before another fault. */
  forget(): void
  /** Stops listening and drops open connections. */
  close(): Promise<void>
  /** Listens again on the same port. */
  open(): Promise<void>
}

export async function startMailSink(t: Teardown): Promise<MailSink> {
  const taken: TakenMail[] = []
  const sockets = new Set<Socket>()
  let server = make()
  let port = 0

  function make(): SMTPServer {
    const made: SMTPServer = new SMTPServer({
      authOptional: true,
      disabledCommands: ['STARTTLS'],
      disableReverseLookup: true,
      onRcptTo({ address }, _session, done) {
        const code = sink.mood.refuses?.(address)
        done(code && Object.assign(new Error('Not now, or never'), { responseCode: code }))
      },
      onData(stream, session, done) {
        const chunks: Buffer[] = []
        stream.on('data', (chunk: Buffer) => chunks.push(chunk))
        stream.on('end', async () => {
          if (sink.mood.delayMs) await setTimeout(sink.mood.delayMs)
          const to = session.envelope.rcptTo[0]!.address
          const messageId = /^message-id: (<[^>]+>)/im.exec(Buffer.concat(chunks).toString('utf8'))?.[1] ?? ''
          const hangsUp = sink.mood.hangsUp?.(to) ?? false
          taken.push({ messageId, to, wasAnswered: !hangsUp })
          if (!hangsUp) return done()
          for (const socket of sockets) if (socket.remotePort === session.remotePort) socket.destroy()
        })
      }
    })
    made.on('error', () => {})
    made.server.on('connection', (socket: Socket) => {
      sockets.add(socket)
      socket.on('close', () => sockets.delete(socket))
    })
    return made
  }

  const sink: MailSink = {
    get url() {
      return `smtp://127.0.0.1:${port}`
    },
    taken,
    mood: {},
    timesTaken() {
      const times = new Map<string, number>()
      for (const { messageId } of taken) times.set(messageId, (times.get(messageId) ?? 0) + 1)
      return times
    },
    forget() {
      taken.length = 0
    },
    async close() {
      const closed = new Promise<void>((done) => server.close(() => done()))
      for (const socket of sockets) socket.destroy()
      await closed
    },
    async open() {
      server = make()
      await new Promise<void>((done) => server.listen(port, '127.0.0.1', done))
      port = (server.server.address() as AddressInfo).port
    }
  }
  await sink.open()
  t.teardown(() => sink.close())
  return sink
}
