// Decides whether a GET may be answered 304. A version counts changes of its own resource, but an answer also shows what
// other resources hold: the names of a user's groups, the names of a group's members. A 304 therefore needs more than an
// equal version where an answer shows these. Where nothing proves that they are unchanged, the answer is 200.
import type { ScimGroupRow } from '../../db/scim-groups.ts'
import { wasNeverInGroup } from '../../db/scim-user-lookup.ts'
import type { ScimUserRow } from '../../db/scim-users.ts'
import { connectionOf, ownScopeOf, type ScimContext } from './context.ts'
import { etagOf, namesVersion } from './etag.ts'
import { needs, type Projection } from './projection.ts'

const DAY_MS = 24 * 60 * 60 * 1_000

/** Reads the database only if the header names the version and the answer would show groups, of which there are none. */
export async function isUserUnmodified(
  context: ScimContext,
  ifNoneMatch: string | undefined,
  user: ScimUserRow,
  projection: Projection
): Promise<boolean> {
  if (ifNoneMatch === undefined || !namesVersion(ifNoneMatch, etagOf(user.version))) return false
  if (ifNoneMatch.trim() === '*' || !needs(projection, context.schemas.User, 'groups')) return true
  if (user.groups !== null || isPastForgotten(context, user)) return false
  const { deps, tenant } = context
  return wasNeverInGroup(deps.db, tenant.id, user, connectionOf(context))
}

/** Whether memberships that ended since the user last changed may be missing from the history. */
function isPastForgotten({ tenant, now }: ScimContext, { updated_at }: ScimUserRow): boolean {
  // a shadow begins without the history of its tenant
  if (tenant.shadowOf !== undefined) return true
  const { auditRetentionDays } = tenant.settings
  if (auditRetentionDays === undefined) return false
  // one day less, because a membership may end with a time from before a version that was readable first
  return new Date(updated_at).getTime() < now.getTime() - (auditRetentionDays - 1) * DAY_MS
}

/** Changes of membership count in a group's version, so a group without members shows nothing else that could change. */
export function isGroupUnmodified(context: ScimContext, ifNoneMatch: string | undefined, group: ScimGroupRow): boolean {
  if (ifNoneMatch === undefined || !namesVersion(ifNoneMatch, etagOf(group.version))) return false
  if (ifNoneMatch.trim() === '*' || group.members === null) return true
  // a token with a scope of its own may not see all members
  return group.members === '[]' && ownScopeOf(context) === undefined
}
