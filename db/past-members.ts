// Past memberships: every statement that takes a member out of a group also keeps the row here.
import { type RawBuilder, sql } from 'kysely'

/** The cause of a change of members: its audit event, and the SCIM connection that acts, if one does. */
export interface MemberCause {
  readonly eventId: string
  readonly connectionId: string | null
}

/**
 * Part of the statement that deletes memberships. One that began and ended with the same event is not kept.
 * `returning 1` is for Citus, which would otherwise COPY the rows (row-level security refuses that).
 * @param gone rows of (group_id, user_id, connection_id, event_id)
 */
export const keepMemberships = (tenantId: number, eventId: unknown, gone: RawBuilder<unknown>): RawBuilder<unknown> =>
  sql`
    insert into past_memberships (tenant_id, group_id, user_id, connection_id, added_event_id, removed_event_id)
    select ${tenantId}::int, group_id, user_id, connection_id, event_id, ${eventId}::uuid from ${gone}
    where event_id is distinct from ${eventId}::uuid returning 1`

/** As keepMemberships, with the ending event given by each row. @param gone rows with `removed_event_id`, too */
export const keepEndedMemberships = (tenantId: number, gone: RawBuilder<unknown>): RawBuilder<unknown> =>
  sql`
    insert into past_memberships (tenant_id, group_id, user_id, connection_id, added_event_id, removed_event_id)
    select ${tenantId}::int, group_id, user_id, connection_id, event_id, removed_event_id from ${gone}
    where event_id is distinct from removed_event_id`

/** As keepMemberships, for groups as members. @param gone rows of (group_id, child_id, connection_id, event_id) */
export const keepChildren = (tenantId: number, eventId: unknown, gone: RawBuilder<unknown>): RawBuilder<unknown> =>
  sql`
    insert into past_children (tenant_id, group_id, child_id, connection_id, added_event_id, removed_event_id)
    select ${tenantId}::int, group_id, child_id, connection_id, event_id, ${eventId}::uuid from ${gone}
    where event_id is distinct from ${eventId}::uuid returning 1`
