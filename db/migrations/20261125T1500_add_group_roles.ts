// Groups give roles. Additive: the version before knows no mapping, and writes roles as they are.
//
// - group_roles: the role that each mapped group gives its members, also those of groups in it.
// - users.given_role: the role that somebody has of their own, where a group gives a higher one: users.role is then the
//   group's. Null for everybody else, whose role is their own.
// - past_connections: how far connections reached that are gone. What they put into groups gives no higher role than it
//   did while they were there.
import { type Kysely, sql } from 'kysely'
import { isolateTenants } from '../isolation.ts'

export async function up(db: Kysely<unknown>): Promise<void> {
  await sql
    .raw(`
      alter table users add column given_role text
        check (given_role in ('stakeholder', 'responder', 'manager', 'administrator'));
      create table group_roles (
        tenant_id int not null,
        group_id uuid not null,
        role text not null check (role in ('stakeholder', 'responder', 'manager', 'administrator')),
        constraint group_roles_pkey primary key (tenant_id, group_id),
        constraint group_roles_group_fkey foreign key (tenant_id, group_id) references groups on delete cascade
      );
      create table past_connections (
        tenant_id int not null,
        id uuid not null,
        highest_role text not null check (highest_role in ('stakeholder', 'responder', 'manager', 'administrator')),
        constraint past_connections_pkey primary key (tenant_id, id)
      );`)
    .execute(db)
  await isolateTenants(db, ['group_roles', 'past_connections'])
}
