// Actions on a whole group: rename, release, delete.
import { ActionIcon, Menu } from '@mantine/core'
import { useDisclosure } from '@mantine/hooks'
import { IconDots, IconPencil, IconPlugConnectedX, IconTrash } from '@tabler/icons-react'
import { useMutation } from '@tanstack/react-query'
import { useNavigate } from '@tanstack/react-router'
import { type Outputs, queryClient, trpc } from '../../api.ts'
import { Confirm } from '../../parts/confirm.tsx'
import { managedBy } from '../../parts/managed.tsx'
import { MenuChoice } from '../../parts/menu-choice.tsx'
import { notifyDone } from '../../parts/notify.ts'
import { isAdministrator, useMe } from '../../shell.tsx'
import { NameDialog } from './name-dialog.tsx'
import { membersInWords } from './words.ts'

type GroupOutput = Outputs['groups']['get']['group']

export function GroupActions({ group }: { group: GroupOutput }) {
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
          <MenuChoice label="Rename" icon={IconPencil} whyNot={whyNot} onClick={renaming.open} />
          {whyNot && isAdministrator(me) && (
            <MenuChoice label="Release" icon={IconPlugConnectedX} onClick={releasing.open} />
          )}
          <MenuChoice label="Delete group" icon={IconTrash} isDangerous whyNot={whyNot} onClick={deleting.open} />
        </Menu.Dropdown>
      </Menu>
      <Rename group={group} opened={isRenaming} onClose={renaming.close} />
      <Delete group={group} opened={isDeleting} onClose={deleting.close} />
      <Release group={group} opened={isReleasing} onClose={releasing.close} />
    </>
  )
}

interface DialogProps {
  group: GroupOutput
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
  const navigate = useNavigate()
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
