// The family names that users are found by: an index has them by the name that they had when their row was written whole
// (`indexed_family_name`), and `user_family_names` by the name of those who were renamed in place since, which writes no
// index of `users`. The migration that made it says how this holds beside versions that know nothing of it.
import { type RawBuilder, sql } from 'kysely'
import type { Trx } from './connect.ts'
import { type ColumnTypes, rowSet } from './rows.ts'
import type { UserRow } from './schema.ts'

type Names = Pick<UserRow, 'indexed_family_name' | 'listed_family_name'>

/** `users.listed_family_name` of a user who is renamed in place; what it was where they are found without a new row. */
export function listingOf(tenantId: number, before: Names, familyNameKey: string | null): string | null {
  const isFound = familyNameKey === null || familyNameKey === before.indexed_family_name
  return isFound ? before.listed_family_name : `${tenantId} ${familyNameKey}`
}

/** The name in the list of this tenant; null for none, and for that of a tenant whose row was copied. */
export function listedNameOf(tenantId: number, listing: string | null): string | null {
  const prefix = `${tenantId} `
  return listing?.startsWith(prefix) ? listing.slice(prefix.length) : null
}

/** A user who is renamed in place: the name that they have in the list, if any, and the one that they shall have there. */
export interface Relisted {
  readonly relisted_id: string
  readonly name_before: string | null
  readonly name_after: string
}

export const RELISTED: ColumnTypes = { relisted_id: 'uuid', name_before: 'text', name_after: 'text' }

/**
 * Has the list follow: an insert, which gives back who has which name there. What is in the way of a name is the row of
 * the name before, which gets the new one: so rows are found by their key, also on a table that was planned for as empty.
 * @param relisted a set of Relisted
 */
export const relist = (tenantId: number, relisted: RawBuilder<unknown>): RawBuilder<unknown> => sql`
  insert into user_family_names as n (tenant_id, family_name_key, user_id)
  select ${tenantId}::int, coalesce(name_before, name_after), relisted_id from ${relisted}
  on conflict (tenant_id, family_name_key, user_id) do update
    set family_name_key = (select name_after from ${relisted} where relisted_id = n.user_id)
  returning n.user_id, n.family_name_key`

/**
 * Users whom neither finds, as a select of their ids: an earlier version has written their names, their rows were copied
 * from another tenant, or their family name was taken away in place.
 */
export const unlistedUsers = (tenantId: number): RawBuilder<unknown> =>
  sql`select u.id from users u where u.tenant_id = ${tenantId} and u.is_name_unlisted`

/** Some of the users of a tenant, in the order of their family names as far as these are not the same. */
interface UsersInOrder {
  /** What stands behind `from`; the users are `users`. */
  readonly from: RawBuilder<unknown>
  /** The family name, as what an index is in the order of. */
  readonly name: RawBuilder<string>
  readonly condition: RawBuilder<unknown>
}

/** All users of a tenant, each once. */
export const usersByFamilyName = (tenantId: number): readonly UsersInOrder[] => [
  {
    from: sql`users`,
    name: sql`users.indexed_family_name`,
    condition: probably(sql`users.family_name_key is not distinct from users.indexed_family_name`)
  },
  {
    // each looked up by itself, so that they stay in the order of the list
    from: sql`user_family_names n cross join lateral (
      select * from users where users.tenant_id = ${tenantId} and users.id = n.user_id offset 0) as users`,
    name: sql`n.family_name_key`,
    condition: sql`n.tenant_id = ${tenantId} and ${probably(sql`users.family_name_key = n.family_name_key
      and users.family_name_key is distinct from users.indexed_family_name and not users.is_name_unlisted`)}`
  },
  { from: sql`users`, name: sql`users.family_name_key`, condition: sql`users.is_name_unlisted` }
]

/** Of a comparison the planner believes that hardly a row passes it, and would rather sort these few; half of them, of a case. */
const probably = (condition: RawBuilder<unknown>) => sql`case when ${condition} then true else false end`

/** Has the index find up to so many of them whom nobody else is changing. @returns how many they were */
export async function indexUnlisted(trx: Trx, tenantId: number, limit = Number.MAX_SAFE_INTEGER): Promise<number> {
  const { numAffectedRows } = await sql`
    update users set indexed_family_name = family_name_key
    where tenant_id = ${tenantId} and id in (${unlistedUsers(tenantId)} limit ${limit} for no key update skip locked)`.execute(
    trx
  )
  return Number(numAffectedRows)
}

/** Deletes from the list users who are gone for good. */
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
