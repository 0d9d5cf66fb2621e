// Node's fetch with a resolver of its own for `*.localhost` (RFC 6761 §6.3), which many machines do not know.
import { type LookupAddress, lookup } from 'node:dns'
import type { LookupFunction } from 'node:net'
import { Agent, fetch as undiciFetch } from 'undici'

const resolve: LookupFunction = (hostname, options, callback) => {
  if (!/(^|\.)localhost\.?$/i.test(hostname)) return lookup(hostname, options, callback)
  const loopback: LookupAddress[] = [{ address: '127.0.0.1', family: 4 }]
  // with `all` Node tries each address in turn
  if (options.all) callback(null, loopback)
  else callback(null, '127.0.0.1', 4)
}

// headersTimeout: an invitation of 1,000 addresses on a busy machine still answers in far less
const agent = new Agent({
  connect: { lookup: resolve, timeout: 10_000 },
  headersTimeout: 120_000,
  keepAliveTimeout: 1_000
})

export const fetchOf = (): typeof fetch =>
  ((input: string, init: object) => undiciFetch(input, { ...init, dispatcher: agent })) as unknown as typeof fetch
