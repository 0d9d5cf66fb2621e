// Reads what a call asks for, before anything is looked up: addresses, roles, and what is refused at once.
import type { Role, TenantSettings } from '../../db/schema.ts'
import { invalid } from '../errors.ts'
import { type Actor, defaultRole, isAbove } from '../provisioning/actor.ts'
import { parseAddresses } from './parse-addresses.ts'

/** What may become of an address. */
export const INVITATION_RESULTS = [
  'invited',
  'alreadyInvited',
  'resent',
  'alreadyMember',
  /** The person is a member, managed by an identity provider. */
  'managedByIdp',
  'reinvited',
  'emailInOtherTenant',
  'invalidEmail',
  'roleNotAllowed',
  /** The tenant's settings limit the domains, and this is none of them. */
  'domainNotAllowed'
] as const
export type InvitationResult = (typeof INVITATION_RESULTS)[number]

/** How many different addresses one call may ask for. */
const MAX_ADDRESSES = 1_000
/** The same with repeated ones: reading more of them would keep other requests waiting. */
const MAX_ENTRIES = 10_000

export interface Invite {
  /** As people paste them: one address, or many. */
  email: string
  role?: Role
}

/** One different address, or one text that is no address. */
export interface Entry {
  email: string
  /** The address in lower case; for a text that is no address, the text. */
  key: string
  role: Role
  /** What is known without looking anything up. */
  refusal: 'invalidEmail' | 'roleNotAllowed' | 'domainNotAllowed' | undefined
}

/**
 * The different addresses of a call in the order asked; of a repeated one, the first.
 * @throws AppError invalid `tooManyAddresses`
 */
export function readInvites(invites: readonly Invite[], actor: Actor, settings: TenantSettings): Entry[] {
  const domains = new Set(settings.allowedDomains?.map((domain) => domain.toLowerCase()))
  const entries = new Map<string, Entry>()
  let count = 0
  for (const { email, role = defaultRole(actor.role) } of invites) {
    for (const { text, key } of parseAddresses(email)) {
      const known = key ?? text
      if (++count > MAX_ENTRIES) throw tooManyAddresses()
      if (entries.has(known)) continue
      entries.set(known, { email: text, key: known, role, refusal: refusalOf(key, role) })
      if (entries.size > MAX_ADDRESSES) throw tooManyAddresses()
    }
  }
  return [...entries.values()]

  function refusalOf(key: string | undefined, role: Role): Entry['refusal'] {
    if (key === undefined) return 'invalidEmail'
    if (isAbove(role, actor.role)) return 'roleNotAllowed'
    const domain = key.slice(key.lastIndexOf('@') + 1)
    return domains.size > 0 && !domains.has(domain) ? 'domainNotAllowed' : undefined
  }
}

const tooManyAddresses = () =>
  invalid(`One call invites at most ${MAX_ADDRESSES} different addresses`, 'tooManyAddresses', { limit: MAX_ADDRESSES })
