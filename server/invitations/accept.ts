// Accepts invitations, in three ways: the link is used up, and the invited person becomes an active member.
import { type AuditEvent, insertAuditEvents } from '../../db/audit.ts'
import { inTenant, type Trx } from '../../db/connect.ts'
import {
  acceptPendingInvitation,
  findLinkedInvitation,
  type LinkedInvitation,
  readLinkedInvitation
} from '../../db/invitations.ts'
import { cancelInvitationMails } from '../../db/mails.ts'
import type { UserRow } from '../../db/schema.ts'
import { lockUser, type UserView, updateUser } from '../../db/users.ts'
import type { OpenIdIdentity } from '../auth/id-token.ts'
import { resetLinkInvalid } from '../auth/password-reset.ts'
import { beginSession, giveSession, type SignInBy } from '../auth/session.ts'
import { hashNewPassword, setPassword } from '../auth/set-password.ts'
import type { Deps } from '../deps.ts'
import { conflict, forbidden } from '../errors.ts'
import { addressKey } from '../provisioning/address.ts'
import { authorityFacts, withOwnProfile } from '../provisioning/authority.ts'
import { changedFacts } from '../provisioning/document-changes.ts'
import { documentColumns, type Profile, shownName } from '../provisioning/user-document.ts'
import { hashToken } from '../secrets.ts'
import type { Tenant } from '../tenancy.ts'
import { requireOpen } from './link-state.ts'

type Browser = Omit<SignInBy, 'method'>

/** @throws AppError as `requireOpen` does */
export const previewInvitation = async (deps: Deps, tenant: Tenant, token: string): Promise<LinkedInvitation> =>
  requireOpen(await findLinkedInvitation(deps.db, tenant.id, hashToken(token)), deps.now())

/**
 * Accepts with a password and a profile, and signs in. Works once, even when tried twice at once.
 * @throws AppError as `requireOpen` does; invalid `weakPassword`. Nothing has changed then.
 */
export async function acceptInvitation(
  deps: Deps,
  tenant: Tenant,
  { token, password, profile }: { token: string; password: string; profile: Profile & { displayName: string } },
  by: Browser
): Promise<UserView> {
  const { email } = await previewInvitation(deps, tenant, token)
  const hash = await hashNewPassword(deps, tenant, { email, display_name: profile.displayName }, password)
  return acceptAndSignIn(deps, tenant, token, { hash, profile }, { ...by, method: 'invitation' })
}

/**
 * Accepts a re-invitation by setting the new password that it demands, and signs in; the profile stays.
 * @throws AppError not_found `resetLinkInvalid` for a token that is no invitation's either; otherwise as `requireOpen`
 *   does; conflict `notAReset` for a first invitation, which also asks for a profile; invalid `weakPassword`
 */
export async function acceptByReset(
  deps: Deps,
  tenant: Tenant,
  { token, password }: { token: string; password: string },
  by: Browser
): Promise<UserView> {
  const found = await findLinkedInvitation(deps.db, tenant.id, hashToken(token))
  if (!found) throw resetLinkInvalid()
  const invitation = requireOpen(found, deps.now())
  if (!invitation.must_reset_password) {
    throw conflict('This is a link of an invitation: accept it instead', 'notAReset')
  }
  const hash = await hashNewPassword(deps, tenant, { email: invitation.email, display_name: null }, password)
  return acceptAndSignIn(deps, tenant, token, { hash, profile: {} }, { ...by, method: 'reset' })
}

/**
 * Accepts for somebody who has the invited address, as an OpenID issuer has verified; they sign in without a password.
 * @returns the user's id
 * @throws AppError as `requireOpen` does; forbidden `mustResetPassword` for somebody who is invited again, and
 *   `invitationForAnother` where the addresses differ
 */
