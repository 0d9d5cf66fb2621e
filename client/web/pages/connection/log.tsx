// A connection's exchanges, searched by text, person, status and day; each one opens to an explanation.
import { Button, Select, Skeleton, Stack, Text, UnstyledButton } from '@mantine/core'
import { IconArrowsExchange, IconChevronRight, IconRefresh } from '@tabler/icons-react'
import { useInfiniteQuery } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import { useState } from 'react'
import { type Outputs, queryClient, trpc } from '../../api.ts'
import { counted } from '../../counted.ts'
import { Empty } from '../../parts/empty.tsx'
import { Failure } from '../../parts/failures.tsx'
import { SearchField } from '../../parts/search-field.tsx'
import { Mark, type Tone } from '../../parts/state-badge.tsx'
import { dayStart } from '../audit/filter.ts'
import { DayFilter, WhoFilter } from '../audit/filters.tsx'
import { LogEntry } from './log-entry.tsx'
import type { TabProps } from './tabs.ts'
import '../audit/audit.css'
import './wire.css'

type Item = Outputs['wireLog']['list']['items'][number]

interface Filter {
  search?: string
  status?: 'refused' | 'answered'
  userId?: string
  /** Days in the reader's time zone, both included. */
  from?: string
  to?: string
}

const PAGE = 50
const STATUSES = [
  { value: 'any', label: 'Any' },
  { value: 'refused', label: 'Refused' },
  { value: 'answered', label: 'Answered' }
]

export function LogTab({ connection }: TabProps) {
  const [filter, setFilter] = useState<Filter>({})
  const change = (part: Filter) => setFilter({ ...filter, ...part })
  const isFiltered = Object.values(filter).some(Boolean)
  const entries = useInfiniteQuery(
    trpc.wireLog.list.infiniteQueryOptions(
      {
        connectionId: connection.id,
        limit: PAGE,
        search: filter.search,
        status: filter.status,
        userId: filter.userId,
        from: filter.from && dayStart(filter.from, 0),
        to: filter.to && dayStart(filter.to, 1)
      },
      { getNextPageParam: (page) => page.nextCursor ?? undefined }
    )
  )
  const items = entries.data?.pages.flatMap((page) => page.items) ?? []
  return (
    <div className="card list-card">
      <div className="audit-filters">
        <div className="audit-filters-top">
          <SearchField
            label="Search the log"
            placeholder="Part of a path or a body"
            value={filter.search ?? ''}
            onChange={(search) => change({ search: search || undefined })}
          />
          <Button
            variant="default"
            flex="none"
            leftSection={<IconRefresh size={16} />}
            loading={entries.isRefetching && !entries.isFetchingNextPage}
            onClick={() => queryClient.resetQueries(trpc.wireLog.list.infiniteQueryFilter())}
          >
            Refresh
          </Button>
        </div>
        <div className="audit-filters-fields">
          <Select
            label="Result"
            data={STATUSES}
            value={filter.status ?? 'any'}
            onChange={(status) => change({ status: status === 'any' ? undefined : (status as Filter['status']) })}
            allowDeselect={false}
          />
          <WhoFilter label="About" value={filter.userId} known={null} onChange={(userId) => change({ userId })} />
          <DayFilter label="From" value={filter.from} max={filter.to} onChange={(from) => change({ from })} />
          <DayFilter label="Until" value={filter.to} min={filter.from} onChange={(to) => change({ to })} />
        </div>
      </div>
      {entries.data && <Notes pages={entries.data.pages} />}
      {!entries.data && (
        <div className="card-section">
          {entries.error ? (
            <Failure error={entries.error} retry={() => entries.refetch()} />
          ) : (
            <Skeleton height={160} />
          )}
        </div>
      )}
      <ul className="wire-entries" aria-label="Requests">
        {items.map((item) => (
          <Entry key={item.id} item={item} />
        ))}
      </ul>
      {entries.data && items.length === 0 && !entries.hasNextPage && (
        <Nothing isFiltered={isFiltered} onClear={() => setFilter({})} />
      )}
      {entries.hasNextPage && (
        <Stack align="center" p="md">
          <Button variant="default" loading={entries.isFetchingNextPage} onClick={() => entries.fetchNextPage()}>
            Look further back
          </Button>
        </Stack>
      )}
    </div>
  )
}

/** What the list leaves out. */
function Notes({ pages }: { pages: readonly Outputs['wireLog']['list'][] }) {
  const dropped = pages.reduce((sum, page) => sum + page.dropped, 0)
  const days = pages[0]?.days ?? 0
  return (
    <Text size="sm" c="dimmed" className="wire-notes" component="div">
      {days === 0 ? (
        <>
          Requests are not kept. <Link to="/settings">Change that in the settings</Link>.
        </>
      ) : (
        `Kept for ${counted(days, 'day', 'days')}, without passwords and tokens.`
      )}
      {dropped > 0 && (
        <Text size="sm" className="connection-errors">
          {dropped.toLocaleString()} requests came too fast to be kept.
        </Text>
      )}
    </Text>
  )
}

function Nothing({ isFiltered, onClear }: { isFiltered: boolean; onClear: () => void }) {
  if (!isFiltered) {
    return (
      <Empty icon={IconArrowsExchange} title="No requests yet">
        What this provider sends, and what it is answered, shows up here within seconds.
      </Empty>
    )
  }
  return (
    <Empty
      icon={IconArrowsExchange}
      title="Nothing matches"
      action={
        <Button variant="default" onClick={onClear} mt="xs">
          Clear the filters
        </Button>
      }
    >
      No request fits all of these filters.
    </Empty>
  )
}

function Entry({ item }: { item: Item }) {
  const [isExpanded, setExpanded] = useState(false)
  return (
    <li className="audit-event wire-entry">
      <UnstyledButton className="audit-line" aria-expanded={isExpanded} onClick={() => setExpanded(!isExpanded)}>
        <IconChevronRight size={16} className="audit-chevron" aria-hidden />
        <span className="audit-sentence">
          <Mark tone={toneOf(item.status)}>{item.status}</Mark> {item.shadow && <Mark tone="accent">Shadow</Mark>}{' '}
          <strong>{item.method}</strong> <span className="mono">{readable(item.path)}</span>
        </span>
        <span className="audit-when tabular">
          {exact.format(new Date(item.at))} · {item.durationMs.toLocaleString()} ms
        </span>
      </UnstyledButton>
      {isExpanded && <LogEntry id={item.id} />}
    </li>
  )
}

const exact = new Intl.DateTimeFormat(undefined, { dateStyle: 'medium', timeStyle: 'medium' })

const toneOf = (status: number): Tone => (status >= 500 ? 'bad' : status >= 400 ? 'wait' : 'good')

/** The path without the common prefix, decoded for people. */
function readable(path: string): string {
  const short = path.replace(/^\/scim\/v2/, '')
  try {
    return decodeURIComponent(short.replaceAll('+', ' '))
  } catch {
    return short
  }
}
