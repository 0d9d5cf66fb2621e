// Single users as SCIM asks for them all the time: by id, and by userName.
import { sql } from 'kysely'
import type { Db } from './connect.ts'
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

/** By each of both keys there are four statements: with groups or without, of all connections or of one. */
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

/** @param userNameKey the userName in lower case, and text that PostgreSQL can hold */
export const findScimUserByName = lookups('user_name_key', 'text')
