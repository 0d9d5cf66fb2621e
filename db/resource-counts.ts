// How many users and groups a tenant has, updated as they come and go: counting them would cost more the more there
// are.
import { type RawBuilder, sql } from 'kysely'

/**
 * Part of a statement, or a statement of its own, in the transaction that makes or removes resources. Run it last: a
 * transaction then waits only for one whose database connection has the same slot, and only briefly.
 * @param delta by how many resources the total grows (made, or back from `removed`); negative if they become fewer
 * @param how `appended`: all of them are new, so that nobody else's place in the list of all changes
 */
export const countResources = (
  tenantId: number,
  resourceType: 'User' | 'Group',
  delta: number | RawBuilder<number>,
  how: 'appended' | 'moved' = 'moved'
): RawBuilder<unknown> => sql`
  insert into resource_counts (tenant_id, resource_type, total, moves)
  select ${tenantId}::int, ${resourceType}, counted.delta, ${sql.lit(how === 'moved' ? 1 : 0)}
  from (select ${delta}::int) as counted (delta)
  on conflict (tenant_id, resource_type, slot) do update
    set total = resource_counts.total + excluded.total, moves = resource_counts.moves + excluded.moves`

/** The tenant's number of groups, or of users who are not removed, as a scalar expression. */
export const resourceCount = (tenantId: number, resourceType: 'User' | 'Group'): RawBuilder<number> => sql`
  (select coalesce(sum(c.total), 0)::int from resource_counts c
    where c.tenant_id = ${tenantId} and c.resource_type = ${resourceType})`

/**
 * The total, a space, and how often resources came or went other than at the end of the list: as long as this text is
 * the same, the list of all has the same resources.
 */
export const resourceEdition = (tenantId: number, resourceType: 'User' | 'Group'): RawBuilder<string> => sql`
  (select coalesce(sum(c.total), 0) || ' ' || coalesce(sum(c.moves), 0) from resource_counts c
    where c.tenant_id = ${tenantId} and c.resource_type = ${resourceType})`
