// Keeps cached lists up to date after a change, without fetching a long one again from its beginning.
import type { InfiniteData } from '@tanstack/react-query'
import { type Outputs, queryClient, trpc } from './api.ts'

type User = Outputs['users']['get']['user']
type UserPage = Outputs['users']['list']

/** Puts a changed user into every list that shows them, and has their own page fetched again. */
export function userChanged(user: User): void {
  queryClient.setQueriesData<InfiniteData<UserPage>>(trpc.users.list.infiniteQueryFilter(), (data) => {
    if (!data?.pages.some((page) => page.items.some(({ id }) => id === user.id))) return data
    const pages = data.pages.map((page) => ({
      ...page,
      items: page.items.map((item) => (item.id === user.id ? user : item))
    }))
    return { ...data, pages }
  })
  void queryClient.invalidateQueries(trpc.users.get.queryFilter({ userId: user.id }))
  void queryClient.invalidateQueries(trpc.history.pathFilter())
}

/** People or invitations were added or removed: lists start over. */
export function peopleChanged(): void {
  void queryClient.resetQueries(trpc.users.list.pathFilter())
  void queryClient.resetQueries(trpc.invitations.list.pathFilter())
  void queryClient.invalidateQueries(trpc.users.get.pathFilter())
}
