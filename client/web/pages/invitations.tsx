// Invitations by state, with the state of their mail, to be sent again or revoked, one or several.
import { Alert, Checkbox, Group, Tabs } from '@mantine/core'
import { IconMail, IconUserPlus } from '@tabler/icons-react'
import { useInfiniteQuery } from '@tanstack/react-query'
import { getRouteApi } from '@tanstack/react-router'
import { useEffect, useMemo, useState } from 'react'
import { type Outputs, trpc } from '../api.ts'
import { Empty } from '../parts/empty.tsx'
import { ButtonLink } from '../parts/link.tsx'
import { Page } from '../parts/page.tsx'
import { SearchField } from '../parts/search-field.tsx'
import { listOptions, VirtualList } from '../parts/virtual-list.tsx'
import { useMe } from '../shell.tsx'
import { BulkActions } from './invitations/bulk-actions.tsx'
import { InvitationRow } from './invitations/invitation-row.tsx'

const route = getRouteApi('/shell/invitations')

export type Invitation = Outputs['invitations']['list']['items'][number]
type State = Invitation['state']

const TABS: { state: State; label: string; empty: string }[] = [
  { state: 'pending', label: 'Pending', empty: 'Nobody has an open invitation.' },
  { state: 'expired', label: 'Expired', empty: 'No invitation has run out unused.' },
  { state: 'accepted', label: 'Accepted', empty: 'Nobody has accepted an invitation yet.' },
  { state: 'revoked', label: 'Revoked', empty: 'No invitation was taken back.' },
  { state: 'adopted', label: 'Provisioned', empty: 'No invited person was provisioned by an identity provider.' }
]

const PAGE_SIZE = 100

export default function Invitations() {
  const search = route.useSearch()
  const navigate = route.useNavigate()
  const tab = TABS.find(({ state }) => state === search.state) ?? TABS[0]!
  const set = (changed: { state?: string; search?: string }, replace: boolean) =>
    navigate({
      search: (before) => Object.fromEntries(Object.entries({ ...before, ...changed }).filter(([, value]) => value)),
      replace,
      resetScroll: false
    })
  return (
    <Page
      title="Invitations"
      actions={
        <ButtonLink to="/users" search={{ invite: 'true' }} leftSection={<IconUserPlus size={18} />}>
          Invite people
        </ButtonLink>
      }
    >
      <Tabs value={tab.state} onChange={(state) => set({ state: state ?? '' }, false)} keepMounted={false}>
        <Tabs.List mb="md" className="tabs-list">
          {TABS.map(({ state, label }) => (
            <Tabs.Tab key={state} value={state}>
              {label}
            </Tabs.Tab>
          ))}
        </Tabs.List>
        <Tabs.Panel value={tab.state}>
          <Group mb="sm">
            <SearchField
              label="Search invitations by name or address"
              placeholder="Search by name or address"
              value={search.search ?? ''}
              onChange={(text) => set({ search: text }, true)}
            />
          </Group>
          <InvitationList key={tab.state} tab={tab} search={search.search} />
        </Tabs.Panel>
      </Tabs>
    </Page>
  )
}

function InvitationList({ tab, search }: { tab: (typeof TABS)[number]; search: string | undefined }) {
  const me = useMe()
  const [selected, setSelected] = useState<ReadonlySet<string>>(new Set())
  const list = useInfiniteQuery(
    trpc.invitations.list.infiniteQueryOptions(
      {
        ...(search && { search }),
        filter: { state: tab.state },
        sort: { by: 'createdAt', direction: 'desc' },
        limit: PAGE_SIZE
      },
      listOptions
    )
  )
  const loaded = useMemo(() => list.data?.pages.flatMap((page) => page.items) ?? [], [list.data])
  const isOpen = tab.state === 'pending' || tab.state === 'expired'
  const mayManage = (invitation: Invitation) => isOpen && me.rolesYouMayGive.includes(invitation.role)
  const manageable = loaded.filter(mayManage)
  const chosen = manageable.filter(({ id }) => selected.has(id))
  const failedCount = loaded.filter(({ mail }) => mail.state === 'failed').length
  // the selection of another search is no longer in sight
  useEffect(() => setSelected(new Set()), [search])

  const toggle = (id: string) =>
    setSelected((before) => {
      const next = new Set(before)
      if (!next.delete(id)) next.add(id)
      return next
    })
  return (
    <>
      {isOpen && failedCount > 0 && (
        <Alert color="red" variant="light" mb="sm">
          {failedCount === 1 ? 'One mail' : `${failedCount} mails`} could not be delivered: see why beside the address,
          then send {failedCount === 1 ? 'it' : 'them'} again or revoke.
        </Alert>
      )}
      <div className="card list-card">
        {manageable.length > 0 && (
          <Group className="bulk" gap="sm">
            <Checkbox
              label={chosen.length > 0 ? `${chosen.length.toLocaleString()} selected` : 'Select all that are loaded'}
              checked={chosen.length === manageable.length}
              indeterminate={chosen.length > 0 && chosen.length < manageable.length}
              onChange={() => setSelected(chosen.length > 0 ? new Set() : new Set(manageable.map(({ id }) => id)))}
            />
            {chosen.length > 0 && <BulkActions chosen={chosen} onDone={() => setSelected(new Set())} />}
          </Group>
        )}
        <VirtualList
          query={list}
          itemKey={(invitation) => invitation.id}
          row={(invitation) => (
            <InvitationRow
              invitation={invitation}
              isSelected={selected.has(invitation.id)}
              onToggle={mayManage(invitation) ? toggle : undefined}
            />
          )}
          rowClass="invitation-columns"
          label={`${tab.label} invitations`}
          empty={
            <Empty icon={IconMail} title={search ? 'None fits' : 'None here'}>
              {search ? 'Every part must be found in a name or address.' : tab.empty}
            </Empty>
          }
        />
      </div>
    </>
  )
}
