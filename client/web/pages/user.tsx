// One person: who they are, what they may do, how they got here, what happened to them.
import { Group, Skeleton, Stack } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { getRouteApi } from '@tanstack/react-router'
import { httpStatus, type Outputs, trpc } from '../api.ts'
import { BackLink } from '../parts/back-link.tsx'
import { Empty } from '../parts/empty.tsx'
import { Failure } from '../parts/failures.tsx'
import { Page } from '../parts/page.tsx'
import { Initials, shownName } from '../parts/person.tsx'
import { RoleBadge, StateBadge } from '../parts/state-badge.tsx'
import { isAdministrator, useMe } from '../shell.tsx'
import { AccessSection } from './user/access.tsx'
import { UserActions } from './user/actions.tsx'
import { GroupsSection } from './user/groups.tsx'
import { HistorySection } from './user/history.tsx'
import { InvitationSection } from './user/invitation.tsx'
import { ProfileSection } from './user/profile.tsx'

export type Details = Outputs['users']['get']

const route = getRouteApi('/shell/users/$userId')

export default function User() {
  const { userId } = route.useParams()
  const me = useMe()
  const { data, error, refetch } = useQuery(trpc.users.get.queryOptions({ userId }))
  if (error && !data) {
    const isGone = [400, 404].includes(httpStatus(error) ?? 0)
    return (
      <Page title="Person" above={<Back />} width="narrow">
        {isGone ? (
          <Empty title="Nobody with this address in the page">
            They may have been removed, or the link is mistyped.
          </Empty>
        ) : (
          <Failure error={error} retry={() => refetch()} />
        )}
      </Page>
    )
  }
  if (!data) return <UserSkeleton />
  const { user } = data
  const name = shownName(user)
  const isSelf = me.user?.id === user.id
  return (
    <Page
      title={name}
      width="narrow"
      above={<Back />}
      description={
        <Group gap="xs" mt={4}>
          {user.email && user.email !== name && <span className="break">{user.email}</span>}
          <RoleBadge role={user.role} />
          <StateBadge state={user.state} locked={user.locked} />
          {isSelf && <span>This is you</span>}
        </Group>
      }
      actions={isAdministrator(me) && <UserActions details={data} isSelf={isSelf} />}
    >
      <Stack gap="md">
        <div className="card">
          <ProfileSection details={data} mayEdit={(isSelf || isAdministrator(me)) && user.state !== 'removed'} />
          <AccessSection details={data} isSelf={isSelf} />
        </div>
        <div className="card">
          <GroupsSection details={data} />
        </div>
        {(data.invitation || data.mail) && (
          <div className="card">
            <InvitationSection details={data} />
          </div>
        )}
        {isAdministrator(me) && (
          <div className="card">
            <HistorySection userId={user.id} />
          </div>
        )}
      </Stack>
    </Page>
  )
}

const Back = () => <BackLink to="/users">People</BackLink>

function UserSkeleton() {
  return (
    <div className="page page-narrow" role="status" aria-label="Loading the person">
      <Group mb="lg">
        <Initials name="…" size={48} />
        <Stack gap={8}>
          <Skeleton height={20} width={220} />
          <Skeleton height={14} width={280} />
        </Stack>
      </Group>
      <Skeleton height={260} radius="md" />
    </div>
  )
}
