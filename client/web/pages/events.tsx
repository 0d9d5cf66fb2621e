// Where this organisation's events are sent: webhooks, and streams of security event tokens.
import { Button, Group, Skeleton, Text } from '@mantine/core'
import { useDisclosure } from '@mantine/hooks'
import { IconBroadcast, IconPlus } from '@tabler/icons-react'
import { useQuery } from '@tanstack/react-query'
import { type Outputs, trpc } from '../api.ts'
import { Empty } from '../parts/empty.tsx'
import { Failure } from '../parts/failures.tsx'
import { TextLink } from '../parts/link.tsx'
import { Page } from '../parts/page.tsx'
import { Section } from '../parts/section.tsx'
import { Mark } from '../parts/state-badge.tsx'
import { Time } from '../parts/time.tsx'
import { CreateStream } from './events/create-stream.tsx'
import { KIND_NAMES, statusOf } from './events/words.ts'
import './provisioning/provisioning.css'

const REFRESHED = { refetchInterval: 30_000 }

export default function EventsPage() {
  const streams = useQuery(trpc.eventStreams.list.queryOptions(undefined, REFRESHED))
  const [isCreating, creating] = useDisclosure()
  const create = (
    <Button leftSection={<IconPlus size={16} />} onClick={creating.open}>
      New stream
    </Button>
  )
  return (
    <Page
      title="Events"
      description="What happens to people and groups here, sent to your other systems as it happens."
      actions={create}
    >
      <div className="card">
        {streams.error && !streams.data && <Failure error={streams.error} retry={() => streams.refetch()} />}
        {!streams.data && !streams.error && <Skeleton height={120} />}
        {streams.data?.items.length === 0 && (
          <Empty icon={IconBroadcast} title="No events leave yet" action={create}>
            A stream posts each change to a URL of yours, signed, in order, and again until it is taken.
          </Empty>
        )}
        {streams.data?.items.map((stream) => (
          <StreamCard key={stream.id} stream={stream} />
        ))}
      </div>
      <CreateStream opened={isCreating} onClose={creating.close} />
    </Page>
  )
}

function StreamCard({ stream }: { stream: Outputs['eventStreams']['list']['items'][number] }) {
  const { tone, label } = statusOf(stream)
  return (
    <Section title={stream.name} action={<Mark tone={tone}>{label}</Mark>}>
      <Text size="sm" className="mono" mb={4} style={{ overflowWrap: 'anywhere' }}>
        {stream.url}
      </Text>
      <Group gap="md">
        <Text size="sm" c="dimmed">
          {KIND_NAMES[stream.kind]} · {stream.eventTypes.length === 0 ? 'every event' : stream.eventTypes.join(', ')}
        </Text>
        <Text size="sm" c="dimmed">
          Last delivered: <Time value={stream.lastDeliveredAt} empty="nothing yet" />
        </Text>
        <TextLink to="/events/$streamId" params={{ streamId: stream.id }}>
          Open {stream.name}
        </TextLink>
      </Group>
    </Section>
  )
}
