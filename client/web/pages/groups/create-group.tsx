// Asks for a new group's name, then opens the group.
import { useMutation } from '@tanstack/react-query'
import { useNavigate } from '@tanstack/react-router'
import { queryClient, trpc } from '../../api.ts'
import { NameDialog } from './name-dialog.tsx'

export function CreateGroup({ opened, onClose }: { opened: boolean; onClose: () => void }) {
  const navigate = useNavigate()
  const create = useMutation(
    trpc.groups.create.mutationOptions({
      onSuccess: async ({ group }) => {
        void queryClient.invalidateQueries(trpc.groups.list.pathFilter())
        await navigate({ to: '/groups/$groupId', params: { groupId: group.id } })
      }
    })
  )
  return (
    <NameDialog
      opened={opened}
      onClose={onClose}
      title="Create a group"
      action="Create group"
      value=""
      onSubmit={(displayName) => create.mutate({ displayName })}
      isPending={create.isPending}
      error={create.error}
      onReset={create.reset}
    />
  )
}
