// The typed client of the admin API, for Node and the browser.
import { createTRPCClient, httpBatchLink, type TRPCClient, type TRPCLink } from '@trpc/client'
import type { inferRouterInputs, inferRouterOutputs } from '@trpc/server'
import { fetchOf } from '#transport'
import type { AppRouter } from '../server/admin/router.ts'

export type { AppRouter }
export type Client = TRPCClient<AppRouter>
/** `Inputs['invitations']['create']`: what a procedure takes. */
export type Inputs = inferRouterInputs<AppRouter>
/** `Outputs['users']['get']`: what a procedure gives. */
export type Outputs = inferRouterOutputs<AppRouter>

export interface ClientOptions {
  /** The host whose API is called: `https://acme.example.com` for a tenant, `https://example.com` for the operator. */
  url: string
  /** An API token or the operator token. Left out in a browser, where the session's cookie signs the calls. */
  token?: string
  /** Another fetch, such as one with a proxy. */
  fetch?: typeof fetch
  /** What calls pass through before they are sent. */
  links?: TRPCLink<AppRouter>[]
}

/**
 * `const muster = createClient({ url: 'http://acme.localhost:3000', token })`, then
 * `await muster.invitations.create.mutate({ invites: [{ email: 'ada@acme.test' }] })`.
 * In Node, `*.localhost` reaches the loopback address whatever the machine's resolver knows (RFC 6761 §6.3).
 * Calls made in the same tick travel in one request.
 * @throws TRPCClientError whose `data.reason` is stable and machine-readable (`roleNotAllowed`)
 */
export function createClient({ url, token, fetch, links = [] }: ClientOptions): Client {
  return createTRPCClient<AppRouter>({
    links: [
      ...links,
      httpBatchLink({
        url: `${url.replace(/\/+$/, '')}/trpc`,
        maxItems: 50,
        headers: token ? { authorization: `Bearer ${token}` } : {},
        fetch: (fetch ?? fetchOf()) as typeof globalThis.fetch
      })
    ]
  })
}

/** The stable reason of a failed call, or undefined where the call failed before an answer. */
export function reasonOf(error: unknown): string | undefined {
  return (error as { data?: { reason?: string } } | undefined)?.data?.reason
}
