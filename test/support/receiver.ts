// A real HTTP server on a free loopback port; it keeps what it is sent and answers as the test says.
import { createServer, type IncomingHttpHeaders } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Test } from 'tap'
import { createWaiting } from './waiting.ts'

export interface Received {
  readonly headers: IncomingHttpHeaders
  readonly body: string
}

interface Receiver {
  readonly url: string
  /** Requests that were answered 2xx, in the order of their arrival. */
  readonly taken: Received[]
  /** All requests. */
  readonly received: Received[]
  /** Resolves with all taken requests once there are `count` of them. */
  takes(count: number): Promise<Received[]>
}

/** @param answer gives the status for each request; 204 by default */
export async function startReceiver(
  t: Test,
  answer: (request: Received) => number | Promise<number> = () => 204
): Promise<Receiver> {
  const taken: Received[] = []
  const received: Received[] = []
  const waiting = createWaiting()
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk as Buffer)
    const entry = { headers: request.headers, body: Buffer.concat(chunks).toString('utf8') }
    received.push(entry)
    const status = await answer(entry)
    if (status < 300) taken.push(entry)
    response.writeHead(status).end(status < 300 ? '' : 'not now')
    waiting.look()
  })
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
  t.teardown(() => {
    server.closeAllConnections()
    return new Promise((done) => server.close(done))
  })
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/hook`,
    taken,
    received,
    takes: (count) => waiting.until(() => (taken.length < count ? undefined : taken))
  }
}
