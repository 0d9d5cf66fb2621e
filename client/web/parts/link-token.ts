// The token of a mail's link. It is removed from the address at once, so that nobody reads it over a shoulder, copies
// it, or finds it in another device's history. It stays in this history entry's state, for a reload.
import { useLocation, useNavigate } from '@tanstack/react-router'
import { useEffect } from 'react'

declare module '@tanstack/react-router' {
  interface HistoryState {
    linkToken?: string
  }
}

/** @returns undefined where the page was opened without one */
export function useLinkToken(): string | undefined {
  const { search, state } = useLocation()
  const navigate = useNavigate()
  const inAddress = (search as { token?: string }).token
  useEffect(() => {
    if (inAddress) void navigate({ to: '.', search: {}, state: { linkToken: inAddress }, replace: true })
  }, [inAddress, navigate])
  return inAddress ?? state.linkToken
}
