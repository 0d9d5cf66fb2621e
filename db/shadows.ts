// Shadows of connections: made as copies of their tenant, queried for what has changed in them, and deleted. Row-level
// security shows one tenant at a time: a transaction sees either the tenant or the shadow, and switches with seeTenant.
import { type RawBuilder, sql } from 'kysely'
import { claimKey } from './addresses.ts'
import { type Db, readOneInTenant, type Trx } from './connect.ts'
import { indexUnlisted } from './family-names.ts'
import { groupVersion } from './groups.ts'
import { insertUncopied } from './rows.ts'
import type { GroupRow, Preference, TenantSettings, UserRow } from './schema.ts'
import type { TransferTable } from './tenant-transfer.ts'
import { deleteShadow, seeTenant } from './tenants.ts'

export interface ShadowRow {
  connection_id: string
  shadow_id: number | null
  opened_at: Date
  closed_until: Date | null
}

// a shadow_id that came from another database must not match a tenant here
const SHADOW_COLUMNS = sql`s.connection_id, s.opened_at, s.closed_until,
  (select t.id from tenants t where t.id = s.shadow_id and t.shadow_of = s.tenant_id) as shadow_id`

/** @returns undefined if there is no such connection, null if it is not in shadow mode */
export async function findShadow(
  db: Db,
  tenantId: number,
  connectionId: string
): Promise<ShadowRow | null | undefined> {
  const found = await readOneInTenant<{ [name in keyof ShadowRow]: ShadowRow[name] | null }>(
    db,
    tenantId,
    sql`select ${SHADOW_COLUMNS} from scim_connections c
      left join scim_shadows s on s.tenant_id = c.tenant_id and s.connection_id = c.id
      where c.tenant_id = ${tenantId} and c.id = ${connectionId}::uuid`
  )
  return found && (found.connection_id === null ? null : (found as ShadowRow))
}

/** Reads a connection's shadow and locks it until the transaction ends. */
export async function lockShadow(trx: Trx, tenantId: number, connectionId: string): Promise<ShadowRow | undefined> {
  const { rows } = await sql<ShadowRow>`select ${SHADOW_COLUMNS} from scim_shadows s
    where s.tenant_id = ${tenantId} and s.connection_id = ${connectionId}::uuid for update`.execute(trx)
  return rows[0]
}

export async function countShadows(trx: Trx, tenantId: number): Promise<number> {
  const { rows } = await sql<{ count: number }>`
    select count(*)::int as count from scim_shadows where tenant_id = ${tenantId}`.execute(trx)
  return rows[0]!.count
}

export const setClosedUntil = (trx: Trx, tenantId: number, connectionId: string, until: Date | null) =>
  trx
    .updateTable('scim_shadows')
    .set({ closed_until: until })
    .where('tenant_id', '=', tenantId)
    .where('connection_id', '=', connectionId)
    .execute()

export const forgetShadow = (trx: Trx, tenantId: number, connectionId: string) =>
  trx.deleteFrom('scim_shadows').where('tenant_id', '=', tenantId).where('connection_id', '=', connectionId).execute()

/**
 * Takes a connection out of shadow mode, and deletes its shadow.
 * @returns the id of the deleted shadow, if there was one: pass it to endRemoval after the transaction
 */
export async function dropShadow(trx: Trx, tenantId: number, connectionId: string): Promise<number[]> {
  const shadow = await lockShadow(trx, tenantId, connectionId)
  if (!shadow) return []
  await forgetShadow(trx, tenantId, connectionId)
  if (shadow.shadow_id === null) return []
  await deleteShadow(trx, shadow.shadow_id)
  await seeTenant(trx, tenantId)
  return [shadow.shadow_id]
}

/** Closed shadows, left behind by processes that ended before they had deleted them. */
export async function listClosedShadows(db: Db): Promise<number[]> {
  const rows = await db
    .selectFrom('tenants')
    .select('id')
    .where('shadow_of', 'is not', null)
    .where('state', '=', 'suspended')
    .execute()
  return rows.map(({ id }) => id)
}

/** The tables copied into a shadow, referenced ones first. They hold nothing that anybody could sign in with. */
const COPIED = [
  'scim_connections',
  'past_connections',
  'users',
  'user_emails',
  'invitations',
  'groups',
  'group_roles',
  'group_members',
  'group_children',
  'group_ancestors',
  'group_revisions',
  'resource_counts'
]

interface NewShadow {
  readonly tenantId: number
  /** A negative number that no other tenant has. */
  readonly shadowId: number
  readonly connectionId: string
  readonly now: Date
}

/**
 * Makes a shadow: the tenant's people and groups as they are at the transaction's beginning. Needs a transaction of its
 * own, which sees the tenant and reads repeatably.
 * @param tables from readTransferTables
 */
