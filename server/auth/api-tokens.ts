// API tokens: how a backend calls the API for its owner.
import { v7 as uuidv7 } from 'uuid'
import { type ApiTokenView, deleteApiToken, findApiToken, insertApiToken } from '../../db/api-tokens.ts'
import { insertAuditEvents } from '../../db/audit.ts'
import { inTenant } from '../../db/connect.ts'
import { violatedConstraint } from '../../db/failures.ts'
import { notifyChange } from '../../db/listen.ts'
import type { Role } from '../../db/schema.ts'
import { lockUser } from '../../db/users.ts'
import type { Deps } from '../deps.ts'
import { invalid, notFound, unauthenticated } from '../errors.ts'
import { type Actor, requireConfirmed } from '../provisioning/actor.ts'
import { expiryWithin, requireRoleWithin } from '../provisioning/guards.ts'
import { hashToken, randomToken } from '../secrets.ts'
import type { Tenant } from '../tenancy.ts'
import { API_TOKEN_PREFIX } from './authenticate.ts'
import { refusalOf } from './session.ts'

/**
 * @param actor the token's future owner; an API token makes tokens for its own owner, none above itself or outliving it
 * @returns the token's text too, which is not shown again
 * @throws AppError forbidden `reauthenticationRequired` for a session, which a token may outlive; `roleNotAllowed`,
 *   `expiryNotAllowed`; invalid `expiryInPast`; unauthenticated where the asking API token is revoked meanwhile
 */
export async function createApiToken(
  deps: Deps,
  tenant: Tenant,
  actor: Actor & { id: string },
  given: { name: string; role: Role; expiresAt: Date | undefined }
): Promise<{ apiToken: ApiTokenView; token: string }> {
  const { name, role } = given
  const now = deps.now()
  requireConfirmed(actor, now)
  requireRoleWithin(actor.role, role)
  const expiresAt = expiryWithin(actor, given.expiresAt)
  if (expiresAt && expiresAt <= now) throw invalid('expiresAt must be in the future', 'expiryInPast')
  const id = uuidv7({ msecs: now.getTime() })
  const token = `${API_TOKEN_PREFIX}${randomToken()}`
  await inTenant(deps.db, tenant.id, async (trx) => {
    // whoever ends the owner's access meanwhile waits for this lock, and then finds the token
    const owner = await lockUser(trx, tenant.id, actor.id, 'for no key update')
    const refusal = owner ? refusalOf(owner) : notFound('User')
    if (refusal) throw refusal
    await insertApiToken(trx, tenant.id, {
      id,
      token_hash: hashToken(token),
      user_id: actor.id,
      name,
      role,
      made_by: actor.apiToken?.tokenId ?? null,
      created_at: now,
      expires_at: expiresAt ?? null
    }).catch((error: unknown) => {
      throw violatedConstraint(error) === 'api_tokens_made_by_fkey' ? unauthenticated('The token is not valid') : error
    })
    await insertAuditEvents(trx, tenant.id, actor, now, [
      {
        action: 'apiToken.created',
        targetType: 'apiToken',
        targetId: id,
        targetName: name,
        after: { role, ...(expiresAt && { expiresAt }) }
      }
    ])
  })
  return { apiToken: await getApiToken(deps, tenant, id), token }
}

/**
 * Ends one of the caller's tokens and every token that it made; an administrator may end anybody's.
 * @returns the token as it was
 * @throws AppError not_found, also for somebody else's; forbidden `roleNotAllowed` where an API token would end one
 *   above itself
 */
export async function revokeApiToken(
  deps: Deps,
  tenant: Tenant,
  actor: Actor,
  apiTokenId: string
): Promise<ApiTokenView> {
  const apiToken = await getApiToken(deps, tenant, apiTokenId)
  if (actor.role !== 'administrator') {
    if (apiToken.user_id !== actor.id) throw notFound('API token')
    if (actor.kind === 'apiToken') requireRoleWithin(actor.role, apiToken.role)
  }
  await inTenant(deps.db, tenant.id, async (trx) => {
    const ended = await deleteApiToken(trx, tenant.id, apiTokenId)
    if (ended.length === 0) throw notFound('API token')
    await insertAuditEvents(
      trx,
      tenant.id,
      actor,
      deps.now(),
      ended.map(({ id, name }) => ({
        action: 'apiToken.revoked',
        targetType: 'apiToken',
        targetId: id,
        targetName: name,
        ...(id !== apiTokenId && { after: { madeBy: apiTokenId } })
      }))
    )
    await notifyChange(trx, { kind: 'credentials', tenantId: tenant.id })
  })
  deps.auth.principals.forget(tenant.id)
  return apiToken
}

async function getApiToken(deps: Deps, tenant: Tenant, apiTokenId: string): Promise<ApiTokenView> {
  const apiToken = await findApiToken(deps.db, tenant.id, apiTokenId)
  if (!apiToken) throw notFound('API token')
  return apiToken
}
