// What happened to a group and its members, and how to undo it.
import { useInfiniteQuery } from '@tanstack/react-query'
import { trpc } from '../../api.ts'
import { listOptions } from '../../parts/virtual-list.tsx'
import { Versions } from '../history/versions.tsx'

export function GroupHistory({ groupId }: { groupId: string }) {
  const history = useInfiniteQuery(trpc.history.group.infiniteQueryOptions({ groupId, limit: 20 }, listOptions))
  return (
    <div className="card">
      <div className="card-section">
        <Versions query={history} restoring={(at) => ({ groupId, at })} />
      </div>
    </div>
  )
}
