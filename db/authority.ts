// Connections as owners of attributes, memberships and groups: existing ones, and removed ones that kept what they
// owned.
import { type RawBuilder, sql } from 'kysely'
import type { EndedMemberships } from './brakes.ts'
import { type Db, readInTenant, type Trx } from './connect.ts'
import { rowSet } from './rows.ts'
import type { Role, UserRow } from './schema.ts'
import { shownName } from './scim-groups.ts'

export interface Authority {
  id: string
  name: string
  /** The connection has no say over people with a higher role. */
  highest_role: Role
  /** Whether the connection was removed. */
  is_removed: boolean
}

/** All connections that own something: (id, name, highest_role, is_removed). Any other owner no longer counts. */
export const authorities = (tenantId: unknown): RawBuilder<unknown> => sql`
  select id, name, highest_role, false as is_removed from scim_connections where tenant_id = ${tenantId}
  union all
  select id, coalesce(name, 'A removed connection'), highest_role, true from past_connections
  where tenant_id = ${tenantId} and is_kept`

/** A connection as it appears in answers: `{ id, name, highestRole, isRemoved }`. */
export interface ShownAuthority {
  id: string
  name: string
  highestRole: Role
  isRemoved: boolean
}

/** An expression on a row of `authorities`, aliased `a`. */
export const shownAuthority = sql`jsonb_build_object('id', a.id, 'name', a.name, 'highestRole', a.highest_role, 'isRemoved', a.is_removed)`

/** The authorities among `ids`. */
export async function findAuthorities(trx: Trx, tenantId: number, ids: readonly string[]): Promise<Authority[]> {
  const { rows } = await sql<Authority>`
    select a.* from (${authorities(tenantId)}) as a where a.id = any(${ids}::uuid[]) order by a.id`.execute(trx)
  return rows
}

/** A membership that a connection owned and that has ended, of a user or a group. */
export interface EndedMembership extends Authority {
  user_id: string | null
  child_id: string | null
  /** The member's name. */
  shown_name: string
  /** How many users', and how many groups', memberships of the same connection the event ended. */
  user_count: number
  child_count: number
}

/**
 * Memberships that connections owned and that an event ended, except those of deactivated users. Ordered by connection,
 * users before groups.
 */
export async function findEndedMemberships(
  trx: Trx,
  tenantId: number,
  { groupId, eventId }: EndedMemberships,
  limit: number
): Promise<EndedMembership[]> {
  const isOfEvent = (past: string) => {
    const table = sql.table(past)
    return sql`${table}.tenant_id = ${tenantId} and ${table}.group_id = ${groupId}::uuid
      and ${table}.removed_event_id = ${eventId}::uuid`
  }
  const { rows } = await sql<EndedMembership>`
    with ended as (
      select user_id, null::uuid as child_id, m.connection_id, ${shownName} as shown_name from past_memberships m
      join users on users.tenant_id = m.tenant_id and users.id = m.user_id and users.state <> 'deactivated'
      where ${isOfEvent('m')}
      union all
      select null, child_id, c.connection_id, groups.display_name from past_children c
      join groups on groups.tenant_id = c.tenant_id and groups.id = c.child_id
      where ${isOfEvent('c')}
    )
    select ended.user_id, ended.child_id, ended.shown_name, a.*,
      (count(ended.user_id) over of_connection)::int as user_count,
      (count(ended.child_id) over of_connection)::int as child_count
    from ended join (${authorities(tenantId)}) as a on a.id = ended.connection_id
    window of_connection as (partition by a.id)
    order by a.id, ended.user_id, ended.child_id limit ${limit}`.execute(trx)
  return rows
}

/** Records, for a connection that is being removed, its highest role and whether it keeps what it owns. */
export const rememberConnection = (trx: Trx, tenantId: number, connectionId: string, isKept: boolean, now: Date) =>
  sql`
    insert into past_connections (tenant_id, id, highest_role, name, removed_at, is_kept)
    select tenant_id, id, highest_role, name, ${now}::timestamptz, ${isKept} from scim_connections
    where tenant_id = ${tenantId} and id = ${connectionId}::uuid on conflict do nothing`.execute(trx)

/** Connections that were removed since a moment and have received users or groups afterwards. */
export const listStragglers = (db: Db, tenantId: number, since: Date) =>
  readInTenant<{ id: string; name: string; is_kept: boolean }>(
    db,
    tenantId,
    sql`select p.id, coalesce(p.name, 'A removed connection') as name, p.is_kept from past_connections p
      where p.tenant_id = ${tenantId} and p.removed_at > ${since} and (
        exists (select from users u where u.tenant_id = ${tenantId} and (u.connection_id = p.id
          or (not p.is_kept and u.authority::text <> '{}' and strpos(u.authority::text, p.id::text) > 0)))
        or exists (select from groups g where g.tenant_id = ${tenantId} and g.connection_id = p.id))`
  )

