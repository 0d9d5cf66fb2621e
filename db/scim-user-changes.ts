// Changes of several users at once: one statement for each kind of change, for any number of users.
import { sql } from 'kysely'
import type { Trx } from './connect.ts'
import { type ColumnTypes, rowSet } from './rows.ts'
import type { UserRow } from './schema.ts'
import { type ScimUserRow, type ScimView, scimUserColumns } from './scim-users.ts'
import { DOCUMENT_COLUMNS } from './user-columns.ts'

// in a subquery, because a plan that depends on the number of ids would be made anew each time
const among = (userIds: readonly string[]) => sql`users.id = any(array(select unnest(${userIds}::uuid[])))`

/** Locks users `for update`, in the order of their ids: two transactions that change the same ones do not deadlock. */
export async function lockUsers(trx: Trx, tenantId: number, userIds: readonly string[]): Promise<UserRow[]> {
  const { rows } = await sql<UserRow>`
    select users.* from users where users.tenant_id = ${tenantId} and ${among(userIds)}
    order by users.id for update`.execute(trx)
  return rows
}

/** Reads users, in no order, within the transaction that changed them. */
export async function getScimUsers(trx: Trx, view: ScimView, userIds: readonly string[]): Promise<ScimUserRow[]> {
  const { rows } = await sql<ScimUserRow>`
    select ${scimUserColumns(view)} from users where users.tenant_id = ${view.tenantId} and ${among(userIds)}`.execute(
    trx
  )
  return rows
}

/** A locked user with the new values; the version goes up by one. */
export type ChangedUser = Pick<UserRow, 'id' | 'updated_at'> & Record<string, unknown>

/**
 * Gives locked users new values.
 * @param columns the kind of change: all its columns are written, changed or not
 */
export async function updateUsers(
  trx: Trx,
  tenantId: number,
  columns: keyof typeof CHANGEABLE,
  users: readonly ChangedUser[]
): Promise<void> {
  if (users.length === 0) return
  const types = { id: 'uuid', updated_at: 'timestamptz', ...CHANGEABLE[columns] }
  const set = Object.keys(types).flatMap((name) =>
    name === 'id' ? [] : sql`${sql.ref(name)} = ${sql.ref(`changed.${name}`)}`
  )
  await sql`
    update users set ${sql.join(set)}, version = users.version + 1
    from ${rowSet('changed', types, users)}
    where users.tenant_id = ${tenantId} and users.id = changed.id`.execute(trx)
}

/** The columns of each kind of change. */
export const CHANGEABLE = {
  profile: {
    ...DOCUMENT_COLUMNS,
    connection_id: 'uuid'
  },
  state: { state: 'text', locked: 'boolean', activated_at: 'timestamptz' }
} as const satisfies Record<string, ColumnTypes>
