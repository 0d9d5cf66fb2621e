// Tokens of identity providers, which administrators make, rotate and revoke. A connection stands for one identity
// provider and gets a new token at each rotation; users and groups belong to the connection.
import { v7 as uuidv7 } from 'uuid'
import { insertAuditEvents } from '../../db/audit.ts'
import { inTenant, type Trx } from '../../db/connect.ts'
import { notifyChange } from '../../db/listen.ts'
import type { Role, ScimProfile } from '../../db/schema.ts'
import {
  expireScimToken,
  findConnection,
  insertConnection,
  insertScimToken,
  lockScimToken,
  revokeScimToken as revokeRow,
  type ScimTokenView
} from '../../db/scim-tokens.ts'
import { lockTenant } from '../../db/tenants.ts'
import { publicUrl } from '../config.ts'
import type { Deps } from '../deps.ts'
import { invalid, notFound } from '../errors.ts'
import { hashToken, randomToken } from '../secrets.ts'
import type { TenantRef } from '../tenancy.ts'
import { type Actor, defaultRole, requireAdministrator } from './actor.ts'
import { forgetCredentials } from './forgetting.ts'
import { expiryWithin, requireRoleWithin } from './guards.ts'

export const SCIM_TOKEN_PREFIX = 'mst_scim_'

type ScimTokenDeps = Pick<Deps, 'config' | 'db' | 'listener' | 'now'>

export interface NewScimToken {
  /** The name of the connection, such as `okta`. */
  readonly name: string
  /** The highest role that it may give and touch; by default responder, or less where the maker's role is lower. */
  readonly highestRole?: Role
  readonly expiresAt?: Date
  readonly profile?: ScimProfile
  /** Begins a new connection even where one of the same name and settings exists. */
  readonly isApart?: boolean
}

/** A token that was just made: its text is shown only this once. */
export interface MadeScimToken {
  readonly scimToken: ScimTokenView
  readonly token: string
  readonly baseUrl: string
}

export const scimBaseUrl = (config: Deps['config'], subdomain: string): string =>
  `${publicUrl(config, subdomain)}/scim/v2`

/**
 * Makes a token. One of the same name and settings joins the existing connection, so that an identity provider whose
 * token was revoked finds its users again; any other begins a connection.
 * @throws AppError forbidden `administratorOnly`, `roleNotAllowed`, `expiryNotAllowed`; invalid `expiryInPast`
 */
export async function createScimToken(
  deps: ScimTokenDeps,
  tenant: TenantRef,
  actor: Actor,
  given: NewScimToken
): Promise<MadeScimToken> {
  requireAdministrator(actor, 'make SCIM tokens')
  const highestRole = given.highestRole ?? defaultRole(actor.role)
  requireRoleWithin(actor.role, highestRole)
  const expiresAt = expiryWithin(actor, given.expiresAt)
  const now = deps.now()
  if (expiresAt && expiresAt <= now) throw invalid('The expiry lies in the past', 'expiryInPast')
  const settings = { name: given.name, profile: given.profile ?? 'auto', highestRole }
  return inTenant(deps.db, tenant.id, async (trx) => {
    // two simultaneous requests for the same connection get one
    await lockTenant(trx, tenant.id, 'for no key update')
    const connectionId =
      (given.isApart ? undefined : await findConnection(trx, tenant.id, settings)) ??
      (await insertConnection(trx, tenant.id, settings, actor.id, now))
    return insertToken(deps, trx, tenant, actor, now, 'scimToken.created', {
      connectionId,
      expiresAt: expiresAt ?? null
    })
  })
}

/**
 * Makes another token for the same connection, valid for as long as the old one was, but no longer than an API token
 * that asks for it. The old one works on for the overlap; if it has ended already, nothing overlaps.
 * @throws AppError forbidden `administratorOnly`, `roleNotAllowed`; not_found
 */
