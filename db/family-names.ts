// How users are found by family name: an index has the name as of when their row was last written whole
// (`indexed_family_name`); `user_family_names` has the names of those renamed in place since, which writes no index of
// `users`. Its migration (list_family_names) explains how this works beside versions that do not know it.
import { type RawBuilder, sql } from 'kysely'
import type { Trx } from './connect.ts'
import { type ColumnTypes, rowSet } from './rows.ts'
import type { UserRow } from './schema.ts'

type Names = Pick<UserRow, 'indexed_family_name' | 'listed_family_name'>

/** `users.listed_family_name` of a user who is renamed in place; unchanged if they need no row in the list. */
export function listingOf(tenantId: number, before: Names, familyNameKey: string | null): string | null {
  const isFound = familyNameKey === null || familyNameKey === before.indexed_family_name
  return isFound ? before.listed_family_name : `${tenantId} ${familyNameKey}`
}

/** The user's name in this tenant's list; null for none, or where the row was copied from another tenant. */
export function listedNameOf(tenantId: number, listing: string | null): string | null {
  const prefix = `${tenantId} `
  return listing?.startsWith(prefix) ? listing.slice(prefix.length) : null
}

/** A user who is renamed in place: their present name in the list, if any, and their new one. */
export interface Relisted {
  readonly relisted_id: string
  readonly name_before: string | null
  readonly name_after: string
}

export const RELISTED: ColumnTypes = { relisted_id: 'uuid', name_before: 'text', name_after: 'text' }

/**
 * Updates the list by an insert, which returns who now has which name there. It conflicts with the row of the name
 * before, which then gets the new name: rows are found by their key, even by a plan made when the table was empty.
 * @param relisted a set of Relisted
 */
export const relist = (tenantId: number, relisted: RawBuilder<unknown>): RawBuilder<unknown> => sql`
  insert into user_family_names as n (tenant_id, family_name_key, user_id)
  select ${tenantId}::int, coalesce(name_before, name_after), relisted_id from ${relisted}
  on conflict (tenant_id, family_name_key, user_id) do update
    set family_name_key = (select name_after from ${relisted} where relisted_id = n.user_id)
  returning n.user_id, n.family_name_key`

/**
 * A select of the ids of users whom neither index nor list finds: an earlier version wrote their names, their rows were
 * copied from another tenant, or their family name was removed in place.
 */
export const unlistedUsers = (tenantId: number): RawBuilder<unknown> =>
  sql`select u.id from users u where u.tenant_id = ${tenantId} and u.is_name_unlisted`

/** Part of a tenant's users, to be read in the order of their family names; those with equal names in any order. */
interface UsersInOrder {
  /** What follows `from`; its users are named `users`. */
  readonly from: RawBuilder<unknown>
  /** The family name, as the expression that an index is sorted by. */
  readonly name: RawBuilder<string>
  readonly condition: RawBuilder<unknown>
}

/** Parts that together hold every user of a tenant once. */
export const usersByFamilyName = (tenantId: number): readonly UsersInOrder[] => [
  {
    from: sql`users`,
    name: sql`users.indexed_family_name`,
    condition: probably(sql`users.family_name_key is not distinct from users.indexed_family_name`)
  },
  {
    // one look-up per row, which keeps the order of the list
    from: sql`user_family_names n cross join lateral (
      select * from users where users.tenant_id = ${tenantId} and users.id = n.user_id offset 0) as users`,
    name: sql`n.family_name_key`,
    condition: sql`n.tenant_id = ${tenantId} and ${probably(sql`users.family_name_key = n.family_name_key
      and users.family_name_key is distinct from users.indexed_family_name and not users.is_name_unlisted`)}`
  },
  { from: sql`users`, name: sql`users.family_name_key`, condition: sql`users.is_name_unlisted` }
]

/** The planner takes a bare comparison to match few rows, and sorts; a CASE to match half, and uses the index. */
const probably = (condition: RawBuilder<unknown>) => sql`case when ${condition} then true else false end`

/** Makes the index find up to `limit` unlisted users, except those locked by others. @returns how many it changed */
export async function indexUnlisted(trx: Trx, tenantId: number, limit = Number.MAX_SAFE_INTEGER): Promise<number> {
  const { numAffectedRows } = await sql`
    update users set indexed_family_name = family_name_key
    where tenant_id = ${tenantId} and id in (${unlistedUsers(tenantId)} limit ${limit} for no key update skip locked)`.execute(
    trx
  )
  return Number(numAffectedRows)
}

/** Deletes from the list users whose rows were deleted. */
export async function deleteListed(
  trx: Trx,
  tenantId: number,
  users: readonly Pick<UserRow, 'id' | 'listed_family_name'>[]
): Promise<void> {
  const listed = users.filter(({ listed_family_name }) => listed_family_name !== null)
  if (listed.length === 0) return
  const rows = listed.map(({ id, listed_family_name }) => ({ id, name: listedNameOf(tenantId, listed_family_name) }))
  await sql`
    delete from user_family_names n using ${rowSet('gone', { id: 'uuid', name: 'text' }, rows)}
    where n.tenant_id = ${tenantId} and n.family_name_key = gone.name and n.user_id = gone.id`.execute(trx)
}
