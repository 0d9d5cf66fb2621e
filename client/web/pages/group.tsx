// One group: who is in it, and what may be done with it.
import { ActionIcon, Anchor, Button, Group, Menu, Skeleton, Tabs, Text } from '@mantine/core'
import { useDisclosure } from '@mantine/hooks'
import { IconArrowLeft, IconDots, IconPencil, IconPlugConnectedX, IconTrash, IconUserPlus } from '@tabler/icons-react'
import { useMutation, useQuery } from '@tanstack/react-query'
import { getRouteApi, Link } from '@tanstack/react-router'
import type { ReactNode } from 'react'
import { httpStatus, type Outputs, queryClient, trpc } from '../api.ts'
import { Confirm } from '../parts/confirm.tsx'
import { Empty } from '../parts/empty.tsx'
import { Failure } from '../parts/failures.tsx'
import { ManagedNote, managedBy } from '../parts/managed.tsx'
import { notifyDone } from '../parts/notify.ts'
import { Page } from '../parts/page.tsx'
import { Time } from '../parts/time.tsx'
import { isAdministrator, useMe } from '../shell.tsx'
import { AddPeople } from './groups/add-people.tsx'
import { GroupHistory } from './groups/history.tsx'
import { Members } from './groups/members.tsx'
import { NameDialog } from './groups/name-dialog.tsx'
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
  // an id that is none is refused as bad input
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
            <MoreActions group={group} />
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

const Back = () => (
  <Anchor component={Link} to="/groups" size="sm" className="back">
    <IconArrowLeft size={14} aria-hidden /> Groups
  </Anchor>
)

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

function MoreActions({ group }: { group: Details['group'] }) {
  const [isRenaming, renaming] = useDisclosure()
  const [isDeleting, deleting] = useDisclosure()
  const [isReleasing, releasing] = useDisclosure()
  const whyNot = managedBy(group.authority)
  const me = useMe()
  return (
    <>
      <Menu position="bottom-end" withinPortal>
        <Menu.Target>
          <ActionIcon variant="default" size={36} aria-label="More actions">
            <IconDots size={18} />
          </ActionIcon>
        </Menu.Target>
        <Menu.Dropdown>
          <Choice label="Rename" icon={<IconPencil size={16} />} whyNot={whyNot} onClick={renaming.open} />
          {whyNot && isAdministrator(me) && (
            <Choice
              label="Release"
              icon={<IconPlugConnectedX size={16} />}
              whyNot={undefined}
              onClick={releasing.open}
            />
          )}
          <Choice
            label="Delete group"
            icon={<IconTrash size={16} />}
            color={whyNot ? undefined : 'red'}
            whyNot={whyNot}
            onClick={deleting.open}
          />
        </Menu.Dropdown>
      </Menu>
      <Rename group={group} opened={isRenaming} onClose={renaming.close} />
      <Delete group={group} opened={isDeleting} onClose={deleting.close} />
      <Release group={group} opened={isReleasing} onClose={releasing.close} />
    </>
  )
}

interface ChoiceProps {
  label: string
  icon: ReactNode
  color?: string | undefined
  whyNot: string | undefined
  onClick: () => void
}

/** What is refused says why, before it is tried. */
function Choice({ label, icon, color, whyNot, onClick }: ChoiceProps) {
  return (
    <Menu.Item
      leftSection={icon}
      color={color}
      aria-disabled={Boolean(whyNot)}
      data-refused={Boolean(whyNot) || undefined}
      closeMenuOnClick={!whyNot}
      onClick={() => whyNot || onClick()}
    >
      {label}
      {whyNot && (
        <Text size="xs" c="dimmed">
          {whyNot}
        </Text>
      )}
    </Menu.Item>
  )
}

interface DialogProps {
  group: Details['group']
  opened: boolean
  onClose: () => void
}

function Rename({ group, opened, onClose }: DialogProps) {
  const rename = useMutation(
    trpc.groups.update.mutationOptions({
      onSuccess: async (answer) => {
        await Promise.all([
          queryClient.invalidateQueries(trpc.groups.get.queryFilter({ groupId: group.id })),
          queryClient.invalidateQueries(trpc.groups.list.pathFilter())
        ])
        onClose()
        notifyDone(`The group is called ${answer.group.displayName} now.`)
      }
    })
  )
  return (
    <NameDialog
      opened={opened}
      onClose={onClose}
      title="Rename the group"
      action="Rename"
      value={group.displayName}
      onSubmit={(displayName) => rename.mutate({ groupId: group.id, displayName })}
      isPending={rename.isPending}
      error={rename.error}
      onReset={rename.reset}
    />
  )
}

function Release({ group, opened, onClose }: DialogProps) {
  const release = useMutation(
    trpc.groups.release.mutationOptions({
      onSuccess: async () => {
        await queryClient.invalidateQueries(trpc.groups.pathFilter())
        onClose()
        notifyDone(`The group ${group.displayName} can be changed here now.`)
      }
    })
  )
  return (
    <Confirm
      opened={opened}
      onClose={onClose}
      title={`Release ${group.displayName}?`}
      action="Release"
      onConfirm={() => release.mutate({ groupId: group.id })}
      isPending={release.isPending}
      error={release.error}
    >
      Its name and its members are changed here from then on. Its identity provider takes it on again when it changes
      it.
    </Confirm>
  )
}

function Delete({ group, opened, onClose }: DialogProps) {
  const navigate = route.useNavigate()
  const remove = useMutation(
    trpc.groups.remove.mutationOptions({
      onSuccess: async () => {
        void queryClient.invalidateQueries(trpc.groups.list.pathFilter())
        await navigate({ to: '/groups', replace: true })
        queryClient.removeQueries(trpc.groups.get.queryFilter({ groupId: group.id }))
        notifyDone(`The group ${group.displayName} is deleted.`)
      }
    })
  )
  return (
    <Confirm
      opened={opened}
      onClose={() => {
        remove.reset()
        onClose()
      }}
      title={`Delete ${group.displayName}?`}
      action="Delete group"
      isDangerous
      onConfirm={() => remove.mutate({ groupId: group.id })}
      isPending={remove.isPending}
      error={remove.error}
    >
      The people in it ({membersInWords(group.memberCount)}) stay in the organisation. An administrator can bring the
      group back, with its members, from the audit log.
    </Confirm>
  )
}
