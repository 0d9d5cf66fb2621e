// A keep-alive HTTP/1.1 connection that sends one request at a time. It is our own, because a client as dear as the
// server would distort what is measured on a machine of two cores.
import { connect, type Socket } from 'node:net'

export interface Answer {
  readonly status: number
  readonly body: Buffer
}

const HEAD_END = '\r\n\r\n'
const EMPTY = Buffer.alloc(0)

export class Connection {
  private readonly socket: Socket
  private received: Buffer
  private waiting: { resolve: (answer: Answer) => void; reject: (error: Error) => void } | undefined

  private constructor(socket: Socket) {
    this.socket = socket
    this.received = EMPTY
    socket.on('data', (chunk) => this.take(chunk))
    socket.on('error', (error) => this.fail(error))
    socket.on('close', () => this.fail(new Error('The server closed the connection')))
  }

  static open(port: number): Promise<Connection> {
    return new Promise((opened, failed) => {
      const socket = connect({ port, host: '127.0.0.1', noDelay: true })
      socket.once('error', failed)
      socket.once('connect', () => {
        socket.off('error', failed)
        opened(new Connection(socket))
      })
    })
  }

  /** @param request the whole text, as it goes over the wire */
  send(request: string): Promise<Answer> {
    return new Promise((resolve, reject) => {
      this.waiting = { resolve, reject }
      this.socket.write(request)
    })
  }

  close(): void {
    this.waiting = undefined
    this.socket.destroy()
  }

  private take(chunk: Buffer): void {
    this.received = this.received.length === 0 ? chunk : Buffer.concat([this.received, chunk])
    const answer = readAnswer(this.received)
    if (!answer || !this.waiting) return
    this.received = EMPTY
    const { resolve } = this.waiting
    this.waiting = undefined
    resolve(answer)
  }

  private fail(error: Error): void {
    this.waiting?.reject(error)
    this.waiting = undefined
  }
}

/** @returns undefined while the answer is incomplete. Nothing follows an answer, because only one request was sent. */
function readAnswer(bytes: Buffer): Answer | undefined {
  const headEnd = bytes.indexOf(HEAD_END)
  if (headEnd === -1) return undefined
  const head = bytes.toString('latin1', 0, headEnd).toLowerCase()
  const status = Number(head.slice(9, 12))
  const start = headEnd + HEAD_END.length
  const length = /\r\ncontent-length: *(\d+)/.exec(head)
  if (length) {
    const end = start + Number(length[1])
    return bytes.length < end ? undefined : { status, body: bytes.subarray(start, end) }
  }
  if (head.includes('\r\ntransfer-encoding: chunked')) {
    const body = readChunks(bytes, start)
    return body && { status, body }
  }
  return { status, body: EMPTY }
}

function readChunks(bytes: Buffer, start: number): Buffer | undefined {
  const chunks: Buffer[] = []
  for (let at = start; ; ) {
    const lineEnd = bytes.indexOf('\r\n', at)
    if (lineEnd === -1) return undefined
    const size = Number.parseInt(bytes.toString('latin1', at, lineEnd), 16)
    const from = lineEnd + 2
    if (bytes.length < from + size + 2) return undefined
    if (size === 0) return Buffer.concat(chunks)
    chunks.push(bytes.subarray(from, from + size))
    at = from + size + 2
  }
}
