// One event stream: what it is, what was delivered by it, and what was given up.
import { Alert, Button, Group, Select, Skeleton, Stack, Table, Text } from '@mantine/core'
import { useDisclosure } from '@mantine/hooks'
import { useInfiniteQuery, useMutation, useQuery } from '@tanstack/react-query'
import { getRouteApi, useNavigate } from '@tanstack/react-router'
import { useState } from 'react'
import { httpStatus, type Outputs, queryClient, trpc } from '../api.ts'
import { counted } from '../counted.ts'
import { BackLink } from '../parts/back-link.tsx'
import { Confirm } from '../parts/confirm.tsx'
import { CopyOnce, OnceDialog } from '../parts/copy-once.tsx'
import { Empty } from '../parts/empty.tsx'
import { Failure } from '../parts/failures.tsx'
import { notifyDone } from '../parts/notify.ts'
import { Page } from '../parts/page.tsx'
import { Facts, Section } from '../parts/section.tsx'
import { Mark } from '../parts/state-badge.tsx'
import { Time } from '../parts/time.tsx'
import { KIND_NAMES, type Stream, statusOf } from './events/words.ts'
import './provisioning/provisioning.css'

const route = getRouteApi('/shell/events/$streamId')
const REFRESHED = { refetchInterval: 10_000 }

type Delivery = Outputs['eventStreams']['deliveries']['items'][number]
type State = Delivery['state']

const STATES: Record<State, { tone: 'good' | 'wait' | 'bad'; label: string }> = {
  delivered: { tone: 'good', label: 'Delivered' },
  queued: { tone: 'wait', label: 'On its way' },
  dead: { tone: 'bad', label: 'Given up' }
}

export default function EventStreamPage() {
  const { streamId } = route.useParams()
  const found = useQuery(trpc.eventStreams.get.queryOptions({ streamId }, REFRESHED))
  const stream = found.data?.stream
  if (stream) {
    return (
      <Page title={stream.name} above={<Back />} description={KIND_NAMES[stream.kind]}>
        <Stack gap="md">
          <About stream={stream} />
          <Deliveries stream={stream} />
        </Stack>
      </Page>
    )
  }
  const isMissing = httpStatus(found.error) === 404 || httpStatus(found.error) === 400
  return (
    <Page title="Event stream" above={<Back />}>
      {isMissing && <Empty title="There is no such stream">It may have been removed.</Empty>}
      {found.error && !isMissing && <Failure error={found.error} retry={() => found.refetch()} />}
      {!found.error && <Skeleton height={240} />}
    </Page>
  )
}

const refresh = () => queryClient.invalidateQueries(trpc.eventStreams.pathFilter())

function About({ stream }: { stream: Stream }) {
  const { tone, label } = statusOf(stream)
  const update = useMutation(trpc.eventStreams.update.mutationOptions({ onSuccess: refresh }))
  const test = useMutation(
    trpc.eventStreams.test.mutationOptions({ onSuccess: () => notifyDone('A test is on its way.') })
  )
  const isPaused = stream.state === 'paused'
  return (
    <div className="card">
      <Section title="Stream" action={<Mark tone={tone}>{label}</Mark>}>
        {stream.pausedBecause && (
          <Alert color="yellow" variant="light" mb="sm" title="It was stopped">
            {stream.pausedBecause}. What happens meanwhile is sent when you resume it.
          </Alert>
        )}
        <Facts
          facts={[
            ['URL', stream.url],
            ['Events', stream.eventTypes.length === 0 ? 'every event' : stream.eventTypes.join(', ')],
            ...(stream.kind === 'set' ? ([['Audience', stream.audience ?? stream.url]] as [string, string][]) : []),
            ['Created', <Time key="created" value={stream.createdAt} as="date" />],
            ['Last delivered', <Time key="delivered" value={stream.lastDeliveredAt} empty="nothing yet" />],
            ['Last error', stream.lastError]
          ]}
        />
        <Group gap="xs" mt="sm">
          <Button
            size="xs"
            variant="default"
            onClick={() => update.mutate({ streamId: stream.id, state: isPaused ? 'enabled' : 'paused' })}
            loading={update.isPending}
          >
            {isPaused ? 'Resume' : 'Pause'}
          </Button>
          {!isPaused && (
            <Button
              size="xs"
              variant="default"
              onClick={() => test.mutate({ streamId: stream.id })}
              loading={test.isPending}
            >
              Send a test
            </Button>
          )}
          {stream.kind === 'webhook' && <RotateSecret stream={stream} />}
          <RemoveStream stream={stream} />
        </Group>
        {(update.error || test.error) && <Failure error={update.error ?? test.error} />}
      </Section>
    </div>
  )
}

function RotateSecret({ stream }: { stream: Stream }) {
  const [isOpen, dialog] = useDisclosure()
  const rotate = useMutation(trpc.eventStreams.rotateSecret.mutationOptions({ onSuccess: refresh }))
  const close = () => {
    dialog.close()
    rotate.reset()
  }
  return (
    <>
      <Button size="xs" variant="default" onClick={dialog.open}>
        Rotate secret
      </Button>
      <OnceDialog
        opened={isOpen}
        onClose={close}
        title={rotate.data ? 'The new secret is ready' : 'Rotate the secret?'}
        isShown={rotate.data !== undefined}
      >
        {rotate.data ? (
          <CopyOnce label="Secret" value={rotate.data.secret} onCopied={close} />
        ) : (
          <Stack gap="md">
            <Text size="sm">For a day, each webhook is signed by both secrets: bring the new one in meanwhile.</Text>
            {rotate.error && <Failure error={rotate.error} />}
            <Group justify="flex-end" gap="xs">
              <Button variant="default" onClick={close}>
                Cancel
              </Button>
              <Button onClick={() => rotate.mutate({ streamId: stream.id })} loading={rotate.isPending}>
                Make a new secret
              </Button>
            </Group>
          </Stack>
        )}
      </OnceDialog>
    </>
  )
}

function RemoveStream({ stream }: { stream: Stream }) {
  const [isOpen, dialog] = useDisclosure()
  const navigate = useNavigate()
  const remove = useMutation(
    trpc.eventStreams.remove.mutationOptions({
      onSuccess: async () => {
        await navigate({ to: '/events', replace: true })
        notifyDone(`The stream ${stream.name} is removed.`)
        await refresh()
      }
    })
  )
  return (
    <>
      <Button size="xs" variant="default" onClick={dialog.open}>
        Remove
      </Button>
      <Confirm
        opened={isOpen}
        onClose={dialog.close}
        title={`Remove ${stream.name}?`}
        action="Remove stream"
        isDangerous
        onConfirm={() => remove.mutate({ streamId: stream.id })}
        isPending={remove.isPending}
        error={remove.error}
      >
        Nothing is sent there any more, and what was not delivered goes with it.
      </Confirm>
    </>
  )
}

function Deliveries({ stream }: { stream: Stream }) {
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
                {items.map((delivery) => (
                  <DeliveryRow
                    key={delivery.id}
                    delivery={delivery}
                    onReplay={() => replay.mutate({ streamId: stream.id, deliveryIds: [delivery.id] })}
                  />
                ))}
              </Table.Tbody>
            </Table>
          </Table.ScrollContainer>
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

const Back = () => <BackLink to="/events">Events</BackLink>
