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
  scimConnection: () => [
    trpc.scimConnections.pathFilter(),
    trpc.scimTokens.pathFilter(),
    trpc.brake.pathFilter(),
    trpc.scimConflicts.pathFilter()
  ],
  scimToken: () => [trpc.scimTokens.pathFilter(), trpc.scimConnections.pathFilter()],
  eventStream: () => [trpc.eventStreams.pathFilter()]
}

/** The service ends a feed when rights change; it is asked again with the rights of then. */
const AGAIN_AFTER_MS = 1_000

/** For administrators, who may see the log: refreshes what is shown when others change it. */
export function useLiveRefresh(isAllowed: boolean): void {
  useEffect(() => (isAllowed ? follow() : undefined), [isAllowed])
}

/** @returns ends it */
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
        // what happened before the first event was seen is not known: it may be anything
        if (!lastEventId) note(Object.keys(FILTERS))
        asking = setTimeout(subscribe, AGAIN_AFTER_MS)
      },
      // the link connects anew by itself; pages refresh as they would without it
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
