// People from identity providers who may already exist here, side by side, for an administrator to decide.
import { Button, Skeleton, Stack, Tabs, Text } from '@mantine/core'
import { IconLock, IconUserCheck } from '@tabler/icons-react'
import { useInfiniteQuery } from '@tanstack/react-query'
import { getRouteApi } from '@tanstack/react-router'
import { trpc } from '../api.ts'
import { BackLink } from '../parts/back-link.tsx'
import { Empty } from '../parts/empty.tsx'
import { Failure } from '../parts/failures.tsx'
import { OpenConflicts } from '../parts/open-conflicts.tsx'
import { Page } from '../parts/page.tsx'
import { listOptions } from '../parts/virtual-list.tsx'
import { isAdministrator, useMe } from '../shell.tsx'
import { ConflictCard } from './conflicts/conflict-card.tsx'
import './conflicts/conflicts.css'

const route = getRouteApi('/shell/provisioning/conflicts')

const TABS = [
  { state: 'open', label: 'To decide', empty: 'Nobody waits for a decision' },
  { state: 'decided', label: 'Decided', empty: 'No decision waits to be carried out' },
  { state: 'ignored', label: 'Ignored', empty: 'Nobody is ignored' }
] as const
type Tab = (typeof TABS)[number]

const PAGE_SIZE = 25

export default function ConflictsPage() {
  const isAllowed = isAdministrator(useMe())
  const search = route.useSearch()
  const navigate = route.useNavigate()
  const shown = TABS.find(({ state }) => state === search.state) ?? TABS[0]
  const show = (state: string | null) =>
    navigate({ search: { state: state === 'open' || state === null ? undefined : state }, resetScroll: false })
  return (
    <Page
      title="Conflicts"
      above={<BackLink to="/provisioning">Provisioning</BackLink>}
      description="Identity providers want to make these people, and somebody here has the same name or address. What you decide is carried out when the provider tries again."
    >
      {isAllowed ? (
        <Tabs value={shown.state} onChange={show} keepMounted={false}>
          <Tabs.List mb="md" className="tabs-list" aria-label="Conflicts by what became of them">
            {TABS.map(({ state, label }) => (
              <Tabs.Tab key={state} value={state} rightSection={state === 'open' ? <OpenConflicts /> : undefined}>
                {label}
              </Tabs.Tab>
            ))}
          </Tabs.List>
          <Tabs.Panel value={shown.state}>
            <Conflicts key={shown.state} tab={shown} />
          </Tabs.Panel>
        </Tabs>
      ) : (
        <Empty icon={IconLock} title="Conflicts are for administrators">
          Ask one of your administrators to decide who is who.
        </Empty>
      )}
    </Page>
  )
}

function Conflicts({ tab }: { tab: Tab }) {
  const list = useInfiniteQuery(
    trpc.scimConflicts.list.infiniteQueryOptions({ state: tab.state, limit: PAGE_SIZE }, listOptions)
  )
  if (!list.data) {
    return list.error ? (
      <Failure error={list.error} retry={() => list.refetch()} />
    ) : (
      <Skeleton height={280} radius="md" />
    )
  }
  const conflicts = list.data.pages.flatMap(({ items }) => items)
  if (conflicts.length === 0) {
    return (
      <Empty icon={IconUserCheck} title={tab.empty}>
        Whoever is clearly the same person is linked without asking.
      </Empty>
    )
  }
  return (
    <Stack gap="md">
      {conflicts.map((conflict) => (
        <ConflictCard key={conflict.id} conflict={conflict} />
      ))}
      {list.hasNextPage && (
        <Button variant="default" loading={list.isFetchingNextPage} onClick={() => list.fetchNextPage()}>
          Show more
        </Button>
      )}
      {list.isFetchNextPageError && <Text size="sm">The rest did not load.</Text>}
    </Stack>
  )
}
