// Roles that groups give: which roles follow from a mapping, for some people or for all, in one statement.
//
// A group gives its role to its members and to the members of the groups in it, but never a role above the highest one
// of any connection involved: the one that provisions the group, those that provision or nest the groups in between,
// and the one that added the member.
import { type RawBuilder, sql } from 'kysely'
import { type Db, readInTenant, type Trx } from './connect.ts'
import { rowSet } from './rows.ts'
import { ROLES, type Role, type UserState } from './schema.ts'

/** The first key of the advisory lock; the second is the tenant's id. */
const ROLES_LOCK = 20_612

/**
 * Lets one transaction at a time change what roles follow from: mapping, memberships, nesting, own roles. Take it
 * before locking rows, and after lockNesting.
 */
export async function lockGroupRoles(trx: Trx, tenantId: number): Promise<void> {
  await sql`select pg_advisory_xact_lock(${ROLES_LOCK}, ${tenantId})`.execute(trx)
}

export interface GroupRole {
  readonly groupId: string
  readonly role: Role
}

/** A user whose role changes. */
export interface RoleChange {
  user_id: string
  email: string | null
  user_name: string
  display_name: string | null
  given_name: string | null
  family_name: string | null
  state: UserState
  locked: boolean
  before: Role
  after: Role
  /** The mapped group that gives the role; null if they get their own role back. */
  group_id: string | null
  group_name: string | null
}

const RANKS = sql`array[${sql.join(ROLES.map((role) => sql.lit(role)))}]::text[]`
const rankOf = (role: RawBuilder<unknown>) => sql`array_position(${RANKS}, ${role})`

/** The mapping as it is stored. */
const stored = (tenantId: number): RawBuilder<unknown> =>
  sql`select group_id, role from group_roles where tenant_id = ${tenantId}`

/** A hypothetical mapping. */
const thoughtOf = (mapping: readonly GroupRole[]): RawBuilder<unknown> =>
  sql`select group_id, role from ${rowSet(
    'thought',
    { group_id: 'uuid', role: 'text' },
    mapping.map(({ groupId, role }) => ({ group_id: groupId, role }))
  )}`

/** The rank of a connection's highest role; the top rank for null (people acted), the lowest if it is unknown. */
const reachOf = (connectionId: RawBuilder<unknown>) => sql`
  case when ${connectionId} is null then ${ROLES.length}
    else coalesce((select reach.rank from reach where reach.id = ${connectionId}), 1) end`

/** The common table expressions up to `best`: every group that gives a role, with the best rank that it gives. */
const givingGroups = (tenantId: number, mapping: RawBuilder<unknown>) => sql`
    reach as materialized (
      select id, ${rankOf(sql`highest_role`)} as rank from scim_connections where tenant_id = ${tenantId}
      union all
      select id, ${rankOf(sql`highest_role`)} from past_connections where tenant_id = ${tenantId}
    ),
    mapping (group_id, role) as materialized (${mapping}),
    giving (group_id, rank, source_id) as (
      select g.id, least(${rankOf(sql`mapping.role`)}, ${reachOf(sql`g.connection_id`)}), g.id
      from mapping join groups g on g.tenant_id = ${tenantId} and g.id = mapping.group_id
      union
      select c.child_id,
        least(giving.rank, ${reachOf(sql`c.connection_id`)}, ${reachOf(sql`child.connection_id`)}), giving.source_id
      from giving
      join group_children c on c.tenant_id = ${tenantId} and c.group_id = giving.group_id
      join groups child on child.tenant_id = ${tenantId} and child.id = c.child_id
    ),
    best as materialized (
      select distinct on (group_id) group_id, rank, source_id from giving order by group_id, rank desc, source_id
    )`

/**
 * The common table expressions up to `fresh`: everybody concerned, with their present role and the one that follows
 * from the mapping.
 * @param affected a select of user ids; everybody if left out
 */
