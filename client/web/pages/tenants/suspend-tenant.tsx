// Stops serving an organisation, or serves it again.
import { useMutation } from '@tanstack/react-query'
import { Confirm } from '../../parts/confirm.tsx'
import { notifyDone } from '../../parts/notify.ts'
import { queryClient, trpc } from './operator.ts'
import type { Tenant } from './tenant-list.tsx'

interface SuspendTenantProps {
  /** Undefined while the dialog is closed. */
  tenant: Tenant | undefined
  /** Otherwise it is resumed. */
  isSuspending: boolean
  opened: boolean
  onClose: () => void
}

export function SuspendTenant({ tenant, isSuspending, opened, onClose }: SuspendTenantProps) {
  const suspend = useMutation(
    trpc.tenants.suspend.mutationOptions({
      onSuccess: async (_answer, { suspended }) => {
        await queryClient.invalidateQueries(trpc.tenants.list.pathFilter())
        onClose()
        notifyDone(`${tenant?.name} is ${suspended === false ? 'served again' : 'suspended'}.`)
      }
    })
  )
  return (
    <Confirm
      opened={opened}
      onClose={() => {
        suspend.reset()
        onClose()
      }}
      title={`${isSuspending ? 'Suspend' : 'Resume'} ${tenant?.name}?`}
      action={isSuspending ? 'Suspend' : 'Resume'}
      isDangerous={isSuspending}
      onConfirm={() => tenant && suspend.mutate({ subdomain: tenant.subdomain, suspended: isSuspending })}
      isPending={suspend.isPending}
      error={suspend.error}
    >
      {isSuspending
        ? 'Nobody can sign in, and identity providers and API tokens are refused, until it is resumed. Its data stays.'
        : 'People can sign in again, and identity providers and API tokens are served as before.'}
    </Confirm>
  )
}
