// What memberships were: whatever takes a member out of a group keeps the row here, in the same statement.
import { type RawBuilder, sql } from 'kysely'

/** What members come and go by: the audit event that tells of it, and the SCIM connection that acts, if one does. */
export interface MemberCause {
  readonly eventId: string
  readonly connectionId: string | null
}

/**
 * Part of the statement that deletes memberships. What came and went by the same event was nothing. Returns something
 * for Citus alone, which would copy the rows else (row-level security refuses that).
 * @param gone rows of (group_id, user_id, connection_id, event_id)
 */
export const keepMemberships = (tenantId: number, eventId: unknown, gone: RawBuilder<unknown>): RawBuilder<unknown> =>
  sql`
    insert into past_memberships (tenant_id, group_id, user_id, connection_id, added_event_id, removed_event_id)
    select ${tenantId}::int, group_id, user_id, connection_id, event_id, ${eventId}::uuid from ${gone}
    where event_id is distinct from ${eventId}::uuid returning 1`

/** As keepMemberships, where each row says itself by which event it ends. @param gone rows with `removed_event_id` too */
export const keepEndedMemberships = (tenantId: number, gone: RawBuilder<unknown>): RawBuilder<unknown> =>
  sql`
    insert into past_memberships (tenant_id, group_id, user_id, connection_id, added_event_id, removed_event_id)
    select ${tenantId}::int, group_id, user_id, connection_id, event_id, removed_event_id from ${gone}
    where event_id is distinct from removed_event_id`

/** As keepMemberships, of groups as members: (group_id, child_id, connection_id, event_id). */
export const keepChildren = (tenantId: number, eventId: unknown, gone: RawBuilder<unknown>): RawBuilder<unknown> =>
  sql`
    insert into past_children (tenant_id, group_id, child_id, connection_id, added_event_id, removed_event_id)
    select ${tenantId}::int, group_id, child_id, connection_id, event_id, ${eventId}::uuid from ${gone}
    where event_id is distinct from ${eventId}::uuid returning 1`
