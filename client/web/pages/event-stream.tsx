// One event stream: its details, the possible actions, and its deliveries.
import { Alert, Button, Group, Skeleton, Stack, Text } from '@mantine/core'
import { useDisclosure } from '@mantine/hooks'
import { useMutation, useQuery } from '@tanstack/react-query'
import { getRouteApi, useNavigate } from '@tanstack/react-router'
import { httpStatus, trpc } from '../api.ts'
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
import { Deliveries } from './events/deliveries.tsx'
import { REFRESHED, refresh } from './events/refresh.ts'
import { KIND_NAMES, type Stream, statusOf } from './events/words.ts'
import './provisioning/provisioning.css'

const route = getRouteApi('/shell/events/$streamId')
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

const Back = () => <BackLink to="/events">Events</BackLink>
