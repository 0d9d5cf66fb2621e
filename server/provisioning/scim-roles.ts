// What a user's role becomes when an identity provider writes `roles`, and when it does not.
import type { Role } from '../../db/schema.ts'
import { defaultRole, isAbove } from './actor.ts'
import { roleOf, type UserDocument, withRole } from './user-document.ts'

export interface RoleDecision {
  readonly role: Role
  /** The document with `roles` as they are shown from now on. */
  readonly document: UserDocument
}

/** @param ceiling the highest role that the token may give */
export const roleOfNew = (document: UserDocument, ceiling: Role): RoleDecision => ({
  role: roleOf(document) ?? defaultRole(ceiling),
  document
})

/** For an invited person whom an IdP provisions: the inviter's role is kept unless another one is sent. */
export const roleOfAdopted = (invited: Role, document: UserDocument, ceiling: Role): RoleDecision =>
  kept(invited, document, ceiling)

/**
 * PUT: `roles` left out keeps the role. A role that was shown is shown again, except the default one where the same
 * connection had written it. A list without a role of ours takes the role away.
 * @param before.isRoleOwn whether the one who writes now has written `roles`
 */
export function roleOfReplaced(
  before: { role: Role; document: UserDocument; isRoleOwn: boolean },
  document: UserDocument,
  ceiling: Role
): RoleDecision {
  const wasShown = roleOf(before.document) !== undefined
  const isKeptShown = document.roles === undefined && wasShown && !before.isRoleOwn
  if (isKeptShown) return { role: before.role, document: withRole(document, before.role) }
  if (document.roles === undefined || !wasShown) return kept(before.role, document, ceiling)
  return { role: roleOf(document) ?? withoutRole(before.role, ceiling), document }
}

/** PATCH: a role of ours that was shown and is missing now was removed; no word about roles changes nothing. */
export function roleOfPatched(
  before: { role: Role; document: UserDocument },
  document: UserDocument,
  ceiling: Role
): RoleDecision {
  const given = roleOf(document)
  if (given) return { role: given, document }
  const wasRemoved = roleOf(before.document) !== undefined
  return { role: wasRemoved ? withoutRole(before.role, ceiling) : before.role, document }
}

/** The role after one is taken away: the default, but never a higher one than before. */
const withoutRole = (before: Role, ceiling: Role): Role => {
  const usual = defaultRole(ceiling)
  return isAbove(usual, before) ? before : usual
}

/** Shows a role that nobody would expect; the default one only where somebody wrote it. */
function kept(role: Role, document: UserDocument, ceiling: Role): RoleDecision {
  const given = roleOf(document)
  if (given) return { role: given, document }
  return { role, document: role === defaultRole(ceiling) ? document : withRole(document, role) }
}
