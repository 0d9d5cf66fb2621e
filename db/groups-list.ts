// The list of a tenant's groups, and the list of a group's members: searched and paged by key.
import { type RawBuilder, type SqlBool, sql } from 'kysely'
import { authorities, type ShownAuthority, shownAuthority } from './authority.ts'
import { type Db, readInTenant } from './connect.ts'
import type { CursorKeys } from './cursor.ts'
import { type GroupView, selectGroupViews } from './groups.ts'
import { selectUserViews, type UserView } from './users.ts'

interface GroupFilter {
  readonly source?: 'manual' | 'scim'
  /** Groups that this user is a direct member of. */
  readonly userId?: string
}

export const GROUP_SORT_KEYS = ['displayName', 'createdAt'] as const
type GroupSortKey = (typeof GROUP_SORT_KEYS)[number]

interface GroupListQuery {
  /** Words that must all be found in the name, in any letter case. */
  readonly search?: string
  readonly filter: GroupFilter
  readonly sort: GroupSortKey
  readonly isDescending: boolean
  /** `[sort value, id]` of the last row of the page before. */
  readonly after: CursorKeys | undefined
  readonly limit: number
}

interface GroupListItem extends GroupView {
  /** The sort value as text, for the cursor. */
  sort_value: string
}

const SORT_ORDERS: Record<GroupSortKey, { value: RawBuilder<unknown>; type: 'text' | 'bigint' }> = {
  displayName: { value: sql.ref('groups.display_name_key'), type: 'text' },
  // rows are numbered in the order of creation, and an index has the number
  createdAt: { value: sql.ref('groups.ordinal'), type: 'bigint' }
}

/** Up to `limit` groups in the order asked for; one statement. */
export function listGroups(db: Db, tenantId: number, query: GroupListQuery): Promise<GroupListItem[]> {
  const { value, type } = SORT_ORDERS[query.sort]
  const direction = sql.raw(query.isDescending ? 'desc' : 'asc')
  const than = sql.raw(query.isDescending ? '<' : '>')
  const [last, lastId] = query.after ?? []
  const page = selectGroupViews(db, tenantId)
    .select(sql<string>`(${value})::text`.as('sort_value'))
    .where(isWanted(tenantId, query))
    .where(
      query.after
        ? sql<SqlBool>`(${value}, groups.id) ${than} (${last}::${sql.raw(type)}, ${lastId}::uuid)`
        : sql<SqlBool>`true`
    )
    .orderBy(sql`${value} ${direction}, groups.id ${direction}`)
    .limit(query.limit)
  return readInTenant<GroupListItem>(db, tenantId, page)
}

/** How many groups the list has in all. */
export async function countGroups(
  db: Db,
  tenantId: number,
  query: Pick<GroupListQuery, 'search' | 'filter'>
): Promise<number> {
  const count = sql<{ total: number }>`
    select count(*)::int as total from groups where groups.tenant_id = ${tenantId} and ${isWanted(tenantId, query)}`
  const [row] = await readInTenant<{ total: number }>(db, tenantId, count)
  return row!.total
}

function isWanted(tenantId: number, { search, filter }: Pick<GroupListQuery, 'search' | 'filter'>) {
  const conditions: RawBuilder<unknown>[] = [sql`true`]
  if (filter.source !== undefined) {
    conditions.push(
      filter.source === 'scim' ? sql`groups.connection_id is not null` : sql`groups.connection_id is null`
    )
  }
  if (filter.userId !== undefined) {
    conditions.push(sql`exists (select from group_members m
      where m.tenant_id = ${tenantId} and m.user_id = ${filter.userId}::uuid and m.group_id = groups.id)`)
  }
  for (const word of wordsOf(search)) conditions.push(sql`strpos(groups.display_name_key, ${word}::text) > 0`)
  return sql<SqlBool>`(${sql.join(conditions, sql` and `)})`
}

const MAX_WORDS = 8

const wordsOf = (search = '') => search.toLowerCase().split(/\s+/).filter(Boolean).slice(0, MAX_WORDS)

/** How many members one call searches: this bounds its cost, however large the group is. */
const MEMBERS_SEARCHED = 20_000

