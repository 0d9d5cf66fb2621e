// Rules that are checked before a person is changed, whoever changes them and through whichever API.
import type { Trx } from '../../db/connect.ts'
import type { Role } from '../../db/schema.ts'
import { lockTenant } from '../../db/tenants.ts'
import { isAdministratorBeside } from '../../db/users.ts'
import { forbidden } from '../errors.ts'
import { type Actor, isAbove } from './actor.ts'

/**
 * Refuses when the tenant would have no active administrator left who is not locked. Call it with the rows of
 * `leavingUserIds` locked and before they change, and only where an active administrator is among them.
 * @throws AppError forbidden `lastAdministrator`
 */
export async function requireOtherAdministrator(
  trx: Trx,
  tenantId: number,
  leavingUserIds: readonly string[]
): Promise<void> {
  if (await hasOtherAdministrator(trx, tenantId, leavingUserIds)) return
  throw forbidden('A tenant keeps at least one active administrator: name another one first', 'lastAdministrator')
}

/**
 * Lets one transaction at a time take administrators away from a tenant, so that the answer stays true until it ends. It
 * is the tenant's row that is locked, not the administrators' rows: a caller already holds the row of the person it
 * changes, so two that change one another would each wait for the other's row. Call it after the rows of the people are
 * locked, and do nothing slow afterwards.
 */
export async function hasOtherAdministrator(
  trx: Trx,
  tenantId: number,
  leavingUserIds: readonly string[]
): Promise<boolean> {
  const [, isThere] = await Promise.all([
    // `no key`: inserts that refer to the tenant (every new user) need not wait
    lockTenant(trx, tenantId, 'for no key update'),
    // a statement of its own: in READ COMMITTED it sees what the transaction before us has committed
    isAdministratorBeside(trx, tenantId, leavingUserIds)
  ])
  return isThere
}

/** Whether a person counts as one of the administrators of whom one must stay. */
export const isCountedAdministrator = (user: { role: Role; state: string; locked: boolean }): boolean =>
  user.role === 'administrator' && user.state === 'active' && !user.locked

/**
 * @param what as in `You cannot deactivate yourself`
 * @throws AppError forbidden `notYourself`
 */
export function requireNotSelf(actor: Actor, userId: string, what: string): void {
  if (actor.id === userId) throw forbidden(`You cannot ${what}`, 'notYourself')
}

/**
 * A token makes nothing that outlives it.
 * @returns when a token that the actor makes ends: as asked for, or with the maker
 * @throws AppError forbidden `expiryNotAllowed`
 */
export function expiryWithin({ apiToken }: Actor, expiresAt: Date | undefined): Date | undefined {
  const ceiling = apiToken?.expiresAt ?? undefined
  if (!ceiling || !expiresAt) return expiresAt ?? ceiling
  if (expiresAt <= ceiling) return expiresAt
  const end = ceiling.toISOString()
  throw forbidden(`This token ends on ${end}, and what it makes cannot last longer`, 'expiryNotAllowed', {
    expiresAt: end
  })
}

/**
 * @param ceiling the highest role that may be given
 * @throws AppError forbidden `roleNotAllowed`
 */
export function requireRoleWithin(ceiling: Role, role: Role): void {
  if (!isAbove(role, ceiling)) return
  throw forbidden(`The role ${role} is above ${ceiling}, the highest that you may give`, 'roleNotAllowed', { ceiling })
}
