// SCIM tokens and the connections that they belong to: one connection has a token for each rotation.
import { type RawBuilder, type SqlBool, sql } from 'kysely'
import { v7 as uuidv7 } from 'uuid'
import { countInTenant, type Db, readInTenant, type Trx } from './connect.ts'
import { prepareLookup } from './prepared.ts'
import type { BrakeSettings, Role, ScimProfile } from './schema.ts'
import { type TokenUse, tokenUses } from './scim-token-care.ts'

/** A token with its connection, as it is checked on every request. */
export interface ScimTokenView {
  tenant_id: number
  id: string
  connection_id: string
  connection_name: string
  profile: ScimProfile
  highest_role: Role
  created_at: Date
  expires_at: Date | null
  last_used_at: Date | null
  revoked_at: Date | null
  /** The connection's settings. */
  brake: BrakeSettings
  /** Whether changes of the connection were held or rejected. */
  has_held: boolean
  /** Whether the connection is in shadow mode. */
  is_shadow: boolean
  /** The id of the tenant that is its shadow. */
  shadow_id: number | null
  shadow_closed_until: Date | null
}

const hasHeld = (tenantId: number) => sql<boolean>`exists (select from held_changes h
  where h.tenant_id = ${tenantId} and h.connection_id = scim_tokens.connection_id)`

/** The select that token views start from. */
const selectTokens = (db: Db, tenantId: number) =>
  db
    .selectFrom('scim_tokens')
    .innerJoin('scim_connections', (join) =>
      join
        .onRef('scim_connections.tenant_id', '=', 'scim_tokens.tenant_id')
        .onRef('scim_connections.id', '=', 'scim_tokens.connection_id')
    )
    .leftJoin('scim_shadows', (join) =>
      join
        .onRef('scim_shadows.tenant_id', '=', 'scim_tokens.tenant_id')
        .onRef('scim_shadows.connection_id', '=', 'scim_tokens.connection_id')
    )
    // a shadow_id that came from another database must not match a tenant here
    .leftJoin('tenants as shadows', (join) =>
      join.onRef('shadows.id', '=', 'scim_shadows.shadow_id').onRef('shadows.shadow_of', '=', 'scim_shadows.tenant_id')
    )
    .select([
      'scim_tokens.tenant_id',
      'scim_tokens.id',
      'scim_tokens.connection_id',
      'scim_connections.name as connection_name',
      'scim_connections.profile',
      'scim_connections.highest_role',
      'scim_tokens.created_at',
      'scim_tokens.expires_at',
      'scim_tokens.last_used_at',
      'scim_tokens.revoked_at',
      'scim_connections.brake',
      hasHeld(tenantId).as('has_held'),
      sql<boolean>`scim_shadows.tenant_id is not null`.as('is_shadow'),
      'shadows.id as shadow_id',
      'scim_shadows.closed_until as shadow_closed_until'
    ])
    .where('scim_tokens.tenant_id', '=', tenantId)

export const findScimTokenByHash = (db: Db, tenantId: number, tokenHash: Buffer): Promise<ScimTokenView | undefined> =>
  findByHash(db, tenantId, { hash: tokenHash.toString('hex') })

const findByHash = prepareLookup<ScimTokenView>(
  (db, p) =>
    selectTokens(db, p['tenantId'] as number).where(
      'scim_tokens.token_hash',
      '=',
      sql<Buffer>`decode(${p['hash']}::text, 'hex')`
    ),
  ['created_at', 'expires_at', 'last_used_at', 'revoked_at', 'shadow_closed_until']
)

/** Reads a token within a transaction and locks its row until the end. */
export const lockScimToken = (trx: Trx, tenantId: number, tokenId: string): Promise<ScimTokenView | undefined> =>
  selectTokens(trx, tenantId).where('scim_tokens.id', '=', tokenId).forUpdate('scim_tokens').executeTakeFirst()

export interface ListedScimToken extends ScimTokenView {
  /** Newest first. */
  uses: TokenUse[]
}

interface ScimTokenListQuery {
  /** Part of the connection's name, in any letter case. */
  readonly search?: string
  readonly connectionId?: string
  readonly revoked?: boolean
  readonly isDescending: boolean
  /** The id of the last token of the page before. */
  readonly after: string | undefined
  readonly limit: number
}

