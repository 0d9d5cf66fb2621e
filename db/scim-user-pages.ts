// Pages of users: each group of a page is read once, however many of its users are in it.
import { type RawBuilder, sql } from 'kysely'
import { isWithinScope } from './groups.ts'

/** The columns that a page is made of, as expressions on a row of `users`; `updated_at` is null if never changed. */
export const userPageColumns = {
  state: sql`users.state`,
  id: sql`users.id`,
  version: sql`users.version`,
  connection_id: sql`users.connection_id`,
  doc: sql`users.doc`,
  created_at: sql`users.created_at`,
  // PostgreSQL takes long to write a time, and many users have never been changed
  updated_at: sql`nullif(users.updated_at, users.created_at)`,
  authority: sql`users.authority`
}

/**
 * The groups that a page's users are members of, and those that contain these, in the order of creation: an expression
 * on `page`, which has userPageColumns.
 * @param view.connectionId only this connection's groups are visible
 */
export function groupsOfPage(view: { tenantId: number; connectionId?: string | undefined }): RawBuilder<unknown> {
  const { tenantId, connectionId } = view
  return sql`(
    with memberships as materialized (
      select m.group_id,
        case when count(*) < (select count(*) from page) then array_to_string(array_agg(m.user_id), ' ') end as user_ids
      from group_members m
      where m.tenant_id = ${tenantId} and m.user_id = any(array(select page.id from page))
      group by m.group_id
    )
    select json_build_object(
      'members', (select json_agg(json_build_array(group_id, user_ids)) from memberships),
      'groups', (select json_agg(json_build_array(a.group_id, groups.id, groups.display_name) order by groups.ordinal)
        from group_ancestors a join groups on groups.tenant_id = a.tenant_id and groups.id = a.ancestor_id
        where a.tenant_id = ${tenantId} and a.group_id = any(array(select group_id from memberships))
          and ${isWithinScope('groups', connectionId)})
    )::text)`
}

/** The result of groupsOfPage; `userIds` is null if all users of the page are members. */
interface PageGroups {
  readonly members: readonly (readonly [groupId: string, userIds: string | null])[] | null
  /** The group of a membership, a group shown for it (the same, or one that contains it), and that group's name. */
  readonly groups: readonly ShownGroup[] | null
}
type ShownGroup = readonly [memberOf: string, id: string, displayName: string]

/** The attribute `groups` of a page's users, as JSON text; null for a user in no group. */
export interface GroupsOfPage {
  /** The same for all users of the page; undefined if they differ. */
  readonly ofAll: string | null | undefined
  of(userId: string): string | null
}

/**
 * @param besides the result of groupsOfPage
 * @param groupsUrl what a group's `$ref` begins with
 */
export function readPageGroups(besides: string | null, groupsUrl: string): GroupsOfPage {
  const { members, groups } = JSON.parse(besides ?? '{}') as Partial<PageGroups>
  if (!members || !groups) return { ofAll: null, of: () => null }
  const shared = members.flatMap(([groupId, userIds]) => (userIds === null ? [groupId] : []))
  const ofShared = groupsText(new Set(shared), groups, groupsUrl)
  if (shared.length === members.length) return { ofAll: ofShared, of: () => ofShared }
  const memberOf = new Map<string, string>()
  for (const [groupId, userIds] of members) {
    for (const userId of userIds?.split(' ') ?? []) {
      const others = memberOf.get(userId)
      memberOf.set(userId, others === undefined ? groupId : `${others} ${groupId}`)
    }
  }
  // many of a page's users are in the same groups
  const texts = new Map<string, string | null>()
  return {
    ofAll: undefined,
    of(userId) {
      const groupIds = memberOf.get(userId)
      if (groupIds === undefined) return ofShared
      let text = texts.get(groupIds)
      if (text === undefined) {
        text = groupsText(new Set([...shared, ...groupIds.split(' ')]), groups, groupsUrl)
        texts.set(groupIds, text)
      }
      return text
    }
  }
}

function groupsText(memberOf: ReadonlySet<string>, shown: readonly ShownGroup[], groupsUrl: string): string | null {
  const items = new Map<string, string>()
  for (const [of, id, displayName] of shown) {
    if (!memberOf.has(of) || items.has(id)) continue
    const type = memberOf.has(id) ? 'direct' : 'indirect'
    const display = JSON.stringify(displayName)
    items.set(id, `{"value":"${id}","$ref":"${groupsUrl}${id}","display":${display},"type":"${type}"}`)
  }
  return items.size > 0 ? `[${[...items.values()].join(',')}]` : null
}
