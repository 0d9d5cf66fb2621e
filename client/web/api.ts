// How the page reaches the service: the typed client behind TanStack Query.
import { MutationCache, QueryCache, QueryClient } from '@tanstack/react-query'
import { httpLink, httpSubscriptionLink, TRPCClientError, type TRPCLink } from '@trpc/client'
import { createTRPCOptionsProxy } from '@trpc/tanstack-react-query'
import { type AppRouter, createClient, type Inputs, type Outputs } from '../index.ts'

/** Lists only go forward and take no `direction`, which infinite queries add to each page's input. */
const forwardOnly: TRPCLink<AppRouter> =
  () =>
  ({ op, next }) => {
    const { direction, ...input } = (op.input ?? {}) as Record<string, unknown>
    return next(direction === 'forward' ? { ...op, input } : op)
  }

/** Subscriptions are server-sent events, which a browser reads with the session's cookie; other calls pass through. */
const liveOnly: TRPCLink<AppRouter> = (runtime) => {
  const subscribe = httpSubscriptionLink({ url: `${window.location.origin}/trpc` })(runtime)
  return (options) => (options.op.type === 'subscription' ? subscribe(options) : options.next(options.op))
}

/** Calls with a link's token send it in the body: URLs are recorded in too many places. */
const secretly: TRPCLink<AppRouter> = (runtime) => {
  const post = httpLink({ url: `${window.location.origin}/trpc`, methodOverride: 'POST' })(runtime)
  return (options) => (options.op.path === 'invitations.preview' ? post(options) : options.next(options.op))
}

export const client = createClient({ url: window.location.origin, links: [forwardOnly, liveOnly, secretly] })

/** Called when an answer says that the user is no longer signed in. */
let onSignedOut = () => {}
export const whenSignedOut = (listener: () => void) => {
  onSignedOut = listener
}

function noticeRefusal(error: unknown): void {
  if (httpStatus(error) === 401 && reason(error) === 'unauthenticated') onSignedOut()
  // the shell then asks for it
  if (reason(error) === 'secondFactorSetupRequired') void queryClient.invalidateQueries(trpc.auth.me.queryFilter())
}

export const queryClient = new QueryClient({
  queryCache: new QueryCache({ onError: noticeRefusal }),
  mutationCache: new MutationCache({ onError: noticeRefusal }),
  defaultOptions: {
    queries: {
      staleTime: 15_000,
      // a refusal would be repeated; a call that did not arrive may still do so
      retry: (failures, error) => failures < 2 && (httpStatus(error) ?? 503) >= 500
    }
  }
})

export const trpc = createTRPCOptionsProxy<AppRouter>({ client, queryClient })

/** The HTTP status of the service's answer, or undefined without an answer. */
export function httpStatus(error: unknown): number | undefined {
  return error instanceof TRPCClientError ? (error.data as { httpStatus?: number } | undefined)?.httpStatus : undefined
}

/** The stable reason for a refusal. */
export function reason(error: unknown): string | undefined {
  return error instanceof TRPCClientError ? (error.data as { reason?: string } | undefined)?.reason : undefined
}

export type { Inputs, Outputs }
