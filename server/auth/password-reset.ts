// A forgotten password: a link by mail that sets a new one, once.
import { v7 as uuidv7 } from 'uuid'
import { type AuditActor, insertAuditEvents } from '../../db/audit.ts'
import { inTenant } from '../../db/connect.ts'
import { findSignInUser, findSignInUserById } from '../../db/credentials.ts'
import {
  expirePasswordResets,
  findPasswordReset,
  insertPasswordReset,
  insertResetMail,
  type PasswordReset,
  usePasswordReset
} from '../../db/password-resets.ts'
import type { UserRow } from '../../db/schema.ts'
import { lockUser, type UserView } from '../../db/users.ts'
import type { Deps } from '../deps.ts'
import { AppError, conflict } from '../errors.ts'
import { systemActor } from '../provisioning/actor.ts'
import { addressKey, parseAddress } from '../provisioning/address.ts'
import { shownName } from '../provisioning/user-document.ts'
import { hashToken, randomToken } from '../secrets.ts'
import type { Tenant } from '../tenancy.ts'
import { networkOf } from './network.ts'
import { passSecondFactor, requireNoOtherFactor } from './second-factor.ts'
import { beginSession, giveSession, refusalOf, type SignInBy } from './session.ts'
import { hashNewPassword, setPassword } from './set-password.ts'

const RESET_TTL_MINUTES = 60

/**
 * Sends a link to somebody who is active here and not locked, whether or not they had a password before; nothing to
 * anybody else. Somebody invited (again) uses the link of the invitation. Returns before any of it happens: neither the
 * answer nor its time must show what is found.
 * @throws AppError rate_limited where one network asks too often
 */
export async function requestPasswordReset(
  deps: Deps,
  tenant: Tenant,
  email: string,
  origin: { requestId: string; ip: string }
): Promise<void> {
  const address = parseAddress(email)
  const key = addressKey(address ?? email)
  await deps.auth.limits.spend('reset-network', networkOf(origin.ip))
  if (!address) return
  deps.auth.background.run('send a reset link', () => sendResetLink(deps, tenant, key, origin))
}

/** An address beyond its limit is sent nothing, and the answer stays the same. */
const mayAskAgain = (deps: Deps, tenant: Tenant, key: string): Promise<boolean> =>
  deps.auth.limits.spend('reset-address', `${tenant.id} ${key}`).then(
    () => true,
    (error: unknown) => {
      if (error instanceof AppError && error.code === 'rate_limited') return false
      throw error
    }
  )

async function sendResetLink(
  deps: Deps,
  tenant: Tenant,
  key: string,
  origin: { requestId: string; ip: string }
): Promise<void> {
  if (!(await mayAskAgain(deps, tenant, key))) return
  const found = await findSignInUser(deps.db, tenant.id, key)
  if (!found) return
  const now = deps.now()
  await inTenant(deps.db, tenant.id, async (trx) => {
    const user = await lockUser(trx, tenant.id, found.id, 'for no key update')
    if (!user?.email || !mayReset(user)) return
    const token = randomToken()
    const mailId = uuidv7({ msecs: now.getTime() })
    await expirePasswordResets(trx, tenant.id, [user.id], now)
    await insertPasswordReset(trx, tenant.id, {
      tokenHash: hashToken(token),
      userId: user.id,
      now,
      expiresAt: new Date(now.getTime() + RESET_TTL_MINUTES * 60_000)
    })
    await insertResetMail(trx, tenant.id, {
      id: mailId,
      userId: user.id,
      to: user.email,
      tokenSealed: deps.sealer.seal('mail', token),
      now
    })
    await deps.queue.enqueue(trx, 'send-mail', [{ tenantId: tenant.id, mailId }])
    await insertAuditEvents(trx, tenant.id, { ...systemActor, ...origin }, now, [
      { action: 'user.passwordResetRequested', targetType: 'user', targetId: user.id, targetName: shownName(user) }
    ])
  })
}

const mayReset = (user: UserRow) => user.state === 'active' && !user.locked

/**
 * Sets the password of a reset link's user, ends all of their sessions and other links, and signs them in. An error
 * changes nothing, but may have used a second factor's code up.
 * @returns undefined where the token is not a reset link's: it may be an invitation's
 * @throws AppError conflict `resetLinkUsed`, `resetLinkExpired`; not_found `resetLinkInvalid`; invalid `weakPassword`;
 *   unauthenticated `secondFactorRequired`, `wrongCode`; rate_limited; forbidden `userLocked`, `userDeactivated`
 */
export async function resetPassword(
  deps: Deps,
  tenant: Tenant,
  { token, password, code }: { token: string; password: string; code?: string },
  by: Omit<SignInBy, 'method'>
): Promise<UserView | undefined> {
  const tokenHash = hashToken(token)
  const link = await findPasswordReset(deps.db, tenant.id, tokenHash)
  if (!link) return undefined
  const now = deps.now()
  requireUsable(link, now)
  const person = await findSignInUserById(deps.db, tenant.id, link.user_id)
  if (!person) throw resetLinkInvalid()
  const hash = await hashNewPassword(deps, tenant, person, password)
  // the mailbox is only one factor; after a wrong code the link can be tried again
  const factor = await passSecondFactor(deps, tenant, person.id, {
    code,
    device: 'reset',
    origin: { requestId: by.request.id, ip: by.request.ip }
  })

  const begun = await inTenant(deps.db, tenant.id, async (trx) => {
    // the user first, as everybody who ends access does: another order could deadlock
    const user = await lockUser(trx, tenant.id, link.user_id, 'for update')
    const refusal = user ? refusalOf({ ...user, must_reset_password: false }) : resetLinkInvalid()
    if (!user || refusal) throw refusal
    await requireNoOtherFactor(trx, tenant.id, user.id, factor)
    if (!(await usePasswordReset(trx, tenant.id, tokenHash, now))) throw resetLinkUsed()
    await setPassword(trx, tenant.id, user, hash, now)
    await insertAuditEvents(trx, tenant.id, actorOf(user, by), now, [
      { action: 'user.passwordReset', targetType: 'user', targetId: user.id, targetName: shownName(user) }
    ])
    return beginSession(trx, deps, tenant, user.id, { ...by, method: 'reset' })
  })
  deps.auth.principals.forget(tenant.id)
  return giveSession(deps, tenant, by.reply, begun)
}

const actorOf = (user: UserRow, { request }: Omit<SignInBy, 'method'>): AuditActor => ({
  kind: 'user',
  id: user.id,
  name: shownName(user),
  requestId: request.id,
  ip: request.ip
})

function requireUsable(link: PasswordReset, now: Date): void {
  if (link.used_at) throw resetLinkUsed()
  if (link.expires_at > now) return
  throw conflict('This link has expired, or a newer one has taken its place: ask for another', 'resetLinkExpired')
}

const resetLinkUsed = () => conflict('This link was used already: ask for another', 'resetLinkUsed')

/** For a token that is unknown, or no longer known. */
export const resetLinkInvalid = () =>
  new AppError('not_found', 'This link is not valid: ask for another', { reason: 'resetLinkInvalid' })
