// New users on a cluster: writes what scim-user-batch.ts writes in one statement, with one statement for each table,
// all sent in one write. On Citus a statement takes rows for one table only, and login addresses lie on other nodes.
import { sql } from 'kysely'
import { claimKey, inShardOrder } from './addresses.ts'
import { insertAuditEvents } from './audit.ts'
import type { Trx } from './connect.ts'
import { countResources } from './resource-counts.ts'
import { type ColumnTypes, insertRows } from './rows.ts'
import { holdersOf, type NewScimUser, nextOrdinals } from './scim-users.ts'
import { noteNamesOf } from './search-index.ts'
import { DOCUMENT_COLUMNS } from './user-columns.ts'

/**
 * Makes users with all that belongs to them.
 * @param users at least one, as in insertUsers
 * @returns false if a removed user has one of the addresses, or somebody has one of `otherKeys`: the transaction must
 *   then be rolled back
 * @throws the violation of a unique key of `users`, or of `addresses_pkey`
 */
export async function insertUserParts(trx: Trx, tenantId: number, users: readonly NewScimUser[]): Promise<boolean> {
  const ordinals = await nextOrdinals(trx, users.length)
  // sorted by key: of two requests with the same people one waits for the other, without a deadlock
  const sorted = [...users].sort((one, other) => (one.row.user_name_key < other.row.user_name_key ? -1 : 1))
  const claims = sorted.flatMap(({ row: { id, email_key } }) =>
    email_key == null ? [] : [{ address_key: claimKey(tenantId, email_key), tenant_id: tenantId, user_id: id }]
  )
  const [, , inTheWay] = await Promise.all([
    claims.length > 1 && inShardOrder(trx),
    insertRows(trx, 'addresses', ADDRESS, claims),
    findInTheWay(trx, tenantId, users),
    insertRows(
      trx,
      'users',
      USER,
      sorted.map(({ row, now }, index) => ({
        ...row,
        tenant_id: tenantId,
        ordinal: ordinals[index],
        created_at: now,
        updated_at: now,
        activated_at: row.state === 'active' ? now : null
      }))
    ),
    insertRows(
      trx,
      'user_emails',
      EMAIL,
      users.flatMap(({ row: { id }, emailKeys }) =>
        emailKeys.map((value_key) => ({ tenant_id: tenantId, user_id: id, value_key }))
      )
    ),
    insertRows(
      trx,
      'user_credentials',
      PASSWORD,
      users.flatMap(({ row: { id }, passwordHash, now }) =>
        passwordHash === undefined
          ? []
          : [{ tenant_id: tenantId, user_id: id, password_hash: passwordHash, updated_at: now }]
      )
    ),
    insertAuditEvents(
      trx,
      tenantId,
      users[0]!.audit.actor,
      users[0]!.now,
      users.map(({ row: { id }, audit: { actor, targetName, after }, now }) => ({
        action: 'user.created',
        targetType: 'user',
        targetId: id,
        targetName,
        after,
        by: { actor, now }
      }))
    ),
    noteNamesOf(
      trx,
      tenantId,
      users.map(({ row: { id } }) => id)
    ),
    countResources(tenantId, 'User', users.length, 'appended').execute(trx)
  ])
  return inTheWay.rows.length === 0
}

/** Run it after the addresses are claimed: a transaction that was taking one of them has ended by then. */
function findInTheWay(trx: Trx, tenantId: number, users: readonly NewScimUser[]) {
  const addressKeys = users.flatMap(({ row: { email_key } }) => email_key ?? [])
  const otherKeys = users.flatMap((user) => user.otherKeys)
  return sql`
    select from users r where r.tenant_id = ${tenantId} and r.state = 'removed'
      and r.email_key = any(${addressKeys}::text[])
    union all ${holdersOf(tenantId, otherKeys)} limit 1`.execute(trx)
}

const ADDRESS: ColumnTypes = { address_key: 'text', tenant_id: 'int', user_id: 'uuid' }
const USER: ColumnTypes = {
  tenant_id: 'int',
  id: 'uuid',
  ordinal: 'bigint',
  state: 'text',
  role: 'text',
  connection_id: 'uuid',
  ...DOCUMENT_COLUMNS,
  created_at: 'timestamptz',
  updated_at: 'timestamptz',
  activated_at: 'timestamptz'
}
const EMAIL: ColumnTypes = { tenant_id: 'int', user_id: 'uuid', value_key: 'text' }
const PASSWORD: ColumnTypes = { tenant_id: 'int', user_id: 'uuid', password_hash: 'text', updated_at: 'timestamptz' }
