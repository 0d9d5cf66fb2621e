// Lets a user be renamed in place (HOT): the family name was the one name in an index of `users` that most changes of
// names change, and so each of them wrote an entry to every index.
//
// - users.indexed_family_name: by it an index has the user; as the family name was when the row was made, or last written
//   in any other way than by a rename in place. It is compared with family_name_key whenever it finds somebody.
// - user_family_names: the family names of those who were renamed in place since. What it finds is compared, too, so a row
//   too many does no harm. listed_family_name, of `users`: the tenant and the name of their row there; the tenant, because
//   rows of users are copied to other tenants, where they are in no list.
// - is_name_unlisted: neither finds them, because a version that knows of neither has written their name. A third index
//   has those, and filters ask it too: so the version before runs beside this one, though its filters by family name read
//   all users. What it leaves is put in order by the hourly clean-up.
import { type Kysely, sql } from 'kysely'
import { isolateTenants } from '../isolation.ts'

export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of [COLUMNS, FILLED, INDEXES, PRIMARY_KEY, NAMES]) await sql.raw(statement).execute(db)
  await isolateTenants(db, ['user_family_names'])
  const { rows } = await sql`select from pg_extension where extname = 'citus'`.execute(db)
  // as the migration before this one does for all tables
  if (rows.length === 0) await sql.raw(PLANNED).execute(db)
}

const PLANNED = 'alter table user_family_names alter column tenant_id set (n_distinct = -0.001)'

const COLUMNS = `
  alter table users
    add column indexed_family_name text collate "C",
    add column listed_family_name text collate "C";`

// fills the column as the table is written anew for the one that is computed
const FILLED = `
  drop index users_family_name_key_idx;
  alter table users
    alter column indexed_family_name type text collate "C" using family_name_key,
    add column is_name_unlisted boolean not null generated always as (
      family_name_key is not null and family_name_key is distinct from indexed_family_name
      and listed_family_name is distinct from (tenant_id::text || ' ' || family_name_key)
    ) stored;`

const INDEXES = `
  create index users_indexed_family_name_idx on users (tenant_id, indexed_family_name);
  create index users_unlisted_idx on users (tenant_id, id) where is_name_unlisted;`

const NAMES = `
  create table user_family_names (
    tenant_id int not null,
    family_name_key text collate "C" not null,
    user_id uuid not null,
    constraint user_family_names_pkey primary key (tenant_id, family_name_key, user_id)
  );`

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
