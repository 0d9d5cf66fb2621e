// Shadows of connections: a tenant as an identity provider would have it. Additive: the version before knows none, so
// let it end before a connection is put into shadow mode: it would have its token change the tenant itself.
//
// A shadow is a tenant of its own whose id is negative: a copy of the tenant, which no host leads to, with the same ids
// of users and groups.
// - tenants.shadow_of: the tenant that a shadow shows; null for every real one.
// - scim_shadows: the connections in shadow mode. shadow_id is null where the shadow stayed behind in another database.
//   closed_until: until then nothing is taken for it, because it is going live.
// - shadow_users, shadow_groups, shadow_members, shadow_children: what a shadow began with, so that what the identity
//   provider changed is known from what others changed meanwhile. role: their own. version, of a group: as clients see it.
// - audit_events: whatever changes a shadow writes an event in the same transaction. With it the transaction holds the
//   shadow open until it ends, and fails where it is closed: so nothing is written behind the back of going live.
import { type Kysely, sql } from 'kysely'
import { isolateTenants } from '../isolation.ts'

export async function up(db: Kysely<unknown>): Promise<void> {
  await sql
    .raw(`
      alter table tenants add column shadow_of int, add constraint tenants_shadow_check
        check ((id < 0) = (shadow_of is not null));
      create index tenants_shadow_of_idx on tenants (shadow_of) where shadow_of is not null;
      create table scim_shadows (
        tenant_id int not null,
        connection_id uuid not null,
        shadow_id int check (shadow_id < 0),
        opened_at timestamptz not null,
        closed_until timestamptz,
        constraint scim_shadows_pkey primary key (tenant_id, connection_id),
        constraint scim_shadows_connection_fkey foreign key (tenant_id, connection_id)
          references scim_connections on delete cascade
      );
      create table shadow_users (
        tenant_id int not null,
        id uuid not null,
        state text not null,
        locked boolean not null,
        role text not null,
        connection_id uuid,
        user_name_key text collate "C" not null,
        external_id text collate "C",
        email_key text collate "C",
        authority json not null,
        version int not null,
        doc json not null,
        constraint shadow_users_pkey primary key (tenant_id, id)
      );
      create table shadow_groups (
        tenant_id int not null,
        id uuid not null,
        connection_id uuid,
        version int not null,
        doc json not null,
        constraint shadow_groups_pkey primary key (tenant_id, id)
      );
      create table shadow_members (
        tenant_id int not null,
        group_id uuid not null,
        user_id uuid not null,
        constraint shadow_members_pkey primary key (tenant_id, group_id, user_id)
      );
      create table shadow_children (
        tenant_id int not null,
        group_id uuid not null,
        child_id uuid not null,
        constraint shadow_children_pkey primary key (tenant_id, group_id, child_id)
      );

      -- holds a shadow open until the transaction ends; 57P03 is answered as 503, so that clients try again
      create function require_open_shadow(of_tenant int) returns boolean language plpgsql as $$
      begin
        perform from tenants t where t.id = of_tenant and t.state = 'active' for key share;
        if not found then
          raise exception 'the shadow is closed' using errcode = '57P03';
        end if;
        return true;
      end $$;
      create policy shadow_is_open on audit_events as restrictive for insert
        with check (tenant_id > 0 or require_open_shadow(tenant_id));`)
    .execute(db)
  await isolateTenants(db, ['scim_shadows', 'shadow_users', 'shadow_groups', 'shadow_members', 'shadow_children'])
}