export async function rotateScimToken(
  deps: ScimTokenDeps,
  tenant: TenantRef,
  actor: Actor,
  given: { scimTokenId: string; overlapHours: number }
): Promise<MadeScimToken> {
  requireAdministrator(actor, 'rotate SCIM tokens')
  const now = deps.now()
  const made = await inTenant(deps.db, tenant.id, async (trx) => {
    const old = await getLocked(trx, tenant.id, given.scimTokenId)
    requireRoleWithin(actor.role, old.highest_role)
    const lifetimeMs = old.expires_at && old.expires_at.getTime() - old.created_at.getTime()
    const endsAt = new Date(now.getTime() + given.overlapHours * 3_600_000)
    if (!old.revoked_at && (!old.expires_at || old.expires_at > endsAt)) {
      await expireScimToken(trx, tenant.id, old.id, endsAt)
      await notifyChange(trx, { kind: 'credentials', tenantId: tenant.id })
    }
    return insertToken(deps, trx, tenant, actor, now, 'scimToken.rotated', {
      connectionId: old.connection_id,
      expiresAt: earlier(lifetimeMs === null ? null : new Date(now.getTime() + lifetimeMs), actor.apiToken?.expiresAt),
      replaces: old.id
    })
  })
  forgetCredentials(deps, tenant.id)
  return made
}

/**
 * Ends a token at once and everywhere. Users and groups stay as they are. Asking again changes nothing.
 * @throws AppError forbidden `administratorOnly`; not_found
 */
export async function revokeScimToken(
  deps: ScimTokenDeps,
  tenant: TenantRef,
  actor: Actor,
  scimTokenId: string
): Promise<ScimTokenView> {
  requireAdministrator(actor, 'revoke SCIM tokens')
  const now = deps.now()
  const revoked = await inTenant(deps.db, tenant.id, async (trx) => {
    const token = await getLocked(trx, tenant.id, scimTokenId)
    if (token.revoked_at) return token
    await Promise.all([
      revokeRow(trx, tenant.id, token.id, now),
      notifyChange(trx, { kind: 'credentials', tenantId: tenant.id }),
      audit(trx, tenant.id, actor, now, 'scimToken.revoked', token)
    ])
    return { ...token, revoked_at: now }
  })
  forgetCredentials(deps, tenant.id)
  return revoked
}

const earlier = (one: Date | null, other: Date | null | undefined): Date | null =>
  one && other ? new Date(Math.min(one.getTime(), other.getTime())) : (one ?? other ?? null)

async function getLocked(trx: Trx, tenantId: number, scimTokenId: string): Promise<ScimTokenView> {
  const token = await lockScimToken(trx, tenantId, scimTokenId)
  if (!token) throw notFound(`SCIM token ${scimTokenId}`)
  return token
}

async function insertToken(
  deps: ScimTokenDeps,
  trx: Trx,
  tenant: TenantRef,
  actor: Actor,
  now: Date,
  action: string,
  { connectionId, expiresAt, replaces }: { connectionId: string; expiresAt: Date | null; replaces?: string }
): Promise<MadeScimToken> {
  const id = uuidv7({ msecs: now.getTime() })
  const token = SCIM_TOKEN_PREFIX + randomToken()
  await insertScimToken(trx, tenant.id, { id, connectionId, tokenHash: hashToken(token), expiresAt, now })
  const scimToken = await getLocked(trx, tenant.id, id)
  await audit(trx, tenant.id, actor, now, action, scimToken, replaces)
  return { scimToken, token, baseUrl: scimBaseUrl(deps.config, tenant.subdomain) }
}

const audit = (
  trx: Trx,
  tenantId: number,
  actor: Actor,
  now: Date,
  action: string,
  token: ScimTokenView,
  replaces?: string
) =>
  insertAuditEvents(trx, tenantId, actor, now, [
    {
      action,
      targetType: 'scimToken',
      targetId: token.id,
      targetName: token.connection_name,
      after: {
        connectionId: token.connection_id,
        profile: token.profile,
        highestRole: token.highest_role,
        ...(token.expires_at && { expiresAt: token.expires_at }),
        ...(replaces && { replaces })
      }
    }
  ])
