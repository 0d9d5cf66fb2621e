// What happened to a person, who did it, and how to undo it.
import { useInfiniteQuery } from '@tanstack/react-query'
import { trpc } from '../../api.ts'
import { Section } from '../../parts/section.tsx'
import { listOptions } from '../../parts/virtual-list.tsx'
import { Versions } from '../history/versions.tsx'

export function HistorySection({ userId }: { userId: string }) {
  const history = useInfiniteQuery(trpc.history.user.infiniteQueryOptions({ userId, limit: 20 }, listOptions))
  return (
    <Section title="History">
      <Versions query={history} restoring={(at) => ({ userId, at })} />
    </Section>
  )
}
