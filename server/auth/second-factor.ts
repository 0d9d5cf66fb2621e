// A second factor beside the password: an app's code, or a recovery code.
import { randomBytes } from 'node:crypto'
import { insertAuditEvents } from '../../db/audit.ts'
import { inTenant, type Trx } from '../../db/connect.ts'
import { notifyChange } from '../../db/listen.ts'
import type { Role, TenantSettings } from '../../db/schema.ts'
import {
  beginSecondFactor,
  confirmSecondFactor,
  deleteSecondFactor,
  findSecondFactor,
  readConfirmedAt,
  useRecoveryCode,
  useStep
} from '../../db/second-factors.ts'
import { deleteSessions, isSession } from '../../db/sessions.ts'
import { getUserViews, lockUser, type UserView } from '../../db/users.ts'
import type { Deps } from '../deps.ts'
import { AppError, conflict, forbidden, notFound, unauthenticated } from '../errors.ts'
import { type Actor, requireAdministrator, requireConfirmed } from '../provisioning/actor.ts'
import { shownName } from '../provisioning/user-document.ts'
import { hashToken } from '../secrets.ts'
import type { Tenant } from '../tenancy.ts'
import { findStep, randomTotpSecret, toBase32, totpUri } from './totp.ts'

const SEAL = 'second-factor'
const RECOVERY_CODES = 10
/** 120 bits: random enough that SHA-256 alone protects them. */
const RECOVERY_BYTES = 15

/** Whether a tenant's people of a role must have a second factor to sign in by password. */
export const demandsSecondFactor = ({ secondFactor }: TenantSettings, role: Role): boolean =>
  secondFactor === 'everybody' || (secondFactor === 'administrators' && role === 'administrator')

interface Attempt {
  /** Undefined where none was given. */
  readonly code: string | undefined
  /** The known browser that asks, or what else tells it from strangers. */
  readonly device: string | undefined
  readonly origin: { readonly requestId: string | null; readonly ip: string | null }
}

/** When the factor that a code was given for was enabled; undefined where the person had none. */
export type PassedFactor = Date | undefined

/**
 * Asks a person with a second factor for a code, once their password was right. Wrong codes count for the person, and
 * separately for a browser that has signed in before.
 * @returns what `requireNoOtherFactor` compares, before a session is begun
 * @throws AppError unauthenticated `secondFactorRequired` (nothing counts), `wrongCode`; rate_limited
 */
export async function passSecondFactor(
  deps: Deps,
  tenant: Tenant,
  userId: string,
  { code, device, origin }: Attempt
): Promise<PassedFactor> {
  const factor = await findSecondFactor(deps.db, tenant.id, userId)
  if (!factor?.confirmed_at) return undefined
  if (code === undefined) throw secondFactorRequired()
  await deps.auth.limits.countFailures(
    [{ limit: 'second-factor', key: `${tenant.id} ${userId} ${device ?? ''}`, onSuccess: 'forget' }],
    async () => {
      const typed = code.replace(/[\s-]/g, '').toUpperCase()
      const isRight = /^\d{6}$/.test(typed)
        ? await useAppCode(deps, tenant.id, userId, factor.secret_sealed, typed)
        : await spendRecoveryCode(deps, tenant.id, userId, typed, origin)
      if (!isRight) throw wrongCode()
    },
    isWrongCode
  )
  return factor.confirmed_at
}

/**
 * Refuses somebody whose factor was enabled after `passSecondFactor` looked, which takes no lock. The caller has locked
 * the user's row, as `enableSecondFactor` does: that has ended the sessions before, or ends this one.
 * @throws AppError unauthenticated `secondFactorRequired`
 */
export async function requireNoOtherFactor(
  trx: Trx,
  tenantId: number,
  userId: string,
  passed: PassedFactor
): Promise<void> {
  const confirmedAt = await readConfirmedAt(trx, tenantId, userId)
  if (confirmedAt && confirmedAt.getTime() !== passed?.getTime()) throw secondFactorRequired()
}

