// The organisation's groups: find, open, create.
import { Button } from '@mantine/core'
import { useDisclosure } from '@mantine/hooks'
import { IconPlus, IconUsersGroup } from '@tabler/icons-react'
import { useInfiniteQuery } from '@tanstack/react-query'
import { getRouteApi } from '@tanstack/react-router'
import { type Outputs, trpc } from '../api.ts'
import { Empty } from '../parts/empty.tsx'
import { ButtonLink } from '../parts/link.tsx'
import { Page } from '../parts/page.tsx'
import { RowLink } from '../parts/row-link.tsx'
import { SearchField } from '../parts/search-field.tsx'
import { Time } from '../parts/time.tsx'
import { listOptions, VirtualList } from '../parts/virtual-list.tsx'
import { isAdministrator, useMe } from '../shell.tsx'
import { CreateGroup } from './groups/create-group.tsx'
import { mayChangeGroups, membersInWords, sourceInWords } from './groups/words.ts'
import './groups/groups.css'

const route = getRouteApi('/shell/groups')
type Group = Outputs['groups']['list']['items'][number]

export default function GroupsPage() {
  const { search = '' } = route.useSearch()
  const navigate = route.useNavigate()
  const me = useMe()
  const mayChange = mayChangeGroups(me)
  const [isCreating, creating] = useDisclosure()
  const groups = useInfiniteQuery(trpc.groups.list.infiniteQueryOptions({ search: search || undefined }, listOptions))
  const create = mayChange && (
    <Button leftSection={<IconPlus size={16} />} onClick={creating.open}>
      Create group
    </Button>
  )
  return (
    <Page
      title="Groups"
      description="Made here, or provisioned by an identity provider. A person can be in any number of them."
      actions={
        <>
          {isAdministrator(me) && (
            <ButtonLink to="/group-roles" variant="default">
              Roles by group
            </ButtonLink>
          )}
          {create}
        </>
      }
    >
      <div className="card list-card">
        <div className="list-tools">
          <SearchField
            label="Search groups"
            placeholder="Name of a group"
            value={search}
            onChange={(text) => navigate({ search: { search: text || undefined }, replace: true })}
          />
        </div>
        <div className="list-head groups-columns" aria-hidden>
          <span>Name</span>
          <span>Members</span>
          <span>Source</span>
          <span>Changed</span>
        </div>
        <VirtualList
          query={groups}
          label="Groups"
          itemKey={(group) => group.id}
          rowClass="groups-columns"
          row={(group) => <GroupRow group={group} />}
          empty={search ? <NothingFound search={search} /> : <NoGroups action={create} />}
        />
      </div>
      <CreateGroup opened={isCreating} onClose={creating.close} />
    </Page>
  )
}

function GroupRow({ group }: { group: Group }) {
  return (
    <>
      <span className="person">
        <span className="group-icon" aria-hidden>
          <IconUsersGroup size={18} />
        </span>
        <span className="person-text">
          <RowLink to={`/groups/${group.id}`} className="person-name">
            {group.displayName}
          </RowLink>
          <span className="person-address only-narrow">{membersInWords(group.memberCount)}</span>
        </span>
      </span>
      <span className="cell tabular not-narrow">{membersInWords(group.memberCount)}</span>
      <span className="cell not-narrow">{sourceInWords(group)}</span>
      <span className="cell not-narrow">
        <Time value={group.updatedAt} />
      </span>
    </>
  )
}

const NothingFound = ({ search }: { search: string }) => (
  <Empty icon={IconUsersGroup} title="No group has that name">
    Nothing matches “{search}”. Try fewer letters, or clear the search.
  </Empty>
)

const NoGroups = ({ action }: { action: React.ReactNode }) => (
  <Empty icon={IconUsersGroup} title="There are no groups yet" action={action}>
    {action
      ? 'Create one here, or let your identity provider push its groups: Provisioning says how.'
      : 'Administrators and managers create them, or an identity provider pushes its own.'}
  </Empty>
)
