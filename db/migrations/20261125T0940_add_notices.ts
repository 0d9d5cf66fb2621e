// Lets mails tell administrators something, with no one-time link in them. Additive: the version before sends none.
import { type Kysely, sql } from 'kysely'

export async function up(db: Kysely<unknown>): Promise<void> {
  await sql
    .raw(`
      alter table mails drop constraint mails_template_check;
      alter table mails add constraint mails_template_check
        check (template in ('invitation', 'welcome-back', 'password-reset', 'notice'));
      -- of a notice: { subject, message, detail?, actionName, actionPath }
      alter table mails add column notice jsonb;`)
    .execute(db)
}
