// Queries on the table of tenants, and the deletion of a tenant with all its rows.
import { sql } from 'kysely'
import { type Db, inTenant, isCitus, readInTenant, type Trx } from './connect.ts'
import { prepareLookup } from './prepared.ts'
import { resourceCount } from './resource-counts.ts'
import type { TenantRow, TenantState } from './schema.ts'
import { setTenant } from './tenant-query.ts'

export const findTenantBySubdomain = (db: Db, subdomain: string): Promise<TenantRow | undefined> =>
  findBySubdomain(db, NOBODY, { subdomain })

/** The table of tenants belongs to no tenant, so none has to be set. */
const NOBODY = 0

const findBySubdomain = prepareLookup<TenantRow>(
  (db, p) =>
    db
      .selectFrom('tenants')
      .selectAll()
      .where('subdomain', '=', p['subdomain'] as string)
      .where('shadow_of', 'is', null),
  ['created_at', 'updated_at']
)

export const findTenantById = (db: Db, id: number): Promise<TenantRow | undefined> =>
  db.selectFrom('tenants').selectAll().where('id', '=', id).executeTakeFirst()

/**
 * Locks a tenant's row until the transaction ends and reads it.
 * @param strength `for update`: everybody who writes in the tenant waits; `for no key update`: only who changes its row
 */
export const lockTenant = (
  trx: Trx,
  id: number,
  strength: 'for update' | 'for no key update'
): Promise<TenantRow | undefined> => {
  const query = trx.selectFrom('tenants').selectAll().where('id', '=', id)
  return (strength === 'for update' ? query.forUpdate() : query.forNoKeyUpdate()).executeTakeFirst()
}

/** The id of a tenant that is about to be made: row-level security must know it beforehand. */
export async function nextTenantId(db: Db): Promise<number> {
  const { rows } = await sql<{ id: number }>`
    select nextval(pg_get_serial_sequence('tenants', 'id'))::int as id`.execute(db)
  return rows[0]!.id
}

/** @param tenant with an id from nextTenantId. @throws the violation of `tenants_subdomain_key` */
export async function insertTenant(
  trx: Trx,
  tenant: Pick<TenantRow, 'id' | 'subdomain' | 'name' | 'settings'>,
  now: Date
): Promise<TenantRow> {
  const { rows } = await sql<TenantRow>`
    insert into tenants (id, subdomain, name, state, settings, created_at, updated_at) overriding system value
    values (${tenant.id}, ${tenant.subdomain}, ${tenant.name}, 'active', ${JSON.stringify(tenant.settings)}, ${now}, ${now})
    returning *`.execute(trx)
  return rows[0]!
}

export const updateTenant = (
  trx: Trx,
  id: number,
  patch: Partial<Pick<TenantRow, 'name' | 'state' | 'settings'>>,
  now: Date
): Promise<TenantRow> => {
  const { settings, ...rest } = patch
  return trx
    .updateTable('tenants')
    .set({ ...rest, ...(settings && { settings: JSON.stringify(settings) }), updated_at: now })
    .where('id', '=', id)
    .returningAll()
    .executeTakeFirstOrThrow()
}

interface TenantListQuery {
  /** Part of the name or the subdomain, in any letter case. */
  readonly search?: string
  readonly state?: TenantState
  readonly isDescending?: boolean
  /** The subdomain of the last tenant of the page before. */
  readonly after?: string
  readonly limit: number
}

/** Up to `limit` tenants by subdomain. */
export function listTenants(db: Db, query: TenantListQuery): Promise<TenantRow[]> {
  let select = selectWanted(db, query)
    .selectAll()
    .orderBy('subdomain', query.isDescending ? 'desc' : 'asc')
    .limit(query.limit)
  if (query.after !== undefined) select = select.where('subdomain', query.isDescending ? '<' : '>', query.after)
  return select.execute()
}

/** How many tenants the list has in all. */
export async function countTenants(db: Db, filter: Pick<TenantListQuery, 'search' | 'state'>): Promise<number> {
  const row = await selectWanted(db, filter).select(sql<number>`count(*)::int`.as('total')).executeTakeFirstOrThrow()
  return row.total
}

function selectWanted(db: Db, filter: Pick<TenantListQuery, 'search' | 'state'>) {
  const search = filter.search?.trim().toLowerCase()
  let select = db.selectFrom('tenants').where('shadow_of', 'is', null)
  if (filter.state) select = select.where('state', '=', filter.state)
  if (search) select = select.where(sql<boolean>`strpos(subdomain || chr(10) || lower(name), ${search}::text) > 0`)
  return select
}

/** How many of each kind a tenant has. */
interface TenantCounts {
  users: number
  administrators: number
  groups: number
  scimConnections: number
}

