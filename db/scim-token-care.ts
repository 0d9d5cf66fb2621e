// Where SCIM tokens are used from, and which of them expire soon.
import { type RawBuilder, sql } from 'kysely'
import type { Db, Trx } from './connect.ts'
import { prepare, writeTogether } from './prepared.ts'

/** An address that a token was used from, and when last, to the minute. */
export interface TokenUse {
  address: string
  /** ISO 8601. */
  lastUsedAt: string
}

/** Records the use of a token: across all processes at most once a minute for each address. */
export function noteTokenUse(db: Db, tenantId: number, tokenId: string, address: string, now: Date): Promise<unknown> {
  const values = { tenantId, tokenId, address, now, before: new Date(now.getTime() - NOTED_AGAIN_AFTER_MS) }
  return writeTogether(db, tenantId, [touchToken(db, values), noteAddress(db, values)])
}

const touchToken = prepare(
  (p) => sql`
    update scim_tokens set last_used_at = ${p['now']}::timestamptz
    where tenant_id = ${p['tenantId']} and id = ${p['tokenId']}::uuid
      and (last_used_at is null or last_used_at < ${p['before']}::timestamptz)`
)

const noteAddress = prepare(
  (p) => sql`
    insert into scim_token_uses (tenant_id, token_id, address, last_used_at)
    select tenant_id, id, ${p['address']}::text, ${p['now']}::timestamptz from scim_tokens
    where tenant_id = ${p['tenantId']} and id = ${p['tokenId']}::uuid
    on conflict (tenant_id, token_id, address) do update set last_used_at = excluded.last_used_at
      where scim_token_uses.last_used_at < ${p['before']}::timestamptz`
)

/** A little less than the minute after which a process records a use again. */
const NOTED_AGAIN_AFTER_MS = 59_000

const USES_SHOWN = 5

/** A jsonb expression on a row of `scim_tokens`: the addresses that it was last used from, newest first. */
export const tokenUses = (tenantId: number): RawBuilder<TokenUse[]> => sql`
  (select coalesce(jsonb_agg(jsonb_build_object('address', address, 'lastUsedAt',
    to_char(last_used_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')) order by last_used_at desc), '[]')
  from (
    select address, last_used_at from scim_token_uses
    where scim_token_uses.tenant_id = ${tenantId} and token_id = scim_tokens.id
    order by last_used_at desc limit ${sql.lit(USES_SHOWN)}
  ) as uses)`

/** How many days before a token's end administrators are told. */
const WARNING_DAYS = [30, 7, 1]

export interface EndingToken {
  id: string
  connection_id: string
  connection_name: string
  expires_at: Date
  last_used_at: Date | null
  /** The address of the last use. */
  last_address: string | null
  /** Whether the connection has a newer token, which nobody has used yet. */
  is_replaced: boolean
}

/**
 * Marks and returns the tokens whose end administrators are to be told of now: each once for 30, 7 and 1 days before
 * its end, if it was made earlier than that. A token that was replaced by a newer one in use may end without notice.
 */
export async function takeEndingTokens(trx: Trx, tenantId: number, now: Date): Promise<EndingToken[]> {
  const { rows } = await sql<EndingToken>`
    with due as (
      select t.id, min(days) as days, bool_or(newer.id is not null) as is_replaced
      from scim_tokens t
      join unnest(${WARNING_DAYS}::int[]) as days on t.expires_at <= ${now}::timestamptz + days * interval '1 day'
        and t.created_at <= t.expires_at - days * interval '1 day'
      left join scim_tokens newer on newer.tenant_id = t.tenant_id and newer.connection_id = t.connection_id
        and newer.id > t.id and newer.revoked_at is null
        and (newer.expires_at is null or newer.expires_at > t.expires_at)
      where t.tenant_id = ${tenantId} and t.revoked_at is null and t.expires_at > ${now}
      group by t.id
      having bool_and(newer.last_used_at is null)
    )
    update scim_tokens t set warned_days = due.days
    from due, scim_connections c
    where t.tenant_id = ${tenantId} and t.id = due.id and (t.warned_days is null or t.warned_days > due.days)
      and c.tenant_id = t.tenant_id and c.id = t.connection_id
    returning t.id, t.connection_id, c.name as connection_name, t.expires_at, t.last_used_at, due.is_replaced,
      (select address from scim_token_uses u where u.tenant_id = ${tenantId} and u.token_id = t.id
        order by u.last_used_at desc limit 1) as last_address`.execute(trx)
  return rows
}
