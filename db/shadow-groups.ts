// Groups and memberships of a shadow that goes live: how they are read and written in the tenant.
import { sql } from 'kysely'
import type { Trx } from './connect.ts'
import type { Pair } from './history.ts'
import { countResources } from './resource-counts.ts'
import { type ColumnTypes, insertRows, rowSet } from './rows.ts'
import type { GroupRow } from './schema.ts'

/** Whole rows, by id, without a lock. */
export async function readGroups(trx: Trx, tenantId: number, groupIds: readonly string[]): Promise<GroupRow[]> {
  const { rows } = await sql<GroupRow>`
    select groups.* from groups where groups.tenant_id = ${tenantId} and groups.id = any(${groupIds}::uuid[])
    order by groups.id`.execute(trx)
  return rows
}

const COLUMNS: ColumnTypes = {
  tenant_id: 'int',
  id: 'uuid',
  ordinal: 'bigint',
  display_name: 'text',
  display_name_key: 'text',
  external_id: 'text',
  connection_id: 'uuid',
  doc: 'json',
  version: 'int',
  created_at: 'timestamptz',
  updated_at: 'timestamptz'
}

/** Makes groups without members under the ids that they had in the shadow. */
export async function insertShadowGroups(
  trx: Trx,
  tenantId: number,
  groups: readonly GroupRow[],
  now: Date
): Promise<void> {
  const rows = groups.map((group) => ({ ...group, tenant_id: tenantId, updated_at: now }))
  const closure = groups.map(({ id }) => ({ tenant_id: tenantId, group_id: id, ancestor_id: id }))
  await insertRows(trx, 'groups', COLUMNS, rows)
  await insertRows(trx, 'group_ancestors', { tenant_id: 'int', group_id: 'uuid', ancestor_id: 'uuid' }, closure)
  await countResources(tenantId, 'Group', groups.length).execute(trx)
}

/** Which of the memberships exist. */
export async function readPresentPairs(
  trx: Trx,
  tenantId: number,
  kind: 'users' | 'groups',
  pairs: readonly Pair[]
): Promise<Pair[]> {
  const [table, member] = kind === 'users' ? [sql`group_members`, sql`user_id`] : [sql`group_children`, sql`child_id`]
  const { rows } = await sql<Pair>`
    select m.group_id, m.${member} as member_id
    from ${rowSet('p', { group_id: 'uuid', member_id: 'uuid' }, pairs)}
    join ${table} m on m.tenant_id = ${tenantId} and m.group_id = p.group_id and m.${member} = p.member_id`.execute(trx)
  return rows
}

/** Which of the users exist and are not removed; without a lock. */
export async function readPresentUsers(trx: Trx, tenantId: number, userIds: readonly string[]): Promise<string[]> {
  const { rows } = await sql<{ id: string }>`
    select id from users where tenant_id = ${tenantId} and id = any(${userIds}::uuid[]) and state <> 'removed'`.execute(
    trx
  )
  return rows.map(({ id }) => id)
}

/** Sets the versions of groups that clients see. */
export async function setGroupVersions(
  trx: Trx,
  tenantId: number,
  groups: readonly { id: string; version: number }[]
): Promise<void> {
  if (groups.length === 0) return
  await sql`
    update groups g set version = r.version - coalesce((select sum(v.changes) from group_revisions v
      where v.tenant_id = ${tenantId} and v.group_id = g.id), 0)
    from ${rowSet('r', { id: 'uuid', version: 'int' }, groups)}
    where g.tenant_id = ${tenantId} and g.id = r.id`.execute(trx)
}
