// Passwords at rest, and who may sign in with an address and a password.
import { type Db, readOneInTenant, type Trx } from './connect.ts'
import type { UserState } from './schema.ts'

/** A user with the facts that decide whether they may sign in. */
export interface SignInUser {
  id: string
  state: UserState
  locked: boolean
  must_reset_password: boolean
  email: string | null
  user_name: string
  display_name: string | null
  given_name: string | null
  family_name: string | null
  /** Null for somebody who never set one. */
  password_hash: string | null
}

const selectSignInUsers = (db: Db, tenantId: number) =>
  db
    .selectFrom('users')
    .leftJoin('user_credentials', (join) =>
      join
        .onRef('user_credentials.tenant_id', '=', 'users.tenant_id')
        .onRef('user_credentials.user_id', '=', 'users.id')
    )
    .select([
      'users.id',
      'users.state',
      'users.locked',
      'users.must_reset_password',
      'users.email',
      'users.user_name',
      'users.display_name',
      'users.given_name',
      'users.family_name',
      'user_credentials.password_hash'
    ])
    .where('users.tenant_id', '=', tenantId)

/**
 * The user of this tenant who holds a login address; removed users hold none. `addresses` would tell the same, but on
 * Citus its row may lie on another node.
 */
export const findSignInUser = (db: Db, tenantId: number, addressKey: string): Promise<SignInUser | undefined> =>
  readOneInTenant<SignInUser>(
    db,
    tenantId,
    selectSignInUsers(db, tenantId).where('users.email_key', '=', addressKey).where('users.state', '<>', 'removed')
  )

export const findSignInUserById = (db: Db, tenantId: number, userId: string): Promise<SignInUser | undefined> =>
  readOneInTenant<SignInUser>(db, tenantId, selectSignInUsers(db, tenantId).where('users.id', '=', userId))

/** Sets a user's password, whether or not they had one. */
export const setPasswordHash = (trx: Trx, tenantId: number, userId: string, hash: string, now: Date) =>
  trx
    .insertInto('user_credentials')
    .values({ tenant_id: tenantId, user_id: userId, password_hash: hash, updated_at: now })
    .onConflict((conflict) =>
      conflict.columns(['tenant_id', 'user_id']).doUpdateSet({ password_hash: hash, updated_at: now })
    )
    .execute()

/**
 * Replaces the hash of a password by another hash of the same password.
 * @returns whether `before` was still the user's hash: false where the password has changed meanwhile
 */
export async function exchangePasswordHash(
  trx: Trx,
  tenantId: number,
  userId: string,
  before: string,
  after: string
): Promise<boolean> {
  const { numUpdatedRows } = await trx
    .updateTable('user_credentials')
    .set({ password_hash: after })
    .where('tenant_id', '=', tenantId)
    .where('user_id', '=', userId)
    .where('password_hash', '=', before)
    .executeTakeFirst()
  return numUpdatedRows > 0n
}

/** Call it after locking the user's row. */
export async function hasPassword(trx: Trx, tenantId: number, userId: string): Promise<boolean> {
  const row = await trx
    .selectFrom('user_credentials')
    .select('user_id')
    .where('tenant_id', '=', tenantId)
    .where('user_id', '=', userId)
    .executeTakeFirst()
  return row !== undefined
}

/** Whether `hash` is still the user's. Call it after locking the user's row. */
export async function isPasswordHash(trx: Trx, tenantId: number, userId: string, hash: string): Promise<boolean> {
  const row = await trx
    .selectFrom('user_credentials')
    .select('user_id')
    .where('tenant_id', '=', tenantId)
    .where('user_id', '=', userId)
    .where('password_hash', '=', hash)
    .executeTakeFirst()
  return row !== undefined
}
