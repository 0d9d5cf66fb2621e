// Lists who is affected by held or rejected changes.
import { Text } from '@mantine/core'
import { useInfiniteQuery } from '@tanstack/react-query'
import { type Outputs, trpc } from '../../api.ts'
import { TextLink } from '../../parts/link.tsx'
import { Person } from '../../parts/person.tsx'
import { Time } from '../../parts/time.tsx'
import { listOptions, VirtualList } from '../../parts/virtual-list.tsx'
import type { ConnectionDetails } from './tabs.ts'

type HeldChange = Outputs['brake']['held']['items'][number]

interface HeldListProps {
  connection: ConnectionDetails
  state: HeldChange['state']
}

export function HeldList({ connection, state }: HeldListProps) {
  const held = useInfiniteQuery(
    trpc.brake.held.infiniteQueryOptions({ connectionId: connection.id, state, limit: 100 }, listOptions)
  )
  return (
    <>
      <div className="list-head held-columns" aria-hidden>
        <span>Person or group</span>
        <span>What would happen</span>
        <span>Tried</span>
      </div>
      <VirtualList
        query={held}
        label={state === 'held' ? 'Held changes' : 'Rejected changes'}
        itemKey={(change) => change.id}
        rowClass="held-columns"
        row={(change) => <HeldRow change={change} />}
        empty={
          <Text size="sm" c="dimmed" p="md">
            Nothing is left of it.
          </Text>
        }
      />
    </>
  )
}

function HeldRow({ change }: { change: HeldChange }) {
  const { user, group, childGroup } = change
  return (
    <>
      {user ? (
        <Person user={{ id: user.id, displayName: user.name, email: user.email }} isLink size={32} />
      ) : (
        <TextLink to="/groups/$groupId" params={{ groupId: (childGroup ?? group)!.id }} size="sm">
          {(childGroup ?? group)!.name}
        </TextLink>
      )}
      <span className="break">{whatWouldHappen(change)}</span>
      <span className="held-tries">
        <Time value={change.lastTriedAt} />
        {change.tries > 1 && ` · ${change.tries.toLocaleString()} times`}
      </span>
    </>
  )
}

function whatWouldHappen({ kind, group }: HeldChange): string {
  switch (kind) {
    case 'deactivate':
      return 'Would be deactivated'
    case 'remove':
      return 'Would be removed'
    case 'leave':
      return `Would leave ${group?.name ?? 'a group'}`
    case 'removeGroup':
      return 'Would be deleted, with everybody’s membership'
  }
}
