// A small proxy that sends each request to the next of several servers.
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Agent, request } from 'undici'
import type { Teardown } from './process.ts'

interface RoundRobin {
  readonly port: number
  /** Ports of the servers; may be set later, since servers need to know the proxy's port. */
  targets: number[]
  /** How many requests each target was sent. */
  readonly sent: ReadonlyMap<number, number>
  /** The target of the next request. */
  next(): number
}

export async function startRoundRobin(t: Teardown): Promise<RoundRobin> {
  const agent = new Agent({ connections: 64 })
  const sent = new Map<number, number>()
  let turn = 0
  const server = createServer((incoming, outgoing) => {
    const target = proxy.next()
    turn++
    sent.set(target, (sent.get(target) ?? 0) + 1)
    passOn(agent, target, incoming, outgoing).catch(() => outgoing.writableEnded || outgoing.writeHead(502).end())
  })
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening))
  const proxy: RoundRobin = {
    port: (server.address() as AddressInfo).port,
    targets: [],
    sent,
    next: () => proxy.targets[turn % proxy.targets.length]!
  }
  t.teardown(async () => {
    server.closeAllConnections()
    await new Promise((closed) => server.close(closed))
    await agent.destroy()
  })
  return proxy
}

/** Headers of one hop only (RFC 9110 §7.6.1). */
const OWN_HEADERS = new Set(['connection', 'keep-alive', 'transfer-encoding', 'expect', 'upgrade'])

async function passOn(agent: Agent, port: number, incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> {
  const chunks: Buffer[] = []
  for await (const chunk of incoming) chunks.push(chunk as Buffer)
  const headers = Object.entries(incoming.headers).filter(([name]) => !OWN_HEADERS.has(name))
  const answer = await request(`http://127.0.0.1:${port}${incoming.url}`, {
    dispatcher: agent,
    method: incoming.method as 'GET',
    headers: Object.fromEntries(headers),
    body: chunks.length > 0 ? Buffer.concat(chunks) : null
  })
  outgoing.writeHead(
    answer.statusCode,
    Object.fromEntries(Object.entries(answer.headers).filter(([name]) => !OWN_HEADERS.has(name)))
  )
  outgoing.end(Buffer.from(await answer.body.arrayBuffer()))
}
