// Groups: how people and rules read them, their rows under lock, and the counters of their memberships.
import { type RawBuilder, type SelectQueryBuilder, type SqlBool, sql } from 'kysely'
import { type Db, readOneInTenant, type Trx } from './connect.ts'
import { keepMemberships, type MemberCause } from './past-members.ts'
import { insertRows, rowSet } from './rows.ts'
import type { Database, GroupRow } from './schema.ts'

/** What people are shown of a group: its columns without the document, its counters, the name of its connection. */
export type GroupView = Pick<
  GroupRow,
  'id' | 'display_name' | 'external_id' | 'connection_id' | 'kept_by' | 'created_at'
> & {
  source_name: string | null
  /** The name of the deleted connection that the group still belongs to. */
  kept_name: string | null
  /** Direct members, users and groups. */
  member_count: number
  /** When its attributes or its members last changed. */
  updated_at: Date
}

// The tenant is passed as a value: from a column of `groups`, Citus would not know which node to query.
const revisions = (tenant: unknown, aggregate: string): RawBuilder<unknown> =>
  sql`(select ${sql.raw(aggregate)} from group_revisions r where r.tenant_id = ${tenant} and r.group_id = groups.id)`

/** Goes up by one with each change of the attributes or the members; an expression on a row of `groups`. */
export const groupVersion = (tenant: unknown) =>
  sql<number>`(groups.version + coalesce(${revisions(tenant, 'sum(r.changes)')}, 0))::int`
/** The number of direct members, users and groups; an expression on a row of `groups`. */
const groupMemberCount = (tenant: unknown) => sql<number>`coalesce(${revisions(tenant, 'sum(r.member_delta)')}, 0)::int`
/** When its attributes or its members last changed; an expression on a row of `groups`. */
export const groupLastModified = (tenant: unknown) =>
  sql<Date>`greatest(groups.updated_at, ${revisions(tenant, 'max(r.at)')})`

const keptName = (tenantId: number) => sql<string | null>`
  case when groups.kept_by is not null then (select p.name from past_connections p
    where p.tenant_id = ${tenantId} and p.id = groups.kept_by and p.is_kept) end`

/** The select that group views start from; the caller adds further conditions. */
export const selectGroupViews = (db: Db, tenantId: number) =>
  db
    .selectFrom('groups')
    .leftJoin('scim_connections', (join) =>
      join
        .onRef('scim_connections.tenant_id', '=', 'groups.tenant_id')
        .onRef('scim_connections.id', '=', 'groups.connection_id')
    )
    .select([
      'groups.id',
      'groups.display_name',
      'groups.external_id',
      'groups.connection_id',
      'groups.kept_by',
      'groups.created_at',
      'scim_connections.name as source_name',
      keptName(tenantId).as('kept_name'),
      groupMemberCount(tenantId).as('member_count'),
      groupLastModified(tenantId).as('updated_at')
    ])
    .where('groups.tenant_id', '=', tenantId)

/** One statement. */
export const findGroupView = (db: Db, tenantId: number, groupId: string): Promise<GroupView | undefined> =>
  readOneInTenant<GroupView>(db, tenantId, selectGroupViews(db, tenantId).where('groups.id', '=', groupId))

/**
 * Limits users or groups to those of one SCIM connection; undefined: all of the tenant's.
 * @param table the table or alias that has `connection_id`
 */
export const isWithinScope = (table: 'users' | 'groups', connectionId: string | undefined): RawBuilder<SqlBool> =>
  connectionId === undefined ? sql`true` : sql`${sql.table(table)}.connection_id = ${connectionId}::uuid`

/**
 * - `for update`: nobody changes the group or its members before this transaction ends;
 * - `for no key update`: nobody changes the attributes; members may still come and go.
 */
type GroupLock = 'for update' | 'for no key update'

/** Locks a group's row until the transaction ends and reads it whole; undefined where there is none. */
export function lockGroup(
  trx: Trx,
  tenantId: number,
  groupId: string,
  lock: GroupLock,
  connectionId?: string
): Promise<GroupRow | undefined> {
  const query: SelectQueryBuilder<Database, 'groups', GroupRow> = trx
    .selectFrom('groups')
    .selectAll()
    .where('tenant_id', '=', tenantId)
    .where('id', '=', groupId)
    .where(isWithinScope('groups', connectionId))
  return (lock === 'for update' ? query.forUpdate() : query.forNoKeyUpdate()).executeTakeFirst()
}

