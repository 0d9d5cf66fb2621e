// Who manages something: the words, and the small note for what a connection manages.
import { IconLock } from '@tabler/icons-react'
import type { Outputs } from '../api.ts'
import type { ProfileValues } from './profile-fields.tsx'

type UserAuthority = Outputs['users']['get']['authority']
export type Authority = Outputs['groups']['get']['group']['authority']

/** `Managed by Okta`; undefined for what people and administrators may change. */
export function managedBy(authority: Authority | undefined): string | undefined {
  if (authority?.kind !== 'connection') return undefined
  return authority.isRemoved ? `Kept as ${authority.name} left it` : `Managed by ${authority.name}`
}

export function ManagedNote({ authority }: { authority: Authority | undefined }) {
  const words = managedBy(authority)
  return (
    words && (
      <span className="managed">
        <IconLock size={13} aria-hidden /> {words}
      </span>
    )
  )
}

export type ManagedFields = Partial<Record<keyof ProfileValues, string>>

const FIELDS = ['displayName', 'givenName', 'familyName', 'timeZone', 'locale'] as const

/** The read-only fields of a profile, and why. */
export const managedFields = (authority: UserAuthority | undefined): ManagedFields =>
  Object.fromEntries(FIELDS.map((name) => [name, managedBy(authority?.[name])]).filter(([, words]) => words))

/** The part of a profile that may be sent. */
export const ownFields = (values: ProfileValues, managed: ManagedFields): Partial<ProfileValues> =>
  Object.fromEntries(Object.entries(values).filter(([name]) => !managed[name as keyof ProfileValues]))