export async function acceptWithGoogle(
  deps: Deps,
  tenant: Tenant,
  token: string,
  identity: OpenIdIdentity,
  origin: { requestId: string | null; ip: string | null }
): Promise<string> {
  const profile = {
    displayName: identity.name,
    givenName: identity.givenName,
    familyName: identity.familyName,
    locale: identity.locale
  }
  const user = await inTenant(deps.db, tenant.id, async (trx) => {
    const opened = await lockOpenInvitation(trx, deps, tenant, token)
    if (opened.invitation.must_reset_password) {
      throw forbidden('Choose a new password first: open the link in the mail', 'mustResetPassword')
    }
    if (addressKey(opened.invitation.email) !== addressKey(identity.email)) {
      throw forbidden('The invitation is for another e-mail address than your account’s', 'invitationForAnother')
    }
    await complete(trx, deps, tenant.id, opened, onlyMissing(opened.user, profile), { ...origin, method: 'google' })
    return opened.user
  })
  return user.id
}

/** What is known of somebody stays; the issuer only fills the gaps. */
const onlyMissing = (user: UserRow, profile: Profile): Profile => ({
  displayName: user.display_name ? undefined : profile.displayName,
  givenName: user.given_name ? undefined : profile.givenName,
  familyName: user.family_name ? undefined : profile.familyName,
  locale: user.locale ? undefined : profile.locale
})

async function acceptAndSignIn(
  deps: Deps,
  tenant: Tenant,
  token: string,
  { hash, profile }: { hash: string; profile: Profile },
  by: SignInBy
): Promise<UserView> {
  const begun = await inTenant(deps.db, tenant.id, async (trx) => {
    const opened = await lockOpenInvitation(trx, deps, tenant, token)
    const { user } = opened
    const origin = { requestId: by.request.id, ip: by.request.ip, method: by.method }
    await complete(trx, deps, tenant.id, opened, profile, origin)
    await setPassword(trx, tenant.id, { id: user.id, must_reset_password: false }, hash, deps.now())
    return beginSession(trx, deps, tenant, user.id, by)
  })
  return giveSession(deps, tenant, by.reply, begun)
}

interface Opened {
  invitation: LinkedInvitation
  user: UserRow
}

/** Locks the person's row first, as everybody who ends an invitation does; then reads the link's present state. */
async function lockOpenInvitation(trx: Trx, deps: Deps, tenant: Tenant, token: string): Promise<Opened> {
  const now = deps.now()
  const tokenHash = hashToken(token)
  const { user_id } = requireOpen(await readLinkedInvitation(trx, tenant.id, tokenHash), now)
  const [user, linked] = await Promise.all([
    lockUser(trx, tenant.id, user_id, 'for update'),
    readLinkedInvitation(trx, tenant.id, tokenHash)
  ])
  return { invitation: requireOpen(linked, now), user: user! }
}

async function complete(
  trx: Trx,
  deps: Deps,
  tenantId: number,
  { invitation, user }: Opened,
  profile: Profile,
  { method, ...origin }: { requestId: string | null; ip: string | null; method: SignInBy['method'] }
): Promise<void> {
  const now = deps.now()
  // what an identity provider has sent meanwhile stays
  const { before, document, authority } = withOwnProfile(user, profile, 'person')
  const exceptions = authorityFacts(user.authority, authority)
  const facts = changedFacts(before, document)
  const columns = documentColumns(document)
  const name = shownName(columns)
  const person = { targetType: 'user', targetId: user.id, targetName: name } as const
  const events: AuditEvent[] = [
    {
      action: 'invitation.accepted',
      targetType: 'invitation',
      targetId: invitation.id,
      targetName: user.email,
      after: { userId: user.id, method }
    },
    {
      action: 'user.activated',
      ...person,
      before: { ...facts.before, state: user.state, ...exceptions.before },
      after: { ...facts.after, state: 'active', ...exceptions.after }
    }
  ]
  await Promise.all([
    acceptPendingInvitation(trx, tenantId, invitation.id, now),
    updateUser(
      trx,
      tenantId,
      user.id,
      { ...columns, authority, state: 'active', activated_at: user.activated_at ?? now, must_reset_password: false },
      now
    ),
    // a link that was sent again may be used before its mail is sent
    cancelInvitationMails(trx, tenantId, [invitation.id]),
    insertAuditEvents(trx, tenantId, { kind: 'user', id: user.id, name, ...origin }, now, events)
  ])
}