/** Up to `limit` tokens, oldest first, or newest first if `isDescending`. */
export const listScimTokens = (db: Db, tenantId: number, query: ScimTokenListQuery): Promise<ListedScimToken[]> => {
  const { isDescending, after, limit } = query
  let page = selectTokens(db, tenantId)
    .select(tokenUses(tenantId).as('uses'))
    .where((eb) => eb.and(areWanted(query)))
    // ids are UUIDs of version 7, so they sort by creation
    .orderBy('scim_tokens.id', isDescending ? 'desc' : 'asc')
    .limit(limit)
  if (after) page = page.where('scim_tokens.id', isDescending ? '<' : '>', after)
  return readInTenant<ListedScimToken>(db, tenantId, page)
}

type ScimTokenFilter = Pick<ScimTokenListQuery, 'search' | 'connectionId' | 'revoked'>

/** How many tokens the list has in all. */
export const countScimTokens = (db: Db, tenantId: number, filter: ScimTokenFilter): Promise<number> =>
  countInTenant(
    db,
    tenantId,
    selectTokens(db, tenantId).where((eb) => eb.and(areWanted(filter)))
  )

function areWanted({ search, connectionId, revoked }: ScimTokenFilter): RawBuilder<SqlBool>[] {
  const text = search?.trim().toLowerCase()
  return [
    ...(text ? [sql<SqlBool>`strpos(lower(scim_connections.name), ${text}::text) > 0`] : []),
    ...(connectionId ? [sql<SqlBool>`scim_tokens.connection_id = ${connectionId}::uuid`] : []),
    ...(revoked === undefined ? [] : [sql<SqlBool>`(scim_tokens.revoked_at is not null) = ${revoked}::boolean`])
  ]
}

/** The settings by which findConnection recognises a connection. */
interface ConnectionSettings {
  readonly name: string
  readonly profile: ScimProfile
  readonly highestRole: Role
}

/** The oldest connection with these settings. */
export async function findConnection(
  trx: Trx,
  tenantId: number,
  { name, profile, highestRole }: ConnectionSettings
): Promise<string | undefined> {
  const found = await trx
    .selectFrom('scim_connections')
    .select('id')
    .where('tenant_id', '=', tenantId)
    .where('name', '=', name)
    .where('profile', '=', profile)
    .where('highest_role', '=', highestRole)
    .orderBy('id')
    .executeTakeFirst()
  return found?.id
}

/** @returns the id */
export async function insertConnection(
  trx: Trx,
  tenantId: number,
  { name, profile, highestRole }: ConnectionSettings,
  createdBy: string | null,
  now: Date
): Promise<string> {
  const id = uuidv7({ msecs: now.getTime() })
  await trx
    .insertInto('scim_connections')
    .values({
      tenant_id: tenantId,
      id,
      name,
      profile,
      highest_role: highestRole,
      created_by: createdBy,
      created_at: now
    })
    .execute()
  return id
}

export const insertScimToken = (
  trx: Trx,
  tenantId: number,
  token: { id: string; connectionId: string; tokenHash: Buffer; expiresAt: Date | null; now: Date }
) =>
  trx
    .insertInto('scim_tokens')
    .values({
      tenant_id: tenantId,
      id: token.id,
      connection_id: token.connectionId,
      token_hash: token.tokenHash,
      created_at: token.now,
      expires_at: token.expiresAt,
      last_used_at: null,
      revoked_at: null
    })
    .execute()

export const expireScimToken = (trx: Trx, tenantId: number, tokenId: string, expiresAt: Date) =>
  trx
    .updateTable('scim_tokens')
    .set({ expires_at: expiresAt })
    .where('tenant_id', '=', tenantId)
    .where('id', '=', tokenId)
    .execute()

export const revokeScimToken = (trx: Trx, tenantId: number, tokenId: string, now: Date) =>
  trx
    .updateTable('scim_tokens')
    .set({ revoked_at: now })
    .where('tenant_id', '=', tenantId)
    .where('id', '=', tokenId)
    .execute()
