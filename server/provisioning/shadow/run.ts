// What users, groups and members have in common when a shadow goes live, or a preview shows what it would change.
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
  /** Sees the tenant, except where a function switches to the shadow and back. */
  readonly trx: Trx
  readonly shadowId: number
  readonly connectionId: string
  /** The highest role that the connection may give and touch. */
  readonly ceiling: Role
  /** Users whose names or addresses were put aside, because they give them up. */
  readonly givers: ReadonlySet<string>
  /** Whose value counts where both sides have changed one and nothing was decided for this item alone. */
  readonly prefer: Preference
  /** Whether everything is rolled back; a preview skips what it need not write. */
  readonly isPreview: boolean
  readonly follow: ShadowFollow
}

/** What follows in the tenant, but not in a shadow: callbacks, as links belong to a higher layer. */
export interface ShadowFollow {
  /** Runs when somebody's login address has changed. */
  readonly addressMoved: (trx: Trx, user: MovedUser) => Promise<unknown>
  /** Runs when somebody was created, adopted from an invitation, or came back. */
  readonly made: NewUser['afterwards']
}

export const EFFECTS = ['create', 'link', 'change', 'deactivate', 'remove'] as const
export type Effect = (typeof EFFECTS)[number]

/** What becomes of a user or a group when the shadow goes live. */
export interface ShadowItem {
  readonly kind: 'user' | 'group'
  readonly id: string
  readonly name: string | null
  /** Null where nothing happens: everything is in conflict, or only members change. */
  readonly effect: Effect | null
  readonly changes: UndoItem['changes']
  /** `current`: the value that stays. */
  readonly conflicts: readonly (Conflict & { readonly current?: unknown })[]
  /** Whether both sides have changed the same value, so that somebody can decide which one counts. */
  readonly isContested: boolean
  /** What was decided for this item alone. */
  readonly prefer: Preference | null
  /** The first MAX_NAMED of the groups that a user joins and leaves, or of the users who join and leave a group. */
  readonly memberships: readonly Membership[]
  /** How many there are in all. */
  readonly membershipCounts: { readonly joined: number; readonly left: number }
}

/** The group of a user, or the user of a group. */
export interface Membership {
  readonly id: string
  readonly name: string
  readonly change: 'joined' | 'left'
}

/** How many memberships are listed for one user or group. */
export const MAX_NAMED = 20

/** What a user or group becomes. */
export interface Merged extends Reversed {
  /** What others have changed meanwhile, and the identity provider's value replaces. */
  readonly overruled: Set<string>
}

/**
 * What a user or group becomes: what was changed in the shadow, where it has not changed in the tenant meanwhile. A
 * value that has changed there stays and is a conflict, unless it is the same by now or the provider's is preferred.
 * @param base as the shadow began with it; `shadow`, `real`: as it is now in the shadow and in the tenant
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

/** Somebody who has accepted an invitation meanwhile is deactivated or removed all the same. */
const isOvertaken = (name: string, base: Facts, real: Facts, wanted: unknown): boolean =>
  name === 'state' &&
  (wanted === 'deactivated' || wanted === 'removed') &&
  base.get(name) === 'invited' &&
  real.get(name) === 'active'

/** Refuses everything that a user or group was to become. */
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

/** Not told: the owner of an attribute, which follows from who changed it, and that a new user is not locked. */
const isTold = ({ attribute, ...value }: { attribute: string; from?: unknown; to?: unknown }): boolean =>
  !isAuthority(attribute) && !(attribute === 'locked' && !value.from && !value.to)

/** Whether clients see two users or groups as the same. */
export const areSame = (one: Facts, other: Facts): boolean =>
  [...new Set([...one.keys(), ...other.keys()])]
    .filter((name) => name !== 'locked' && !isAuthority(name))
    .every((name) => isDeepStrictEqual(one.get(name), other.get(name)))

/**
 * The version that clients shall see. A version that was answered in the shadow stays where the resource is the same as
 * there; otherwise the version is one that nobody has seen.
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
