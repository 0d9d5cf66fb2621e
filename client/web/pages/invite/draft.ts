// The list being put together: addresses without duplicates, each with a role.
import { type PastedAddress, withoutDuplicates } from '../../addresses.ts'
import { isRole, type Role } from '../../roles.ts'

export interface Invitee {
  email: string
  isValid: boolean
  role: Role
}

export const MAX_INVITEES = 1_000

export interface Added {
  invitees: Invitee[]
  /** Addresses of a file whose role is unknown or above the inviter's; they got the default. */
  otherRoleCount: number
}

/** Appends addresses to the list; an address already in it keeps its place and role. */
export function addInvitees(before: Invitee[], pasted: PastedAddress[], role: Role, mayGive: readonly Role[]): Added {
  let otherRoleCount = 0
  const fresh = pasted.map(({ email, isValid, role: asked }) => {
    if (isRole(asked) && mayGive.includes(asked)) return { email, isValid, role: asked }
    if (asked) otherRoleCount++
    return { email, isValid, role }
  })
  return { invitees: withoutDuplicates([...before, ...fresh]), otherRoleCount }
}
