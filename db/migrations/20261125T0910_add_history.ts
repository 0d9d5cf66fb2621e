// What history and undo stand on. The version before runs beside it: every new column has a default or may be null,
// and what that version takes out of a group is missing in past_memberships alone.
//
// - audit_events.connection_id: the SCIM connection that acted. xid: the transaction that wrote the event, so that a
//   reader takes events in an order that no late commit can break (db/event-feed.ts).
// - group_members, group_children: connection_id says which SCIM connection put the member there (null: a person),
//   event_id which audit event tells of it (null: from before there was one).
// - past_memberships, past_children: what group_members and group_children held until removed_event_id, exactly. They
//   refer to nobody, because they stay when the group or the user goes.
// - users.authority: exceptions from "the attributes of doc are managed by users.connection_id".
import { type Kysely, sql } from 'kysely'
import { isolateTenants } from '../isolation.ts'

export async function up(db: Kysely<unknown>): Promise<void> {
  await sql
    .raw(`
      alter table audit_events
        add column connection_id uuid,
        add column xid xid8 not null default pg_current_xact_id();
      create index audit_events_feed_idx on audit_events (tenant_id, xid, id);

      alter table group_members add column connection_id uuid, add column event_id uuid;
      alter table group_children add column connection_id uuid, add column event_id uuid;
      create table past_memberships (
        tenant_id int not null,
        group_id uuid not null,
        user_id uuid not null,
        connection_id uuid,
        added_event_id uuid,
        removed_event_id uuid not null,
        constraint past_memberships_pkey primary key (tenant_id, group_id, removed_event_id, user_id)
      );
      create index past_memberships_user_idx on past_memberships (tenant_id, user_id);
      create table past_children (
        tenant_id int not null,
        group_id uuid not null,
        child_id uuid not null,
        connection_id uuid,
        added_event_id uuid,
        removed_event_id uuid not null,
        constraint past_children_pkey primary key (tenant_id, group_id, removed_event_id, child_id)
      );
      create index past_children_child_idx on past_children (tenant_id, child_id);

      alter table users add column authority json not null default '{}';`)
    .execute(db)
  await isolateTenants(db, ['past_memberships', 'past_children'])
}
