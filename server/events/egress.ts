// Requests to addresses that tenants name. They reach only the public internet: not this machine, not its network, not
// a cloud's metadata, whatever a name resolves to when connecting (server-side request forgery).
import { lookup as lookupAddress } from 'node:dns'
import { isIP, type LookupFunction } from 'node:net'
import ipaddr from 'ipaddr.js'
import type { Agent } from 'undici'
import type { EgressPolicy } from '../config.ts'
import { AppError, invalid } from '../errors.ts'

const TIMEOUT_MS = 10_000
/** The limit for an answer's text that is kept for people to read. */
const MAX_ANSWER_LENGTH = 500

interface EgressAnswer {
  readonly status: number
  /** The first characters of the body. */
  readonly text: string
}

export interface Egress {
  /**
   * Posts a body; redirects are not followed, because they would lead elsewhere.
   * @throws Error with a readable message, where no answer came within ten seconds or the address is not public
   */
  post(url: string, headers: Record<string, string>, body: string): Promise<EgressAnswer>
  close(): Promise<void>
}

const GLOBAL_UNICAST = ipaddr.IPv6.parseCIDR('2000::/3')

/** Whether an address is one that anybody may reach: not loopback, private, link-local, multicast or reserved. */
export function isPublicAddress(address: string): boolean {
  try {
    const parsed = ipaddr.process(address)
    if (parsed.range() !== 'unicast') return false
    // of IPv6 only 2000::/3 is given out; ::7f00:1, say, means 127.0.0.1 where such old forms are still routed
    return parsed.kind() === 'ipv4' || parsed.match(GLOBAL_UNICAST)
  } catch {
    return false
  }
}

/**
 * @throws AppError invalid `badUrl`, unless the URL is https (or http where that is allowed), holds no password, and
 *   names a host that is allowed and no address of a private network
 */
export function requireSendableUrl(text: string, { isPrivateAllowed, isHttpAllowed, hosts }: EgressPolicy): void {
  const url = URL.parse(text)
  const isScheme = url?.protocol === 'https:' || (isHttpAllowed && url?.protocol === 'http:')
  if (!url || !isScheme) throw badUrl('The URL must begin with https://')
  if (url.username || url.password) throw badUrl('The URL must not hold a user name or password')
  const host = hostOf(url)
  if (hosts && !hosts.some((pattern) => matchesHost(pattern, host))) {
    throw badUrl('This service sends to hosts that its operator has named alone: ask them to add this one')
  }
  if (isPrivateAllowed) return
  const isLocal = host === 'localhost' || host.endsWith('.localhost') || host.endsWith('.internal')
  if (isLocal || (isIP(host) && !isPublicAddress(host))) throw badUrl('The URL leads to a private address')
}

/** `*.example.org` matches every host below example.org, but not example.org itself. */
const matchesHost = (pattern: string, host: string) =>
  pattern.startsWith('*.') ? host.endsWith(pattern.slice(1)) : host === pattern

const badUrl = (message: string) => invalid(message, 'badUrl')
const hostOf = (url: URL) => url.hostname.replace(/^\[|\]$/g, '')

/**
 * @param policy the operator's settings
 * @param lookup Node's own, except in tests
 */
export function createEgress(policy: EgressPolicy, lookup: Lookup = lookupAddress as Lookup): Egress {
  let opening: Promise<{ agent: Agent; request: typeof import('undici').request }> | undefined
  /** Loaded when something is first sent: it brings a hundred files along. */
  async function open() {
    const { Agent, request } = await import('undici')
    const agent = new Agent({
      connect: { timeout: TIMEOUT_MS, ...(!policy.isPrivateAllowed && { lookup: publicOnly(lookup) }) },
      headersTimeout: TIMEOUT_MS,
      bodyTimeout: TIMEOUT_MS,
      connections: 8,
      maxResponseSize: 64 * 1024
    })
    return { agent, request }
  }
  return {
    async post(url, headers, body) {
      requireSendableUrl(url, policy)
      opening ??= open()
      const { agent, request } = await opening
      const { statusCode, body: answer } = await request(url, {
        method: 'POST',
        headers: { ...headers, 'user-agent': 'Muster' },
        body,
        dispatcher: agent,
        signal: AbortSignal.timeout(TIMEOUT_MS)
      })
      return { status: statusCode, text: (await answer.text().catch(() => '')).slice(0, MAX_ANSWER_LENGTH) }
    },
    close: async () => (await opening)?.agent.destroy()
  }
}

type Addresses = { address: string; family: number }[]
/** Of node:dns, asked for all addresses. */
export type Lookup = (
  hostname: string,
  options: { all: true },
  callback: (error: Error | null, addresses: Addresses) => void
) => void

/** Checks when the connection is made, so that the name cannot resolve to something else by then. */
const publicOnly =
  (lookup: Lookup): LookupFunction =>
  (hostname, options, callback) => {
    lookup(hostname, { ...options, all: true }, (error, addresses) => {
      if (error) return callback(error, [])
      const isPublic = addresses.length > 0 && addresses.every(({ address }) => isPublicAddress(address))
      if (!isPublic) return callback(new AppError('forbidden', `${hostname} leads to a private address`), [])
      if (options.all) return callback(null, addresses)
      callback(null, addresses[0]!.address, addresses[0]!.family)
    })
  }
