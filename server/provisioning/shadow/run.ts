// What a shadow would change of its tenant, or changes when it goes live: what is the same for users, groups and members.
import { isDeepStrictEqual } from 'node:util'
import type { Trx } from '../../../db/connect.ts'
import type { Preference, Role } from '../../../db/schema.ts'
import { type Facts, isAuthority } from '../history/facts.ts'
import {
  type Conflict,
  type ConflictReason,
  changedNames,
  changesOf,
  conflictOf,
  type FactsRun,
  put,
  type Reversed,
  type UndoItem
} from '../history/run.ts'
import type { NewUser } from '../scim-user-new.ts'
import type { MovedUser } from '../scim-users.ts'

export interface ShadowRun extends FactsRun {
  /** Sees the tenant, but where a function turns to the shadow and back. */
  readonly trx: Trx
  readonly shadowId: number
  readonly connectionId: string
  /** The highest role that the connection may give and touch. */
  readonly ceiling: Role
  /** Whose names or addresses were put aside, because they give them up. */
  readonly givers: ReadonlySet<string>
  /** Whose value counts where both have changed one and nothing was decided for this one alone. */
  readonly prefer: Preference
  /** Whether all of it is rolled back: what is only looked at is not written. */
  readonly isPreview: boolean
  readonly follow: ShadowFollow
}

/** What follows in the tenant alone, not in a shadow: the rules of links stand above these. */
export interface ShadowFollow {
  /** Somebody's login address has become another one. */
  readonly addressMoved: (trx: Trx, user: MovedUser) => Promise<unknown>
  /** Somebody was made, adopted from an invitation, or came back. */
  readonly made: NewUser['afterwards']
}

export const EFFECTS = ['create', 'link', 'change', 'deactivate', 'remove'] as const
export type Effect = (typeof EFFECTS)[number]

/** What becomes of a user or a group when the shadow goes live. */
export interface ShadowItem {
  readonly kind: 'user' | 'group'
  readonly id: string
  readonly name: string | null
  /** Null where nothing does: everything is in conflict, or members alone change. */
  readonly effect: Effect | null
  readonly changes: UndoItem['changes']
  /** `current`: what stays. */
  readonly conflicts: readonly (Conflict & { readonly current?: unknown })[]
  /** Whether both sides have changed the same of it, so that it can be decided whose counts. */
  readonly isContested: boolean
  /** What was decided for this one alone. */
  readonly prefer: Preference | null
  /** Of a user: the groups that they come into and leave. Of a group: who does. The first MAX_NAMED of them. */
  readonly memberships: readonly Membership[]
  /** How many there are. */
  readonly membershipCounts: { readonly joined: number; readonly left: number }
}

/** The group of a user, or the user of a group. */
export interface Membership {
  readonly id: string
  readonly name: string
  readonly change: 'joined' | 'left'
}

/** Memberships that are told of one user or group. */
export const MAX_NAMED = 20

/** What a thing becomes. */
export interface Merged extends Reversed {
  /** What others have changed meanwhile and gives way to what the identity provider made of it. */
  readonly overruled: Set<string>
}

/**
 * What a thing becomes: what was changed in the shadow, where the tenant's own has not changed meanwhile. What has
 * stays, and is in conflict, unless it has become the same or the provider's value is preferred.
 * @param base as the shadow began with it; `shadow`, `real`: as it is there, and in the tenant
 */
export function merge(base: Facts, shadow: Facts, real: Facts, prefer: Preference = 'tenant'): Merged {
  const merged: Merged = {
    before: real,
    after: new Map(real),
    undone: new Map(),
    kept: new Map(),
    conflicts: [],
    overruled: new Set()
  }
  for (const name of new Set([...base.keys(), ...shadow.keys()])) {
    const wanted = shadow.get(name)
    if (isDeepStrictEqual(wanted, base.get(name)) || isDeepStrictEqual(wanted, real.get(name))) continue
    const isOurs = !isDeepStrictEqual(real.get(name), base.get(name)) && !isOvertaken(name, base, real, wanted)
    if (isOurs && prefer === 'tenant') {
      merged.conflicts.push(conflictOf(name, 'changedSince', wanted))
      continue
    }
    put(merged.after, name, wanted)
    if (isOurs) merged.overruled.add(name)
  }
  return merged
}

/** Who has accepted an invitation meanwhile is deactivated or removed all the same. */
const isOvertaken = (name: string, base: Facts, real: Facts, wanted: unknown): boolean =>
  name === 'state' &&
  (wanted === 'deactivated' || wanted === 'removed') &&
  base.get(name) === 'invited' &&
  real.get(name) === 'active'

/** Gives up all that a thing was to become. */
export function refuseAll(merged: Reversed, reason: ConflictReason): void {
  for (const name of changedNames(merged)) {
    merged.conflicts.push(conflictOf(name, reason, merged.after.get(name)))
    put(merged.after, name, merged.before.get(name))
  }
}

export const toShadowItem = (
  kind: ShadowItem['kind'],
  id: string,
  name: string | null,
  merged: Merged,
  effect: Effect | null,
  prefer: Preference | null = null
): ShadowItem => ({
  kind,
  id,
  name,
  effect,
  changes: changesOf(merged).filter(isTold),
  conflicts: merged.conflicts.filter(isTold).map((conflict) => {
    const current = merged.before.get(conflict.attribute)
    return { ...conflict, ...(current !== undefined && { current }) }
  }),
  isContested:
    merged.conflicts.some((conflict) => isTold(conflict) && conflict.reason === 'changedSince') ||
    changesOf(merged).some((change) => isTold(change) && merged.overruled.has(change.attribute)),
  prefer,
  memberships: [],
  membershipCounts: { joined: 0, left: 0 }
})

/** Who has an attribute follows from who has changed it; whom there was not before, nobody had locked. */
const isTold = ({ attribute, ...value }: { attribute: string; from?: unknown; to?: unknown }): boolean =>
  !isAuthority(attribute) && !(attribute === 'locked' && !value.from && !value.to)

/** Whether two things are the same to clients. */
export const areSame = (one: Facts, other: Facts): boolean =>
  [...new Set([...one.keys(), ...other.keys()])]
    .filter((name) => name !== 'locked' && !isAuthority(name))
    .every((name) => isDeepStrictEqual(one.get(name), other.get(name)))

/**
 * The version that clients shall see. Who was answered a version in the shadow goes on with it where the resource is
 * what it was there; else it is one that nobody has seen.
 */
export function versionAfter(
  shadow: { readonly version: number },
  base: { readonly version: number } | undefined,
  real: { readonly version: number } | undefined,
  isSame: boolean
): number {
  if (!real || (isSame && real.version === base?.version)) return shadow.version
  return Math.max(shadow.version, real.version) + 1
}
