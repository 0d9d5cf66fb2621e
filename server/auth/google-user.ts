// Which user a Google identity signs in as, and whether it may.

import { insertAuditEvents } from '../../db/audit.ts'
import { inTenant } from '../../db/connect.ts'
import { findGoogleUser, insertGoogleIdentity } from '../../db/google.ts'
import type { Deps } from '../deps.ts'
import { unauthenticated } from '../errors.ts'
import { addressKey } from '../provisioning/address.ts'
import type { Tenant } from '../tenancy.ts'
import type { OpenIdIdentity } from './id-token.ts'
import { refusalOf } from './session.ts'

/** Accepts the invitation of a link's token for the same verified address. @returns the user's id @throws AppError */
export type AcceptWithGoogle = (
  deps: Deps,
  tenant: Tenant,
  token: string,
  identity: OpenIdIdentity,
  origin: { requestId: string | null; ip: string | null }
) => Promise<string>

interface IdentifyOptions {
  invitationToken: string | undefined
  acceptWithGoogle: AcceptWithGoogle
  requestId: string
  ip: string
}

/**
 * Links the identity to somebody whose login address Google has verified, at their first sign-in with Google.
 * @returns the user's id
 * @throws AppError unauthenticated `unknownGoogleAccount`, forbidden `userLocked`, `userDeactivated`,
 *   `mustResetPassword`, or what accepting the invitation throws
 */
export async function identifyUser(
  deps: Deps,
  tenant: Tenant,
  identity: OpenIdIdentity,
  { invitationToken, acceptWithGoogle, requestId, ip }: IdentifyOptions
): Promise<string> {
  if (invitationToken) await acceptWithGoogle(deps, tenant, invitationToken, identity, { requestId, ip })
  const now = deps.now()
  return inTenant(deps.db, tenant.id, async (trx) => {
    const user = await findGoogleUser(trx, tenant.id, { ...identity, emailKey: addressKey(identity.email) })
    if (!user || user.state === 'invited') {
      throw unauthenticated('Nobody here has that Google account’s address', 'unknownGoogleAccount')
    }
    const refusal = refusalOf(user)
    if (refusal) throw refusal
    if (!user.is_linked) {
      await insertGoogleIdentity(trx, tenant.id, { ...identity, userId: user.id, now })
      const actor = { kind: 'user', id: user.id, name: identity.email, requestId, ip } as const
      await insertAuditEvents(trx, tenant.id, actor, now, [
        { action: 'user.googleLinked', targetType: 'user', targetId: user.id, after: { email: identity.email } }
      ])
    }
    return user.id
  })
}
