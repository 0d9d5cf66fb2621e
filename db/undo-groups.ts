// How undo writes groups: a fixed number of statements for any number of locked groups.
import { type RawBuilder, sql } from 'kysely'
import { isCitus, type Trx } from './connect.ts'
import { type GroupColumns, groupVersion } from './groups.ts'
import type { Pair } from './history.ts'
import { assignmentsFrom, insertRowsAnd, rowSet } from './rows.ts'
import type { GroupRow } from './schema.ts'

/** Locks groups `for update`, by id, and reads them whole. */
export async function lockGroups(trx: Trx, tenantId: number, groupIds: readonly string[]): Promise<GroupRow[]> {
  const { rows } = await sql<GroupRow>`
    select groups.* from groups where groups.tenant_id = ${tenantId} and groups.id = any(${groupIds}::uuid[])
    order by groups.id for update`.execute(trx)
  return rows
}

/** The versions of locked groups that clients see; a separate statement, for the reason given at getGroupVersion. */
export async function readGroupVersions(
  trx: Trx,
  tenantId: number,
  groupIds: readonly string[]
): Promise<Map<string, number>> {
  const { rows } = await sql<{ id: string; version: number }>`
    select groups.id, ${groupVersion(tenantId)} as version from groups
    where groups.tenant_id = ${tenantId} and groups.id = any(${groupIds}::uuid[])`.execute(trx)
  return new Map(rows.map(({ id, version }) => [id, version]))
}

type GroupIdentity = Pick<GroupRow, 'id' | 'display_name_key' | 'external_id' | 'connection_id'>

/** Which of the wanted names another group has: `groupName`, or `externalId` (of the same connection). */
export async function findTakenGroupNames(
  trx: Trx,
  tenantId: number,
  wanted: readonly GroupIdentity[]
): Promise<{ id: string; what: 'groupName' | 'externalId'; holder_id: string }[]> {
  const types = { id: 'uuid', display_name_key: 'text', external_id: 'text', connection_id: 'uuid' }
  const { rows } = await sql<{ id: string; what: 'groupName' | 'externalId'; holder_id: string }>`
    with w as materialized (select * from ${rowSet('w', types, wanted)})
    select w.id, 'groupName' as what, g.id as holder_id from w
      join groups g on g.tenant_id = ${tenantId} and g.display_name_key = w.display_name_key and g.id <> w.id
    union all
    select w.id, 'externalId', g.id from w
      join groups g on g.tenant_id = ${tenantId} and g.external_id = w.external_id
        and g.connection_id = w.connection_id and g.id <> w.id`.execute(trx)
  return rows
}

export type ChangedGroup = GroupColumns & Pick<GroupRow, 'id' | 'connection_id' | 'version' | 'created_at'>

const COLUMNS = {
  id: 'uuid',
  display_name: 'text',
  display_name_key: 'text',
  external_id: 'text',
  connection_id: 'uuid',
  doc: 'json'
}

/** Brings removed groups back, without members, with the same id and a version that no client has seen. */
export async function restoreGroups(trx: Trx, tenantId: number, groups: readonly ChangedGroup[], now: Date) {
  const rows = groups.map((group) => ({ ...group, tenant_id: tenantId, updated_at: now }))
  const types = {
    ...COLUMNS,
    tenant_id: 'int',
    version: 'int',
    created_at: 'timestamptz',
    updated_at: 'timestamptz'
  }
  const names = sql.join(Object.keys(types).map((name) => sql.ref(name)))
  await sql`
    with restored as (
      insert into groups (${names}) select ${names} from ${rowSet('r', types, rows)} returning id
    )
    insert into group_ancestors (tenant_id, group_id, ancestor_id)
    select ${tenantId}::int, id, id from restored returning 1`.execute(trx)
}

/** Clears the unique names of groups that get new ones in the same transaction, so that two groups can swap theirs. */
export const parkGroupNames = (trx: Trx, tenantId: number, groupIds: readonly string[]) =>
  sql`
    update groups set display_name_key = 'parked ' || id, external_id = null
    where tenant_id = ${tenantId} and id = any(${groupIds}::uuid[])`.execute(trx)

/** Changes the attributes of locked groups: each version goes up by one. */
export async function updateGroups(trx: Trx, tenantId: number, groups: readonly ChangedGroup[], now: Date) {
  await sql`
    update groups g set ${assignmentsFrom('r', COLUMNS)}, version = g.version + 1, updated_at = ${now}
    from ${rowSet('r', COLUMNS, groups)}
    where g.tenant_id = ${tenantId} and g.id = r.id`.execute(trx)
}

/**
 * Deletes locked groups with their memberships, and takes them out of the groups that contain them, under
 * `lockNesting`. `returning 1` is for Citus, which would otherwise COPY the rows.
 * @param removals each with its audit event
 * @returns the remaining groups that contained them, and how many of them each contained
 */
