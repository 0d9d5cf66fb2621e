// One group: its members, and what may be done with it.
import { Anchor, Button, Group, Skeleton, Tabs, Text } from '@mantine/core'
import { useDisclosure } from '@mantine/hooks'
import { IconUserPlus } from '@tabler/icons-react'
import { useQuery } from '@tanstack/react-query'
import { getRouteApi, Link } from '@tanstack/react-router'
import { httpStatus, type Outputs, trpc } from '../api.ts'
import { BackLink } from '../parts/back-link.tsx'
import { Empty } from '../parts/empty.tsx'
import { Failure } from '../parts/failures.tsx'
import { ManagedNote } from '../parts/managed.tsx'
import { Page } from '../parts/page.tsx'
import { Time } from '../parts/time.tsx'
import { isAdministrator, useMe } from '../shell.tsx'
import { GroupActions } from './groups/actions.tsx'
import { AddPeople } from './groups/add-people.tsx'
import { GroupHistory } from './groups/history.tsx'
import { Members } from './groups/members.tsx'
import { mayChangeGroups, membersInWords, sourceInWords } from './groups/words.ts'
import './groups/groups.css'

const route = getRouteApi('/shell/groups/$groupId')
type Details = Outputs['groups']['get']

export default function GroupPage() {
  const { groupId } = route.useParams()
  const details = useQuery(trpc.groups.get.queryOptions({ groupId }))
  if (details.data) return <GroupDetails key={groupId} {...details.data} />
  return (
    <Page title="Group" above={<Back />}>
      {details.error ? <NotShown error={details.error} retry={() => details.refetch()} /> : <Skeleton height={320} />}
    </Page>
  )
}

function NotShown({ error, retry }: { error: unknown; retry: () => void }) {
  // an invalid id is refused as bad input
  if (httpStatus(error) !== 404 && httpStatus(error) !== 400) return <Failure error={error} retry={retry} />
  return (
    <Empty
      title="There is no such group"
      action={
        <Button component={Link} to="/groups" variant="default" mt="xs">
          See all groups
        </Button>
      }
    >
      It may have been deleted, here or by the identity provider.
    </Empty>
  )
}

function GroupDetails({ group, childGroups, parentGroups }: Details) {
  const me = useMe()
  const mayChange = mayChangeGroups(me)
  const { tab } = route.useSearch()
  const navigate = route.useNavigate()
  const showTab = (id: string | null) =>
    navigate({ search: { tab: id === HISTORY ? HISTORY : undefined }, replace: true, resetScroll: false })
  const [isAdding, adding] = useDisclosure()
  return (
    <Page
      title={group.displayName}
      above={<Back />}
      description={
        <>
          {membersInWords(group.memberCount)} · {sourceInWords(group)} · changed <Time value={group.updatedAt} />
        </>
      }
      actions={
        mayChange && (
          <>
            <Button leftSection={<IconUserPlus size={16} />} onClick={adding.open}>
              Add people
            </Button>
            <GroupActions group={group} />
          </>
        )
      }
    >
      {mayChange && group.authority.kind === 'connection' && (
        <Text size="sm" c="dimmed" mb="md">
          <ManagedNote authority={group.authority} />: its name and the memberships that came from there cannot be
          changed here. People whom you add are yours to take out again.
        </Text>
      )}
      <Neighbours title="Groups in it" groups={childGroups} />
      <Neighbours title="It is in" groups={parentGroups} />
      {isAdministrator(me) ? (
        <Tabs value={tab === HISTORY ? HISTORY : MEMBERS} onChange={showTab} keepMounted={false}>
          <Tabs.List mb="md" aria-label={`About ${group.displayName}`}>
            <Tabs.Tab value={MEMBERS}>Members</Tabs.Tab>
            <Tabs.Tab value={HISTORY}>History</Tabs.Tab>
          </Tabs.List>
          <Tabs.Panel value={MEMBERS}>
            <Members group={group} mayChange={mayChange} onAdd={adding.open} />
          </Tabs.Panel>
          <Tabs.Panel value={HISTORY} tabIndex={0}>
            <GroupHistory groupId={group.id} />
          </Tabs.Panel>
        </Tabs>
      ) : (
        <Members group={group} mayChange={mayChange} onAdd={adding.open} />
      )}
      {mayChange && <AddPeople group={group} opened={isAdding} onClose={adding.close} />}
    </Page>
  )
}

const MEMBERS = 'members'
const HISTORY = 'history'

const Back = () => <BackLink to="/groups">Groups</BackLink>

function Neighbours({ title, groups }: { title: string; groups: Details['childGroups'] }) {
  if (groups.length === 0) return null
  return (
    <Group gap="xs" mb="md" align="baseline">
      <Text size="sm" c="dimmed">
        {title}:
      </Text>
      {groups.map(({ id, displayName }) => (
        <Anchor key={id} component={Link} to={`/groups/${id}`} size="sm" underline="always">
          {displayName}
        </Anchor>
      ))}
    </Group>
  )
}
