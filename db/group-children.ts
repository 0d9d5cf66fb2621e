// Groups as members of groups, and their closure: `group_ancestors` pairs every group with itself and with each group
// that contains it, directly or not. Within a tenant, changes of it are made one at a time.
import { type RawBuilder, sql } from 'kysely'
import type { Trx } from './connect.ts'
import { type Changed, changedBy, type GroupScope } from './group-members.ts'
import { isWithinScope } from './groups.ts'
import { keepChildren, type MemberCause } from './past-members.ts'

/** The first key of the advisory lock; the second is the tenant's id. */
const NESTING_LOCK = 20_611

/**
 * Lets one transaction at a time change which groups of a tenant contain which. Take it before locking any row: of two
 * transactions that nest groups into one another, the second then sees the first's work and finds the cycle.
 */
export async function lockNesting(trx: Trx, tenantId: number): Promise<void> {
  await sql`select pg_advisory_xact_lock(${NESTING_LOCK}, ${tenantId})`.execute(trx)
}

/** Which of the ids are groups within the scope. */
export async function findGroupIds(
  trx: Trx,
  tenantId: number,
  ids: readonly string[],
  connectionId: string | undefined
): Promise<string[]> {
  const { rows } = await sql<{ id: string }>`
    select groups.id from groups where groups.tenant_id = ${tenantId} and groups.id = any(${ids}::uuid[])
      and ${isWithinScope('groups', connectionId)}`.execute(trx)
  return rows.map(({ id }) => id)
}

/** Whether the group has groups as members. */
export async function hasChildren(trx: Trx, { tenantId, groupId }: GroupScope): Promise<boolean> {
  const { rows } = await sql`
    select from group_children where tenant_id = ${tenantId} and group_id = ${groupId} limit 1`.execute(trx)
  return rows.length > 0
}

/** Whether the group contains groups or is in one. */
export async function hasEdges(trx: Trx, tenantId: number, groupId: string): Promise<boolean> {
  const { rows } = await sql`
    select from group_children where tenant_id = ${tenantId} and (group_id = ${groupId} or child_id = ${groupId})
    limit 1`.execute(trx)
  return rows.length > 0
}

/** Those of `childIds` that are the group itself or contain it: as its members they would make a cycle. */
export async function findCycles(
  trx: Trx,
  { tenantId, groupId }: GroupScope,
  childIds: readonly string[]
): Promise<{ id: string; display_name: string }[]> {
  const { rows } = await sql<{ id: string; display_name: string }>`
    select groups.id, groups.display_name from group_ancestors a
    join groups on groups.tenant_id = a.tenant_id and groups.id = a.ancestor_id
    where a.tenant_id = ${tenantId} and a.group_id = ${groupId} and a.ancestor_id = any(${childIds}::uuid[])`.execute(
    trx
  )
  return rows
}

/** Makes groups members, under `lockNesting` and after `findCycles`; the caller counts the changes. */
export async function insertChildren(
  trx: Trx,
  { tenantId, groupId }: GroupScope,
  childIds: readonly string[],
  { eventId, connectionId }: MemberCause
): Promise<Changed> {
  const added = changedBy(
    trx,
    sql`
      insert into group_children (tenant_id, group_id, child_id, connection_id, event_id)
      select ${tenantId}::int, ${groupId}::uuid, id, ${connectionId}::uuid, ${eventId}::uuid
      from unnest(${childIds}::uuid[]) as id
      on conflict do nothing returning child_id as id`
  )
  // without cycles no path uses two of the new edges
  const closed = sql`
    insert into group_ancestors (tenant_id, group_id, ancestor_id)
    select distinct ${tenantId}::int, below.group_id, above.ancestor_id
    from group_ancestors below cross join group_ancestors above
    where below.tenant_id = ${tenantId} and below.ancestor_id = any(${childIds}::uuid[])
      and above.tenant_id = ${tenantId} and above.group_id = ${groupId}
    on conflict do nothing`.execute(trx)
  const [changed] = await Promise.all([added, closed])
  return changed
}

/**
 * Takes groups out of a group, under `lockNesting`; the caller counts the changes.
 * @param chosen a condition on rows of `group_children`
 */
export async function deleteChildren(
  trx: Trx,
  { tenantId, groupId, connectionId }: GroupScope,
  chosen: RawBuilder<unknown>,
  { eventId }: MemberCause
): Promise<Changed> {
  const isVisible =
    connectionId === undefined
      ? sql`true`
      : sql`exists (select from groups where groups.tenant_id = ${tenantId} and groups.id = group_children.child_id
          and ${isWithinScope('groups', connectionId)})`
  const deleted = changedBy(
    trx,
    sql`
      delete from group_children
      where tenant_id = ${tenantId} and group_id = ${groupId} and ${chosen} and ${isVisible}
      returning child_id as id, group_id, child_id, connection_id, event_id`,
    keepChildren(tenantId, eventId, sql`changed`)
  )
  const [changed] = await Promise.all([deleted, rebuildBelow(trx, tenantId, groupId)])
  return changed
}

/**
 * Takes a group out of the groups that contain it, and its child groups out of it, before it is removed.
 * @returns the groups that contained it, whose counters the caller updates
 */
export async function isolateGroup(
  trx: Trx,
  tenantId: number,
  groupId: string,
  { eventId }: MemberCause
): Promise<string[]> {
  const left = sql<{ group_id: string; child_id: string }>`
    with gone as (
        delete from group_children where tenant_id = ${tenantId} and (group_id = ${groupId} or child_id = ${groupId})
        returning group_id, child_id, connection_id, event_id
      ),
      kept as (${keepChildren(tenantId, eventId, sql`gone`)})
    select group_id, child_id from gone`.execute(trx)
  const [{ rows }] = await Promise.all([left, rebuildBelow(trx, tenantId, groupId)])
  return rows.filter(({ child_id }) => child_id === groupId).map(({ group_id }) => group_id)
}

/** Deletes from the closure those ancestors of a group, and of the groups below it, that `group_children` lacks now. */
const rebuildBelow = (trx: Trx, tenantId: number, groupId: string) =>
  sql`
    with recursive below as (
        select group_id from group_ancestors where tenant_id = ${tenantId} and ancestor_id = ${groupId}
      ),
      reached (group_id, ancestor_id) as (
        select group_id, group_id from below
        union
        select reached.group_id, c.group_id
        from reached join group_children c on c.tenant_id = ${tenantId} and c.child_id = reached.ancestor_id
      )
    delete from group_ancestors a
    where a.tenant_id = ${tenantId} and a.group_id in (select group_id from below)
      and not exists (
        select from reached where reached.group_id = a.group_id and reached.ancestor_id = a.ancestor_id
      )`.execute(trx)
