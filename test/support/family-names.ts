// Checks the list of family names against the users, past the code that keeps it.
import { sql } from 'kysely'
import type { Db } from '../../db/connect.ts'

/** Users whose family name is neither indexed nor listed, listed names without a row, and rows without a user. */
export async function findMisplaced(owner: Db): Promise<string[]> {
  const { rows } = await sql<{ what: string }>`
    select 'unlisted ' || id as what from users where is_name_unlisted
    union all
    select 'listed without a row ' || id from users u where listed_family_name is not null and not exists (
      select from user_family_names n
      where n.tenant_id = u.tenant_id and n.user_id = u.id
        and u.listed_family_name = n.tenant_id || ' ' || n.family_name_key)
    union all
    select 'row of nobody ' || user_id from user_family_names n where not exists (
      select from users u
      where u.tenant_id = n.tenant_id and u.id = n.user_id
        and u.listed_family_name = n.tenant_id || ' ' || n.family_name_key)`.execute(owner)
  return rows.map(({ what }) => what)
}
