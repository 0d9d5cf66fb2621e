// A real HTTP server on a free loopback port that keeps what it is sent and answers as the test says.
import { createServer, type IncomingHttpHeaders } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Test } from 'tap'

export interface Received {
  readonly headers: IncomingHttpHeaders
  readonly body: string
}

interface Receiver {
  readonly url: string
  /** What was taken (2xx), in the order of its arrival. */
  readonly taken: Received[]
  /** Everything that came. */
  readonly received: Received[]
  /** Resolves once there are so many taken ones; gives all of them. */
  takes(count: number): Promise<Received[]>
}

/** @param answer the status of each request, 204 unless it says otherwise */
export async function startReceiver(
  t: Test,
  answer: (request: Received) => number | Promise<number> = () => 204
): Promise<Receiver> {
  const taken: Received[] = []
  const received: Received[] = []
  let wake = () => {}
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk as Buffer)
    const entry = { headers: request.headers, body: Buffer.concat(chunks).toString('utf8') }
    received.push(entry)
    const status = await answer(entry)
    if (status < 300) taken.push(entry)
    response.writeHead(status).end(status < 300 ? '' : 'not now')
    wake()
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
    async takes(count) {
      while (taken.length < count) {
        await new Promise<void>((resolve) => {
          wake = resolve
        })
      }
      return taken
    }
  }
}
