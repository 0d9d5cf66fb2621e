// Who acts, and what their role lets them do: the one place that every edge passes through.
import type { BrakeLimits } from '../../db/brakes.ts'
import type { ActorKind, Role, ScimProfile } from '../../db/schema.ts'
import { ROLES } from '../../db/schema.ts'
import { forbidden } from '../errors.ts'

/** Who does something, from where. `role` is the ceiling of what they may do and give. */
export interface Actor {
  readonly kind: ActorKind
  /** The user's id (also for an API token: its owner), the SCIM connection's id, or null for operator and system. */
  readonly id: string | null
  /** As the audit log shows it: display name, connection's name, `operator`. */
  readonly name: string
  readonly role: Role
  readonly requestId: string | null
  readonly ip: string | null
  /** Set for a SCIM token, and for an administrator who carries out what a connection asked for. */
  readonly scim?: {
    readonly connectionId: string
    readonly tokenId: string | null
    readonly profile: ScimProfile
    /** How many people it may deprovision within an hour; undefined: any number. */
    readonly brake?: BrakeLimits
    /** Whether, as far as this process remembers, something that it asked for is held or rejected. */
    readonly hasHeld?: boolean
  }
  /** Set for an API token; `expiresAt` is null where it does not expire. */
  readonly apiToken?: { readonly tokenId: string; readonly expiresAt: Date | null }
  /** Set for a session: its id. */
  readonly sessionId?: string
  /** Set for a session: when its person last proved who they are; milliseconds. */
  readonly confirmedMs?: number
  /** The tenant demands a second factor and the person has none yet: they may set it up, and nothing else. */
  readonly mustSetUpSecondFactor?: boolean
}

export const roleRank = (role: Role) => ROLES.indexOf(role)
export const isAbove = (role: Role, ceiling: Role) => roleRank(role) > roleRank(ceiling)
/** The roles that somebody of this role may give, lowest first. */
export const rolesUpTo = (role: Role): Role[] => ROLES.slice(0, roleRank(role) + 1)
/** The role offered first. */
export const defaultRole = (ceiling: Role): Role => (isAbove('responder', ceiling) ? 'stakeholder' : 'responder')

/** @throws AppError forbidden `administratorOnly` */
export function requireAdministrator(actor: Actor, what: string): void {
  if (actor.role !== 'administrator') throw forbidden(`Only an administrator may ${what}`, 'administratorOnly')
}

/** How long a proof of identity counts; signing in is one, too. */
const CONFIRMED_MS = 15 * 60_000

/**
 * API tokens pass: they prove themselves with each request.
 * @throws AppError forbidden `reauthenticationRequired`
 */
export function requireConfirmed({ sessionId, confirmedMs = 0 }: Actor, now: Date): void {
  if (sessionId === undefined || now.getTime() - confirmedMs < CONFIRMED_MS) return
  throw forbidden('Enter your password again to go on', 'reauthenticationRequired')
}

/** @throws AppError forbidden `secondFactorSetupRequired` */
export function requireSetUp({ mustSetUpSecondFactor }: Actor): void {
  if (!mustSetUpSecondFactor) return
  throw forbidden('Your organisation asks for a second factor: set it up first', 'secondFactorSetupRequired')
}

/** The service itself: scheduled work, demo data. */
export const systemActor: Actor = {
  kind: 'system',
  id: null,
  name: 'Muster',
  role: 'administrator',
  requestId: null,
  ip: null
}
