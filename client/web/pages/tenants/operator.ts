// The operator's client. A cookie of the base domain, which no script can read, identifies the operator.
import { QueryClient } from '@tanstack/react-query'
import { createTRPCOptionsProxy } from '@trpc/tanstack-react-query'
import type { AppRouter } from '../../../index.ts'
import { client, httpStatus } from '../../api.ts'

/** Separate from the members' cache, which goes to their sign-in on a refusal; cleared when the operator signs out. */
export const queryClient = new QueryClient({
  defaultOptions: {
    queries: { staleTime: 15_000, retry: (failures, error) => failures < 2 && (httpStatus(error) ?? 503) >= 500 }
  }
})

export const trpc = createTRPCOptionsProxy<AppRouter>({ client, queryClient })

/** Shows the list, or the sign-in instead, and clears all earlier results. */
export function rememberSession(isSignedIn: boolean): void {
  queryClient.setQueryData(trpc.operator.session.queryKey(), { isSignedIn })
  queryClient.removeQueries(trpc.tenants.pathFilter())
}