export async function copyIntoShadow(trx: Trx, shadow: NewShadow, tables: readonly TransferTable[]): Promise<void> {
  const { tenantId, shadowId, connectionId, now } = shadow
  await sql`set local statement_timeout = 0`.execute(trx)
  const settings: TenantSettings = {}
  await sql`
    insert into tenants (id, subdomain, name, state, settings, created_at, updated_at, shadow_of)
      overriding system value
    values (${shadowId}, ${`SHADOW ${-shadowId}`}, 'Shadow', 'active', ${JSON.stringify(settings)}, ${now}, ${now},
      ${tenantId})`.execute(trx)
  await trx
    .insertInto('scim_shadows')
    .values({
      tenant_id: tenantId,
      connection_id: connectionId,
      shadow_id: shadowId,
      opened_at: now,
      closed_until: null
    })
    .execute()
  for (const name of COPIED) {
    const { columns } = tables.find((table) => table.name === name)!
    const names = sql.join(columns.map((column) => sql.ref(column.name)))
    const condition = name === 'invitations' ? sql`state = 'pending'` : sql`true`
    await carry(trx, shadow, sql`select ${names} from ${sql.table(name)} where ${ofTenant(tenantId)} and ${condition}`)
    const rows = sql`select ${sql.lit(shadowId)}, ${names} from carried`
    await insertUncopied(trx, sql`insert into ${sql.table(name)} (tenant_id, ${names}) ${rows}`)
  }
  await carry(trx, shadow, sql`select address_key, user_id from addresses where ${ofTenant(tenantId)}`)
  await insertUncopied(
    trx,
    sql`
    insert into addresses (address_key, tenant_id, user_id)
    select ${claimKey(shadowId, '')}::text || address_key, ${shadowId}::int, user_id from carried`
  )
  await sql`drop table carried`.execute(trx)
  await indexUnlisted(trx, shadowId)
  await keepBase(trx, shadowId)
  await seeTenant(trx, tenantId)
}

const ofTenant = (tenantId: number) => sql`tenant_id = ${sql.lit(tenantId)}`

/** Copies rows of the tenant into the temporary table `carried`, and makes the transaction see the shadow. */
async function carry(trx: Trx, { tenantId, shadowId }: NewShadow, rows: RawBuilder<unknown>): Promise<void> {
  await seeTenant(trx, tenantId)
  await sql`drop table if exists carried`.execute(trx)
  await sql`create temporary table carried on commit drop as ${rows}`.execute(trx)
  await seeTenant(trx, shadowId)
}

/** In a transaction that sees the shadow: records the present state of its users as the one that they began with. */
export const insertShadowBase = (trx: Trx, shadowId: number, condition: RawBuilder<unknown>) =>
  insertUncopied(
    trx,
    sql`
    insert into shadow_users (tenant_id, id, state, locked, role, connection_id, user_name_key, external_id, email_key,
      authority, version, doc)
    select tenant_id, id, state, locked, coalesce(given_role, role), connection_id, user_name_key, external_id, email_key,
      authority, version, doc
    from users where ${ofTenant(shadowId)} and ${condition}`
  )

async function keepBase(trx: Trx, shadowId: number): Promise<void> {
  const shadow = ofTenant(shadowId)
  await insertShadowBase(trx, shadowId, sql`true`)
  await sql`
    insert into shadow_groups (tenant_id, id, connection_id, version, doc)
    select tenant_id, id, connection_id, ${groupVersion(shadowId)}, doc from groups where ${shadow}`.execute(trx)
  await sql`
    insert into shadow_members (tenant_id, group_id, user_id)
    select tenant_id, group_id, user_id from group_members where ${shadow}`.execute(trx)
  await sql`
    insert into shadow_children (tenant_id, group_id, child_id)
    select tenant_id, group_id, child_id from group_children where ${shadow}`.execute(trx)
}

/** Copies the shadow's conflicts into the tenant's inbox. The transaction sees the tenant, before and after. */
export async function carryConflicts(trx: Trx, tenantId: number, shadowId: number, connectionId: string) {
  await seeTenant(trx, shadowId)
  await sql`
    create temporary table carried on commit drop as select * from scim_conflicts
    where ${ofTenant(shadowId)} and connection_id = ${sql.lit(connectionId)}::uuid`.execute(trx)
  await seeTenant(trx, tenantId)
  await sql`update carried set tenant_id = ${tenantId}`.execute(trx)
  await sql`insert into scim_conflicts select * from carried on conflict do nothing`.execute(trx)
}

interface Decided {
  /** Whose value wins for only this user or group; null: as for all others. */
  readonly prefer: Preference | null
}

/** The state of a user when the shadow was opened. */
export type UserBase = Decided &
  Pick<UserRow, 'state' | 'locked' | 'role' | 'connection_id' | 'authority' | 'version' | 'doc'>

/** A user who was changed or made in the shadow. */
export interface ShadowUser {
  readonly row: UserRow
  /** Undefined for one who was made in the shadow. */
  readonly base: UserBase | undefined
}

const BASE_COLUMNS = ['state', 'locked', 'role', 'connection_id', 'authority', 'version', 'doc', 'prefer'] as const

const baseColumns = (names: readonly string[]) =>
  sql.join(names.map((name) => sql`b.${sql.ref(name)} as ${sql.ref(`base_${name}`)}`))

