// Changes a connection's name, its leniency, and its highest role.
import { Modal, Stack } from '@mantine/core'
import { useMutation } from '@tanstack/react-query'
import { type FormEvent, useState } from 'react'
import { queryClient, reason, trpc } from '../../api.ts'
import { DialogButtons } from '../../parts/dialog-buttons.tsx'
import { Failure } from '../../parts/failures.tsx'
import { notifyDone } from '../../parts/notify.ts'
import type { Role } from '../../roles.ts'
import { HighestRoleField, NameField, ProfileField } from '../provisioning/connection-fields.tsx'
import type { Profile } from '../provisioning/guides.ts'
import type { TabProps } from './tabs.ts'

interface EditProps extends TabProps {
  opened: boolean
  onClose: () => void
}

export function EditConnection(props: EditProps) {
  return (
    <Modal opened={props.opened} onClose={props.onClose} title={`Change ${props.connection.name}`}>
      <EditForm {...props} />
    </Modal>
  )
}

function EditForm({ connection, onClose }: EditProps) {
  const [name, setName] = useState(connection.name)
  const [profile, setProfile] = useState<Profile>(connection.profile)
  const [highestRole, setHighestRole] = useState<Role>(connection.highestRole)
  const [isChecked, setChecked] = useState(false)
  const update = useMutation(
    trpc.scimConnections.update.mutationOptions({
      onSuccess: (answer) => {
        queryClient.setQueryData(trpc.scimConnections.get.queryKey({ connectionId: connection.id }), answer)
        void queryClient.invalidateQueries(trpc.scimTokens.list.pathFilter())
        onClose()
        notifyDone('The connection is changed.')
      }
    })
  )
  const isNameTaken = reason(update.error) === 'connectionNameTaken'
  const missing = isChecked && !name.trim() ? 'Give the connection a name.' : undefined
  const submit = (event: FormEvent) => {
    event.preventDefault()
    setChecked(true)
    if (name.trim()) update.mutate({ connectionId: connection.id, name: name.trim(), profile, highestRole })
  }
  return (
    <form onSubmit={submit} noValidate>
      <Stack gap="md">
        <NameField
          value={name}
          onChange={(typed) => {
            setName(typed)
            if (update.error) update.reset()
          }}
          error={isNameTaken ? 'Another connection has this name. Choose a different one.' : missing}
          data-autofocus
        />
        <ProfileField value={profile} onChange={setProfile} />
        <HighestRoleField
          value={highestRole}
          onChange={setHighestRole}
          description="It may give this role at most, and leaves people above it alone. Holds for its tokens at once."
        />
        {update.error && !isNameTaken && <Failure error={update.error} />}
        <DialogButtons onClose={onClose} isPending={update.isPending}>
          Save
        </DialogButtons>
      </Stack>
    </form>
  )
}