export async function removeGroups(
  trx: Trx,
  tenantId: number,
  removals: readonly { id: string; eventId: string }[]
): Promise<{ group_id: string; count: number }[]> {
  const removed = rowSet('r', { id: 'uuid', eventId: 'uuid' }, removals)
  const ids = removals.map(({ id }) => id)
  const { rows } = await sql<{ group_id: string; count: number }>`
    with r as materialized (select * from ${removed}),
      gone as (
        delete from group_members m using r where m.tenant_id = ${tenantId} and m.group_id = r.id
        returning m.group_id, m.user_id, m.connection_id, m.event_id, r."eventId"
      ),
      kept as (
        insert into past_memberships (tenant_id, group_id, user_id, connection_id, added_event_id, removed_event_id)
        select ${tenantId}::int, group_id, user_id, connection_id, event_id, "eventId" from gone
        returning 1
      ),
      edges as (
        delete from group_children c where c.tenant_id = ${tenantId}
          and (c.group_id = any(${ids}::uuid[]) or c.child_id = any(${ids}::uuid[]))
        returning c.group_id, c.child_id, c.connection_id, c.event_id
      ),
      kept_edges as (
        insert into past_children (tenant_id, group_id, child_id, connection_id, added_event_id, removed_event_id)
        select ${tenantId}::int, e.group_id, e.child_id, e.connection_id, e.event_id,
          (select r."eventId" from r where r.id in (e.group_id, e.child_id) limit 1)
        from edges e
        returning 1
      )
    select group_id, count(*)::int as count from edges
    where child_id = any(${ids}::uuid[]) and group_id <> all(${ids}::uuid[]) group by group_id`.execute(trx)
  await sql`delete from groups where tenant_id = ${tenantId} and id = any(${ids}::uuid[])`.execute(trx)
  await rebuildNesting(trx, tenantId)
  return rows
}

/** Rebuilds the closure of the tenant's groups from `group_children`, under `lockNesting`. */
export async function rebuildNesting(trx: Trx, tenantId: number): Promise<void> {
  const reached = sql`reached (group_id, ancestor_id) as (
      select id, id from groups where tenant_id = ${tenantId}
      union
      select reached.group_id, c.group_id
      from reached join group_children c on c.tenant_id = ${tenantId} and c.child_id = reached.ancestor_id
    )`
  if (isCitus(trx)) return rebuildOnCluster(trx, tenantId, reached)
  await sql`
    with recursive ${reached},
      gone as (
        delete from group_ancestors a where a.tenant_id = ${tenantId} and not exists (
          select from reached where reached.group_id = a.group_id and reached.ancestor_id = a.ancestor_id)
      )
    insert into group_ancestors (tenant_id, group_id, ancestor_id)
    select ${tenantId}::int, group_id, ancestor_id from reached on conflict do nothing`.execute(trx)
}

/** Citus allows no writes in a statement with a recursive query. */
async function rebuildOnCluster(trx: Trx, tenantId: number, reached: RawBuilder<unknown>): Promise<void> {
  const { rows } = await sql<{ group_id: string; ancestor_id: string }>`
    with recursive ${reached} select group_id, ancestor_id from reached`.execute(trx)
  const types = { group_id: 'uuid', ancestor_id: 'uuid' }
  await sql`
    delete from group_ancestors a where a.tenant_id = ${tenantId} and not exists (
      select from ${rowSet('r', types, rows)} where r.group_id = a.group_id and r.ancestor_id = a.ancestor_id)`.execute(
    trx
  )
  await insertRowsAnd(
    sql`on conflict do nothing`,
    trx,
    'group_ancestors',
    { tenant_id: 'int', ...types },
    rows.map((row) => ({ tenant_id: tenantId, ...row }))
  )
}

/** Those of `edges` that would be part of a cycle if all of them were added. */
export async function findCircles(trx: Trx, tenantId: number, edges: readonly Pair[]): Promise<Pair[]> {
  const { rows } = await sql<Pair>`
    with recursive added as materialized (
        select * from ${rowSet('e', { group_id: 'uuid', member_id: 'uuid' }, edges)}
      ),
      edges (group_id, child_id) as (
        select group_id, child_id from group_children where tenant_id = ${tenantId}
        union select group_id, member_id from added
      ),
      reached (start_id, ancestor_id) as (
        select group_id, group_id from added
        union
        select reached.start_id, edges.group_id from reached join edges on edges.child_id = reached.ancestor_id
      )
    select added.group_id, added.member_id from added
    join reached on reached.start_id = added.group_id and reached.ancestor_id = added.member_id`.execute(trx)
  return rows
}
