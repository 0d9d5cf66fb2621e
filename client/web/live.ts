// Keeps open pages up to date: changes in the organisation reach them within about a second.
import { useEffect } from 'react'
import { client, queryClient, trpc } from './api.ts'

/** Events come in bursts (an import, an invitation of a hundred): the page refreshes at most this often. */
const REFRESH_EVERY_MS = 2_000

/** The queries that an event affects; the log itself changes with each event. */
const FILTERS: Record<string, () => { queryKey: readonly unknown[] }[]> = {
  user: () => [trpc.users.pathFilter(), trpc.groups.pathFilter()],
  invitation: () => [trpc.invitations.pathFilter(), trpc.users.pathFilter()],
  group: () => [trpc.groups.pathFilter(), trpc.users.pathFilter()],
  scimConnection: () => [
    trpc.scimConnections.pathFilter(),
    trpc.scimTokens.pathFilter(),
    trpc.brake.pathFilter(),
    trpc.scimConflicts.pathFilter()
  ],
  scimToken: () => [trpc.scimTokens.pathFilter(), trpc.scimConnections.pathFilter()],
  eventStream: () => [trpc.eventStreams.pathFilter()]
}

/** The service ends a feed when rights change; a new subscription gets the current rights. */
const AGAIN_AFTER_MS = 1_000

/** Refreshes what is shown when others change it; only for administrators, who may see the log. */
export function useLiveRefresh(isAllowed: boolean): void {
  useEffect(() => (isAllowed ? follow() : undefined), [isAllowed])
}

/** @returns a function that ends it */
function follow(): () => void {
  const changed = new Set<string>()
  let lastEventId: string | undefined
  let refreshing: ReturnType<typeof setTimeout> | undefined
  let asking: ReturnType<typeof setTimeout> | undefined
  let subscription: { unsubscribe(): void } | undefined

  function refresh(): void {
    refreshing = undefined
    const filters = [...changed].flatMap((type) => FILTERS[type]?.() ?? [])
    changed.clear()
    for (const filter of [...filters, trpc.audit.pathFilter()]) void queryClient.invalidateQueries(filter)
  }
  function note(types: Iterable<string>): void {
    for (const type of types) changed.add(type)
    refreshing ??= setTimeout(refresh, REFRESH_EVERY_MS)
  }
  function subscribe(): void {
    subscription = client.events.live.subscribe(lastEventId ? { lastEventId } : undefined, {
      onData: ({ id, data }) => {
        lastEventId = id
        note([data.target.type])
      },
      onComplete: () => {
        // what happened before the first event is unknown: it may be anything
        if (!lastEventId) note(Object.keys(FILTERS))
        asking = setTimeout(subscribe, AGAIN_AFTER_MS)
      },
      // the link reconnects by itself; until then pages refresh as they would without it
      onError: () => {}
    })
  }
  subscribe()
  return () => {
    clearTimeout(refreshing)
    clearTimeout(asking)
    subscription?.unsubscribe()
  }
}