/** A removed connection, with what it still owns. */
export interface KeptConnection {
  id: string
  name: string
  removed_at: Date | null
  /** Users who are not removed. */
  user_count: number
  group_count: number
  membership_count: number
}

/** Removed connections that may still own something, by name. One statement; if there is one, it reads all users. */
export const listKeptConnections = (db: Db, tenantId: number): Promise<KeptConnection[]> =>
  readInTenant<KeptConnection>(
    db,
    tenantId,
    sql<KeptConnection>`
      select p.id, coalesce(p.name, 'A removed connection') as name, p.removed_at,
        (select count(*)::int from users where users.tenant_id = ${tenantId} and users.state <> 'removed'
          and users.authority::text <> '{}' and users.authority ->> '*' = p.id::text) as user_count,
        (select count(*)::int from groups where groups.tenant_id = ${tenantId} and groups.kept_by = p.id) as group_count,
        (select count(*)::int from group_members m where m.tenant_id = ${tenantId} and m.connection_id = p.id)
          as membership_count
      from past_connections p where p.tenant_id = ${tenantId} and p.is_kept order by p.name, p.id`
  )

/** Ends a removed connection's ownership of what it kept. @returns its name; undefined if it kept nothing */
export async function endKeeping(trx: Trx, tenantId: number, connectionId: string): Promise<string | undefined> {
  const { rows } = await sql<{ name: string }>`
    update past_connections set is_kept = false
    where tenant_id = ${tenantId} and id = ${connectionId}::uuid and is_kept
    returning coalesce(name, 'A removed connection') as name`.execute(trx)
  return rows[0]?.name
}

/** Releases a connection's memberships of a group, whose row is locked. @returns how many */
export async function releaseMemberships(
  trx: Trx,
  tenantId: number,
  groupId: string,
  connectionId: string
): Promise<number> {
  const { rows } = await sql<{ count: number }>`
    with released as (
      update group_members set connection_id = null
      where tenant_id = ${tenantId} and group_id = ${groupId}::uuid and connection_id = ${connectionId}::uuid
      returning user_id
    )
    select count(*)::int as count from released`.execute(trx)
  return rows[0]!.count
}

/** A user of whom a connection owns something. */
export type OwnedUser = Pick<
  UserRow,
  'id' | 'state' | 'connection_id' | 'authority' | 'user_name' | 'email' | 'display_name' | 'given_name' | 'family_name'
>

/**
 * Locks users of whom a connection owns something, in the order of their ids.
 * @param afterId the last id of the previous batch
 */
export async function lockOwnedUsers(
  trx: Trx,
  tenantId: number,
  connectionId: string,
  afterId: string | undefined,
  limit: number
): Promise<OwnedUser[]> {
  const { rows } = await sql<OwnedUser>`
    select id, state, connection_id, authority, user_name, email, display_name, given_name, family_name from users
    where tenant_id = ${tenantId} and ${afterId === undefined ? sql`true` : sql`id > ${afterId}::uuid`}
      and (connection_id = ${connectionId}::uuid
        or (authority::text <> '{}' and strpos(authority::text, ${connectionId}::text) > 0))
    order by id limit ${limit} for no key update`.execute(trx)
  return rows
}

/** Releases locked users from a connection and writes who owns what from then on. Increments each version. */
export async function releaseUsers(
  trx: Trx,
  tenantId: number,
  connectionId: string,
  users: readonly Pick<UserRow, 'id' | 'authority'>[],
  now: Date
): Promise<void> {
  await sql`
    update users u set connection_id = nullif(u.connection_id, ${connectionId}::uuid), authority = r.authority,
      version = u.version + 1, updated_at = ${now}::timestamptz
    from ${rowSet('r', { id: 'uuid', authority: 'json' }, users)}
    where u.tenant_id = ${tenantId} and u.id = r.id`.execute(trx)
}

interface ReleasedGroup {
  id: string
  display_name: string
  /** False if it was kept for a removed connection. */
  was_live: boolean
}

/** Releases groups from a connection. Increments each version. */
export async function releaseGroups(
  trx: Trx,
  tenantId: number,
  connectionId: string,
  isKept: boolean,
  now: Date
): Promise<ReleasedGroup[]> {
  const { rows } = await sql<ReleasedGroup>`
    with owned as (
      select id, coalesce(connection_id = ${connectionId}::uuid, false) as was_live from groups
      where tenant_id = ${tenantId}
        and (connection_id = ${connectionId}::uuid or (not ${isKept} and kept_by = ${connectionId}::uuid))
      order by id for no key update
    )
    update groups g set connection_id = nullif(g.connection_id, ${connectionId}::uuid),
      kept_by = case when ${isKept} then ${connectionId}::uuid end,
      version = g.version + 1, updated_at = ${now}::timestamptz
    from owned where g.tenant_id = ${tenantId} and g.id = owned.id
    returning g.id, g.display_name, owned.was_live`.execute(trx)
  return rows
}
