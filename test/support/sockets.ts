// Raw sockets for clients that misbehave: they send what a test wants, when it wants.
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'

export interface RawClient {
  readonly socket: Socket
  /** What the server has sent so far. */
  received(): string
  /** Settles once the server has hung up. */
  readonly closed: Promise<unknown>
}

/** Connects. An error of the connection counts as its end. */
export async function openRaw(
  port: number,
  options: { reads?: boolean; localAddress?: string } = {}
): Promise<RawClient> {
  const socket = connect({ port, host: '127.0.0.1', localAddress: options.localAddress })
  await once(socket, 'connect')
  // a connection that is reset has ended, too
  socket.on('error', () => {})
  const closed = new Promise((done) => socket.once('close', done))
  let text = ''
  if (options.reads ?? true) socket.on('data', (chunk) => (text += chunk.toString('latin1')))
  else socket.pause()
  return { socket, received: () => text, closed }
}

/** Sends a text byte by byte until its end or the end of the connection. @returns how many bytes were sent */
export async function drip({ socket }: RawClient, text: string, everyMs: number): Promise<number> {
  for (let sent = 0; sent < text.length; sent++) {
    if (socket.destroyed || !socket.writable) return sent
    socket.write(text[sent]!)
    await new Promise((done) => setTimeout(done, everyMs))
  }
  return text.length
}
