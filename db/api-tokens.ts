// Queries on API tokens: a token acts for its owner, with the token's role at most.
import { type RawBuilder, type SqlBool, sql } from 'kysely'
import { countInTenant, type Db, readInTenant, readOneInTenant, type Trx } from './connect.ts'
import { prepare, prepareLookup, writeTogether } from './prepared.ts'
import type { ApiTokensTable, Role } from './schema.ts'

/** A token with its owner. `role` is the token's own, `owner_role` may have become lower since. */
export interface ApiTokenView {
  tenant_id: number
  id: string
  name: string
  user_id: string
  role: Role
  created_at: Date
  expires_at: Date | null
  last_used_at: Date | null
  owner_role: Role
  owner_display_name: string | null
  owner_given_name: string | null
  owner_family_name: string | null
  owner_email: string | null
  owner_user_name: string
}

const selectTokens = (db: Db, tenantId: number) =>
  db
    .selectFrom('api_tokens')
    .innerJoin('users', (join) =>
      join.onRef('users.tenant_id', '=', 'api_tokens.tenant_id').onRef('users.id', '=', 'api_tokens.user_id')
    )
    .select([
      'api_tokens.tenant_id',
      'api_tokens.id',
      'api_tokens.name',
      'api_tokens.user_id',
      'api_tokens.role',
      'api_tokens.created_at',
      'api_tokens.expires_at',
      'api_tokens.last_used_at',
      'users.role as owner_role',
      'users.display_name as owner_display_name',
      'users.given_name as owner_given_name',
      'users.family_name as owner_family_name',
      'users.email as owner_email',
      'users.user_name as owner_user_name'
    ])
    .where('api_tokens.tenant_id', '=', tenantId)

/** The token with a hash, expired or not, provided that its owner may sign in. */
export const findApiTokenByHash = (db: Db, tenantId: number, tokenHash: Buffer): Promise<ApiTokenView | undefined> =>
  findByHash(db, tenantId, { hash: tokenHash.toString('hex') })

const findByHash = prepareLookup<ApiTokenView>(
  (db, p) =>
    selectTokens(db, p['tenantId'] as number)
      .where('api_tokens.token_hash', '=', sql<Buffer>`decode(${p['hash']}::text, 'hex')`)
      .where('users.state', '=', 'active')
      .where('users.locked', '=', false)
      .where('users.must_reset_password', '=', false),
  ['created_at', 'expires_at', 'last_used_at']
)

export const findApiToken = (db: Db, tenantId: number, tokenId: string): Promise<ApiTokenView | undefined> =>
  readOneInTenant<ApiTokenView>(db, tenantId, selectTokens(db, tenantId).where('api_tokens.id', '=', tokenId))

export const insertApiToken = (trx: Trx, tenantId: number, token: Omit<ApiTokensTable, 'tenant_id' | 'last_used_at'>) =>
  trx
    .insertInto('api_tokens')
    .values({ ...token, tenant_id: tenantId })
    .execute()

interface ApiTokenListQuery {
  /** Part of the token's name, in any letter case. */
  readonly search: string | undefined
  /** Whose tokens the caller may see; everybody's when undefined. */
  readonly ownerId: string | undefined
  /** Whose tokens are wanted; everybody's when undefined. */
  readonly userId: string | undefined
  readonly isDescending: boolean
  /** The id of the last token of the page before. */
  readonly after: string | undefined
  readonly limit: number
}

/** Up to `limit` tokens, oldest first, or newest first if `isDescending`. */
export const listApiTokens = (db: Db, tenantId: number, query: ApiTokenListQuery): Promise<ApiTokenView[]> => {
  const { isDescending, after, limit } = query
  let page = selectTokens(db, tenantId)
    .where((eb) => eb.and(areWanted(query)))
    // ids are UUIDs of version 7, so they sort by creation
    .orderBy('api_tokens.id', isDescending ? 'desc' : 'asc')
    .limit(limit)
  if (after) page = page.where('api_tokens.id', isDescending ? '<' : '>', after)
  return readInTenant<ApiTokenView>(db, tenantId, page)
}

type ApiTokenFilter = Pick<ApiTokenListQuery, 'search' | 'ownerId' | 'userId'>

/** How many tokens the list has in all. */
export const countApiTokens = (db: Db, tenantId: number, filter: ApiTokenFilter): Promise<number> =>
  countInTenant(
    db,
    tenantId,
    selectTokens(db, tenantId).where((eb) => eb.and(areWanted(filter)))
  )

function areWanted({ search, ownerId, userId }: ApiTokenFilter): RawBuilder<SqlBool>[] {
  const text = search?.trim().toLowerCase()
  return [
    ...(text ? [sql<SqlBool>`strpos(lower(api_tokens.name), ${text}::text) > 0`] : []),
    ...(ownerId ? [sql<SqlBool>`api_tokens.user_id = ${ownerId}::uuid`] : []),
    ...(userId ? [sql<SqlBool>`api_tokens.user_id = ${userId}::uuid`] : [])
  ]
}

/** Deletes a token and all that it made, directly or not. @returns those that were still there, itself first */
export async function deleteApiToken(
  trx: Trx,
  tenantId: number,
  tokenId: string
): Promise<{ id: string; name: string }[]> {
  const { rows } = await sql<{ id: string; name: string }>`
    with recursive ended as (
      select id from api_tokens where tenant_id = ${tenantId} and id = ${tokenId}::uuid
      union all
      select made.id from api_tokens made join ended on made.made_by = ended.id where made.tenant_id = ${tenantId}
    )
    delete from api_tokens where tenant_id = ${tenantId} and id in (select id from ended) returning id, name`.execute(
    trx
  )
  return rows.sort((one, other) => Number(other.id === tokenId) - Number(one.id === tokenId))
}

/** Records the use of a token; a later time that another process recorded is kept. */
export const touchApiToken = (db: Db, tenantId: number, tokenId: string, now: Date): Promise<unknown> =>
  writeTogether(db, tenantId, [touchStatement(db, { tenantId, tokenId, now })])

const touchStatement = prepare(
  (p) => sql`
    update api_tokens set last_used_at = greatest(last_used_at, ${p['now']}::timestamptz)
    where tenant_id = ${p['tenantId']} and id = ${p['tokenId']}::uuid`
)
