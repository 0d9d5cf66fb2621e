// The organisations that this service serves: find, create, suspend, remove.
import { ActionIcon, Anchor, Button, Menu } from '@mantine/core'
import { useDisclosure } from '@mantine/hooks'
import { IconBuilding, IconDots, IconPlayerPause, IconPlayerPlay, IconPlus, IconTrash } from '@tabler/icons-react'
import { useInfiniteQuery } from '@tanstack/react-query'
import { getRouteApi } from '@tanstack/react-router'
import { useEffect, useState } from 'react'
import { httpStatus, type Outputs } from '../../api.ts'
import { Empty } from '../../parts/empty.tsx'
import { Page } from '../../parts/page.tsx'
import { SearchField } from '../../parts/search-field.tsx'
import { Mark } from '../../parts/state-badge.tsx'
import { Time } from '../../parts/time.tsx'
import { listOptions, VirtualList } from '../../parts/virtual-list.tsx'
import { CreateTenant } from './create-tenant.tsx'
import { trpc } from './operator.ts'
import { RemoveTenant } from './remove-tenant.tsx'
import { SuspendTenant } from './suspend-tenant.tsx'

const route = getRouteApi('/tenants')
export type Tenant = Outputs['tenants']['list']['items'][number]

/** The action in progress, and its tenant. */
interface Doing {
  what: 'suspend' | 'resume' | 'remove'
  tenant: Tenant
}

/** @param props.onRefused called when the session has ended */
export function TenantList({ onRefused }: { onRefused: () => void }) {
  const { search = '' } = route.useSearch()
  const navigate = route.useNavigate()
  const [isCreating, creating] = useDisclosure()
  const [doing, setDoing] = useState<Doing>()
  const tenants = useInfiniteQuery(trpc.tenants.list.infiniteQueryOptions({ search: search || undefined }, listOptions))
  const isRefused = httpStatus(tenants.error) === 401
  useEffect(() => {
    if (isRefused) onRefused()
  }, [isRefused, onRefused])
  const create = (
    <Button leftSection={<IconPlus size={16} />} onClick={creating.open}>
      Create organisation
    </Button>
  )
  const stop = () => setDoing(undefined)
  return (
    <div className="tenants-page">
      <Page title="Organisations" description="Each has an address, people and settings of its own." actions={create}>
        <div className="card list-card">
          <div className="tenants-tools">
            <SearchField
              label="Search organisations"
              placeholder="Name or subdomain"
              value={search}
              onChange={(text) => navigate({ search: { search: text || undefined }, replace: true })}
            />
          </div>
          <div className="list-head tenants-columns" aria-hidden>
            <span>Organisation</span>
            <span>State</span>
            <span>Created</span>
            <span />
          </div>
          <VirtualList
            query={tenants}
            label="Organisations"
            itemKey={(tenant) => String(tenant.id)}
            rowClass="tenants-columns"
            row={(tenant) => <TenantRow tenant={tenant} onDo={(what) => setDoing({ what, tenant })} />}
            empty={search ? <NothingFound search={search} /> : <NoTenants action={create} />}
          />
        </div>
      </Page>
      <CreateTenant opened={isCreating} onClose={creating.close} />
      <SuspendTenant
        tenant={doing?.tenant}
        isSuspending={doing?.what === 'suspend'}
        opened={doing?.what === 'suspend' || doing?.what === 'resume'}
        onClose={stop}
      />
      <RemoveTenant tenant={doing?.tenant} opened={doing?.what === 'remove'} onClose={stop} />
    </div>
  )
}

/** Where an organisation's people sign in: this page's address with the subdomain in front. */
export const addressOf = (subdomain: string) => `${window.location.protocol}//${subdomain}.${window.location.host}`

function TenantRow({ tenant, onDo }: { tenant: Tenant; onDo: (what: Doing['what']) => void }) {
  const isSuspended = tenant.state === 'suspended'
  return (
    <>
      <span className="person-text">
        <span className="person-name">{tenant.name}</span>
        <Anchor href={addressOf(tenant.subdomain)} className="person-address" target="_blank" rel="noreferrer">
          {tenant.subdomain}.{window.location.host}
        </Anchor>
      </span>
      <span className="cell">
        <Mark tone={isSuspended ? 'bad' : 'good'}>{isSuspended ? 'Suspended' : 'Active'}</Mark>
      </span>
      <span className="cell wide-only">
        <Time value={tenant.createdAt} as="date" />
      </span>
      <Menu position="bottom-end" withinPortal>
        <Menu.Target>
          <ActionIcon variant="subtle" color="gray" size="lg" aria-label={`Actions for ${tenant.name}`}>
            <IconDots size={18} />
          </ActionIcon>
        </Menu.Target>
        <Menu.Dropdown>
          {isSuspended ? (
            <Menu.Item leftSection={<IconPlayerPlay size={16} />} onClick={() => onDo('resume')}>
              Resume
            </Menu.Item>
          ) : (
            <Menu.Item leftSection={<IconPlayerPause size={16} />} onClick={() => onDo('suspend')}>
              Suspend
            </Menu.Item>
          )}
          <Menu.Item color="red" leftSection={<IconTrash size={16} />} onClick={() => onDo('remove')}>
            Remove for good
          </Menu.Item>
        </Menu.Dropdown>
      </Menu>
    </>
  )
}

const NothingFound = ({ search }: { search: string }) => (
  <Empty icon={IconBuilding} title="No organisation is called that">
    Nothing matches “{search}”. Try fewer letters, or clear the search.
  </Empty>
)

const NoTenants = ({ action }: { action: React.ReactNode }) => (
  <Empty icon={IconBuilding} title="There are no organisations yet" action={action}>
    Create the first one and invite its administrator.
  </Empty>
)
