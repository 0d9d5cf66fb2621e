// Users as SCIM reads and writes them: whole documents, with the groups that they belong to.
import { type RawBuilder, type SqlBool, sql } from 'kysely'
import { claimKey } from './addresses.ts'
import { type AuditActor, auditInsertFrom, newEventId } from './audit.ts'
import { type Db, isCitus, readOneInTenant, type Trx } from './connect.ts'
import { isWithinScope } from './groups.ts'
import { countResources } from './resource-counts.ts'
import type { NewUserRow, Role, UserPatch, UserRow, UserState } from './schema.ts'
import { noteNames, notingNames } from './search-index.ts'

/** The facts that an answer is made of. */
export interface ScimUserRow {
  id: string
  state: UserState
  role: Role
  connection_id: string | null
  /** Who owns attributes that the connection does not own: JSON text. */
  authority: string
  version: number
  /** JSON text. */
  doc: string
  /** JSON text: `[{ value, $ref, display, type }]`; null if there are none, or if not asked for. */
  groups: string | null
  /** As text if they are only written out: in ISO 8601, as toISOString() writes it. */
  created_at: Date | string
  updated_at: Date | string
}

export interface ScimView {
  readonly tenantId: number
  /** What a group's `$ref` begins with: `https://acme.example.com/scim/v2/Groups/`. */
  readonly groupsUrl: string
  /** Only this connection's users and groups are visible; undefined: all of the tenant's. */
  readonly connectionId: string | undefined
  /** Whether memberships are read. */
  readonly withGroups: boolean
}

/** Whether SCIM sees a user: not removed, and within the token's scope. An expression on a row of `users`. */
export const isVisibleUser = (connectionId: string | undefined): RawBuilder<SqlBool> =>
  sql`(not users.is_removed and ${isWithinScope('users', connectionId)})`

/** The select list of a ScimUserRow on a row of `users`. */
export const scimUserColumns = (view: ScimView): RawBuilder<unknown> => sql`
  users.id, users.state, users.role, users.connection_id, users.version, users.doc, users.created_at, users.updated_at,
  ${view.withGroups ? groupsOfUser(view) : sql`null::text`} as groups, users.authority`

// Built as text, because json_build_object adds spaces
const groupsOfUser = ({ tenantId, groupsUrl, connectionId }: ScimView): RawBuilder<string> => sql`
  (select '[' || string_agg(item, ',' order by ordinal) || ']' from (
    select groups.ordinal, '{"value":"' || groups.id || '","$ref":"' || ${groupsUrl}::text || groups.id
      || '","display":' || to_json(groups.display_name)::text || ',"type":"'
      || case when bool_or(a.ancestor_id = a.group_id) then 'direct' else 'indirect' end || '"}' as item
    from group_members m
    join group_ancestors a on a.tenant_id = m.tenant_id and a.group_id = m.group_id
    join groups on groups.tenant_id = a.tenant_id and groups.id = a.ancestor_id
    where m.tenant_id = ${tenantId} and m.user_id = users.id and ${isWithinScope('groups', connectionId)}
    group by groups.id, groups.ordinal, groups.display_name
  ) as items)`

/** Reads a user within the transaction that changed them. */
export async function getScimUser(trx: Trx, view: ScimView, userId: string): Promise<ScimUserRow> {
  const { rows } = await sql<ScimUserRow>`select ${scimUserColumns(view)} from users
    where users.tenant_id = ${view.tenantId} and users.id = ${userId}::uuid`.execute(trx)
  return rows[0]!
}

/** The whole row, for a change to start from; one statement. */
export const findVisibleUser = (
  db: Db,
  tenantId: number,
  userId: string,
  connectionId: string | undefined
): Promise<UserRow | undefined> =>
  readOneInTenant<UserRow>(
    db,
    tenantId,
    sql<UserRow>`select users.* from users
      where users.tenant_id = ${tenantId} and users.id = ${userId}::uuid and ${isVisibleUser(connectionId)}`
  )

/**
 * Changes a user if the version is still the one that was read; the version goes up by one.
 * @returns the changed user, or undefined if somebody else was faster
 */
