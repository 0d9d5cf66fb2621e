// One identity provider: its details, and its tabs.
import { Group, Skeleton, Tabs } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { getRouteApi } from '@tanstack/react-router'
import { httpStatus, type Outputs, trpc } from '../api.ts'
import { BackLink } from '../parts/back-link.tsx'
import { Empty } from '../parts/empty.tsx'
import { Failure } from '../parts/failures.tsx'
import { Page } from '../parts/page.tsx'
import { ROLE_LABELS } from '../roles.ts'
import { ShadowBanner, useFollowGoingLive } from './connection/shadow-decision.tsx'
import { SHADOW_TAB, TABS } from './connection/tabs.ts'
import { profileName } from './provisioning/guides.ts'
import './provisioning/provisioning.css'

const route = getRouteApi('/shell/provisioning/$connectionId')

export default function ConnectionPage() {
  const { connectionId } = route.useParams()
  const details = useQuery(
    trpc.scimConnections.get.queryOptions(
      { connectionId },
      { refetchInterval: ({ state }) => (state.data?.connection.shadow?.isGoingLive ? 2_000 : 60_000) }
    )
  )
  if (details.data) return <Shown key={connectionId} connection={details.data.connection} />
  return (
    <Page title="Connection" above={<Back />}>
      {details.error ? <NotShown error={details.error} retry={() => details.refetch()} /> : <Skeleton height={320} />}
    </Page>
  )
}

function NotShown({ error, retry }: { error: unknown; retry: () => void }) {
  // an invalid id is refused as bad input
  if (httpStatus(error) !== 404 && httpStatus(error) !== 400) return <Failure error={error} retry={retry} />
  return <Empty title="There is no such connection">It may have been removed. Its people and groups stay.</Empty>
}

function Shown({ connection }: { connection: Outputs['scimConnections']['get']['connection'] }) {
  const { tab } = route.useSearch()
  const navigate = route.useNavigate()
  useFollowGoingLive(connection)
  const tabs = connection.shadow ? [...TABS, SHADOW_TAB] : TABS
  const shown = tabs.find(({ id }) => id === tab) ?? tabs[0]!
  const show = (id: string | null) =>
    navigate({ search: { tab: id === tabs[0]!.id || id === null ? undefined : id }, replace: true, resetScroll: false })
  return (
    <Page
      title={connection.name}
      above={<Back />}
      description={
        <Group gap="xs">
          {profileName(connection.profile)} · may give roles up to {ROLE_LABELS[connection.highestRole]}
        </Group>
      }
    >
      {connection.shadow && <ShadowBanner connection={connection} />}
      <Tabs value={shown.id} onChange={show} keepMounted={false}>
        <Tabs.List mb="md" className="guide-tabs" aria-label={`About ${connection.name}`}>
          {tabs.map(({ id, label }) => (
            <Tabs.Tab key={id} value={id}>
              {label}
            </Tabs.Tab>
          ))}
        </Tabs.List>
        {tabs.map(({ id, Content }) => (
          <Tabs.Panel key={id} value={id} tabIndex={0}>
            <Content connection={connection} />
          </Tabs.Panel>
        ))}
      </Tabs>
    </Page>
  )
}

const Back = () => <BackLink to="/provisioning">Provisioning</BackLink>
