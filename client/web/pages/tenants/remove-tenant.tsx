// Deletes an organisation with everything in it, once its subdomain has been typed.
import { Alert, Button, Group, Modal, Stack, Text } from '@mantine/core'
import { useMutation } from '@tanstack/react-query'
import { type FormEvent, useState } from 'react'
import { DialogButtons } from '../../parts/dialog-buttons.tsx'
import { Failure } from '../../parts/failures.tsx'
import { notifyDone } from '../../parts/notify.ts'
import { TypeToConfirm } from '../../parts/type-to-confirm.tsx'
import { queryClient, trpc } from './operator.ts'
import type { Tenant } from './tenant-list.tsx'

interface RemoveTenantProps {
  /** Undefined while the dialog is closed. */
  tenant: Tenant | undefined
  opened: boolean
  onClose: () => void
}

export function RemoveTenant({ tenant, opened, onClose }: RemoveTenantProps) {
  return (
    <Modal opened={opened} onClose={onClose} title={`Remove ${tenant?.name} for good?`}>
      {tenant?.state === 'suspended' && <RemoveForm tenant={tenant} onClose={onClose} />}
      {tenant?.state === 'active' && <SuspendFirst onClose={onClose} />}
    </Modal>
  )
}

function SuspendFirst({ onClose }: { onClose: () => void }) {
  return (
    <Stack gap="md">
      <Text size="sm">
        Suspend it first: then nobody is using it while it is removed, and there is time to think again.
      </Text>
      <Group justify="flex-end">
        <Button onClick={onClose}>All right</Button>
      </Group>
    </Stack>
  )
}

function RemoveForm({ tenant, onClose }: { tenant: Tenant; onClose: () => void }) {
  const [typed, setTyped] = useState('')
  const remove = useMutation(
    trpc.tenants.remove.mutationOptions({
      onSuccess: async () => {
        await queryClient.invalidateQueries(trpc.tenants.list.pathFilter())
        onClose()
        notifyDone(`${tenant.name} is removed.`)
      }
    })
  )
  const isConfirmed = typed.trim().toLowerCase() === tenant.subdomain
  const submit = (event: FormEvent) => {
    event.preventDefault()
    if (isConfirmed) remove.mutate({ subdomain: tenant.subdomain, confirm: tenant.subdomain })
  }
  return (
    <form onSubmit={submit}>
      <Stack gap="md">
        <Alert color="red" variant="light" title="This cannot be undone">
          Its people, groups, invitations, tokens and audit log are deleted. Their addresses are free for other
          organisations then.
        </Alert>
        <TypeToConfirm text={tenant.subdomain} value={typed} onChange={setTyped} />
        {remove.error && <Failure error={remove.error} />}
        <DialogButtons onClose={onClose} isDangerous disabled={!isConfirmed} isPending={remove.isPending}>
          Remove for good
        </DialogButtons>
      </Stack>
    </form>
  )
}
