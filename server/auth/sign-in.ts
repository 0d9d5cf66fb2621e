// Signs in with an e-mail address and a password.
import { insertAuditEvents } from '../../db/audit.ts'
import { inTenant } from '../../db/connect.ts'
import { exchangePasswordHash, findSignInUser, isPasswordHash, type SignInUser } from '../../db/credentials.ts'
import type { UserView } from '../../db/users.ts'
import { countingRefusals } from '../counters.ts'
import type { Deps } from '../deps.ts'
import { AppError } from '../errors.ts'
import { systemActor } from '../provisioning/actor.ts'
import { addressKey, parseAddress } from '../provisioning/address.ts'
import { shownName } from '../provisioning/user-document.ts'
import type { Tenant } from '../tenancy.ts'
import { knownDevice } from './known-device.ts'
import { type PassedFactor, passSecondFactor, requireNoOtherFactor } from './second-factor.ts'
import { beginSession, giveSession, invalidCredentials, refusalOf, type SignInBy } from './session.ts'
import { signInCounts } from './sign-in-counts.ts'

/**
 * Gives one answer, after the same time, for an unknown address, a wrong password, and an invited or removed person.
 * Whoever knows the password of somebody locked or deactivated is told so.
 * @returns the user, signed in by cookie
 * @throws AppError unauthenticated `invalidCredentials`, and once the password was right `secondFactorRequired` and
 *   `wrongCode`; forbidden `userLocked`, `userDeactivated`, `mustResetPassword`; rate_limited
 */
export async function signIn(
  deps: Deps,
  tenant: Tenant,
  { email, password, code }: { email: string; password: string; code?: string },
  by: Omit<SignInBy, 'method'>
): Promise<UserView> {
  const address = parseAddress(email)
  const key = addressKey(address ?? email)
  const device = knownDevice(deps, tenant.id, by.request, key)
  return countingRefusals(deps.counters, 'password', () =>
    deps.auth.limits.countFailures(
      signInCounts(tenant, key, by.request.ip, device),
      async () => {
        const user = address ? await findSignInUser(deps.db, tenant.id, key) : undefined
        const verifiedHash = await verify(deps, tenant, user, password, by)
        const attempt = { code, device, origin: originOf(by) }
        const factor = await passSecondFactor(deps, tenant, verifiedHash.userId, attempt)
        return begin(deps, tenant, { ...verifiedHash, password, factor }, by)
      },
      isWrongPassword
    )
  )
}

const originOf = ({ request }: Omit<SignInBy, 'method'>) => ({ requestId: request.id, ip: request.ip })

/** What counts as a failure: wrong passwords and codes; not a missing code, a locked person, or a database outage. */
const isWrongPassword = (error: unknown) =>
  error instanceof AppError && error.code === 'unauthenticated' && error.reason !== 'secondFactorRequired'

async function verify(
  deps: Deps,
  tenant: Tenant,
  user: SignInUser | undefined,
  password: string,
  by: Omit<SignInBy, 'method'>
): Promise<{ userId: string; hash: string }> {
  const hash = user?.password_hash ?? undefined
  const isRight = await deps.auth.passwords.verify(password, hash)
  const refusal = user && hash && isRight ? refusalOf(user) : invalidCredentials()
  if (!refusal) return { userId: user!.id, hash: hash! }
  // not awaited: the time would tell who exists
  if (user) deps.auth.background.run('note a refused sign-in', () => noteRefusal(deps, tenant, user, refusal, by))
  throw refusal
}

async function begin(
  deps: Deps,
  tenant: Tenant,
  { userId, hash, password, factor }: { userId: string; hash: string; password: string; factor: PassedFactor },
  by: Omit<SignInBy, 'method'>
): Promise<UserView> {
  const renewed = deps.auth.passwords.isOutdated(hash) ? await deps.auth.passwords.hash(password) : hash
  const begun = await inTenant(deps.db, tenant.id, async (trx) => {
    // locks the user: a reset under way has changed the password by then, and a second factor that is being set up is
    // in force
    const session = await beginSession(trx, deps, tenant, userId, { ...by, method: 'password' })
    const isStillRight =
      renewed === hash
        ? await isPasswordHash(trx, tenant.id, userId, hash)
        : await exchangePasswordHash(trx, tenant.id, userId, hash, renewed)
    if (!isStillRight) throw invalidCredentials()
    await requireNoOtherFactor(trx, tenant.id, userId, factor)
    return session
  })
  return giveSession(deps, tenant, by.reply, begun)
}

/** It is not known who tried: the event is about the user, and by the system. */
const noteRefusal = (
  deps: Deps,
  tenant: Tenant,
  user: SignInUser,
  { reason }: AppError,
  { request }: Omit<SignInBy, 'method'>
) =>
  inTenant(deps.db, tenant.id, (trx) =>
    insertAuditEvents(trx, tenant.id, { ...systemActor, requestId: request.id, ip: request.ip }, deps.now(), [
      {
        action: 'session.refused',
        targetType: 'user',
        targetId: user.id,
        targetName: shownName(user),
        after: { reason }
      }
    ])
  )
