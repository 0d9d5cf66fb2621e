// Creates a SCIM token, and shows it once.
import { Group, Select, Stack, Switch, TextInput } from '@mantine/core'
import { useMutation } from '@tanstack/react-query'
import { type FormEvent, useState } from 'react'
import { queryClient, trpc } from '../../api.ts'
import { OnceDialog } from '../../parts/copy-once.tsx'
import { DialogButtons } from '../../parts/dialog-buttons.tsx'
import { Failure } from '../../parts/failures.tsx'
import type { Role } from '../../roles.ts'
import { useMe } from '../../shell.tsx'
import { HighestRoleField, NameField, ProfileField } from './connection-fields.tsx'
import { PROFILES, type Profile } from './guides.ts'
import { TokenSecret } from './token-secret.tsx'

interface CreateTokenProps {
  opened: boolean
  onClose: () => void
  /** The identity provider whose guide is open. */
  profile: Profile
  /** Called with the profile that the token was created for. */
  onMade: (profile: Profile) => void
}

export function CreateToken(props: CreateTokenProps) {
  const [isShown, setShown] = useState(false)
  return (
    <OnceDialog
      opened={props.opened}
      onClose={props.onClose}
      title={isShown ? 'The token is ready' : 'Create a SCIM token'}
      isShown={isShown}
      onExitTransitionEnd={() => setShown(false)}
      size="lg"
    >
      <TokenForm {...props} onReady={() => setShown(true)} />
    </OnceDialog>
  )
}

function TokenForm({ profile: suggested, onClose, onMade, onReady }: CreateTokenProps & { onReady: () => void }) {
  const { defaultRole } = useMe()
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
        <ProfileField value={profile} onChange={setProfile} data-autofocus />
        <NameField
          value={shownName}
          onChange={setName}
          error={isChecked && !shownName.trim() ? 'Give the connection a name.' : undefined}
        />
        <HighestRoleField
          value={highestRole}
          onChange={setHighestRole}
          description="The identity provider may give this role at most, and leaves people above it alone."
        />
        <ExpiryFields
          expiry={expiry}
          onExpiry={setExpiry}
          day={day}
          onDay={setDay}
          error={isChecked && isDayMissing ? 'Choose a day from today on.' : undefined}
        />
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

const EXPIRIES = [
  { value: 'never', label: 'Never' },
  { value: '90', label: 'In 90 days' },
  { value: '180', label: 'In 180 days' },
  { value: '365', label: 'In a year' },
  { value: 'day', label: 'On a day that I choose' }
]

interface ExpiryFieldsProps {
  expiry: string
  onExpiry: (expiry: string) => void
  day: string
  onDay: (day: string) => void
  /** About the day. */
  error: string | undefined
}

const ExpiryFields = ({ expiry, onExpiry, day, onDay, error }: ExpiryFieldsProps) => (
  <Group align="flex-start" grow>
    <Select
      label="Expires"
      data={EXPIRIES}
      value={expiry}
      onChange={(value) => value && onExpiry(value)}
      allowDeselect={false}
    />
    {expiry === 'day' && (
      <TextInput
        type="date"
        label="Last day"
        value={day}
        onChange={(event) => onDay(event.currentTarget.value)}
        error={error}
        required
      />
    )}
  </Group>
)

const nameFor = (profile: Profile) =>
  profile === 'auto' || profile === 'strict' ? '' : (PROFILES.find(({ value }) => value === profile)?.label ?? '')

/** The end of a day in the reader's time zone; undefined for never, and for a missing or past day. */
function expiryOf(expiry: string, day: string): string | undefined {
  if (expiry === 'never') return undefined
  const end = expiry === 'day' ? new Date(`${day}T23:59:59`) : new Date(Date.now() + Number(expiry) * 86_400_000)
  return Number.isNaN(end.getTime()) || end.getTime() < Date.now() ? undefined : end.toISOString()
}