/** A person in a group. */
type MemberView = UserView & {
  /** The connection that the membership belongs to; null for none. */
  membership: ShownAuthority | null
}

export interface MembersPage {
  /** In the order in which the users were made. */
  readonly members: MemberView[]
  /** The member after whom the next page begins; undefined on the last page. */
  readonly nextAfter: string | undefined
}

/**
 * Lists users who are direct members of a group; one statement.
 * @param query.search words that must all be found in names, address or user name. A page of a search may hold fewer
 *   than `limit`, even none, and still have a next page
 * @param query.after the member after whom the page begins
 */
export async function listMembers(
  db: Db,
  tenantId: number,
  query: { groupId: string; search?: string; after: string | undefined; limit: number }
): Promise<MembersPage> {
  const words = wordsOf(query.search)
  const searched = words.length > 0 ? MEMBERS_SEARCHED : query.limit
  const conditions = words.map((word) => sql`and strpos(${SEARCHED_TEXT}, ${word}::text) > 0`)
  const membership = sql<ShownAuthority | null>`
    (select ${shownAuthority} from group_members m join (${authorities(tenantId)}) as a on a.id = m.connection_id
      where m.tenant_id = ${tenantId} and m.group_id = ${query.groupId}::uuid and m.user_id = users.id)`
  const found = selectUserViews(db, tenantId)
    .select(membership.as('membership'))
    .where(
      sql<SqlBool>`users.id in (select user_id from searched where place <= ${searched}) ${sql.join(conditions, sql` `)}`
    )
    .orderBy('users.id')
    .limit(query.limit + 1)
  const rows = await readInTenant<MemberView & { last_searched: string | null; has_more: boolean }>(
    db,
    tenantId,
    sql`
      with searched as materialized (
        select m.user_id, row_number() over (order by m.user_id) as place from group_members m
        where m.tenant_id = ${tenantId} and m.group_id = ${query.groupId}::uuid
          and ${query.after === undefined ? sql`true` : sql`m.user_id > ${query.after}::uuid`}
        order by m.user_id limit ${searched + 1}
      )
      select found.*, bounds.*
      from (
        select (select user_id from searched where place = ${searched}) as last_searched,
          (select count(*) > ${searched} from searched) as has_more
      ) as bounds left join (${found}) as found on true
      order by found.id`
  )
  const { last_searched, has_more } = rows[0]!
  // without a match there is one row, with only the bounds
  const members = rows.filter(({ id }) => id !== null)
  if (members.length > query.limit) {
    return { members: members.slice(0, query.limit), nextAfter: members[query.limit - 1]!.id }
  }
  return { members, nextAfter: (has_more && last_searched) || undefined }
}

// strpos has no wildcards, so nothing in a word needs escaping
const SEARCHED_TEXT = sql`(concat_ws(chr(10), users.display_name_key, lower(users.given_name), users.family_name_key,
  users.email_key, users.user_name_key) collate "C")`

interface GroupName {
  readonly id: string
  readonly displayName: string
}

/** The groups directly in a group, and the groups that it is directly in: sorted by name, up to `limit` each. */
export async function listNeighbours(
  db: Db,
  tenantId: number,
  groupId: string,
  limit: number
): Promise<{ children: GroupName[]; parents: GroupName[] }> {
  const names = (own: string, other: string) => sql`
    (select coalesce(jsonb_agg(jsonb_build_object('id', id, 'displayName', display_name) order by display_name_key), '[]')
      from (
        select groups.id, groups.display_name, groups.display_name_key from group_children c
        join groups on groups.tenant_id = c.tenant_id and groups.id = c.${sql.ref(other)}
        where c.tenant_id = ${tenantId} and c.${sql.ref(own)} = ${groupId}::uuid
        order by groups.display_name_key limit ${limit}
      ) as named)`
  const [row] = await readInTenant<{ children: GroupName[]; parents: GroupName[] }>(
    db,
    tenantId,
    sql`select ${names('group_id', 'child_id')} as children, ${names('child_id', 'group_id')} as parents`
  )
  return row!
}
