// SCIM's frequent look-ups of single users: by id and by userName.
import { sql } from 'kysely'
import { type Db, readOneInTenant } from './connect.ts'
import { gatheredLookup, usersSought } from './gather.ts'
import type { Role, UserState } from './schema.ts'
import { isVisibleUser, type ScimUserRow, type ScimView, scimUserColumns } from './scim-users.ts'
import type { Fields } from './tenant-query.ts'
import { toIsoTime } from './times.ts'

type Given = { groupsUrl: string; connectionId: string }

/** In the order of scimUserColumns. */
const toRow = (fields: Fields): ScimUserRow => {
  const [, id, state, role, connectionId, version, doc, createdAt, updatedAt, groups, authority] = fields
  return {
    id: id!,
    state: state as UserState,
    role: role as Role,
    connection_id: connectionId!,
    version: Number(version),
    doc: doc!,
    groups: groups!,
    created_at: toIsoTime(createdAt!),
    updated_at: toIsoTime(updatedAt!),
    authority: authority!
  }
}

/** Four statements for a key: with or without groups, of all connections or of one. */
function lookups(key: 'id' | 'user_name_key', type: 'uuid' | 'text') {
  const lookup = (withGroups: boolean, isOwn: boolean) =>
    gatheredLookup<ScimUserRow, Given>((p) => {
      const connectionId = (isOwn ? p.connectionId : undefined) as string | undefined
      const view = { tenantId: p.tenantId as number, groupsUrl: p.groupsUrl as string, connectionId, withGroups }
      const users = usersSought(p.tenantId, p.keys, key, type, isVisibleUser(connectionId))
      return sql`select sought.key, ${scimUserColumns(view)} from ${users}`
    }, toRow)
  const [all, own] = [
    { with: lookup(true, false), without: lookup(false, false) },
    { with: lookup(true, true), without: lookup(false, true) }
  ]
  return (db: Db, { tenantId, groupsUrl, connectionId, withGroups }: ScimView, sought: string) => {
    const among = connectionId === undefined ? all : own
    const find = withGroups ? among.with : among.without
    return find(db, tenantId, { groupsUrl, connectionId: connectionId ?? '' }, sought)
  }
}

/** @param userId as PostgreSQL writes it */
export const findScimUser = lookups('id', 'uuid')

/** @param userNameKey the userName in lower case; must be text that PostgreSQL can store */
export const findScimUserByName = lookups('user_name_key', 'text')

/**
 * Whether the user still has the version, is in no group, and has no past membership: then nobody who read this version
 * was shown a group. False if the connection went live after the user's last change: a shadow's past memberships are
 * not carried over.
 * @param connectionId the connection that asks; null for none
 */
export async function wasNeverInGroup(
  db: Db,
  tenantId: number,
  { id, version }: Pick<ScimUserRow, 'id' | 'version'>,
  connectionId: string | null
): Promise<boolean> {
  const memberships = (table: 'group_members' | 'past_memberships') => sql`
    select from ${sql.table(table)} m where m.tenant_id = ${tenantId} and m.user_id = ${id}::uuid`
  // without a connection the condition is left out: of one that is always false Citus makes a join that it refuses
  const hasGoneLive =
    connectionId !== null &&
    sql`
      select from audit_events e
      where e.tenant_id = ${tenantId} and e.target_id = ${connectionId}::uuid and e.action = 'scimConnection.wentLive'
        -- a day more, because servers' clocks differ
        and e.at > users.updated_at - interval '1 day'`
  const found = await readOneInTenant(
    db,
    tenantId,
    sql`select users.id from users
      where users.tenant_id = ${tenantId} and users.id = ${id}::uuid and users.version = ${version}
        and not exists (${memberships('group_members')})
        and not exists (${memberships('past_memberships')})
        ${hasGoneLive ? sql`and not exists (${hasGoneLive})` : sql``}`
  )
  return found !== undefined
}
