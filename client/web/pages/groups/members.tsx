// The people in a group: an endless, searchable list, from which they can be removed and put back.
import { Button, VisuallyHidden } from '@mantine/core'
import { notifications } from '@mantine/notifications'
import { IconLock, IconUserPlus, IconUsers } from '@tabler/icons-react'
import { type InfiniteData, useInfiniteQuery, useMutation } from '@tanstack/react-query'
import { getRouteApi } from '@tanstack/react-router'
import { useEffect } from 'react'
import { type Outputs, queryClient, trpc } from '../../api.ts'
import { Empty } from '../../parts/empty.tsx'
import { managedBy } from '../../parts/managed.tsx'
import { notifyFailure } from '../../parts/notify.ts'
import { Person, shownName } from '../../parts/person.tsx'
import { SearchField } from '../../parts/search-field.tsx'
import { RoleBadge, StateBadge } from '../../parts/state-badge.tsx'
import { ListSkeleton, listOptions, VirtualList } from '../../parts/virtual-list.tsx'

type GroupOutput = Outputs['groups']['get']['group']
type MembersPage = Outputs['groups']['members']
type Member = MembersPage['items'][number]

const route = getRouteApi('/shell/groups/$groupId')

interface MembersProps {
  group: GroupOutput
  mayChange: boolean
  onAdd: () => void
}

export function Members({ group, mayChange, onAdd }: MembersProps) {
  const { search = '' } = route.useSearch()
  const navigate = route.useNavigate()
  const members = useInfiniteQuery(
    trpc.groups.members.infiniteQueryOptions({ groupId: group.id, search: search || undefined }, listOptions)
  )
  const remove = useRemoval(group)
  const { hasNextPage, isFetching, isError, fetchNextPage } = members
  // a search may return an empty page and yet have a next one, since each call examines a limited number of members
  const isSearching = hasNextPage && members.data?.pages.every((page) => page.items.length === 0)
  useEffect(() => {
    if (isSearching && !isFetching && !isError) void fetchNextPage()
  }, [isSearching, isFetching, isError, fetchNextPage])

  return (
    <div className="card list-card">
      <div className="list-tools">
        <SearchField
          label="Search members"
          placeholder="Search members by name or address"
          value={search}
          onChange={(text) =>
            navigate({ search: (before) => ({ ...before, search: text || undefined }), replace: true })
          }
        />
      </div>
      <div className="list-head members-columns" aria-hidden>
        <span>Person</span>
        <span>Role</span>
        <span>State</span>
        <span />
      </div>
      <VirtualList
        query={members}
        label="Members"
        itemKey={(member) => member.id}
        rowClass="members-columns"
        row={(member) => (
          <MemberRow
            member={member}
            onRemove={mayChange ? () => remove.mutate({ groupId: group.id, userIds: [member.id] }) : undefined}
          />
        )}
        empty={
          isSearching ? (
            <ListSkeleton label="Members" rowClass="members-columns" />
          ) : search ? (
            <NobodyFound search={search} />
          ) : (
            <NoMembers onAdd={mayChange ? onAdd : undefined} />
          )
        }
      />
    </div>
  )
}

function MemberRow({ member, onRemove }: { member: Member; onRemove: (() => void) | undefined }) {
  // a deactivated person may always be removed
  const managed = member.state === 'deactivated' && onRemove ? undefined : managedBy(member.membership)
  return (
    <>
      <Person user={member} isLink />
      <span className="cell not-narrow">
        <RoleBadge role={member.role} />
      </span>
      <span className="cell not-narrow">
        <StateBadge state={member.state} locked={member.locked} />
      </span>
      <span className="row-action">
        {managed && (
          <span className="managed" title={managed}>
            <IconLock size={13} aria-hidden /> {member.membership.kind === 'connection' && member.membership.name}
            <VisuallyHidden> has put {shownName(member)} here</VisuallyHidden>
          </span>
        )}
        {onRemove && !managed && (
          // a plain element: a list that scrolls fast creates hundreds of them a second
          <button
            type="button"
            className="quiet-button"
            aria-label={`Remove ${shownName(member)} from the group`}
            onClick={onRemove}
          >
            Remove
          </button>
        )}
      </span>
    </>
  )
}

/** Removes a person from the list at once; a refusal or Undo puts them back. */
function useRemoval(group: GroupOutput) {
  const lists = trpc.groups.members.infiniteQueryFilter({ groupId: group.id })
  const refresh = () =>
    Promise.all([
      queryClient.invalidateQueries(trpc.groups.get.queryFilter({ groupId: group.id })),
      queryClient.invalidateQueries(trpc.groups.list.pathFilter())
    ])
  const undo = useMutation(
    trpc.groups.addMembers.mutationOptions({
      onSuccess: () => Promise.all([queryClient.resetQueries(lists), refresh()]),
      onError: notifyFailure
    })
  )
  const takeOff = async (userIds: readonly string[]) => {
    // a request sent before the removal would put them back
    await queryClient.cancelQueries(lists)
    const before = queryClient.getQueriesData<InfiniteData<MembersPage>>(lists)
    queryClient.setQueriesData<InfiniteData<MembersPage>>(lists, (data) => data && without(data, userIds))
    return before
  }
  return useMutation(
    trpc.groups.removeMembers.mutationOptions({
      onMutate: async ({ userIds }) => {
        const before = await takeOff(userIds)
        const gone = before
          .flatMap(([, data]) => data?.pages.flatMap((page) => page.items) ?? [])
          .find((member) => userIds.includes(member.id))
        return { before, gone }
      },
      onError: (error, _input, context) => {
        for (const [key, data] of context?.before ?? []) queryClient.setQueryData(key, data)
        notifyFailure(error)
      },
      onSuccess: async (_answer, { userIds }, { gone }) => {
        // the live feed may have refetched meanwhile
        await Promise.all([takeOff(userIds), refresh()])
        offerUndo(gone ? shownName(gone) : 'The person', group, () => undo.mutate({ groupId: group.id, userIds }))
      }
    })
  )
}

const without = (data: InfiniteData<MembersPage>, userIds: readonly string[]): InfiniteData<MembersPage> => ({
  ...data,
  pages: data.pages.map((page) => ({ ...page, items: page.items.filter(({ id }) => !userIds.includes(id)) }))
})

function offerUndo(name: string, group: GroupOutput, undo: () => void): void {
  const id = notifications.show({
    color: 'pine',
    autoClose: 10_000,
    message: (
      <span className="undo">
        <span>
          {name} is no longer in {group.displayName}.
        </span>
        <Button
          size="compact-sm"
          variant="default"
          onClick={() => {
            notifications.hide(id)
            undo()
          }}
        >
          Undo
        </Button>
      </span>
    )
  })
}

const NobodyFound = ({ search }: { search: string }) => (
  <Empty icon={IconUsers} title="Nobody in this group is called that">
    Nothing matches “{search}”. Try fewer letters, or clear the search.
  </Empty>
)

const NoMembers = ({ onAdd }: { onAdd: (() => void) | undefined }) => (
  <Empty
    icon={IconUsers}
    title="Nobody is in this group yet"
    action={
      onAdd && (
        <Button leftSection={<IconUserPlus size={16} />} onClick={onAdd} mt="xs">
          Add people
        </Button>
      )
    }
  >
    People who are added here show up in this list.
  </Empty>
)
