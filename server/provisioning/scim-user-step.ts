// One of several changes of users that are made together, up to the point where it is known what to write.
import { newEventId } from '../../db/audit.ts'
import { listingOf } from '../../db/family-names.ts'
import type { UserFacts } from '../../db/scim-user-writes.ts'
import type { ScimUserRow } from '../../db/scim-users.ts'
import { isRenamed } from '../../db/search-index.ts'
import { notFound } from '../errors.ts'
import type { Outcome } from './gathering.ts'
import { isCountedAdministrator } from './guards.ts'
import { type Planned, patchOf, plan, requireTouchable } from './scim-user-plan.ts'
import type { ChangeOptions, ScimWriter } from './scim-users.ts'

type UserWork =
  | { readonly kind: 'change'; readonly options: ChangeOptions }
  | { readonly kind: 'remove'; readonly precondition: ((version: number) => void) | undefined }

/**
 * - `done`: the user afterwards, undefined once they are removed;
 * - `alone`: nothing was done, the change has to be made by itself.
 */
export type Result = { readonly kind: 'done'; readonly user: ScimUserRow | undefined } | { readonly kind: 'alone' }

export const ALONE: Result = { kind: 'alone' }

export interface Item {
  readonly writer: ScimWriter
  readonly userId: string
  readonly work: UserWork
}

/** What is to be written for a user. */
export interface Step<User extends UserFacts = UserFacts> {
  readonly item: Item
  readonly before: User
  /** Undefined for a removal. */
  readonly planned: Planned | undefined
  /** The id of its audit event. */
  readonly eventId: string
}

/** What happens with an item once its user is read. */
export type Begun<User extends UserFacts = UserFacts> =
  | (Step<User> & { readonly kind: 'write' })
  | { readonly kind: 'alone' }
  | { readonly kind: 'refused'; readonly error: unknown }

/** @param ofStep the outcome of what was to be written */
export function outcomeOf<User extends UserFacts>(
  begun: Begun<User>,
  ofStep: (step: Step<User>) => Outcome<Result>
): Outcome<Result> {
  switch (begun.kind) {
    case 'write':
      return ofStep(begun)
    case 'alone':
      return { value: ALONE }
    case 'refused':
      return { error: begun.error }
  }
}

export function begin<User extends UserFacts>(item: Item, row: User | undefined): Begun<User> {
  const { writer, work } = item
  try {
    const before = requireVisible(writer, row)
    const eventId = newEventId(writer.now)
    if (work.kind === 'change') {
      const planned = plan(writer, before, work.options)
      if (planned instanceof Promise) {
        // it is computed again, and refused there; an unhandled rejection would end the process
        planned.catch(() => {})
        return { kind: 'alone' }
      }
      return isPlain(writer, planned) ? { kind: 'write', item, before, planned, eventId } : { kind: 'alone' }
    }
    requireTouchable(writer.actor, before)
    work.precondition?.(before.version)
    // whoever has their role from a group falls back to their own
    const isPlainRemoval = isExpendable(writer, before) && before.given_role === null
    return isPlainRemoval ? { kind: 'write', item, before, planned: undefined, eventId } : { kind: 'alone' }
  } catch (error) {
    return { kind: 'refused', error }
  }
}

/**
 * The user, if the writer may see them.
 * @throws AppError not_found
 */
export function requireVisible<User extends Pick<UserFacts, 'state' | 'connection_id'>>(
  { view }: ScimWriter,
  user: User | undefined
): User {
  const isVisible =
    user && user.state !== 'removed' && (view.connectionId === undefined || user.connection_id === view.connectionId)
  if (!isVisible) throw notFound('User')
  return user
}

const isExpendable = ({ actor }: ScimWriter, user: UserFacts) => actor.id !== user.id && !isCountedAdministrator(user)

/** Either the profile or the state changes, and nothing that is stored elsewhere. */
function isPlain(writer: ScimWriter, planned: Planned): boolean {
  const { before, change, emails, isProfileChanged, isStateChanged, isRoleChanged, isAddressChanged } = planned
  if (isRoleChanged || isAddressChanged || emails || change.passwordHash !== undefined) return false
  if (planned.authority !== before.authority || planned.isAdopted || planned.managed.size > 0) return false
  return !isStateChanged || (!isProfileChanged && isExpendable(writer, before))
}

/** The columns of a changed profile. */
export const profileRow = ({ before, planned, item: { writer } }: Step) => ({
  connection_id: before.connection_id,
  ...patchOf(writer, planned!),
  id: before.id,
  version: before.version,
  given_role: before.given_role,
  is_renamed: isRenamed(before, planned!.columns),
  listed_before: before.listed_family_name,
  listed_family_name: listingOf(writer.tenant.id, before, planned!.columns.family_name_key),
  updated_at: writer.now
})

/** The columns of a changed state. */
export function stateRow({ before, planned, item: { writer } }: Step) {
  const { id, version, given_role, locked, activated_at } = before
  const row = { id, version, given_role, locked, activated_at, updated_at: writer.now }
  if (!planned) return { ...row, state: 'removed', locked: false }
  if (!planned.change.active) return { ...row, state: 'deactivated' }
  return { ...row, state: 'active', activated_at: activated_at ?? writer.now }
}
