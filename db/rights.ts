// Whether row-level security applies to the database user that we are connected as.
import { sql } from 'kysely'
import type { Db } from './connect.ts'

/**
 * Behind a pooler the server cannot take on another role: row-level security must apply to the URL's user itself.
 * @throws Error that names the user, if every tenant's rows would be open to it
 */
export async function requireHeldUser(db: Db): Promise<void> {
  const { rows } = await sql<{ user: string }>`
    select rolname as user from pg_roles where rolname = current_user and (rolsuper or rolbypassrls)`.execute(db)
  const user = rows[0]?.user
  if (user === undefined) return
  throw new Error(
    `${user}, the user of DATABASE_URL, passes row-level security by: behind a pooler use one that is an ordinary member of the role muster_server`
  )
}
