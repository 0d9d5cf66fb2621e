// Brings a shadow up to date with its tenant: takes over users who came, went or changed there meanwhile, unless the
// identity provider has changed the same ones. The shadow's base is updated, too, so that none of this counts as
// changed by the provider.
import { type RawBuilder, sql } from 'kysely'
import { claimKey } from './addresses.ts'
import type { Trx } from './connect.ts'
import { indexUnlisted } from './family-names.ts'
import { countMemberChanges } from './groups.ts'
import { insertUncopied } from './rows.ts'
import { insertShadowBase } from './shadows.ts'
import type { TransferTable } from './tenant-transfer.ts'
import { lockTenant, seeTenant } from './tenants.ts'

/**
 * The transaction sees the tenant, before and after. Writers in the shadow wait.
 * @param tables from readTransferTables
 * @returns how many users were taken over
 */
export async function refreshShadowUsers(
  trx: Trx,
  { tenantId, shadowId }: { tenantId: number; shadowId: number },
  tables: readonly TransferTable[],
  now: Date
): Promise<number> {
  await sql`set local statement_timeout = 0`.execute(trx)
  await lockTenant(trx, shadowId, 'for update')
  const names = namesOf(tables, 'users')
  await carry(trx, 'users', sql`select ${names} from users where tenant_id = ${sql.lit(tenantId)}`)
  await seeTenant(trx, shadowId)
  const count = await chooseMoved(trx, shadowId)
  if (count > 0) {
    await seeTenant(trx, tenantId)
    const ofMoved = sql`tenant_id = ${sql.lit(tenantId)} and user_id in (select id from moved)`
    await carry(trx, 'emails', sql`select user_id, value_key from user_emails where ${ofMoved}`)
    await carry(trx, 'addresses', sql`select user_id, address_key from addresses where ${ofMoved}`)
    const invitations = sql`select ${namesOf(tables, 'invitations')} from invitations`
    await carry(trx, 'invitations', sql`${invitations} where ${ofMoved} and state = 'pending'`)
    await seeTenant(trx, shadowId)
    await takeOver(trx, shadowId, tables, now)
  }
  await seeTenant(trx, tenantId)
  return count
}

const columnsOf = (tables: readonly TransferTable[], name: string): string[] =>
  tables.find((table) => table.name === name)!.columns.map((column) => column.name)

const namesOf = (tables: readonly TransferTable[], name: string): RawBuilder<unknown> =>
  sql.join(columnsOf(tables, name).map((column) => sql.ref(column)))

async function carry(trx: Trx, name: string, rows: RawBuilder<unknown>): Promise<void> {
  const table = sql.table(`carried_${name}`)
  await sql`create temporary table ${table} on commit drop as ${rows}`.execute(trx)
  await sql`analyze ${table}`.execute(trx)
}

/** Makes the table `moved`: users new, or changed only in the tenant, who conflict with nobody in the shadow. */
async function chooseMoved(trx: Trx, shadowId: number): Promise<number> {
  const shadow = sql.lit(shadowId)
  const keys = sql`id, version, state, user_name_key, email_key, external_id, connection_id`
  await carry(trx, 'there', sql`select ${keys} from users where tenant_id = ${shadow}`)
  await carry(trx, 'base', sql`select id, version from shadow_users where tenant_id = ${shadow}`)
  await sql`
    create temporary table moved on commit drop as
    select c.id, s.id is null as is_new from carried_users c
    left join carried_there s on s.id = c.id
    left join carried_base b on b.id = c.id
    where (s.id is null and b.id is null) or (b.version <> c.version and s.version = b.version)`.execute(trx)
  await sql`analyze moved`.execute(trx)
  const isSame = [
    sql`o.user_name_key = c.user_name_key`,
    sql`o.email_key = c.email_key`,
    sql`o.external_id = c.external_id and o.connection_id = c.connection_id`
  ]
  // a join for each: one join with `or` would compare everybody with everybody
  const inTheWay = isSame.map(
    (same) => sql`
      select c.id from moved join carried_users c on c.id = moved.id join carried_there o on ${same}
      where o.id <> c.id and o.state <> 'removed' and c.state <> 'removed'
        and not exists (select from moved m where m.id = o.id)`
  )
  await sql`delete from moved where id in (${sql.join(inTheWay, sql` union all `)})`.execute(trx)
  const { rows } = await sql<{ count: number }>`select count(*)::int as count from moved`.execute(trx)
  return rows[0]!.count
}