async function useAppCode(deps: Deps, tenantId: number, userId: string, sealed: Buffer, code: string) {
  const secret = openSecret(deps, sealed)
  const step = findStep(secret, code, deps.now())
  return (
    step !== undefined && useStep(deps.db, tenantId, userId, { step, before: sealed, after: sealSecret(deps, secret) })
  )
}

const spendRecoveryCode = (deps: Deps, tenantId: number, userId: string, code: string, origin: Attempt['origin']) =>
  inTenant(deps.db, tenantId, async (trx) => {
    if (!(await useRecoveryCode(trx, tenantId, userId, hashToken(code)))) return false
    const [user] = await getUserViews(trx, tenantId, [userId])
    const name = user ? shownName(user) : ''
    await insertAuditEvents(trx, tenantId, { kind: 'user', id: userId, name, ...origin }, deps.now(), [
      { action: 'user.recoveryCodeUsed', targetType: 'user', targetId: userId, targetName: name }
    ])
    return true
  })

const sealSecret = ({ sealer }: Deps, secret: Buffer) => sealer.seal(SEAL, secret.toString('base64url'))

/** @throws AppError `wrongCode` where none of our SECRET_KEYs opens it: then no code can be right */
function openSecret({ sealer }: Deps, sealed: Buffer): Buffer {
  const text = sealer.open(SEAL, sealed)
  if (text === undefined) throw wrongCode()
  return Buffer.from(text, 'base64url')
}

const secondFactorRequired = () => unauthenticated('Enter the code that your app shows', 'secondFactorRequired')
const wrongCode = () => unauthenticated('That code is wrong, or was used already: enter the next one', 'wrongCode')
const isWrongCode = (error: unknown) => error instanceof AppError && error.reason === 'wrongCode'

type Person = Actor & { readonly id: string }

/**
 * Makes a secret for the caller's app. It is in force once `enableSecondFactor` got a code of it.
 * @throws AppError forbidden `sessionOnly`, `reauthenticationRequired`; conflict `secondFactorOn`
 */
export async function prepareSecondFactor(deps: Deps, tenant: Tenant, actor: Person) {
  requireOwnSession(actor)
  requireConfirmed(actor, deps.now())
  const secret = randomTotpSecret()
  const sealed = sealSecret(deps, secret)
  return inTenant(deps.db, tenant.id, async (trx) => {
    const [user] = await getUserViews(trx, tenant.id, [actor.id])
    if (!user) throw notFound('User')
    const isBegun = await beginSecondFactor(trx, tenant.id, actor.id, sealed, deps.now())
    if (!isBegun) throw conflict('You have a second factor already: take it away first', 'secondFactorOn')
    await insertAuditEvents(trx, tenant.id, actor, deps.now(), [
      { action: 'user.secondFactorPrepared', targetType: 'user', targetId: actor.id, targetName: actor.name }
    ])
    const account = user.email ?? user.user_name
    return { secret: toBase32(secret), uri: totpUri(secret, { issuer: tenant.name, account }) }
  })
}

/**
 * Enables the factor that was prepared, and ends the caller's other sessions, which began without it.
 * @returns the recovery codes, shown only this once
 * @throws AppError forbidden `wrongCode`, `sessionOnly`; conflict `noSecondFactor`; unauthenticated `wrongCode` where
 *   no SECRET_KEY of ours opens the secret, or where the session has been ended meanwhile; rate_limited
 */