export async function updateUnlessChanged(
  trx: Trx,
  view: ScimView,
  before: Pick<UserRow, 'id' | 'version'>,
  patch: UserPatch,
  now: Date
): Promise<ScimUserRow | undefined> {
  const set = Object.entries({ ...patch, updated_at: now }).map(([column, value]) => sql`${sql.ref(column)} = ${value}`)
  // Citus refuses to return expressions that depend on settings, as the form of a time in JSON does
  const onCitus = isCitus(trx)
  const { rows } = await sql<ScimUserRow>`
    ${notingNames(view.tenantId, before.id, patch)}
    update users set ${sql.join(set)}, version = users.version + 1
    where users.tenant_id = ${view.tenantId} and users.id = ${before.id}::uuid and users.version = ${before.version}
      and users.state <> 'removed'
    returning ${onCitus ? sql`users.id` : scimUserColumns(view)}`.execute(trx)
  return onCitus && rows[0] ? getScimUser(trx, view, before.id) : rows[0]
}

/** A new user with all that the one statement that makes it needs. */
export interface NewScimUser {
  readonly row: NewUserRow & { id: string; doc: string }
  readonly emailKeys: readonly string[]
  /** Further addresses: a user with one of them whom no connection manages might be the same person. Mostly none. */
  readonly otherKeys: readonly string[]
  readonly passwordHash: string | undefined
  readonly audit: { actor: AuditActor; action: string; targetName: string; after: Record<string, unknown> }
  readonly now: Date
}

/**
 * Makes a user, with e-mail keys, password, audit event and the tenant's count, in one statement. Its parts have a
 * `returning 1` for Citus, which would otherwise COPY the rows (row-level security refuses that).
 * @returns false, without a change, if a removed user has the login address (and would be the one to come back), or
 *   somebody has one of `otherKeys`
 */
export async function insertUser(trx: Trx, tenantId: number, user: NewScimUser): Promise<boolean> {
  const { row, emailKeys, otherKeys, passwordHash, audit, now } = user
  // each node of a cluster has a sequence of its own, but the list of all is sorted by these numbers
  const place = isCitus(trx) ? { ordinal: (await nextOrdinals(trx, 1))[0] } : {}
  const columns = Object.entries({ ...row, ...place, tenant_id: tenantId })
  const names = sql.join(columns.map(([column]) => sql.ref(column)))
  const values = sql.join(columns.map(([column, value]) => sql`${value}${sql.raw(CASTS[column] ?? '')}`))
  const event = auditInsertFrom(
    tenantId,
    audit.actor,
    now,
    { id: newEventId(now), action: audit.action, targetType: 'user', targetId: row.id },
    { targetName: sql`${audit.targetName}::text`, after: sql`${JSON.stringify(audit.after)}::json` },
    sql`made`
  )
  const { rows } = await sql<{ is_made: boolean }>`
    with made as (
      insert into users (${names}) select ${values}
      where not exists (
        select from users r where r.tenant_id = ${tenantId} and r.email_key = ${row.email_key ?? null} and r.state = 'removed'
      ) ${otherKeys.length > 0 ? sql`and not exists (${holdersOf(tenantId, otherKeys)})` : sql``} returning id
    ),
    emails as (
      insert into user_emails (tenant_id, user_id, value_key)
      select ${tenantId}::int, made.id, key from made, unnest(${emailKeys}::text[]) as key returning 1
    ),
    passwords as (
      insert into user_credentials (tenant_id, user_id, password_hash, updated_at)
      select ${tenantId}::int, made.id, ${passwordHash ?? null}::text, ${now}::timestamptz
      from made where ${passwordHash !== undefined} returning 1
    ),
    events as (${event}),
    names as (${noteNames(tenantId, sql`select id from made`)}),
    counts as (${countResources(tenantId, 'User', sql<number>`(select count(*) from made)`, 'appended')})
    select exists (select from made) as is_made`.execute(trx)
  return rows[0]!.is_made
}

/** Positions at the end of the list of all users, as text. */
export async function nextOrdinals(trx: Trx, count: number): Promise<string[]> {
  const { rows } = await sql<{ ordinal: string }>`
    select nextval('users_ordinal_seq')::text as ordinal from generate_series(1, ${count}::int)`.execute(trx)
  return rows.map(({ ordinal }) => ordinal)
}

/** Users with one of the login addresses whom no connection manages. */
export const holdersOf = (tenantId: number, addressKeys: readonly string[]) => sql`
  select from (
    -- only by the address: if the planner expects few users without a connection, it would prefer the index of
    -- externalIds, which has the connection as its last column and is then read from end to end
    select connection_id, is_removed from users
    where users.tenant_id = ${tenantId} and users.email_key = any(${addressKeys}::text[]) offset 0
  ) as o where o.connection_id is null and not o.is_removed`

