// Many new users at once: a statement for each table, however many they are.
import { sql } from 'kysely'
import { claimKey } from './addresses.ts'
import { insertAuditEvents } from './audit.ts'
import { type Db, readOneInTenant, type Trx } from './connect.ts'
import { countResources } from './resource-counts.ts'
import { type ColumnTypes, insertRows, rowSet } from './rows.ts'
import { holdersOf, type NewScimUser } from './scim-users.ts'
import { noteNames } from './search-index.ts'

/** What is unique of users, as the keys that are compared. */
export interface UserKeys {
  readonly userNames: readonly string[]
  readonly addresses: readonly string[]
  readonly externalIds: readonly string[]
}

/**
 * Those of the keys that somebody of the tenant has: names and externalIds (of one connection) of users who are not
 * removed, and login addresses, also of removed ones, who would come back. Another tenant's addresses are not seen.
 */
export async function findTakenKeys(
  db: Db,
  tenantId: number,
  connectionId: string | null,
  { userNames, addresses, externalIds }: UserKeys
): Promise<UserKeys> {
  const taken = await readOneInTenant<UserKeys>(
    db,
    tenantId,
    sql<UserKeys>`
      select
        array(select user_name_key from users where tenant_id = ${tenantId} and not is_removed
          and user_name_key = any(${userNames}::text[])) as "userNames",
        array(select email_key from users where tenant_id = ${tenantId}
          and email_key = any(${addresses}::text[])) as addresses,
        array(select external_id from users where tenant_id = ${tenantId} and not is_removed
          and connection_id = ${connectionId}::uuid and external_id = any(${externalIds}::text[])) as "externalIds"`
  )
  return taken!
}

/**
 * Makes users with all that belongs to them, their login addresses claimed.
 * @param users at least one, all of them with the same columns
 * @returns false where a removed user has one of the addresses, or somebody is in the way of `otherKeys`: roll back then
 * @throws the violation of a unique key of `users`, or of `addresses_pkey`
 */
export async function insertUsers(trx: Trx, tenantId: number, users: readonly NewScimUser[]): Promise<boolean> {
  // in the order of their keys: of two requests with the same people, one waits for the other
  const rows = users.map(({ row }) => ({ ...row, tenant_id: tenantId })).sort(byText((row) => row.user_name_key))
  const claims = rows
    .filter(({ email_key }) => typeof email_key === 'string')
    .map(({ email_key, id }) => ({ address_key: claimKey(tenantId, email_key!), tenant_id: tenantId, user_id: id }))
    .sort(byText(({ address_key }) => address_key))
  const types: ColumnTypes = Object.fromEntries(Object.keys(rows[0]!).map((name) => [name, TYPES[name] ?? 'text']))
  const others = users.flatMap(({ otherKeys }) => otherKeys)
  const names = sql.join(Object.keys(types).map((name) => sql.ref(name)))
  const [, made] = await Promise.all([
    insertRows(trx, 'addresses', { address_key: 'text', tenant_id: 'int', user_id: 'uuid' }, claims),
    sql`
      with new_users as (
        insert into users (${names}) select ${names} from ${rowSet('made', types, rows)}
        where not exists (
          select from users r where r.tenant_id = ${tenantId} and r.email_key = made.email_key and r.state = 'removed'
        ) ${others.length > 0 ? sql`and not exists (${holdersOf(tenantId, others)})` : sql``} returning id
      )
      ${noteNames(tenantId, sql`select id from new_users`)} returning 1`.execute(trx),
    insertRows(
      trx,
      'user_emails',
      { tenant_id: 'int', user_id: 'uuid', value_key: 'text' },
      users.flatMap(({ row, emailKeys }) =>
        emailKeys.map((key) => ({ tenant_id: tenantId, user_id: row.id, value_key: key }))
      )
    ),
    insertRows(
      trx,
      'user_credentials',
      { tenant_id: 'int', user_id: 'uuid', password_hash: 'text', updated_at: 'timestamptz' },
      users.flatMap(({ row, passwordHash, now }) =>
        passwordHash === undefined
          ? []
          : [{ tenant_id: tenantId, user_id: row.id, password_hash: passwordHash, updated_at: now }]
      )
    ),
    insertAuditEvents(
      trx,
      tenantId,
      users[0]!.audit.actor,
      users[0]!.now,
      users.map(({ row, now, audit: { actor, action, targetName, after } }) => ({
        by: { actor, now },
        action,
        targetType: 'user',
        targetId: row.id,
        targetName,
        after
      }))
    ),
    countResources(tenantId, 'User', users.length, 'appended').execute(trx)
  ])
  return made.rows.length === users.length
}

const byText =
  <T>(key: (item: T) => string) =>
  (a: T, b: T): number =>
    key(a) < key(b) ? -1 : Number(key(a) > key(b))

/** PostgreSQL's types of the columns of `users`, where that is not text. */
const TYPES: Partial<Record<string, string>> = {
  tenant_id: 'int',
  id: 'uuid',
  connection_id: 'uuid',
  doc: 'json',
  created_at: 'timestamptz',
  updated_at: 'timestamptz',
  activated_at: 'timestamptz'
}