/** Rough conditions that preselect users by effect; callers examine the users closely. */
const MAY_HAVE: Record<string, RawBuilder<unknown>> = {
  create: sql`(b.id is null or b.state = 'removed')`,
  link: sql`u.connection_id is distinct from b.connection_id`,
  deactivate: sql`(u.state = 'deactivated' and b.state <> 'deactivated')`,
  remove: sql`u.state = 'removed'`
}

/**
 * In a transaction that sees the shadow: users who were changed there, by id.
 * @param page.after the last id of the previous page
 * @param page.effect leaves out some users to whom this has not happened (not all)
 */
export async function readShadowUsers(
  trx: Trx,
  shadowId: number,
  page: { after?: string; limit: number; effect?: string }
): Promise<ShadowUser[]> {
  const { rows } = await sql<UserRow & Record<string, unknown>>`
    select u.*, ${baseColumns(BASE_COLUMNS)}
    from users u left join shadow_users b on b.tenant_id = u.tenant_id and b.id = u.id
    where u.tenant_id = ${shadowId} and (b.version <> u.version or (b.id is null and u.state <> 'removed'))
      and ${page.after === undefined ? sql`true` : sql`u.id > ${page.after}::uuid`}
      and ${MAY_HAVE[page.effect ?? ''] ?? sql`true`}
    order by u.id limit ${page.limit}`.execute(trx)
  return rows.map((row) => {
    const base = Object.fromEntries(BASE_COLUMNS.map((name) => [name, row[`base_${name}`]])) as unknown as UserBase
    return { row, base: base.doc === null ? undefined : base }
  })
}

/** In a transaction that sees the shadow: who gives up their userName, externalId or login address, or is removed. */
export async function readGivingUp(trx: Trx, shadowId: number): Promise<{ id: string; what: 'name' | 'address' }[]> {
  const { rows } = await sql<{ id: string; what: 'name' | 'address' }>`
    select u.id, given.what from users u
    join shadow_users b on b.tenant_id = u.tenant_id and b.id = u.id
    cross join lateral (
      select 'name' as what where u.state = 'removed' or b.user_name_key <> u.user_name_key
        or (b.external_id is not null and b.external_id is distinct from u.external_id)
      union all
      select 'address' where b.email_key is not null
        and (u.state = 'removed' or b.email_key is distinct from u.email_key)
    ) as given
    where u.tenant_id = ${shadowId} and b.version <> u.version and b.state <> 'removed' order by u.id`.execute(trx)
  return rows
}

export type GroupBase = Decided & Pick<GroupRow, 'connection_id' | 'version' | 'doc'>

export interface ShadowGroup {
  readonly row: GroupRow & { readonly version: number }
  readonly base: GroupBase | undefined
}

/** In a transaction that sees the shadow: groups changed there, members included; `version` is what clients see. */
export async function readShadowGroups(trx: Trx, shadowId: number): Promise<ShadowGroup[]> {
  const names = ['connection_id', 'version', 'doc', 'prefer'] as const
  const { rows } = await sql<GroupRow & { seen_version: number } & Record<string, unknown>>`
    select * from (
      select groups.*, ${groupVersion(shadowId)} as seen_version, ${baseColumns(names)}
      from groups left join shadow_groups b on b.tenant_id = groups.tenant_id and b.id = groups.id
      where groups.tenant_id = ${shadowId}
    ) as g where base_version is distinct from seen_version order by id`.execute(trx)
  return rows.map((row) => {
    const base = Object.fromEntries(names.map((name) => [name, row[`base_${name}`]])) as unknown as ShadowGroup['base']
    return { row: { ...row, version: row.seen_version }, base: base!.doc === null ? undefined : base }
  })
}

/** In a transaction that sees the shadow: groups that were removed there. */
export async function readGoneGroups(trx: Trx, shadowId: number): Promise<(GroupBase & { id: string })[]> {
  const { rows } = await sql<GroupBase & { id: string }>`
    select b.id, b.connection_id, b.version, b.doc, b.prefer from shadow_groups b
    where b.tenant_id = ${shadowId}
      and not exists (select from groups g where g.tenant_id = ${shadowId} and g.id = b.id)
    order by b.id`.execute(trx)
  return rows
}

/** In a transaction that sees the shadow: sets whose value wins. @returns false if the shadow did not begin with it */
export async function setPreference(
  trx: Trx,
  shadowId: number,
  kind: 'user' | 'group',
  id: string,
  prefer: Preference | null
): Promise<boolean> {
  const { numUpdatedRows } = await trx
    .updateTable(kind === 'user' ? 'shadow_users' : 'shadow_groups')
    .set({ prefer })
    .where('tenant_id', '=', shadowId)
    .where('id', '=', id)
    .executeTakeFirstOrThrow()
  return numUpdatedRows > 0n
}

/** In a transaction that sees the shadow: the passwords that were set there. */
export async function readShadowPasswords(
  trx: Trx,
  shadowId: number
): Promise<{ user_id: string; password_hash: string }[]> {
  const { rows } = await sql<{ user_id: string; password_hash: string }>`
    select user_id, password_hash from user_credentials where tenant_id = ${shadowId} order by user_id`.execute(trx)
  return rows
}
