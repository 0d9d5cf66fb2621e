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

const agentOf = (timeouts: { headersTimeout: number; bodyTimeout?: number }) =>
  new Agent({ connect: { lookup: resolve, timeout: 10_000 }, keepAliveTimeout: 1_000, ...timeouts })

const fetchBy = (agent: Agent): typeof fetch =>
  ((input: string, init: object) => undiciFetch(input, { ...init, dispatcher: agent })) as unknown as typeof fetch

// an invitation of 1,000 addresses on a busy machine still answers in far less
const agent = agentOf({ headersTimeout: 120_000 })

export const fetchOf = (): typeof fetch => fetchBy(agent)

/** For what takes as long as there is data: whole tenants. */
export const fetchPatiently = (): typeof fetch => fetchBy(agentOf({ headersTimeout: 0, bodyTimeout: 0 }))
