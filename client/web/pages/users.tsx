// The people of a tenant: searched while typing, filtered and sorted, in an endless list. All of it is in the address.
import { Button, Group, NativeSelect } from '@mantine/core'
import { useMediaQuery } from '@mantine/hooks'
import { IconSearch, IconUserPlus, IconUsers } from '@tabler/icons-react'
import { useInfiniteQuery, useQuery } from '@tanstack/react-query'
import { getRouteApi } from '@tanstack/react-router'
import { lazy, memo, Suspense } from 'react'
import { type Inputs, type Outputs, trpc } from '../api.ts'
import { counted, peopleInWords } from '../counted.ts'
import { Empty } from '../parts/empty.tsx'
import { Page } from '../parts/page.tsx'
import { Person } from '../parts/person.tsx'
import { SearchField } from '../parts/search-field.tsx'
import { SortHead } from '../parts/sort-head.tsx'
import { RoleBadge, StateBadge } from '../parts/state-badge.tsx'
import { Time } from '../parts/time.tsx'
import { listOptions, VirtualList } from '../parts/virtual-list.tsx'
import { isRole, ROLES, roleOptions } from '../roles.ts'
import { isAdministrator, type Me, useMe } from '../shell.tsx'

// the dialog is as large as a page, so it loads separately
const InviteDialog = lazy(() => import('./invite/invite-dialog.tsx'))

const route = getRouteApi('/shell/users')

type ListInput = Exclude<Inputs['users']['list'], void>
type SortKey = NonNullable<ListInput['sort']>['by']
type User = Outputs['users']['list']['items'][number]
type Search = ReturnType<typeof route.useSearch>

const PAGE_SIZE = 100

const SORTS: { by: SortKey; label: string }[] = [
  { by: 'displayName', label: 'Name' },
  { by: 'role', label: 'Role' },
  { by: 'state', label: 'State' },
  { by: 'createdAt', label: 'Added' },
  { by: 'lastSignInAt', label: 'Last sign-in' }
]

const STATES = [
  { value: 'active', label: 'Active' },
  { value: 'invited', label: 'Invited' },
  { value: 'locked', label: 'Locked' },
  { value: 'deactivated', label: 'Deactivated' }
]
const REMOVED = { value: 'removed', label: 'Removed' }

/** The address as a query to the service; unknown values are ignored. */
function readSearch(search: Search, me: Me) {
  const states = statesFor(me).map(({ value }) => value)
  const state = states.includes(search.state ?? '') ? search.state : undefined
  const by = SORTS.find((sort) => sort.by === search.sort)?.by ?? 'displayName'
  const direction = search.direction === 'desc' ? ('desc' as const) : ('asc' as const)
  const filter: NonNullable<ListInput['filter']> = {
    ...(isRole(search.role) && { role: search.role }),
    ...(state === 'locked' ? { locked: true } : state && { state: state as User['state'] })
  }
  return { asked: { ...(search.search && { search: search.search }), filter, sort: { by, direction } }, state }
}

const statesFor = (me: Me) => (isAdministrator(me) ? [...STATES, REMOVED] : STATES)

export default function Users() {
  const me = useMe()
  const search = route.useSearch()
  const navigate = route.useNavigate()
  const { asked, state } = readSearch(search, me)
  const { sort, ...narrowed } = asked
  const list = useInfiniteQuery(trpc.users.list.infiniteQueryOptions({ ...asked, limit: PAGE_SIZE }, listOptions))
  const { data: counted } = useQuery(
    trpc.users.list.queryOptions({ ...narrowed, limit: 1, includeTotal: true }, { staleTime: 30_000 })
  )
  const set = (changed: Partial<Search>, replace = true) =>
    navigate({ search: (before) => clean({ ...before, ...changed }), replace, resetScroll: false })
  const isCard = useMediaQuery('(max-width: 56em)', undefined, { getInitialValueInEffect: false })
  const isNarrowed = Boolean(search.search || search.role || search.state)

  return (
    <Page
      title="People"
      description={<span aria-live="polite">{countWords(counted?.total, isNarrowed)}</span>}
      actions={
        <Button leftSection={<IconUserPlus size={18} />} onClick={() => set({ invite: 'true' }, false)}>
          Invite people
        </Button>
      }
    >
      <Group gap="sm" mb="sm" className="filters">
        <SearchField
          label="Search people by name or address"
          placeholder="Search by name or address"
          value={search.search ?? ''}
          onChange={(text) => set({ search: text })}
        />
        <NativeSelect
          aria-label="Role"
          data={[{ value: '', label: 'Every role' }, ...roleOptions(ROLES)]}
          value={isRole(search.role) ? search.role : ''}
          onChange={(event) => set({ role: event.currentTarget.value })}
          className="filter"
        />
        <NativeSelect
          aria-label="State"
          data={[{ value: '', label: 'Every state' }, ...statesFor(me)]}
          value={state ?? ''}
          onChange={(event) => set({ state: event.currentTarget.value })}
          className="filter"
        />
      </Group>
      <div className="card list-card">
        <SortHead
          columns={SORTS}
          className="user-columns"
          sort={sort}
          onSort={({ by, direction }) => set({ sort: by, direction })}
        />
        <VirtualList
          query={list}
          itemKey={(user) => user.id}
          row={(user) => <UserRow user={user} />}
          rowClass="user-columns"
          label="People"
          estimatedHeight={isCard ? 136 : 59}
          empty={isNarrowed ? <NobodyFits onClear={() => set(NOTHING)} /> : <Nobody />}
        />
      </div>
      {search.invite && (
        <Suspense>
          <InviteDialog onClose={() => set({ invite: '' })} />
        </Suspense>
      )}
    </Page>
  )
}

const NOTHING = { search: '', role: '', state: '' }

/** Empty texts stay out of the address. */
const clean = (search: Search): Search =>
  Object.fromEntries(Object.entries(search).filter(([, value]) => value)) as Search

function countWords(total: number | undefined, isNarrowed: boolean): string {
  if (total === undefined) return '\u00a0'
  return isNarrowed ? counted(total, 'fits', 'fit') : peopleInWords(total)
}

const UserRow = memo(function UserRow({ user }: { user: User }) {
  return (
    <>
      <div className="cell cell-person">
        <Person user={user} isLink />
      </div>
      <div className="cell">
        <RoleBadge role={user.role} />
      </div>
      <div className="cell">
        <StateBadge state={user.state} locked={user.locked} />
      </div>
      <div className="cell cell-quiet cell-added">
        <span className="cell-source">
          {user.source === 'scim' ? `From ${user.sourceName ?? 'SCIM'}` : 'By invitation'}
        </span>
        <Time value={user.createdAt} />
      </div>
      <div className="cell cell-quiet">
        <span className="cell-label">Last sign-in: </span>
        <Time value={user.lastSignInAt} empty="Never" />
      </div>
    </>
  )
})

const Nobody = () => (
  <Empty icon={IconUsers} title="Nobody here yet">
    Invite people by their addresses, or connect your identity provider to have them provisioned.
  </Empty>
)

const NobodyFits = ({ onClear }: { onClear: () => void }) => (
  <Empty
    icon={IconSearch}
    title="Nobody fits"
    action={
      <Button variant="default" onClick={onClear}>
        Show everybody
      </Button>
    }
  >
    Every word must be found in a name or address.
  </Empty>
)
