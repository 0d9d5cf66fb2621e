// The operator's way to the service: its own client, and its own cache, which goes when the operator signs out.
import { QueryClient } from '@tanstack/react-query'
import { createTRPCOptionsProxy } from '@trpc/tanstack-react-query'
import { type AppRouter, createClient } from '../../../index.ts'
import { forwardOnly, httpStatus } from '../../api.ts'

const KEY = 'operatorToken'

// of this tab alone, and gone with it; never in localStorage, which every tab reads and which stays
export const keptToken = (): string | null => sessionStorage.getItem(KEY)
export const keepToken = (token: string): void => sessionStorage.setItem(KEY, token)
export const forgetToken = (): void => sessionStorage.removeItem(KEY)

export const operatorClient = (token: string) =>
  createClient({ url: window.location.origin, token, links: [forwardOnly] })

/** Apart from the members' cache, which leads to their sign-in where a call is refused. */
export const queryClient = new QueryClient({
  defaultOptions: {
    queries: { staleTime: 15_000, retry: (failures, error) => failures < 2 && (httpStatus(error) ?? 503) >= 500 }
  }
})

export function connectOperator(token: string) {
  const client = operatorClient(token)
  return { client, queryClient, trpc: createTRPCOptionsProxy<AppRouter>({ client, queryClient }) }
}

export type OperatorConnection = ReturnType<typeof connectOperator>