const freshRoles = (tenantId: number, mapping: RawBuilder<unknown>, affected?: RawBuilder<unknown>) => {
  return sql`
    ${givingGroups(tenantId, mapping)},
    affected (user_id) as materialized (${affected ?? sql`select null::uuid where false`}),
    earned as (
      select distinct on (m.user_id) m.user_id, least(best.rank, ${reachOf(sql`m.connection_id`)}) as rank, best.source_id
      from best join group_members m on m.tenant_id = ${tenantId} and m.group_id = best.group_id
      where ${affected ? sql`m.user_id in (select user_id from affected)` : sql`true`}
      order by m.user_id, least(best.rank, ${reachOf(sql`m.connection_id`)}) desc, best.source_id
    ),
    fresh as (
      select u.id, u.email, u.user_name, u.display_name, u.given_name, u.family_name, u.state, u.locked,
        u.role as before, coalesce(u.given_role, u.role) as own,
        coalesce(earned.rank > ${rankOf(sql`coalesce(u.given_role, u.role)`)}, false) as is_raised,
        (${RANKS})[greatest(earned.rank, ${rankOf(sql`coalesce(u.given_role, u.role)`)})] as after,
        earned.source_id
      from users u left join earned on earned.user_id = u.id
      where u.tenant_id = ${tenantId} and u.state <> 'removed'
        and ${affected ? sql`u.id in (select user_id from affected)` : sql`(earned.user_id is not null or u.given_role is not null)`}
    )`
}

const changeColumns = sql`
  fresh.id as user_id, fresh.email, fresh.user_name, fresh.display_name, fresh.given_name, fresh.family_name,
  fresh.state, fresh.locked, fresh.before, fresh.after, source.id as group_id, source.display_name as group_name`

const withSource = (tenantId: number) => sql`
  left join groups source on source.tenant_id = ${tenantId} and source.id = fresh.source_id and fresh.is_raised`

/** Locks the people whose roles may change; a separate statement, so that the next one sees what others committed. */
export const lockAffected = (trx: Trx, tenantId: number, affected: RawBuilder<unknown>) =>
  sql`select from users where tenant_id = ${tenantId} and id in (${affected}) order by id for no key update`.execute(
    trx
  )

/**
 * Gives people the roles that follow from the mapping. Call it under lockGroupRoles, after the changes that affect
 * roles.
 * @param affected a select of user ids; everybody if left out
 * @returns whose role has changed
 */
export async function writeRoles(
  trx: Trx,
  tenantId: number,
  affected: RawBuilder<unknown> | undefined,
  now: Date
): Promise<RoleChange[]> {
  const { rows } = await sql<RoleChange>`
    with recursive ${freshRoles(tenantId, stored(tenantId), affected)},
    written as (
      update users u set role = fresh.after, given_role = case when fresh.is_raised then fresh.own end,
        version = u.version + (fresh.after <> fresh.before)::int,
        updated_at = case when fresh.after <> fresh.before then ${now}::timestamptz else u.updated_at end
      from fresh where u.tenant_id = ${tenantId} and u.id = fresh.id
        and (u.role <> fresh.after or u.given_role is distinct from case when fresh.is_raised then fresh.own end)
      returning u.id
    )
    select ${changeColumns} from fresh join written on written.id = fresh.id ${withSource(tenantId)}
    where fresh.before <> fresh.after order by fresh.id`.execute(trx)
  return rows
}

/** What would change if a mapping became the tenant's; one statement. */
export const previewRoles = (db: Db, tenantId: number, mapping: readonly GroupRole[]): Promise<RoleChange[]> =>
  readInTenant<RoleChange>(
    db,
    tenantId,
    sql<RoleChange>`
      with recursive ${freshRoles(tenantId, thoughtOf(mapping))}
      select ${changeColumns} from fresh ${withSource(tenantId)} where fresh.before <> fresh.after order by fresh.id`
  )

/** A mapped group as administrators see it. */
export interface GroupRoleView {
  group_id: string
  group_name: string
  role: Role
  /** The highest role of the connection that provisions it; null for a group that people made. */
  ceiling: Role | null
  connection_name: string | null
}

export const listGroupRoles = (db: Db, tenantId: number): Promise<GroupRoleView[]> =>
  readInTenant<GroupRoleView>(
    db,
    tenantId,
    sql<GroupRoleView>`
      select r.group_id, g.display_name as group_name, r.role, c.highest_role as ceiling, c.name as connection_name
      from group_roles r
      join groups g on g.tenant_id = r.tenant_id and g.id = r.group_id
      left join scim_connections c on c.tenant_id = g.tenant_id and c.id = g.connection_id
      where r.tenant_id = ${tenantId}
      order by array_position(${RANKS}, r.role) desc, g.display_name_key`
  )

/** How many people have their role from a group. */
export async function countRaised(db: Db, tenantId: number): Promise<number> {
  const [row] = await readInTenant<{ count: number }>(
    db,
    tenantId,
    sql<{ count: number }>`select count(*)::int as count from users
      where tenant_id = ${tenantId} and given_role is not null and state <> 'removed'`
  )
  return row!.count
}