export async function enableSecondFactor(deps: Deps, tenant: Tenant, actor: Person, code: string): Promise<string[]> {
  const sessionId = requireOwnSession(actor)
  const factor = await findSecondFactor(deps.db, tenant.id, actor.id)
  if (!factor || factor.confirmed_at) throw conflict('Begin to set a second factor up first', 'noSecondFactor')
  const now = deps.now()
  const step = await deps.auth.limits.countFailures(
    [{ limit: 'second-factor', key: `${tenant.id} ${actor.id} ${sessionId}`, onSuccess: 'forget' }],
    async () => {
      const found = findStep(openSecret(deps, factor.secret_sealed), code.replace(/\s/g, ''), now)
      if (found === undefined) throw forbidden('That code is wrong: enter the next one', 'wrongCode')
      return found
    },
    isWrongCode
  )
  const codes = Array.from({ length: RECOVERY_CODES }, () => toBase32(randomBytes(RECOVERY_BYTES)))
  await inTenant(deps.db, tenant.id, async (trx) => {
    // a sign-in that looked before there was a factor has ended by now, or will find it
    await lockUser(trx, tenant.id, actor.id, 'for update')
    // a reset ends the session of whoever knew the old password: their factor must not be enabled after it
    if (!(await isSession(trx, tenant.id, actor.id, sessionId))) throw unauthenticated('Sign in first')
    const facts = { secretSealed: factor.secret_sealed, step, recoveryHashes: codes.map(hashToken), now }
    if (!(await confirmSecondFactor(trx, tenant.id, actor.id, facts))) {
      throw conflict('Begin to set a second factor up first', 'noSecondFactor')
    }
    await deleteSessions(trx, tenant.id, [actor.id], sessionId)
    await noteChange(trx, deps, tenant.id, actor, {
      action: 'user.secondFactorEnabled',
      name: actor.name,
      id: actor.id
    })
  })
  deps.auth.principals.forget(tenant.id)
  return codes.map((text) => text.match(/.{6}/g)!.join('-').toLowerCase())
}

/**
 * Removes the caller's own factor.
 * @throws AppError forbidden `sessionOnly`, `reauthenticationRequired`; conflict `noSecondFactor`
 */
export async function disableSecondFactor(deps: Deps, tenant: Tenant, actor: Person): Promise<void> {
  requireOwnSession(actor)
  requireConfirmed(actor, deps.now())
  await inTenant(deps.db, tenant.id, async (trx) => {
    if (!(await deleteSecondFactor(trx, tenant.id, actor.id))) throw conflict('You have none', 'noSecondFactor')
    await noteChange(trx, deps, tenant.id, actor, {
      action: 'user.secondFactorDisabled',
      name: actor.name,
      id: actor.id
    })
  })
  deps.auth.principals.forget(tenant.id)
}

/**
 * Removes the factor of somebody who has lost their device and their codes. The administrator has to verify that it is
 * they who ask.
 * @throws AppError forbidden `administratorOnly`, `notYourself`, `reauthenticationRequired`; not_found; conflict
 *   `noSecondFactor`
 */
export async function resetSecondFactor(deps: Deps, tenantId: number, actor: Actor, userId: string): Promise<UserView> {
  requireAdministrator(actor, 'take somebody’s second factor away')
  if (actor.id === userId) throw forbidden('Take your own away in your account', 'notYourself')
  requireConfirmed(actor, deps.now())
  const view = await inTenant(deps.db, tenantId, async (trx) => {
    const user = await lockUser(trx, tenantId, userId, 'for no key update')
    if (!user || user.state === 'removed') throw notFound(`User ${userId}`)
    if (!(await deleteSecondFactor(trx, tenantId, userId))) throw conflict('They have none', 'noSecondFactor')
    await noteChange(trx, deps, tenantId, actor, {
      action: 'user.secondFactorReset',
      name: shownName(user),
      id: userId
    })
    const [after] = await getUserViews(trx, tenantId, [userId])
    return after!
  })
  deps.auth.principals.forget(tenantId)
  return view
}

/** Writes the event and notifies: every process remembers with a session whether its user has a factor. */
async function noteChange(
  trx: Trx,
  deps: Deps,
  tenantId: number,
  actor: Actor,
  { action, name, id }: { action: string; name: string; id: string }
): Promise<void> {
  await insertAuditEvents(trx, tenantId, actor, deps.now(), [
    { action, targetType: 'user', targetId: id, targetName: name }
  ])
  await notifyChange(trx, { kind: 'credentials', tenantId })
}

/** @returns the session's id */
function requireOwnSession({ sessionId }: Actor): string {
  if (sessionId === undefined) throw forbidden('Only a person who has signed in does this', 'sessionOnly')
  return sessionId
}
