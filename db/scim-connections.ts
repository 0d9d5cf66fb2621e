// Connections: one for each identity provider, with a token for each rotation. Users and groups belong to them.
import { type RawBuilder, sql } from 'kysely'
import { type Db, readInTenant, readOneInTenant, type Trx } from './connect.ts'
import type { BrakeSettings, Role, ScimProfile } from './schema.ts'

export interface ScimConnectionRow {
  id: string
  name: string
  profile: ScimProfile
  highest_role: Role
  brake: BrakeSettings
  created_at: Date
}

/** A connection with what the page shows of its tokens and errors. */
export interface ScimConnectionView extends ScimConnectionRow {
  token_count: number
  /** Tokens that are neither revoked nor expired. */
  live_token_count: number
  /** To the minute; null if no token was ever used. */
  last_used_at: Date | null
  /** Refused requests of the last 24 hours, to the hour. */
  error_count: number
  last_error_at: Date | null
  last_error_status: number | null
  last_error_detail: string | null
  /** When it was put into shadow mode; null if it is not in it. */
  shadow_opened_at: Date | null
  is_going_live: boolean
}

/** A connection with how much belongs to it. */
export interface ScimConnectionDetails extends ScimConnectionView {
  /** Users who are not removed. */
  user_count: number
  group_count: number
  /** Memberships that it made, in any group. */
  membership_count: number
}

const ROW_COLUMNS = sql`c.id, c.name, c.profile, c.highest_role, c.brake, c.created_at`

const viewColumns = (tenantId: number, now: Date): RawBuilder<unknown> => sql`
  ${ROW_COLUMNS}, tokens.token_count, tokens.live_token_count, tokens.last_used_at,
  coalesce(errors.error_count, 0) as error_count, errors.last_at as last_error_at,
  errors.last_status as last_error_status, errors.last_detail as last_error_detail,
  (select s.opened_at from scim_shadows s where s.tenant_id = ${tenantId} and s.connection_id = c.id) as shadow_opened_at,
  exists (select from scim_shadows s where s.tenant_id = ${tenantId} and s.connection_id = c.id
    and s.closed_until > ${now}) as is_going_live
  from scim_connections c
  cross join lateral (
    select count(*)::int as token_count,
      (count(*) filter (where t.revoked_at is null and (t.expires_at is null or t.expires_at > ${now})))::int
        as live_token_count,
      max(t.last_used_at) as last_used_at
    from scim_tokens t where t.tenant_id = ${tenantId} and t.connection_id = c.id
  ) as tokens
  left join lateral (
    select (sum(e.count) over ())::int as error_count, e.last_at, e.last_status, e.last_detail
    from scim_errors e
    where e.tenant_id = ${tenantId} and e.connection_id = c.id and e.hour > ${new Date(now.getTime() - 24 * 3_600_000)}
    order by e.hour desc limit 1
  ) as errors on true`

/**
 * Newest first; one statement.
 * @param before the id of the last connection of the page before
 */
export const listConnections = (
  db: Db,
  tenantId: number,
  page: { limit: number; before?: string },
  now: Date
): Promise<ScimConnectionView[]> =>
  readInTenant<ScimConnectionView>(
    db,
    tenantId,
    sql<ScimConnectionView>`select ${viewColumns(tenantId, now)}
      where c.tenant_id = ${tenantId} and ${page.before === undefined ? sql`true` : sql`c.id < ${page.before}::uuid`}
      order by c.id desc limit ${page.limit}`
  )

/** One statement; to count what is the connection's, it reads every user and membership of the tenant. */
export const findConnectionDetails = (
  db: Db,
  tenantId: number,
  connectionId: string,
  now: Date
): Promise<ScimConnectionDetails | undefined> =>
  readOneInTenant<ScimConnectionDetails>(
    db,
    tenantId,
    sql<ScimConnectionDetails>`select v.*,
      (select count(*)::int from users where users.tenant_id = ${tenantId} and users.connection_id = v.id
        and users.state <> 'removed') as user_count,
      (select count(*)::int from groups where groups.tenant_id = ${tenantId} and groups.connection_id = v.id)
        as group_count,
      (select count(*)::int from group_members m where m.tenant_id = ${tenantId} and m.connection_id = v.id)
        as membership_count
      from (select ${viewColumns(tenantId, now)} where c.tenant_id = ${tenantId} and c.id = ${connectionId}::uuid) as v`
  )

/** Locks a connection until the transaction ends. */
export async function lockConnection(
  trx: Trx,
  tenantId: number,
  connectionId: string
): Promise<ScimConnectionRow | undefined> {
  const { rows } = await sql<ScimConnectionRow>`select ${ROW_COLUMNS} from scim_connections c
    where c.tenant_id = ${tenantId} and c.id = ${connectionId}::uuid for update`.execute(trx)
  return rows[0]
}

/** The same without a lock. */
export async function readConnection(
  trx: Trx,
  tenantId: number,
  connectionId: string
): Promise<ScimConnectionRow | undefined> {
  const { rows } = await sql<ScimConnectionRow>`select ${ROW_COLUMNS} from scim_connections c
    where c.tenant_id = ${tenantId} and c.id = ${connectionId}::uuid`.execute(trx)
  return rows[0]
}

/** Whether another connection has the name, in any letter case. */
export async function isNameTaken(trx: Trx, tenantId: number, connectionId: string, name: string): Promise<boolean> {
  const { rows } = await sql`select from scim_connections c
    where c.tenant_id = ${tenantId} and c.id <> ${connectionId}::uuid and lower(c.name) = lower(${name}::text)
    limit 1`.execute(trx)
  return rows.length > 0
}

export const updateConnection = (
  trx: Trx,
  tenantId: number,
  { id, name, profile, highest_role, brake }: Omit<ScimConnectionRow, 'created_at'>
) =>
  trx
    .updateTable('scim_connections')
    .set({ name, profile, highest_role, brake: JSON.stringify(brake) })
    .where('tenant_id', '=', tenantId)
    .where('id', '=', id)
    .execute()

/** @returns how many tokens it revoked, expired ones included */
export async function revokeTokensOf(trx: Trx, tenantId: number, connectionId: string, now: Date): Promise<number> {
  const { numUpdatedRows } = await trx
    .updateTable('scim_tokens')
    .set({ revoked_at: now })
    .where('tenant_id', '=', tenantId)
    .where('connection_id', '=', connectionId)
    .where('revoked_at', 'is', null)
    .executeTakeFirst()
  return Number(numUpdatedRows)
}

/** Deletes a connection with its tokens and the records about it. */
export const deleteConnection = (trx: Trx, tenantId: number, connectionId: string) =>
  trx.deleteFrom('scim_connections').where('tenant_id', '=', tenantId).where('id', '=', connectionId).execute()
