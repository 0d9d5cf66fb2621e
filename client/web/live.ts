// Keeps open pages true: what happens in the organisation reaches them within about a second.
import { useEffect } from 'react'
import { client, queryClient, trpc } from './api.ts'

/** Events come in bursts (an import, an invitation of a hundred): the page reads anew at most so often. */
const REFRESH_EVERY_MS = 2_000

/** What an event changes on the page; the log itself changes with each. */
const FILTERS: Record<string, () => { queryKey: readonly unknown[] }[]> = {
  user: () => [trpc.users.pathFilter(), trpc.groups.pathFilter()],
  invitation: () => [trpc.invitations.pathFilter(), trpc.users.pathFilter()],
  group: () => [trpc.groups.pathFilter(), trpc.users.pathFilter()],
  scimConnection: () => [trpc.scimConnections.pathFilter(), trpc.scimTokens.pathFilter(), trpc.brake.pathFilter()],
  scimToken: () => [trpc.scimTokens.pathFilter(), trpc.scimConnections.pathFilter()],
  eventStream: () => [trpc.eventStreams.pathFilter()]
}

/** For administrators, who may see the log: refreshes what is shown when others change it. */
export function useLiveRefresh(isAllowed: boolean): void {
  useEffect(() => {
    if (!isAllowed) return
    const changed = new Set<string>()
    let timer: ReturnType<typeof setTimeout> | undefined
    const refresh = () => {
      timer = undefined
      const filters = [...changed].flatMap((type) => FILTERS[type]?.() ?? [])
      changed.clear()
      for (const filter of [...filters, trpc.audit.pathFilter()]) void queryClient.invalidateQueries(filter)
    }
    const subscription = client.events.live.subscribe(undefined, {
      onData: ({ data }) => {
        changed.add(data.target.type)
        timer ??= setTimeout(refresh, REFRESH_EVERY_MS)
      },
      // the link connects anew by itself; pages refresh as they would without it
      onError: () => {}
    })
    return () => {
      clearTimeout(timer)
      subscription.unsubscribe()
    }
  }, [isAllowed])
}
