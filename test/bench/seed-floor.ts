// Creates the floor's tables and fills them with the population.
import { type RawBuilder, type SqlBool, sql } from 'kysely'
import type { Db } from '../../db/connect.ts'

/** What the floor reads and writes: ready JSON text by key, and nothing else. */
const FLOOR_TABLES = `
  create schema if not exists floor;
  create table if not exists floor.users (
    tenant_id int not null, id uuid not null, user_name text collate "C" not null, doc text not null,
    primary key (tenant_id, id), unique (tenant_id, user_name)
  );
  create table if not exists floor.emails (
    tenant_id int not null, value_key text collate "C" not null, user_id uuid not null,
    primary key (tenant_id, value_key, user_id)
  );
  create table if not exists floor.names (
    tenant_id int not null, family_name_key text collate "C" not null, is_active boolean not null, user_id uuid not null,
    primary key (tenant_id, family_name_key, user_id)
  );
  create table if not exists floor.members (
    tenant_id int not null, group_id uuid not null, user_id uuid not null,
    primary key (tenant_id, group_id, user_id)
  );`

export const createFloor = (db: Db): Promise<unknown> => sql.raw(FLOOR_TABLES).execute(db)

/**
 * Fills the floor's tables from Muster's.
 * @param isOf the condition by which rows of a table, or of its alias, belong to the population
 * @param baseUrl `http://t` and what follows the tenant's number, so that texts have as many bytes as the server's
 */
export async function fillFloor(db: Db, isOf: (table: string) => RawBuilder<SqlBool>, baseUrl: string): Promise<void> {
  const [scheme, rest] = [baseUrl.slice(0, baseUrl.indexOf('//t') + 3), baseUrl.slice(baseUrl.indexOf('//t') + 3)]
  const url = (path: string) => sql`${scheme}::text || u.tenant_id || ${rest + path}::text`
  await sql`
    insert into floor.users (tenant_id, id, user_name, doc)
    select u.tenant_id, u.id, u.user_name_key, '{"id":"' || u.id || '",'
      || replace(substr(u.doc::text, 2, length(u.doc::text) - 2), '"$ref":"../Users/', '"$ref":"' || ${url('/Users/')})
      || ',"active":true,"groups":[{"value":"' || g.id || '","$ref":"' || ${url('/Groups/')} || g.id
      || '","display":"' || g.display_name || '","type":"direct"}],"meta":{"resourceType":"User","created":"'
      || to_char(u.created_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') || '","lastModified":"'
      || to_char(u.updated_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') || '","location":"'
      || ${url('/Users/')} || u.id || '","version":"W/\\"' || u.version || '\\""}}'
    from users u
    join group_members m on m.tenant_id = u.tenant_id and m.user_id = u.id
    join groups g on g.tenant_id = m.tenant_id and g.id = m.group_id
    where ${isOf('u')} order by u.tenant_id, u.ordinal`.execute(db)
  await sql`
    insert into floor.emails (tenant_id, value_key, user_id) select tenant_id, value_key, user_id from user_emails
    where ${isOf('user_emails')}`.execute(db)
  await sql`
    insert into floor.names (tenant_id, family_name_key, is_active, user_id)
    select tenant_id, family_name_key, true, id from users where ${isOf('users')}`.execute(db)
}
