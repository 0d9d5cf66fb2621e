// What happened to somebody, and who did it: the newest first, older events on demand.
import { Button, Skeleton, Stack, Text } from '@mantine/core'
import { useInfiniteQuery } from '@tanstack/react-query'
import { type Outputs, trpc } from '../../api.ts'
import { Failure } from '../../parts/failures.tsx'
import { Section } from '../../parts/section.tsx'
import { Time } from '../../parts/time.tsx'
import { listOptions } from '../../parts/virtual-list.tsx'
import { ROLE_LABELS, type Role } from '../../roles.ts'
import { labelOf } from '../audit/words.ts'

type Event = Outputs['users']['history']['items'][number]

export function HistorySection({ userId }: { userId: string }) {
  const history = useInfiniteQuery(trpc.users.history.infiniteQueryOptions({ userId, limit: 20 }, listOptions))
  const events = history.data?.pages.flatMap((page) => page.items) ?? []
  return (
    <Section title="History">
      {history.error && !history.data && <Failure error={history.error} retry={() => history.refetch()} />}
      {history.isPending && (
        <Stack gap="xs" role="status" aria-label="Loading the history">
          <Skeleton height={16} />
          <Skeleton height={16} />
          <Skeleton height={16} />
        </Stack>
      )}
      {history.data && events.length === 0 && (
        <Text size="sm" c="dimmed">
          Nothing has happened yet.
        </Text>
      )}
      <ol className="timeline">
        {events.map((event) => (
          <li key={event.id}>
            <span>
              <strong>{labelOf(event.action)}</strong>
              {describeChange(event)}
            </span>
            <span className="timeline-by">
              {event.actorName ?? 'Muster'} · <Time value={event.at} />
            </span>
          </li>
        ))}
      </ol>
      {history.hasNextPage && (
        <Button
          variant="default"
          size="xs"
          mt="sm"
          loading={history.isFetchingNextPage}
          onClick={() => history.fetchNextPage()}
        >
          Show older
        </Button>
      )}
    </Section>
  )
}

const NAMES: Record<string, string> = {
  role: 'role',
  displayName: 'display name',
  givenName: 'given name',
  familyName: 'family name',
  timeZone: 'time zone',
  locale: 'language'
}

/** `: role Responder → Manager`, for the facts that people know by name. */
function describeChange({ before, after }: Event): string {
  const changes = Object.keys(NAMES)
    .filter((fact) => before && after && fact in before && fact in after)
    .map((fact) => `${NAMES[fact]} ${inWords(before![fact])} → ${inWords(after![fact])}`)
  return changes.length > 0 ? `: ${changes.join(', ')}` : ''
}

const inWords = (value: unknown) =>
  ROLE_LABELS[value as Role] ?? (value === null || value === '' ? 'none' : String(value))