/** The version that clients see; a separate statement, which sees what was committed before the lock was granted. */
export async function getGroupVersion(trx: Trx, tenantId: number, groupId: string): Promise<number> {
  const { version } = await trx
    .selectFrom('groups')
    .select(groupVersion(tenantId).as('version'))
    .where('tenant_id', '=', tenantId)
    .where('id', '=', groupId)
    .executeTakeFirstOrThrow()
  return version
}

/** The columns that follow from a group's document. */
export type GroupColumns = Pick<GroupRow, 'display_name' | 'display_name_key' | 'external_id' | 'doc'>

/** Makes groups without members. The unique keys of name and externalId may refuse them. */
export async function insertGroups(
  trx: Trx,
  tenantId: number,
  groups: readonly (GroupColumns & { id: string; connection_id: string | null })[],
  now: Date
): Promise<void> {
  const rows = groups.map((group) => ({ ...group, tenant_id: tenantId, created_at: now, updated_at: now }))
  const closure = groups.map(({ id }) => ({ tenant_id: tenantId, group_id: id, ancestor_id: id }))
  await Promise.all([
    insertRows(trx, 'groups', GROUP_COLUMNS, rows),
    insertRows(trx, 'group_ancestors', { tenant_id: 'int', group_id: 'uuid', ancestor_id: 'uuid' }, closure)
  ])
}

const GROUP_COLUMNS = {
  tenant_id: 'int',
  id: 'uuid',
  display_name: 'text',
  display_name_key: 'text',
  external_id: 'text',
  connection_id: 'uuid',
  doc: 'json',
  created_at: 'timestamptz',
  updated_at: 'timestamptz'
}

/** Changes a locked group's attributes: the version goes up by one. */
export const updateGroup = (
  trx: Trx,
  tenantId: number,
  groupId: string,
  columns: GroupColumns & Pick<GroupRow, 'connection_id' | 'kept_by'>,
  now: Date
) =>
  trx
    .updateTable('groups')
    .set({ ...columns, updated_at: now, version: sql<number>`version + 1` })
    .where('tenant_id', '=', tenantId)
    .where('id', '=', groupId)
    .execute()

/**
 * Deletes a group, whose row is locked `for update`, with the memberships of its users. db/group-children.ts handles
 * its relations to other groups.
 */
export const deleteGroup = (trx: Trx, tenantId: number, groupId: string, { eventId }: MemberCause) =>
  Promise.all([
    sql`
      with gone as (
        delete from group_members where tenant_id = ${tenantId} and group_id = ${groupId}
        returning group_id, user_id, connection_id, event_id
      )
      ${keepMemberships(tenantId, eventId, sql`gone`)}`.execute(trx),
    trx.deleteFrom('groups').where('tenant_id', '=', tenantId).where('id', '=', groupId).execute()
  ])

/**
 * Counts changes of memberships, as part of a statement or as a statement of its own. Every change of memberships is
 * counted here, once for each group, in the order of the groups' ids, after everything else that may wait for a lock.
 * @param source a select of (group_id uuid, delta int), each group once
 * @param changes how many changes a group's delta stands for; an expression on a row of `source`
 */
export const countMemberChanges = (
  tenantId: number,
  now: Date,
  source: RawBuilder<unknown>,
  changes: RawBuilder<number> = sql`1`
): RawBuilder<unknown> => sql`
  insert into group_revisions (tenant_id, group_id, member_delta, changes, at)
  select ${tenantId}::int, source.group_id, source.delta, ${changes}, ${now}::timestamptz
  from (${source}) as source order by source.group_id
  on conflict (tenant_id, group_id, slot) do update set
    member_delta = group_revisions.member_delta + excluded.member_delta,
    changes = group_revisions.changes + excluded.changes,
    at = greatest(group_revisions.at, excluded.at)`

/** As countMemberChanges. @param deltas each group at most once */
export async function addToMemberCounts(
  trx: Trx,
  tenantId: number,
  now: Date,
  deltas: readonly { group_id: string; delta: number }[]
): Promise<void> {
  if (deltas.length === 0) return
  const source = sql`select * from ${rowSet('d', { group_id: 'uuid', delta: 'int' }, deltas)}`
  await countMemberChanges(tenantId, now, source).execute(trx)
}
