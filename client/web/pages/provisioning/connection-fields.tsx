// A connection's fields, shared by creating and changing one.
import { Select, TextInput } from '@mantine/core'
import { type Role, roleOptions } from '../../roles.ts'
import { useMe } from '../../shell.tsx'
import { PROFILES, type Profile } from './guides.ts'

interface NameFieldProps {
  value: string
  onChange: (name: string) => void
  error: string | undefined
  'data-autofocus'?: boolean
}

export const NameField = ({ onChange, ...props }: NameFieldProps) => (
  <TextInput
    label="Name"
    description="What people and the audit log call it."
    onChange={(event) => onChange(event.currentTarget.value)}
    maxLength={100}
    required
    {...props}
  />
)

interface ProfileFieldProps {
  value: Profile
  onChange: (profile: Profile) => void
  'data-autofocus'?: boolean
}

export const ProfileField = ({ onChange, ...props }: ProfileFieldProps) => (
  <Select
    label="Identity provider"
    description={PROFILES.find(({ value }) => value === props.value)?.hint}
    data={PROFILES.map(({ value, label }) => ({ value, label }))}
    onChange={(value) => value && onChange(value as Profile)}
    allowDeselect={false}
    {...props}
  />
)

interface HighestRoleFieldProps {
  value: Role
  onChange: (role: Role) => void
  description: string
}

export function HighestRoleField({ onChange, ...props }: HighestRoleFieldProps) {
  const { rolesYouMayGive } = useMe()
  return (
    <Select
      label="Highest role"
      data={roleOptions(rolesYouMayGive)}
      onChange={(value) => value && onChange(value as Role)}
      allowDeselect={false}
      {...props}
    />
  )
}
