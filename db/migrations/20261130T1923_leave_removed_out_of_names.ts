// Leaves removed users out of two indexes that nobody looks for them in: so that a removal, which writes a row anew,
// writes no entry there. And lets lists be in the order of family names by an index, which takes every user to be in exactly
// one of three sets (db/family-names.ts): is_name_unlisted also tells of those who had a family name and have none any more.
// The version before runs beside it: it asks these indexes for users who are not removed alone.
import { type Kysely, sql } from 'kysely'

export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of STATEMENTS) await sql.raw(statement).execute(db)
  await sql.raw(PRIMARY_KEY).execute(db)
}

// One by one: Citus takes no two of them together for a table that it distributes
const STATEMENTS = [
  'drop index users_display_name_key_idx',
  'drop index users_indexed_family_name_idx',
  // its index goes with it
  'alter table users drop column is_name_unlisted',
  `alter table users
    add column is_name_unlisted boolean not null generated always as (
      family_name_key is distinct from indexed_family_name and (
        family_name_key is null or listed_family_name is distinct from (tenant_id::text || ' ' || family_name_key))
    ) stored`,
  'create index users_display_name_key_idx on users (tenant_id, display_name_key) where not is_removed',
  'create index users_indexed_family_name_idx on users (tenant_id, indexed_family_name) where not is_removed',
  'create index users_unlisted_idx on users (tenant_id, id) where is_name_unlisted'
]

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
