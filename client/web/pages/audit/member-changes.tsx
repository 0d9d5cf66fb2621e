// Names who joined a group and who left it.
import { Anchor } from '@mantine/core'
import { useQueries } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import { trpc } from '../../api.ts'
import { shownName } from '../../parts/person.tsx'
import { isId } from './filter.ts'

/** More people than this are counted instead of named. */
const NAMED = 10
const count = new Intl.NumberFormat()

/** The facts of a `group.membersChanged` event; undefined for other events. */
export function memberFacts(after: Record<string, unknown> | null): { added: Members; removed: Members } | undefined {
  if (!after || !('addedCount' in after || 'removedCount' in after)) return undefined
  return { added: membersOf(after.addedCount, after.added), removed: membersOf(after.removedCount, after.removed) }
}

interface Members {
  count: number
  ids: string[]
}

function membersOf(number: unknown, ids: unknown): Members {
  const known = Array.isArray(ids) ? ids.filter((id): id is string => isId(String(id))) : []
  return { count: typeof number === 'number' ? number : known.length, ids: known }
}

export function MemberChanges({ added, removed }: { added: Members; removed: Members }) {
  return (
    <dl className="audit-facts">
      {added.count > 0 && (
        <>
          <dt>Added ({count.format(added.count)})</dt>
          <dd>
            <Names {...added} />
          </dd>
        </>
      )}
      {removed.count > 0 && (
        <>
          <dt>Taken out ({count.format(removed.count)})</dt>
          <dd>
            <Names {...removed} />
          </dd>
        </>
      )}
    </dl>
  )
}

function Names({ count: all, ids }: Members) {
  const shown = ids.slice(0, NAMED)
  // requests made together travel in one
  const people = useQueries({
    queries: shown.map((userId) => trpc.users.get.queryOptions({ userId }, { retry: false, staleTime: 300_000 }))
  })
  return (
    <>
      {shown.map((id, index) => {
        const user = people[index]?.data?.user
        return (
          <span key={id}>
            {index > 0 && ', '}
            {user ? (
              <Anchor component={Link} to={`/users/${id}`} size="sm">
                {shownName(user)}
              </Anchor>
            ) : (
              <span className="mono">{id}</span>
            )}
          </span>
        )
      })}
      {all > shown.length && ` and ${count.format(all - shown.length)} more`}
    </>
  )
}