export async function hasGroupRoles(trx: Trx, tenantId: number): Promise<boolean> {
  const { rows } = await sql`select from group_roles where tenant_id = ${tenantId} limit 1`.execute(trx)
  return rows.length > 0
}

/** The mapped groups that a user is in, directly or not, with the role that each gives them, highest first. */
export const listRolesOf = (
  db: Db,
  tenantId: number,
  userId: string
): Promise<{ group_id: string; group_name: string; role: Role }[]> =>
  readInTenant(
    db,
    tenantId,
    sql<{ group_id: string; group_name: string; role: Role }>`
      with recursive ${givingGroups(tenantId, stored(tenantId))}
      select given.source_id as group_id, groups.display_name as group_name, (${RANKS})[given.rank] as role
      from (
        select giving.source_id, max(least(giving.rank, ${reachOf(sql`m.connection_id`)})) as rank
        from giving join group_members m on m.tenant_id = ${tenantId} and m.group_id = giving.group_id
        where m.user_id = ${userId}::uuid group by giving.source_id
      ) as given
      join groups on groups.tenant_id = ${tenantId} and groups.id = given.source_id
      order by given.rank desc, groups.display_name_key`
  )

/** Replaces the tenant's mapping. @returns the mapped groups that exist; others are left out */
export async function replaceGroupRoles(
  trx: Trx,
  tenantId: number,
  mapping: readonly GroupRole[]
): Promise<{ id: string; display_name: string }[]> {
  const ids = mapping.map(({ groupId }) => groupId)
  const { rows } = await sql<{ id: string; display_name: string }>`
    select id, display_name from groups where tenant_id = ${tenantId} and id = any(${ids}::uuid[])
    order by id for key share`.execute(trx)
  const found = new Set(rows.map(({ id }) => id))
  const kept = mapping.filter(({ groupId }) => found.has(groupId))
  await sql`
    delete from group_roles where tenant_id = ${tenantId} and group_id <> all(${[...found]}::uuid[])`.execute(trx)
  await sql`
    insert into group_roles (tenant_id, group_id, role)
    select ${tenantId}::int, thought.group_id, thought.role from (${thoughtOf(kept)}) as thought
    on conflict (tenant_id, group_id) do update set role = excluded.role`.execute(trx)
  return rows
}

/** Waits for the member changes under way in groups that give roles, and in the groups below these. */
export const drainMemberChanges = (trx: Trx, tenantId: number) =>
  sql`
    select from groups where tenant_id = ${tenantId} and id in (
      select a.group_id from group_ancestors a
      join group_roles r on r.tenant_id = a.tenant_id and r.group_id = a.ancestor_id
      where a.tenant_id = ${tenantId}
    ) order by id for update`.execute(trx)

/** A select of user ids: the given users, and all members of the given groups and of the groups in these. */
export const peopleBelow = (tenantId: number, ids: readonly string[]): RawBuilder<unknown> => sql`
  select id as user_id from unnest(${ids}::uuid[]) as id
  union
  select m.user_id from group_ancestors a
  join group_members m on m.tenant_id = a.tenant_id and m.group_id = a.group_id
  where a.tenant_id = ${tenantId} and a.ancestor_id = any(${ids}::uuid[])`

/** A select of user ids: whom an event added to a group or removed from it, directly or with a group. */
export const peopleMovedBy = (tenantId: number, groupId: string, eventId: string): RawBuilder<unknown> => sql`
  select user_id from group_members
  where tenant_id = ${tenantId} and group_id = ${groupId}::uuid and event_id = ${eventId}::uuid
  union
  select user_id from past_memberships
  where tenant_id = ${tenantId} and group_id = ${groupId}::uuid and removed_event_id = ${eventId}::uuid
  union
  select m.user_id from (
    select child_id from group_children
    where tenant_id = ${tenantId} and group_id = ${groupId}::uuid and event_id = ${eventId}::uuid
    union
    select child_id from past_children
    where tenant_id = ${tenantId} and group_id = ${groupId}::uuid and removed_event_id = ${eventId}::uuid
  ) as moved
  join group_ancestors a on a.tenant_id = ${tenantId} and a.ancestor_id = moved.child_id
  join group_members m on m.tenant_id = ${tenantId} and m.group_id = a.group_id`
