// Who holds a login address. A transaction that changes people and addresses locks the people first (in order of id),
// then takes the addresses (in order of key): this order prevents deadlocks.
import { sql } from 'kysely'
import { isCitus, type Trx } from './connect.ts'
import { type ColumnTypes, rowSet } from './rows.ts'
import type { Role, UserState } from './schema.ts'

/** A user of the tenant to whom an address belongs or belonged, with the pending invitation. */
export interface AddressHolder {
  id: string
  state: UserState
  role: Role
  connection_id: string | null
  authority: string
  /** The connection that manages the user. */
  connection_name: string | null
  email: string | null
  email_key: string | null
  user_name_key: string
  must_reset_password: boolean
  activated_at: Date | null
  updated_at: Date
  /** The document of a removed user, to start from: JSON text. Null for others. */
  doc: string | null
  invitation_id: string | null
  invitation_role: Role | null
  inviter_id: string | null
  expires_at: Date | null
  /** How many mails of the invitation were queued within the last hour. */
  recent_mails: number
}

/**
 * The tenant's users with one of the login addresses, removed ones too, and users whose userName is one of them.
 * @param keys addresses in lower case
 */
export async function readAddressHolders(
  trx: Trx,
  tenantId: number,
  keys: readonly string[],
  now: Date
): Promise<AddressHolder[]> {
  const hourAgo = new Date(now.getTime() - 3_600_000)
  const { rows } = await sql<AddressHolder>`
    select u.id, u.state, u.role, u.connection_id, u.authority, u.email, u.email_key, u.user_name_key, u.must_reset_password, u.activated_at, u.updated_at,
      (select name from scim_connections c where c.tenant_id = ${tenantId} and c.id = u.connection_id) as connection_name,
      case when u.state = 'removed' then u.doc end as doc,
      i.id as invitation_id, i.role as invitation_role, i.inviter_id, i.expires_at,
      (select count(*)::int from mails m
        where m.tenant_id = ${tenantId} and m.invitation_id = i.id and m.queued_at > ${hourAgo}) as recent_mails
    from users u
    left join invitations i on i.tenant_id = u.tenant_id and i.user_id = u.id and i.state = 'pending'
    where u.tenant_id = ${tenantId} and u.id in (
      select id from users where tenant_id = ${tenantId} and email_key = any(${keys}::text[])
      union all
      select id from users
      where tenant_id = ${tenantId} and user_name_key = any(${keys}::text[]) and not is_removed)`.execute(trx)
  return rows
}

/**
 * Locks the users whom an invitation may change: the removed ones, and those whose invitation is renewed.
 * Read them afterwards in a separate statement: only that one sees what other transactions have committed meanwhile.
 * @param renewsAll whether invitations that have not expired are renewed too
 * @returns the ids of the locked users
 */
export async function lockInvitees(
  trx: Trx,
  tenantId: number,
  keys: readonly string[],
  { now, renewsAll }: { now: Date; renewsAll: boolean }
): Promise<Set<string>> {
  const { rows } = await sql<{ id: string }>`
    select u.id from users u
    where u.tenant_id = ${tenantId} and u.email_key = any(${keys}::text[]) and (
      u.state = 'removed'
      or u.state = 'invited' and (${renewsAll}::boolean or exists (
        select from invitations i
        where i.tenant_id = ${tenantId} and i.user_id = u.id and i.state = 'pending' and i.expires_at <= ${now})))
    order by u.id for update of u`.execute(trx)
  return new Set(rows.map(({ id }) => id))
}

/**
 * The key under which an address is claimed. A shadow tenant (negative id) prefixes its own id and a space, which no
 * address begins with: it claims nothing for the real tenant before it goes live.
 */
export const claimKey = (tenantId: number, addressKey: string): string =>
  tenantId > 0 ? addressKey : `${tenantId} ${addressKey}`

export interface AddressClaim {
  address_key: string
  user_id: string
}

/** Makes Citus take the addresses of one shard after another: in parallel they would be taken in no fixed order. */
export const inShardOrder = (trx: Trx) => sql`set local citus.multi_shard_modify_mode = 'sequential'`.execute(trx)

/**
 * Takes addresses for users of the tenant, each one only if nobody holds it in any tenant. Waits for transactions that
 * are taking or freeing one of them.
 * @returns which user of this tenant holds each of them now: the one asked for, or somebody faster. Addresses that
 *   another tenant holds are left out, because row-level security hides them
 */
export async function claimAddresses(
  trx: Trx,
  tenantId: number,
  claims: readonly AddressClaim[]
): Promise<Map<string, string>> {
  if (claims.length === 0) return new Map()
  const keyed = claims.map(({ address_key, user_id }) => ({ address_key: claimKey(tenantId, address_key), user_id }))
  if (isCitus(trx)) await inShardOrder(trx)
  const claimed = sql`
    insert into addresses (address_key, tenant_id, user_id)
    select address_key, ${tenantId}::int, user_id
    from ${rowSet('claims', CLAIM_COLUMNS, keyed)}
    order by address_key collate "C"
    on conflict (address_key) do nothing`.execute(trx)
  const held = findClaims(trx, tenantId, claims)
  const [, found] = await Promise.all([claimed, held])
  return found
}

/** @returns which user of this tenant holds each of the addresses, by address */
export async function findClaims(
  trx: Trx,
  tenantId: number,
  wanted: readonly Pick<AddressClaim, 'address_key'>[]
): Promise<Map<string, string>> {
  const keys = wanted.map(({ address_key }) => claimKey(tenantId, address_key))
  const { rows } = await sql<AddressClaim>`
    select address_key, user_id from addresses
    where tenant_id = ${tenantId} and address_key = any(${keys}::text[])`.execute(trx)
  const prefix = claimKey(tenantId, '').length
  return new Map(rows.map(({ address_key, user_id }) => [address_key.slice(prefix), user_id]))
}

/** A locked user who gives up their address, and the address as in the user's row. */
interface AddressHolding {
  readonly id: string
  readonly email_key: string | null
}

/** Frees the users' addresses. Citus finds them by address: a user's id does not tell on which node they lie. */
export function releaseAddresses(trx: Trx, tenantId: number, users: readonly AddressHolding[]) {
  const keys = users.flatMap(({ email_key }) => (email_key === null ? [] : [claimKey(tenantId, email_key)]))
  return sql`
    delete from addresses
    where tenant_id = ${tenantId} and user_id = any(${users.map(({ id }) => id)}::uuid[])
      ${isCitus(trx) ? sql`and address_key = any(${keys}::text[])` : sql``}`.execute(trx)
}

/** releaseAddresses where only the ids are known. Await it before you claim the addresses anew. */
export async function releaseAddressesOf(trx: Trx, tenantId: number, userIds: readonly string[]): Promise<void> {
  if (!isCitus(trx)) {
    await releaseAddresses(
      trx,
      tenantId,
      userIds.map((id) => ({ id, email_key: null }))
    )
    return
  }
  const { rows } = await sql<AddressHolding>`
    select id, email_key from users where tenant_id = ${tenantId} and id = any(${userIds}::uuid[])`.execute(trx)
  await releaseAddresses(trx, tenantId, rows)
}

const CLAIM_COLUMNS: ColumnTypes = { address_key: 'text', user_id: 'uuid' }
