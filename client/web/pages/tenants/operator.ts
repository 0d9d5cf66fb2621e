// The operator's way to the service. Who asks is told by a cookie of the base domain, which no script reads.
import { QueryClient } from '@tanstack/react-query'
import { createTRPCOptionsProxy } from '@trpc/tanstack-react-query'
import type { AppRouter } from '../../../index.ts'
import { client, httpStatus } from '../../api.ts'

/** Apart from the members' cache, which leads to their sign-in where a call is refused; it goes when the operator signs out. */
export const queryClient = new QueryClient({
  defaultOptions: {
    queries: { staleTime: 15_000, retry: (failures, error) => failures < 2 && (httpStatus(error) ?? 503) >= 500 }
  }
})

export const trpc = createTRPCOptionsProxy<AppRouter>({ client, queryClient })

/** Shows the list, or the sign-in in its place, with nothing left of what was asked before. */
export function rememberSession(isSignedIn: boolean): void {
  queryClient.setQueryData(trpc.operator.session.queryKey(), { isSignedIn })
  queryClient.removeQueries(trpc.tenants.pathFilter())
}