/** Counts users who are not removed, and administrators who are active and not locked. */
export async function countTenant(db: Db, tenantId: number): Promise<TenantCounts> {
  const [row] = await readInTenant<TenantCounts>(
    db,
    tenantId,
    sql<TenantCounts>`select
      ${resourceCount(tenantId, 'User')} as users,
      (select count(*)::int from users where tenant_id = ${tenantId}
        and role = 'administrator' and state = 'active' and not locked) as administrators,
      ${resourceCount(tenantId, 'Group')} as groups,
      (select count(*)::int from scim_connections where tenant_id = ${tenantId}) as "scimConnections"`
  )
  return row!
}

/** Every table with a tenant's rows except the audit log; a table comes before those that it refers to. */
export const TENANT_TABLES_LEAVES_FIRST = [
  'mails',
  'invitation_links',
  'invitations',
  'password_resets',
  'one_time_codes',
  'api_tokens',
  'sessions',
  'google_identities',
  'second_factors',
  'user_credentials',
  'addresses',
  'past_memberships',
  'past_children',
  'group_roles',
  'past_connections',
  'group_members',
  'group_children',
  'group_ancestors',
  'group_revisions',
  'groups',
  'user_emails',
  'user_family_names',
  'users',
  'resource_counts',
  'held_changes',
  'brake_people',
  'brake_slots',
  'brakes',
  'scim_errors',
  'scim_conflicts',
  'event_deliveries',
  'event_streams',
  'signing_keys',
  'scim_token_uses',
  'scim_tokens',
  'scim_shadows',
  'shadow_users',
  'shadow_groups',
  'shadow_members',
  'shadow_children',
  'scim_connections',
  'scim_schemas',
  'wire_log',
  'search_pending',
  'search_segments',
  'search_postings'
] as const

/** Makes a transaction see another tenant's rows from here on. */
export const seeTenant = (trx: Trx, tenantId: number) =>
  sql.raw(setTenant(tenantId, { setsLocally: isCitus(trx) })).execute(trx)

/**
 * Deletes a suspended tenant, locked `for update`, its shadows, and all that is in them: one statement per table. On
 * Citus, call `endRemoval` after the transaction.
 * @returns the ids of all that were deleted, shadows first
 */
export async function deleteTenant(trx: Trx, tenantId: number): Promise<number[]> {
  // deleting a large tenant takes long, and only the operator waits for it
  await sql`set local statement_timeout = 0`.execute(trx)
  const rows = await trx.selectFrom('tenants').select('id').where('shadow_of', '=', tenantId).execute()
  const shadowIds = rows.map(({ id }) => id)
  for (const id of shadowIds) await deleteShadow(trx, id)
  await seeTenant(trx, tenantId)
  await deleteRows(trx, tenantId)
  return [...shadowIds, tenantId]
}

/**
 * Closes a shadow once its writers have ended, and deletes it; the transaction sees no tenant's rows afterwards.
 * On Citus, call `endRemoval` after the transaction; otherwise clean-up does.
 */
export async function deleteShadow(trx: Trx, shadowId: number): Promise<void> {
  if (!(await closeShadow(trx, shadowId))) return
  await seeTenant(trx, shadowId)
  await deleteRows(trx, shadowId)
}

/** Waits for the writers of a shadow to end, and lets no others begin. @returns whether the shadow exists */
export async function closeShadow(trx: Trx, shadowId: number): Promise<boolean> {
  if (!(await lockTenant(trx, shadowId, 'for update'))) return false
  await sql`update tenants set state = 'suspended' where id = ${shadowId} and shadow_of is not null`.execute(trx)
  return true
}

async function deleteRows(trx: Trx, tenantId: number): Promise<void> {
  for (const table of TENANT_TABLES_LEAVES_FIRST) {
    await sql`delete from ${sql.table(table)} where tenant_id = ${tenantId}`.execute(trx)
  }
  if (!isCitus(trx)) await deleteLog(trx, tenantId)
}

/**
 * On Citus, deletes what is left of tenants once the deletion of their rows is committed: the log and the tenant's row.
 * The log is deleted with another role's rights, and a transaction may change a node's rows as only one role. If this
 * does not happen, the tenant is still there, suspended and empty, and can be removed again.
 */
export async function endRemoval(db: Db, tenantIds: readonly number[]): Promise<void> {
  if (!isCitus(db)) return
  for (const id of tenantIds) {
    await inTenant(db, id, async (trx) => {
      await sql`set local statement_timeout = 0`.execute(trx)
      const tenant = await lockTenant(trx, id, 'for update')
      if (tenant?.state === 'suspended') await deleteLog(trx, id)
    })
  }
}

/** Deletes a shadow completely: deleteShadow in a transaction of its own, then endRemoval. */
export async function removeShadow(db: Db, shadowId: number): Promise<void> {
  await inTenant(db, shadowId, (trx) => deleteShadow(trx, shadowId))
  await endRemoval(db, [shadowId])
}

async function deleteLog(trx: Trx, tenantId: number): Promise<void> {
  await sql`select remove_audit_events(${tenantId})`.execute(trx)
  await trx.deleteFrom('tenants').where('id', '=', tenantId).execute()
}
