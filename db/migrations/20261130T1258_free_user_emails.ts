// The e-mail keys of a user are written with them, or while their row is locked, and deleted with them: a reference would
// check each key again, at a tenth of what a new user costs the database. Where the version before deletes users for good
// beside this one, it leaves keys that lead to nobody.
import { type Kysely, sql } from 'kysely'

export async function up(db: Kysely<unknown>): Promise<void> {
  await sql.raw('alter table user_emails drop constraint user_emails_user_fkey').execute(db)
}