/** In a select, parameters have no column from which PostgreSQL could infer their type. */
const CASTS: Partial<Record<string, string>> = {
  tenant_id: '::int',
  id: '::uuid',
  ordinal: '::bigint',
  connection_id: '::uuid',
  doc: '::json',
  must_reset_password: '::boolean',
  version: '::int',
  created_at: '::timestamptz',
  updated_at: '::timestamptz',
  activated_at: '::timestamptz'
}

/** @throws the violation of `addresses_pkey` if somebody holds the address, here or in another tenant */
export const claimAddress = (trx: Trx, tenantId: number, userId: string, addressKey: string) =>
  trx
    .insertInto('addresses')
    .values({ address_key: claimKey(tenantId, addressKey), tenant_id: tenantId, user_id: userId })
    .execute()

export const deletePassword = (trx: Trx, tenantId: number, userId: string) =>
  trx.deleteFrom('user_credentials').where('tenant_id', '=', tenantId).where('user_id', '=', userId).execute()

/** Sets the role of a user's pending invitation, to keep it in step with the user's. */
export const setInvitedRole = (trx: Trx, tenantId: number, userId: string, role: Role) =>
  trx
    .updateTable('invitations')
    .set({ role })
    .where('tenant_id', '=', tenantId)
    .where('user_id', '=', userId)
    .where('state', '=', 'pending')
    .execute()

/** The keys that identify a user whom a connection wants to make. */
export interface ArrivalKeys {
  readonly addressKey: string | null
  readonly userNameKey: string
  readonly externalId: string | null
  /** The connection that sends the user; null for a person's token. */
  readonly connectionId: string | null
  /** Addresses besides the login address. */
  readonly otherKeys: readonly string[]
}

/** Existing users who might be the same person as a new one. */
export interface Candidates {
  /** Holds the login address. */
  readonly holder: UserRow | undefined
  /** Has the userName. */
  readonly named: UserRow | undefined
  /** Has the externalId, from the same connection. */
  readonly known: UserRow | undefined
  /** Managed by no connection, with one of the other addresses as login address. */
  readonly others: readonly UserRow[]
  /** Had the login address until removed; if there are several, the one removed last. */
  readonly removed: UserRow | undefined
}

/** Finds the candidates and locks them `for update`. */
export async function lockCandidates(trx: Trx, tenantId: number, keys: ArrivalKeys): Promise<Candidates> {
  const { addressKey, userNameKey, externalId, connectionId, otherKeys } = keys
  const [{ rows }, holding] = await Promise.all([
    sql<UserRow>`
      select users.* from users
      where users.tenant_id = ${tenantId} and (
        (users.user_name_key = ${userNameKey} and not users.is_removed)
        or (users.email_key = ${addressKey})
        or (users.external_id = ${externalId} and users.connection_id = ${connectionId}::uuid and not users.is_removed)
        or (users.email_key = any(${otherKeys}::text[]) and users.connection_id is null and not users.is_removed))
      order by users.id for update`.execute(trx),
    trx
      .selectFrom('addresses')
      .select('user_id')
      .where('tenant_id', '=', tenantId)
      .where('address_key', '=', addressKey && claimKey(tenantId, addressKey))
      .executeTakeFirst()
  ])
  const removed = rows.filter(({ state }) => state === 'removed')
  const here = rows.filter(({ state }) => state !== 'removed')
  return {
    holder: rows.find(({ id }) => id === holding?.user_id),
    named: here.find(({ user_name_key }) => user_name_key === userNameKey),
    known: here.find(
      ({ external_id, connection_id }) =>
        external_id !== null && external_id === externalId && connection_id === connectionId && connectionId !== null
    ),
    others: here.filter(
      ({ email_key, connection_id }) => connection_id === null && email_key !== null && otherKeys.includes(email_key)
    ),
    removed: removed.sort((a, b) => b.updated_at.getTime() - a.updated_at.getTime())[0]
  }
}

/** Ends a pending invitation because an IdP has provisioned the person. @returns its id, if there was one */
export async function adoptInvitations(trx: Trx, tenantId: number, userId: string, now: Date): Promise<string[]> {
  const rows = await trx
    .updateTable('invitations')
    .set({ state: 'adopted', ended_at: now })
    .where('tenant_id', '=', tenantId)
    .where('user_id', '=', userId)
    .where('state', '=', 'pending')
    .returning('id')
    .execute()
  return rows.map(({ id }) => id)
}
