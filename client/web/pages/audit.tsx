// The audit log: who did what to whom, when and from where; newest first.
import { ActionIcon, Button, Menu, Tooltip } from '@mantine/core'
import { IconDownload, IconHistory, IconRefresh } from '@tabler/icons-react'
import { useInfiniteQuery } from '@tanstack/react-query'
import { getRouteApi } from '@tanstack/react-router'
import { useState } from 'react'
import { queryClient, trpc } from '../api.ts'
import { Empty } from '../parts/empty.tsx'
import { Page } from '../parts/page.tsx'
import { listOptions, VirtualList } from '../parts/virtual-list.tsx'
import { EventRow } from './audit/event-row.tsx'
import { type AuditSearch, exportAddress, isFiltered, toInput } from './audit/filter.ts'
import { Filters } from './audit/filters.tsx'
import './audit/audit.css'

const route = getRouteApi('/shell/audit')

export default function AuditPage() {
  const search = route.useSearch()
  const navigate = route.useNavigate()
  const [expanded, setExpanded] = useState<ReadonlySet<string>>(new Set())
  const events = useInfiniteQuery(trpc.audit.list.infiniteQueryOptions(toInput(search), listOptions))
  const setFilter = (change: AuditSearch) => navigate({ search: (old) => ({ ...old, ...change }), replace: true })
  const clear = () => navigate({ search: {}, replace: true })
  const toggle = (id: string) => {
    const next = new Set(expanded)
    if (!next.delete(id)) next.add(id)
    setExpanded(next)
  }
  return (
    <Page
      title="Audit log"
      description="Who did what to whom, when and from where. Entries are never changed."
      actions={
        <>
          <Tooltip label="Look for new entries">
            <ActionIcon
              variant="default"
              size={36}
              aria-label="Look for new entries"
              loading={events.isRefetching}
              onClick={() => queryClient.resetQueries(trpc.audit.list.infiniteQueryFilter())}
            >
              <IconRefresh size={18} />
            </ActionIcon>
          </Tooltip>
          <Export search={search} />
        </>
      }
    >
      <div className="card list-card">
        <Filters
          search={search}
          events={events.data?.pages.flatMap((page) => page.items.slice(0, 1)) ?? []}
          onChange={setFilter}
          onClear={clear}
        />
        <VirtualList
          query={events}
          label="Entries"
          itemKey={(event) => event.id}
          rowClass="audit-row"
          estimatedHeight={62}
          row={(event) => (
            <EventRow
              event={event}
              isExpanded={expanded.has(event.id)}
              onToggle={() => toggle(event.id)}
              onFilter={setFilter}
            />
          )}
          empty={isFiltered(search) ? <NothingFound onClear={clear} /> : <NothingYet />}
        />
      </div>
    </Page>
  )
}

/** The browser downloads the file straight from the service, however long the log is. */
function Export({ search }: { search: AuditSearch }) {
  return (
    <Menu position="bottom-end">
      <Menu.Target>
        <Button variant="default" leftSection={<IconDownload size={16} />}>
          Export
        </Button>
      </Menu.Target>
      <Menu.Dropdown>
        <Menu.Item component="a" href={exportAddress('csv', search)} download>
          CSV, for spreadsheets
        </Menu.Item>
        <Menu.Item component="a" href={exportAddress('jsonl', search)} download>
          JSON lines, for programs
        </Menu.Item>
      </Menu.Dropdown>
    </Menu>
  )
}

const NothingFound = ({ onClear }: { onClear: () => void }) => (
  <Empty
    icon={IconHistory}
    title="Nothing matches"
    action={
      <Button variant="default" onClick={onClear} mt="xs">
        Clear the filters
      </Button>
    }
  >
    No entry fits all of these filters. Widen the dates, or clear some of them.
  </Empty>
)

const NothingYet = () => (
  <Empty icon={IconHistory} title="Nothing has happened yet">
    Invitations, sign-ins, changes of people and groups, and what identity providers do show up here.
  </Empty>
)
