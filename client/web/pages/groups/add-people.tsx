// Adds people to a group: found by name or address, several at once.
import { Button, Checkbox, Group, Modal, Pill, Stack, Text } from '@mantine/core'
import { useMediaQuery } from '@mantine/hooks'
import { IconUsers } from '@tabler/icons-react'
import { useInfiniteQuery, useMutation } from '@tanstack/react-query'
import { useState } from 'react'
import { type Outputs, queryClient, trpc } from '../../api.ts'
import { peopleInWords } from '../../counted.ts'
import { Empty } from '../../parts/empty.tsx'
import { Failure } from '../../parts/failures.tsx'
import { notifyDone } from '../../parts/notify.ts'
import { Person, shownName } from '../../parts/person.tsx'
import { SearchField } from '../../parts/search-field.tsx'
import { listOptions, VirtualList } from '../../parts/virtual-list.tsx'

type GroupOutput = Outputs['groups']['get']['group']
type User = Outputs['users']['list']['items'][number]

interface AddPeopleProps {
  group: GroupOutput
  opened: boolean
  onClose: () => void
}

export function AddPeople(props: AddPeopleProps) {
  const isPhone = useMediaQuery('(max-width: 48em)')
  return (
    <Modal
      opened={props.opened}
      onClose={props.onClose}
      title={`Add people to ${props.group.displayName}`}
      size="lg"
      // its height changes during use
      centered={false}
      fullScreen={isPhone}
    >
      <Picker {...props} />
    </Modal>
  )
}

function Picker({ group, onClose }: AddPeopleProps) {
  const [search, setSearch] = useState('')
  const [picked, setPicked] = useState<ReadonlyMap<string, User>>(new Map())
  const users = useInfiniteQuery(trpc.users.list.infiniteQueryOptions({ search: search || undefined }, listOptions))
  const add = useMutation(
    trpc.groups.addMembers.mutationOptions({
      onSuccess: async (_answer, { userIds }) => {
        await Promise.all([
          queryClient.resetQueries(trpc.groups.members.infiniteQueryFilter({ groupId: group.id })),
          queryClient.invalidateQueries(trpc.groups.get.queryFilter({ groupId: group.id })),
          queryClient.invalidateQueries(trpc.groups.list.pathFilter())
        ])
        onClose()
        notifyDone(`${peopleInWords(userIds.length)} now in ${group.displayName}.`)
      }
    })
  )
  const toggle = (user: User) => {
    const next = new Map(picked)
    if (!next.delete(user.id)) next.set(user.id, user)
    setPicked(next)
  }
  return (
    <Stack gap="sm">
      <SearchField label="Search people" placeholder="Name or address" value={search} onChange={setSearch} autoFocus />
      <VirtualList
        query={users}
        label="People"
        itemKey={(user) => user.id}
        height="min(46vh, 420px)"
        rowClass="pick-row"
        row={(user) => (
          <Checkbox
            checked={picked.has(user.id)}
            onChange={() => toggle(user)}
            label={<Person user={user} size={32} />}
          />
        )}
        empty={
          <Empty icon={IconUsers} title="Nobody is called that">
            Nothing matches “{search}”. People who are not here yet are invited under People first.
          </Empty>
        }
      />
      <Picked people={[...picked.values()]} onRemove={toggle} />
      {add.error && <Failure error={add.error} />}
      <Group justify="flex-end" gap="xs">
        <Button variant="default" onClick={onClose}>
          Cancel
        </Button>
        <Button
          disabled={picked.size === 0}
          loading={add.isPending}
          onClick={() => add.mutate({ groupId: group.id, userIds: [...picked.keys()] })}
        >
          {picked.size === 0 ? 'Add people' : `Add ${peopleInWords(picked.size)}`}
        </Button>
      </Group>
    </Stack>
  )
}

/** More picked people than this are counted instead of shown. */
const SHOWN = 12

function Picked({ people, onRemove }: { people: readonly User[]; onRemove: (user: User) => void }) {
  if (people.length === 0) {
    return (
      <Text size="sm" c="dimmed">
        Tick whoever should be in the group. Who is in it already stays as they are.
      </Text>
    )
  }
  return (
    <Group gap={6} aria-label="Picked" component="section">
      {people.slice(0, SHOWN).map((user) => (
        <Pill
          key={user.id}
          withRemoveButton
          onRemove={() => onRemove(user)}
          removeButtonProps={{ 'aria-label': `Do not add ${shownName(user)}`, tabIndex: 0, 'aria-hidden': false }}
        >
          {shownName(user)}
        </Pill>
      ))}
      {people.length > SHOWN && (
        <Text size="sm" c="dimmed">
          and {people.length - SHOWN} more
        </Text>
      )}
    </Group>
  )
}
