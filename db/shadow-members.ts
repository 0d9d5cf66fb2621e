// Memberships that were added or removed in a shadow since it was opened.
import { type RawBuilder, sql } from 'kysely'
import type { Trx } from './connect.ts'

/** A membership that was added or removed in a shadow. */
export interface ShadowPair {
  readonly group_id: string
  readonly member_id: string
  readonly connection_id: string | null
}

const KINDS = {
  users: { now: sql`group_members`, base: sql`shadow_members`, member: sql`user_id` },
  groups: { now: sql`group_children`, base: sql`shadow_children`, member: sql`child_id` }
} as const

/**
 * In a transaction that sees the shadow: memberships that were added or removed there, by group and member. Leaves out
 * those that ended because their group or member was removed.
 * @param page.after the last one of the previous page
 */
export async function readShadowPairs(
  trx: Trx,
  shadowId: number,
  kind: keyof typeof KINDS,
  what: 'added' | 'removed',
  page: { after?: ShadowPair; limit: number; groupId?: string }
): Promise<ShadowPair[]> {
  const { now, base, member } = KINDS[kind]
  const [here, there] = what === 'added' ? [now, base] : [base, now]
  const isWhole =
    kind === 'users'
      ? sql`exists (select from users u where u.tenant_id = ${shadowId} and u.id = h.user_id and u.state <> 'removed')`
      : sql`exists (select from groups c where c.tenant_id = ${shadowId} and c.id = h.child_id)`
  const { rows } = await sql<ShadowPair>`
    select h.group_id, h.${member} as member_id, ${what === 'added' ? sql`h.connection_id` : sql`null::uuid as connection_id`}
    from ${here} h
    where h.tenant_id = ${shadowId}
      and ${page.groupId === undefined ? sql`true` : sql`h.group_id = ${page.groupId}::uuid`}
      and ${page.after === undefined ? sql`true` : sql`(h.group_id, h.${member}) > (${page.after.group_id}::uuid, ${page.after.member_id}::uuid)`}
      and not exists (select from ${there} t
        where t.tenant_id = ${shadowId} and t.group_id = h.group_id and t.${member} = h.${member})
      and exists (select from groups g where g.tenant_id = ${shadowId} and g.id = h.group_id) and ${isWhole}
    order by h.group_id, h.${member} limit ${page.limit}`.execute(trx)
  return rows
}

/** A membership that was added or removed in a shadow, with names for people to read. */
interface NamedPair {
  group_id: string
  group_name: string
  member_id: string
  member_name: string
  change: 'joined' | 'left'
}

/**
 * In a transaction that sees the shadow: who joined or left groups there, for some users or for some groups.
 * @param limit for each user, or for each group
 */
export async function readNamedPairs(
  trx: Trx,
  shadowId: number,
  of: { userIds: readonly string[] } | { groupIds: readonly string[] },
  limit: number
): Promise<NamedPair[]> {
  const [column, ids] = 'userIds' in of ? ['user_id', of.userIds] : ['group_id', of.groupIds]
  const part = (here: RawBuilder<unknown>, there: RawBuilder<unknown>, change: string) => sql`
    select h.group_id, h.user_id, ${sql.lit(change)} as change from ${here} h
    where h.tenant_id = ${shadowId} and h.${sql.ref(column)} = any(${ids}::uuid[]) and not exists (
      select from ${there} t where t.tenant_id = ${shadowId} and t.group_id = h.group_id and t.user_id = h.user_id)`
  const { rows } = await sql<NamedPair>`
    select group_id, group_name, member_id, member_name, change from (
      select p.group_id, g.display_name as group_name, p.user_id as member_id, p.change,
        coalesce(u.display_name, u.email, u.user_name) as member_name,
        row_number() over (partition by p.${sql.ref(column)} order by p.change, g.display_name_key, u.shown_name_key) as place
      from (${part(KINDS.users.now, KINDS.users.base, 'joined')} union all ${part(KINDS.users.base, KINDS.users.now, 'left')}) p
      join groups g on g.tenant_id = ${shadowId} and g.id = p.group_id
      join users u on u.tenant_id = ${shadowId} and u.id = p.user_id and u.state <> 'removed'
    ) as named where place <= ${limit} order by place`.execute(trx)
  return rows
}

/** In a transaction that sees the shadow: how many users joined each group there, and how many left. */
export async function countPairs(
  trx: Trx,
  shadowId: number
): Promise<{ group_id: string; joined: number; left: number }[]> {
  const { rows } = await sql<{ group_id: string; joined: number; left: number }>`
    select group_id, count(*) filter (where is_new)::int as joined, count(*) filter (where not is_new)::int as left from (
      select m.group_id, m.user_id, true as is_new from group_members m where m.tenant_id = ${shadowId} and not exists (
        select from shadow_members b where b.tenant_id = ${shadowId} and b.group_id = m.group_id and b.user_id = m.user_id)
      union all
      select b.group_id, b.user_id, false from shadow_members b where b.tenant_id = ${shadowId} and not exists (
        select from group_members m where m.tenant_id = ${shadowId} and m.group_id = b.group_id and m.user_id = b.user_id)
    ) as changed
    join users u on u.tenant_id = ${shadowId} and u.id = changed.user_id and u.state <> 'removed'
    group by group_id`.execute(trx)
  return rows
}
