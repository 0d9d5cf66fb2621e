// A stream's deliveries: done, on their way, and failed ones, which may be sent again.
import { Button, Group, Select, Table, Text } from '@mantine/core'
import { useInfiniteQuery, useMutation } from '@tanstack/react-query'
import { useState } from 'react'
import { type Outputs, trpc } from '../../api.ts'
import { counted } from '../../counted.ts'
import { Empty } from '../../parts/empty.tsx'
import { Failure } from '../../parts/failures.tsx'
import { notifyDone } from '../../parts/notify.ts'
import { Section } from '../../parts/section.tsx'
import { Mark } from '../../parts/state-badge.tsx'
import { Time } from '../../parts/time.tsx'
import { REFRESHED, refresh } from './refresh.ts'
import type { Stream } from './words.ts'

type Delivery = Outputs['eventStreams']['deliveries']['items'][number]
type State = Delivery['state']

const STATES: Record<State, { tone: 'good' | 'wait' | 'bad'; label: string }> = {
  delivered: { tone: 'good', label: 'Delivered' },
  queued: { tone: 'wait', label: 'On its way' },
  dead: { tone: 'bad', label: 'Given up' }
}

export function Deliveries({ stream }: { stream: Stream }) {
  const [state, setState] = useState<State | null>(null)
  const list = useInfiniteQuery(
    trpc.eventStreams.deliveries.infiniteQueryOptions(
      { streamId: stream.id, ...(state && { state }), limit: 50 },
      { getNextPageParam: (page) => page.nextCursor, ...REFRESHED }
    )
  )
  const replay = useMutation(
    trpc.eventStreams.replay.mutationOptions({
      onSuccess: async ({ count }) => {
        await refresh()
        notifyDone(`${counted(count, 'event is on its', 'events are on their')} way again.`)
      }
    })
  )
  const items = list.data?.pages.flatMap((page) => page.items) ?? []
  return (
    <div className="card">
      <Section
        title="Deliveries"
        action={
          <Group gap="xs">
            <Select
              aria-label="State"
              placeholder="All states"
              data={Object.entries(STATES).map(([value, { label }]) => ({ value, label }))}
              value={state}
              onChange={(value) => setState(value as State | null)}
              clearable
              size="xs"
            />
            {stream.deliveries.dead > 0 && (
              <Button
                size="xs"
                onClick={() => replay.mutate({ streamId: stream.id })}
                loading={replay.isPending}
                disabled={stream.state === 'paused'}
              >
                Replay all given up
              </Button>
            )}
          </Group>
        }
      >
        {(list.error || replay.error) && <Failure error={list.error ?? replay.error} />}
        {list.data && items.length === 0 && <Empty title="Nothing was delivered yet" />}
        {items.length > 0 && (
          <DeliveryTable
            deliveries={items}
            onReplay={(deliveryId) => replay.mutate({ streamId: stream.id, deliveryIds: [deliveryId] })}
          />
        )}
        {list.hasNextPage && (
          <Button variant="default" size="xs" mt="sm" onClick={() => list.fetchNextPage()} loading={list.isFetching}>
            Show older ones
          </Button>
        )}
      </Section>
    </div>
  )
}

interface DeliveryTableProps {
  deliveries: readonly Delivery[]
  onReplay: (deliveryId: string) => void
}

const DeliveryTable = ({ deliveries, onReplay }: DeliveryTableProps) => (
  <Table.ScrollContainer minWidth={640} scrollAreaProps={{ tabIndex: 0, 'aria-label': 'Deliveries' } as object}>
    <Table>
      <Table.Thead>
        <Table.Tr>
          <Table.Th>Event</Table.Th>
          <Table.Th>State</Table.Th>
          <Table.Th>Attempts</Table.Th>
          <Table.Th>Answer</Table.Th>
          <Table.Th>When</Table.Th>
          <Table.Th>
            <span className="visually-hidden">Actions</span>
          </Table.Th>
        </Table.Tr>
      </Table.Thead>
      <Table.Tbody>
        {deliveries.map((delivery) => (
          <DeliveryRow key={delivery.id} delivery={delivery} onReplay={() => onReplay(delivery.id)} />
        ))}
      </Table.Tbody>
    </Table>
  </Table.ScrollContainer>
)

function DeliveryRow({ delivery, onReplay }: { delivery: Delivery; onReplay: () => void }) {
  const { tone, label } = STATES[delivery.state]
  return (
    <Table.Tr>
      <Table.Td>
        {delivery.type}
        <Text size="xs" c="dimmed">
          {delivery.targetName}
        </Text>
      </Table.Td>
      <Table.Td>
        <Mark tone={tone}>{label}</Mark>
      </Table.Td>
      <Table.Td>{delivery.attempts}</Table.Td>
      <Table.Td>{[delivery.status, delivery.error].filter(Boolean).join(': ') || '–'}</Table.Td>
      <Table.Td>
        <Time value={delivery.attemptedAt ?? delivery.queuedAt} />
      </Table.Td>
      <Table.Td>
        {delivery.state !== 'queued' && (
          <Button
            size="compact-xs"
            variant="default"
            onClick={onReplay}
            aria-label={`Replay ${delivery.type} of ${delivery.targetName}`}
          >
            Replay
          </Button>
        )}
      </Table.Td>
    </Table.Tr>
  )
}
