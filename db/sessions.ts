// Queries on sessions. The rules for expiry and idleness are in server/auth/session.ts.
import { sql } from 'kysely'
import { type Db, readInTenant, readOneInTenant, type Trx } from './connect.ts'
import { prepare, writeTogether } from './prepared.ts'
import type { Role, SessionRow } from './schema.ts'

/** A session with its user, as it is checked on every request. */
export interface SessionView {
  tenant_id: number
  id: string
  user_id: string
  created_at: Date
  last_seen_at: Date
  expires_at: Date
  method: SessionRow['method']
  /** When the user last proved again, after signing in, who they are. */
  confirmed_at: Date | null
  has_second_factor: boolean
  role: Role
  display_name: string | null
  given_name: string | null
  family_name: string | null
  email: string | null
  user_name: string
}

/** A session as it is shown to its user. */
export type OwnSession = Omit<SessionRow, 'token_hash' | 'tenant_id' | 'user_id' | 'confirmed_at'>

/** The session with this token hash, if its user may be signed in. */
export const findSessionByHash = (db: Db, tenantId: number, tokenHash: Buffer): Promise<SessionView | undefined> =>
  readOneInTenant<SessionView>(
    db,
    tenantId,
    db
      .selectFrom('sessions')
      .leftJoin('second_factors', (join) =>
        join
          .onRef('second_factors.tenant_id', '=', 'sessions.tenant_id')
          .onRef('second_factors.user_id', '=', 'sessions.user_id')
      )
      .innerJoin('users', (join) =>
        join.onRef('users.tenant_id', '=', 'sessions.tenant_id').onRef('users.id', '=', 'sessions.user_id')
      )
      .select(({ eb }) => [
        eb('second_factors.confirmed_at', 'is not', null).$castTo<boolean>().as('has_second_factor'),
        'sessions.method',
        'sessions.confirmed_at',
        'sessions.tenant_id',
        'sessions.id',
        'sessions.user_id',
        'sessions.created_at',
        'sessions.last_seen_at',
        'sessions.expires_at',
        'users.role',
        'users.display_name',
        'users.given_name',
        'users.family_name',
        'users.email',
        'users.user_name'
      ])
      .where('sessions.tenant_id', '=', tenantId)
      .where('sessions.token_hash', '=', tokenHash)
      .where('users.state', '=', 'active')
      .where('users.locked', '=', false)
      .where('users.must_reset_password', '=', false)
  )

export const insertSession = (trx: Trx, tenantId: number, session: Omit<SessionRow, 'tenant_id' | 'confirmed_at'>) =>
  trx
    .insertInto('sessions')
    .values({ ...session, tenant_id: tenantId })
    .execute()

/**
 * Records a sign-in if the user may be signed in; otherwise nothing changes. The row stays locked until the transaction
 * ends, so that whoever ends the user's access meanwhile waits, and then finds the new session.
 * The version stays the same, because others see no change.
 * @returns whether the user may be signed in
 */
export async function noteSignIn(trx: Trx, tenantId: number, userId: string, now: Date): Promise<boolean> {
  const { numUpdatedRows } = await trx
    .updateTable('users')
    .set({ last_sign_in_at: now })
    .where('tenant_id', '=', tenantId)
    .where('id', '=', userId)
    .where('state', '=', 'active')
    .where('locked', '=', false)
    .where('must_reset_password', '=', false)
    .executeTakeFirst()
  return numUpdatedRows > 0n
}

/** @returns the session's id and user; undefined if there is none with that hash */
export const deleteSessionByHash = (trx: Trx, tenantId: number, tokenHash: Buffer) =>
  trx
    .deleteFrom('sessions')
    .where('tenant_id', '=', tenantId)
    .where('token_hash', '=', tokenHash)
    .returning(['id', 'user_id'])
    .executeTakeFirst()

/** @returns whether the user had that session */
export async function deleteSession(trx: Trx, tenantId: number, userId: string, sessionId: string): Promise<boolean> {
  const { numDeletedRows } = await trx
    .deleteFrom('sessions')
    .where('tenant_id', '=', tenantId)
    .where('user_id', '=', userId)
    .where('id', '=', sessionId)
    .executeTakeFirst()
  return numDeletedRows > 0n
}

/** Whether the user's session still exists. Lock the user's row before calling it. */
export async function isSession(trx: Trx, tenantId: number, userId: string, sessionId: string): Promise<boolean> {
  const row = await trx
    .selectFrom('sessions')
    .select('id')
    .where('tenant_id', '=', tenantId)
    .where('user_id', '=', userId)
    .where('id', '=', sessionId)
    .executeTakeFirst()
  return row !== undefined
}

/** Ends the sessions of users, except `exceptId`. @returns how many were ended */
export async function deleteSessions(
  trx: Trx,
  tenantId: number,
  userIds: readonly string[],
  exceptId?: string
): Promise<number> {
  let query = trx
    .deleteFrom('sessions')
    .where('tenant_id', '=', tenantId)
    .where('user_id', '=', sql<string>`any(${userIds}::uuid[])`)
  if (exceptId) query = query.where('id', '<>', exceptId)
  const { numDeletedRows } = await query.executeTakeFirst()
  return Number(numDeletedRows)
}

/**
 * The live sessions of a user, newest first.
 * @param alive a live session was last seen after `seenAfter`, and expires after `now`
 * @param before id of the last session of the previous page
 */
export const listSessions = (
  db: Db,
  tenantId: number,
  userId: string,
  alive: { seenAfter: Date; now: Date },
  limit: number,
  before: string | undefined
): Promise<OwnSession[]> => {
  // ids are UUIDs of version 7, which sort by creation
  const query = db
    .selectFrom('sessions')
    .select(['id', 'method', 'ip', 'user_agent', 'created_at', 'last_seen_at', 'expires_at'])
    .where('tenant_id', '=', tenantId)
    .where('user_id', '=', userId)
    .where('expires_at', '>', alive.now)
    .where('last_seen_at', '>', alive.seenAfter)
    .orderBy('id', 'desc')
    .limit(limit)
  return readInTenant<OwnSession>(db, tenantId, before ? query.where('id', '<', before) : query)
}

/** Records that the session's user has proved again who they are. */
export const confirmSession = (trx: Trx, tenantId: number, sessionId: string, now: Date) =>
  trx
    .updateTable('sessions')
    .set({ confirmed_at: now })
    .where('tenant_id', '=', tenantId)
    .where('id', '=', sessionId)
    .execute()

/** Records that a session is in use; a later time from another process is kept. */
export const touchSession = (db: Db, tenantId: number, sessionId: string, now: Date): Promise<unknown> =>
  writeTogether(db, tenantId, [touchStatement(db, { tenantId, sessionId, now })])

const touchStatement = prepare(
  (p) => sql`
    update sessions set last_seen_at = greatest(last_seen_at, ${p['now']}::timestamptz)
    where tenant_id = ${p['tenantId']} and id = ${p['sessionId']}::uuid`
)
