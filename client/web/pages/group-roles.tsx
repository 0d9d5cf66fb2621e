// Which groups give which roles: edited as a draft, previewed person by person, and then applied.
import { Alert, Button, Group, NativeSelect, Select, Skeleton, Stack, Text } from '@mantine/core'
import { IconLock, IconTrash } from '@tabler/icons-react'
import { useMutation, useQuery } from '@tanstack/react-query'
import { useState } from 'react'
import { type Outputs, queryClient, trpc } from '../api.ts'
import { counted } from '../counted.ts'
import { BackLink } from '../parts/back-link.tsx'
import { Empty } from '../parts/empty.tsx'
import { Failure } from '../parts/failures.tsx'
import { TextLink } from '../parts/link.tsx'
import { notifyDone } from '../parts/notify.ts'
import { Page } from '../parts/page.tsx'
import { Section } from '../parts/section.tsx'
import { ROLE_LABELS, type Role, roleOptions } from '../roles.ts'
import { isAdministrator, useMe } from '../shell.tsx'
import { Preview } from './group-roles/preview.tsx'
import './groups/groups.css'

type Saved = Outputs['groupRoles']['get']
type Mapped = Saved['mapping'][number]

export default function GroupRolesPage() {
  const isAllowed = isAdministrator(useMe())
  const saved = useQuery(trpc.groupRoles.get.queryOptions(undefined, { enabled: isAllowed }))
  return (
    <Page
      title="Roles by group"
      width="narrow"
      above={<BackLink to="/groups">Groups</BackLink>}
      description="Whoever is in one of these groups, or in a group in it, has at least its role. Everybody keeps a role of their own beside it."
    >
      {!isAllowed ? (
        <Empty icon={IconLock} title="Roles are for administrators">
          Ask one of your administrators to change which groups give them.
        </Empty>
      ) : saved.data ? (
        <Draft key={keyOf(saved.data.mapping)} saved={saved.data} />
      ) : saved.error ? (
        <Failure error={saved.error} retry={() => saved.refetch()} />
      ) : (
        <Skeleton height={240} radius="md" />
      )}
    </Page>
  )
}

const keyOf = (mapping: readonly Pick<Mapped, 'groupId' | 'role'>[]) =>
  mapping
    .map(({ groupId, role }) => `${groupId} ${role}`)
    .sort()
    .join('\n')

function Draft({ saved }: { saved: Saved }) {
  const [draft, setDraft] = useState<readonly Mapped[]>(saved.mapping)
  const [isPreviewed, setPreviewed] = useState(false)
  const mapping = draft.map(({ groupId, role }) => ({ groupId, role }))
  const preview = useQuery(
    trpc.groupRoles.preview.queryOptions({ mapping }, { enabled: isPreviewed, staleTime: 0, gcTime: 0 })
  )
  const update = useMutation(
    trpc.groupRoles.update.mutationOptions({
      onSuccess: async ({ changed, ...now }) => {
        queryClient.setQueryData(trpc.groupRoles.get.queryKey(), now)
        await Promise.all([
          queryClient.invalidateQueries(trpc.users.pathFilter()),
          queryClient.invalidateQueries(trpc.groups.pathFilter())
        ])
        notifyDone(`The groups give these roles now. ${rolesInWords(changed.total)}.`)
      }
    })
  )
  const change = (next: readonly Mapped[]) => {
    setDraft(next)
    setPreviewed(false)
    update.reset()
  }
  const isChanged = keyOf(draft) !== keyOf(saved.mapping)
  return (
    <Stack gap="md">
      <div className="card">
        <Section title="Groups that give a role" description={peopleNow(saved)}>
          <Stack gap="sm">
            {draft.map((one) => (
              <MappedGroup
                key={one.groupId}
                mapped={one}
                onRole={(role) => change(draft.map((other) => (other === one ? { ...one, role } : other)))}
                onRemove={() => change(draft.filter((other) => other !== one))}
              />
            ))}
            {draft.length === 0 && (
              <Text size="sm" c="dimmed">
                No group gives a role: everybody has their own.
              </Text>
            )}
            <AddGroup taken={draft} onAdd={(added) => change([...draft, added])} />
          </Stack>
        </Section>
      </div>
      {isChanged && !isPreviewed && (
        <Group justify="flex-end" gap="xs">
          <Button variant="default" onClick={() => change(saved.mapping)}>
            Discard
          </Button>
          <Button onClick={() => setPreviewed(true)}>See who would change</Button>
        </Group>
      )}
      {isChanged && isPreviewed && (
        <Preview
          preview={preview}
          update={() => update.mutate({ mapping })}
          isUpdating={update.isPending}
          error={update.error}
          onBack={() => setPreviewed(false)}
        />
      )}
    </Stack>
  )
}

const rolesInWords = (count: number) => `${counted(count, 'role has', 'roles have')} changed`

const peopleNow = ({ people }: Saved) =>
  people === 0
    ? 'Nobody has their role from a group yet.'
    : `${counted(people, 'person has their', 'people have their')} role from a group.`

interface MappedGroupProps {
  mapped: Mapped
  onRole: (role: Role) => void
  onRemove: () => void
}

function MappedGroup({ mapped, onRole, onRemove }: MappedGroupProps) {
  const { rolesYouMayGive } = useMe()
  const { displayName, role, ceiling, connectionName } = mapped
  const isCapped = ceiling !== null && rolesYouMayGive.indexOf(role) > rolesYouMayGive.indexOf(ceiling)
  return (
    <div>
      <Group gap="sm" wrap="nowrap" align="center">
        <TextLink
          to="/groups/$groupId"
          params={{ groupId: mapped.groupId }}
          size="sm"
          underline="always"
          className="break"
          style={{ flex: 1 }}
        >
          {displayName}
        </TextLink>
        <NativeSelect
          aria-label={`Role of ${displayName}`}
          data={roleOptions(rolesYouMayGive)}
          value={role}
          onChange={(event) => onRole(event.currentTarget.value as Role)}
        />
        <Button variant="default" px="xs" aria-label={`${displayName} gives no role`} onClick={onRemove}>
          <IconTrash size={16} aria-hidden />
        </Button>
      </Group>
      {isCapped && ceiling && (
        <Alert color="gray" variant="light" p="xs" mt={4}>
          {connectionName} provisions this group and may give roles up to {ROLE_LABELS[ceiling]}: the group gives no
          more.
        </Alert>
      )}
    </div>
  )
}

/** The most that a search returns. */
const FOUND = 20

function AddGroup({ taken, onAdd }: { taken: readonly Mapped[]; onAdd: (added: Mapped) => void }) {
  const [search, setSearch] = useState('')
  const groups = useQuery(trpc.groups.list.queryOptions({ search: search || undefined, limit: FOUND }))
  const items = (groups.data?.items ?? []).filter(({ id }) => !taken.some(({ groupId }) => groupId === id))
  return (
    <Select
      label="Add a group"
      placeholder="Name of a group"
      searchable
      data={items.map(({ id, displayName }) => ({ value: id, label: displayName }))}
      value={null}
      searchValue={search}
      onSearchChange={setSearch}
      // the service has already searched
      filter={({ options }) => options}
      nothingFoundMessage={groups.isFetching ? 'Searching…' : 'No other group of this name'}
      onChange={(id) => {
        const found = items.find((group) => group.id === id)
        if (!found) return
        setSearch('')
        onAdd({
          groupId: found.id,
          displayName: found.displayName,
          role: 'manager',
          ceiling: null,
          connectionName: null
        })
      }}
    />
  )
}
