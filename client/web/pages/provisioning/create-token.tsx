// Makes a SCIM token, and shows it once.
import { Group, Modal, Select, Stack, Switch, TextInput } from '@mantine/core'
import { useMutation } from '@tanstack/react-query'
import { type FormEvent, useState } from 'react'
import { queryClient, trpc } from '../../api.ts'
import { DialogButtons } from '../../parts/dialog-buttons.tsx'
import { Failure } from '../../parts/failures.tsx'
import { type Role, roleOptions } from '../../roles.ts'
import { useMe } from '../../shell.tsx'
import { PROFILES, type Profile } from './guides.ts'
import { TokenSecret } from './token-secret.tsx'

interface CreateTokenProps {
  opened: boolean
  onClose: () => void
  /** The identity provider whose guide is open. */
  profile: Profile
  /** Told which profile the token was made for. */
  onMade: (profile: Profile) => void
}

export function CreateToken(props: CreateTokenProps) {
  // what Esc or a click beside the dialog would lose is shown this once
  const [isShown, setShown] = useState(false)
  return (
    <Modal
      opened={props.opened}
      onClose={props.onClose}
      title={isShown ? 'The token is ready' : 'Create a SCIM token'}
      closeOnClickOutside={!isShown}
      closeOnEscape={!isShown}
      onExitTransitionEnd={() => setShown(false)}
      centered
      size="lg"
      closeButtonProps={{ 'aria-label': 'Close' }}
    >
      <TokenForm {...props} onReady={() => setShown(true)} />
    </Modal>
  )
}

const EXPIRIES = [
  { value: 'never', label: 'Never' },
  { value: '90', label: 'In 90 days' },
  { value: '180', label: 'In 180 days' },
  { value: '365', label: 'In a year' },
  { value: 'day', label: 'On a day that I choose' }
]

function TokenForm({ profile: suggested, onClose, onMade, onReady }: CreateTokenProps & { onReady: () => void }) {
  const { rolesYouMayGive, defaultRole } = useMe()
  const [profile, setProfile] = useState(suggested)
  const [name, setName] = useState<string>()
  const [highestRole, setHighestRole] = useState<Role>(defaultRole)
  const [expiry, setExpiry] = useState('365')
  const [day, setDay] = useState('')
  const [isShadow, setShadow] = useState(false)
  const [isChecked, setChecked] = useState(false)
  const create = useMutation(
    trpc.scimTokens.create.mutationOptions({
      onSuccess: () => {
        onReady()
        onMade(profile)
        return queryClient.invalidateQueries(trpc.scimTokens.list.pathFilter())
      }
    })
  )
  if (create.data) return <TokenSecret made={create.data} onClose={onClose} />

  const shownName = name ?? nameFor(profile)
  const expiresAt = expiryOf(expiry, day)
  const isDayMissing = expiry === 'day' && !expiresAt
  const submit = (event: FormEvent) => {
    event.preventDefault()
    setChecked(true)
    if (!shownName.trim() || isDayMissing) return
    create.mutate({ name: shownName.trim(), profile, highestRole, expiresAt, shadow: isShadow || undefined })
  }
  return (
    <form onSubmit={submit} noValidate>
      <Stack gap="md">
        <Select
          label="Identity provider"
          description={PROFILES.find(({ value }) => value === profile)?.hint}
          data={PROFILES.map(({ value, label }) => ({ value, label }))}
          value={profile}
          onChange={(value) => value && setProfile(value as Profile)}
          allowDeselect={false}
          data-autofocus
        />
        <TextInput
          label="Name"
          description="What people and the audit log call it."
          value={shownName}
          onChange={(event) => setName(event.currentTarget.value)}
          error={isChecked && !shownName.trim() ? 'Give the connection a name.' : undefined}
          maxLength={100}
          required
        />
        <Select
          label="Highest role"
          description="The identity provider may give this role at most, and leaves people above it alone."
          data={roleOptions(rolesYouMayGive)}
          value={highestRole}
          onChange={(value) => value && setHighestRole(value as Role)}
          allowDeselect={false}
        />
        <Group align="flex-start" grow>
          <Select
            label="Expires"
            data={EXPIRIES}
            value={expiry}
            onChange={(value) => value && setExpiry(value)}
            allowDeselect={false}
          />
          {expiry === 'day' && (
            <TextInput
              type="date"
              label="Last day"
              value={day}
              onChange={(event) => setDay(event.currentTarget.value)}
              error={isChecked && isDayMissing ? 'Choose a day from today on.' : undefined}
              required
            />
          )}
        </Group>
        <Switch
          label="Try it in shadow first"
          description="The provider changes a copy; you see what it would do before it is done."
          checked={isShadow}
          onChange={(event) => setShadow(event.currentTarget.checked)}
        />
        {create.error && <Failure error={create.error} />}
        <DialogButtons onClose={onClose} isPending={create.isPending}>
          Create token
        </DialogButtons>
      </Stack>
    </form>
  )
}

const nameFor = (profile: Profile) =>
  profile === 'auto' || profile === 'strict' ? '' : (PROFILES.find(({ value }) => value === profile)?.label ?? '')

/** The end of a day in the reader's zone; undefined for never, and for a day that is missing or over. */
function expiryOf(expiry: string, day: string): string | undefined {
  if (expiry === 'never') return undefined
  const end = expiry === 'day' ? new Date(`${day}T23:59:59`) : new Date(Date.now() + Number(expiry) * 86_400_000)
  return Number.isNaN(end.getTime()) || end.getTime() < Date.now() ? undefined : end.toISOString()
}
