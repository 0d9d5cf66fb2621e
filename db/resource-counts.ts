// How many users a tenant has, kept as they come and go: counting them would cost more the more there are.
import { type RawBuilder, sql } from 'kysely'

/**
 * Part of a statement, or one of its own, in the transaction that makes users or takes them away. It comes last: two
 * transactions wait for each other here only where they share a database connection's slot, and then briefly.
 * @param delta users that became more (made, or back from `removed`), or fewer
 * @param how `appended`: all of them are new, so that nobody's place in the list of all has changed
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

/** The tenant's number of users that are not removed, as a scalar expression. */
export const resourceCount = (tenantId: number, resourceType: 'User' | 'Group'): RawBuilder<number> => sql`
  (select coalesce(sum(c.total), 0)::int from resource_counts c
    where c.tenant_id = ${tenantId} and c.resource_type = ${resourceType})`

/**
 * The number, a blank, and how often somebody came or went otherwise than behind all others: as long as the text is the
 * same, the list of all is the same.
 */
export const resourceEdition = (tenantId: number, resourceType: 'User' | 'Group'): RawBuilder<string> => sql`
  (select coalesce(sum(c.total), 0) || ' ' || coalesce(sum(c.moves), 0) from resource_counts c
    where c.tenant_id = ${tenantId} and c.resource_type = ${resourceType})`
