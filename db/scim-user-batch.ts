// Makes any number of new users in one statement.
import { type CompiledQuery, type RawBuilder, sql } from 'kysely'
import { claimKey } from './addresses.ts'
import { connectionOf, newEventId } from './audit.ts'
import { type Db, readOneInTenant } from './connect.ts'
import { prepareForRows, requireCurrent } from './prepared.ts'
import { countResources } from './resource-counts.ts'
import { type ColumnTypes, columnSet, columnsOf } from './rows.ts'
import { holdersOf, type NewScimUser } from './scim-users.ts'
import { noteNames } from './search-index.ts'
import { DOCUMENT_COLUMNS } from './user-columns.ts'

/** The unique values of users, in the form in which they are compared. */
export interface UserKeys {
  readonly userNames: readonly string[]
  readonly addresses: readonly string[]
  readonly externalIds: readonly string[]
}

/**
 * Which of the keys are taken in the tenant: userNames and externalIds (of one connection) of users who are not
 * removed, and login addresses, also of removed users, who would come back. Does not see other tenants' addresses.
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
 * The statement that makes users with all that belongs to them, and claims their login addresses. It fails with the
 * violation of a unique key of `users`, or of `addresses_pkey`. It fails with an `isOutdated` error if a removed user
 * has one of the addresses, or somebody has one of `otherKeys`.
 * @param users at least one, with only the columns below
 */
export function insertUsers(db: Db, tenantId: number, users: readonly NewScimUser[]): CompiledQuery {
  // sorted by key: of two requests with the same people one waits for the other, without a deadlock
  const rows = users.map((user) => writtenOf(tenantId, user)).sort(byUserName)
  const emails = users.flatMap(({ row, emailKeys }) => emailKeys.map((key) => ({ email_of: row.id, value_key: key })))
  const passwords = users.flatMap(({ row, passwordHash, now }) =>
    passwordHash === undefined ? [] : [{ password_of: row.id, password_hash: passwordHash, set_at: now }]
  )
  const values = {
    tenantId,
    otherKeys: users.flatMap(({ otherKeys }) => otherKeys),
    count: users.length,
    ...columnsOf(EMAILS, emails),
    ...columnsOf(PASSWORDS, passwords)
  }
  return insertStatements[passwords.length > 0 ? 'withPasswords' : 'plain'](db, values, rows)
}

const writtenOf = (tenantId: number, { row, audit: { actor, targetName, after }, now }: NewScimUser) => ({
  ...row,
  now,
  address_key: row.email_key == null ? null : claimKey(tenantId, row.email_key),
  event_id: newEventId(now),
  actor_kind: actor.kind,
  actor_id: actor.id,
  actor_name: actor.name,
  actor_connection_id: connectionOf(actor),
  request_id: actor.requestId,
  ip: actor.ip,
  target_name: targetName,
  after: JSON.stringify(after)
})

type Written = ReturnType<typeof writtenOf>
const byUserName = (a: Written, b: Written) =>
  a.user_name_key < b.user_name_key ? -1 : Number(a.user_name_key > b.user_name_key)

/** Columns of `users` that are written as given. */
const DOCUMENT: ColumnTypes = {
  id: 'uuid',
  state: 'text',
  role: 'text',
  connection_id: 'uuid',
  ...DOCUMENT_COLUMNS
}
/** Further facts that are written for each user. */
const FACTS: ColumnTypes = {
  now: 'timestamptz',
  address_key: 'text',
  event_id: 'uuid',
  actor_kind: 'text',
  actor_id: 'uuid',
  actor_name: 'text',
  actor_connection_id: 'uuid',
  request_id: 'text',
  ip: 'text',
  target_name: 'text',
  after: 'json'
}
const EMAILS: ColumnTypes = { email_of: 'uuid', value_key: 'text' }
const PASSWORDS: ColumnTypes = { password_of: 'uuid', password_hash: 'text', set_at: 'timestamptz' }

const prepareInsert = (passwords: (tenantId: number, p: Record<string, unknown>) => RawBuilder<unknown>) =>
  prepareForRows({ ...DOCUMENT, ...FACTS }, (p, rowsAs) => {
    const tenantId = p['tenantId'] as number
    const names = sql.join(Object.keys(DOCUMENT).map((name) => sql.ref(name)))
    return sql`
    with given as (select * from ${rowsAs('given')}),
      -- before the users, as where a user is made alone: one transaction waits for the other, without a deadlock
      claimed as (
        insert into addresses (address_key, tenant_id, user_id)
        select address_key, ${tenantId}::int, id from given where address_key is not null order by address_key
        returning 1
      ),
      made as (
        insert into users (tenant_id, created_at, updated_at, activated_at, ${names})
        select ${tenantId}::int, now, now, case when state = 'active' then now end, ${names} from given
        where (select count(*) from claimed) is not null
          and not exists (
            select from users r where r.tenant_id = ${tenantId} and r.state = 'removed'
              and r.email_key = any(array(select email_key from given))
          )
          and not exists (${holdersOf(tenantId, p['otherKeys'] as string[])})
        returning id
      ),
      emails as (
        insert into user_emails (tenant_id, user_id, value_key)
        select ${tenantId}::int, email_of, value_key from ${columnSet('emails', EMAILS, p)}
      ),
      ${passwords(tenantId, p)}
      events as (
        insert into audit_events (tenant_id, id, at, action, actor_kind, actor_id, actor_name,
          target_type, target_id, target_name, request_id, ip, connection_id, after)
        select ${tenantId}::int, event_id, now, 'user.created', actor_kind, actor_id, actor_name,
          'user', id, target_name, request_id, ip, actor_connection_id, after from given
      ),
      names as (${noteNames(tenantId, sql`select id from given`)}),
      counts as (${countResources(tenantId, 'User', p['count'] as number, 'appended')})
    ${requireCurrent(sql`(select count(*) from made) = (select count(*) from given)`)}`
  })

// a table that a statement writes has a cost even if no row is written
const insertStatements = {
  plain: prepareInsert(() => sql``),
  withPasswords: prepareInsert(
    (tenantId, p) => sql`
      passwords as (
        insert into user_credentials (tenant_id, user_id, password_hash, updated_at)
        select ${tenantId}::int, password_of, password_hash, set_at from ${columnSet('passwords', PASSWORDS, p)}
      ),`
  )
}