const MOVED = sql`(select id from moved)`

/** Copies the chosen users into the shadow, which the transaction sees. */
async function takeOver(trx: Trx, shadowId: number, tables: readonly TransferTable[], now: Date): Promise<void> {
  const of = (column: string) => sql`tenant_id = ${shadowId} and ${sql.ref(column)} in ${MOVED}`
  await sql`delete from addresses where ${of('user_id')}`.execute(trx)
  await sql`delete from user_emails where ${of('user_id')}`.execute(trx)
  await sql`delete from invitations where ${of('user_id')}`.execute(trx)
  // two users may have swapped names
  await sql`update users set user_name_key = 'parked ' || id, external_id = null where ${of('id')}`.execute(trx)
  const names = namesOf(tables, 'users')
  const changing = columnsOf(tables, 'users').filter((name) => name !== 'id' && name !== 'ordinal')
  await sql`
    update users u set ${sql.join(changing.map((name) => sql`${sql.ref(name)} = c.${sql.ref(name)}`))}
    from carried_users c join moved on moved.id = c.id
    where u.tenant_id = ${shadowId} and u.id = c.id`.execute(trx)
  const insert = (rows: RawBuilder<unknown>) => insertUncopied(trx, rows)
  await insert(sql`
    insert into users (tenant_id, ${names}) select ${shadowId}::int, ${names} from carried_users
    where id in (select id from moved where is_new)`)
  await indexUnlisted(trx, shadowId)
  await insert(sql`
    insert into user_emails (tenant_id, user_id, value_key)
    select ${shadowId}::int, user_id, value_key from carried_emails`)
  await sql`
    insert into addresses (tenant_id, user_id, address_key)
    select ${shadowId}::int, user_id, ${claimKey(shadowId, '')}::text || address_key from carried_addresses
    on conflict do nothing`.execute(trx)
  const invitations = namesOf(tables, 'invitations')
  await insert(sql`
    insert into invitations (tenant_id, ${invitations})
    select ${shadowId}::int, ${invitations} from carried_invitations`)
  await leaveGroups(trx, shadowId, now)
  await sql`delete from shadow_users where ${of('id')}`.execute(trx)
  await insertShadowBase(trx, shadowId, sql`id in ${MOVED}`)
  await sql`
    with counted as (
      delete from resource_counts where tenant_id = ${shadowId} and resource_type = 'User' returning moves
    )
    insert into resource_counts (tenant_id, resource_type, slot, total, moves)
    select ${shadowId}::int, 'User', 64,
      (select count(*) from users where tenant_id = ${shadowId} and state <> 'removed'),
      (select coalesce(sum(moves), 0) + 1 from counted)
    returning 1`.execute(trx)
}

/** Takes users who were removed in the tenant out of the shadow's groups. */
async function leaveGroups(trx: Trx, shadowId: number, now: Date): Promise<void> {
  const gone = sql`(select moved.id from moved join carried_users c on c.id = moved.id where c.state = 'removed')`
  const left = sql`select group_id, -count(*)::int as delta from left_groups group by group_id`
  await sql`
    with left_groups as (
      delete from group_members where tenant_id = ${shadowId} and user_id in ${gone} returning group_id
    )
    ${countMemberChanges(shadowId, now, left)}`.execute(trx)
  await sql`delete from shadow_members where tenant_id = ${shadowId} and user_id in ${gone}`.execute(trx)
}
