// Lets a user be deactivated and activated in place (HOT): no index of `users` knows the state any more, so that none of
// them gets an entry for it, and pages keep room for a row's next version. What indexes must know, that somebody was
// removed, is a column of its own. The version before runs beside it, though its searches by userName and externalId
// find no index.
import { type Kysely, sql } from 'kysely'

export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of [COLUMNS, INDEXES, PRIMARY_KEY]) await sql.raw(statement).execute(db)
}

// A quarter of a page has room for any row: longer ones than 2 kB have their document stored elsewhere
const COLUMNS = `
  alter table users set (fillfactor = 75);
  alter table users add column is_removed boolean not null generated always as (state = 'removed') stored;`

const INDEXES = `
  drop index users_user_name_key, users_external_id_key, users_ordinal_key, users_administrators_idx;
  create unique index users_user_name_key on users (tenant_id, user_name_key) where not is_removed;
  create unique index users_external_id_key on users (tenant_id, external_id, connection_id) where not is_removed;
  -- a list passes over the users before its page without reading them
  create unique index users_ordinal_key on users (tenant_id, ordinal) include (id, is_removed);
  create index users_administrators_idx on users (tenant_id, id) where role = 'administrator';`

// It has to be the newest index (see the first migration), and those that refer to it hold it
const PRIMARY_KEY = `
  do $$
  declare
    referring record;
    additions text[] := '{}';
    addition text;
  begin
    for referring in
      select conrelid::regclass as of_table, conname, pg_get_constraintdef(oid) as definition from pg_constraint
      where contype = 'f' and confrelid = 'users'::regclass
    loop
      execute format('alter table %s drop constraint %I', referring.of_table, referring.conname);
      additions := additions || format('alter table %s add constraint %I %s', referring.of_table, referring.conname,
        referring.definition);
    end loop;
    alter table users drop constraint users_pkey;
    alter table users add constraint users_pkey primary key (tenant_id, id);
    foreach addition in array additions loop
      execute addition;
    end loop;
  end $$;`
