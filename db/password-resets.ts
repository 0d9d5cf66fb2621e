// Queries on the links that set a forgotten password.
import { sql } from 'kysely'
import { type Db, readOneInTenant, type Trx } from './connect.ts'
import { insertMails } from './mails.ts'
import type { PasswordResetsTable } from './schema.ts'

export type PasswordReset = Pick<PasswordResetsTable, 'user_id' | 'expires_at' | 'used_at'>

/** The link with a token's hash, in any state. */
export const findPasswordReset = (db: Db, tenantId: number, tokenHash: Buffer): Promise<PasswordReset | undefined> =>
  readOneInTenant<PasswordReset>(
    db,
    tenantId,
    db
      .selectFrom('password_resets')
      .select(['user_id', 'expires_at', 'used_at'])
      .where('tenant_id', '=', tenantId)
      .where('token_hash', '=', tokenHash)
  )

export const insertPasswordReset = (
  trx: Trx,
  tenantId: number,
  reset: { tokenHash: Buffer; userId: string; now: Date; expiresAt: Date }
) =>
  trx
    .insertInto('password_resets')
    .values({
      tenant_id: tenantId,
      token_hash: reset.tokenHash,
      user_id: reset.userId,
      created_at: reset.now,
      expires_at: reset.expiresAt,
      used_at: null
    })
    .execute()

/** Uses a link up before it expires. @returns true for the first use only: of concurrent tries, one gets true */
export async function usePasswordReset(trx: Trx, tenantId: number, tokenHash: Buffer, now: Date): Promise<boolean> {
  const { numUpdatedRows } = await trx
    .updateTable('password_resets')
    .set({ used_at: now })
    .where('tenant_id', '=', tenantId)
    .where('token_hash', '=', tokenHash)
    .where('used_at', 'is', null)
    .where('expires_at', '>', now)
    .executeTakeFirst()
  return numUpdatedRows > 0n
}

/** Expires the unused links of users now, and cancels queued mails with such links. */
export async function expirePasswordResets(
  trx: Trx,
  tenantId: number,
  userIds: readonly string[],
  now: Date
): Promise<void> {
  await sql`
    with ended as (
      update password_resets set expires_at = ${now}
      where tenant_id = ${tenantId} and user_id = any(${userIds}::uuid[]) and used_at is null and expires_at > ${now}
    ), locked as (
      select id from mails
      where tenant_id = ${tenantId} and user_id = any(${userIds}::uuid[]) and template = 'password-reset' and state = 'queued'
      order by id for no key update
    )
    update mails set state = 'cancelled', token_sealed = null
    where tenant_id = ${tenantId} and id in (select id from locked)`.execute(trx)
}

/** Inserts the mail that carries a link; the caller enqueues its job `send-mail` in the same transaction. */
export const insertResetMail = (
  trx: Trx,
  tenantId: number,
  mail: { id: string; userId: string; to: string; tokenSealed: Buffer; now: Date }
): Promise<void> =>
  insertMails(trx, tenantId, [
    {
      id: mail.id,
      template: 'password-reset',
      user_id: mail.userId,
      invitation_id: null,
      to_address: mail.to,
      token_sealed: mail.tokenSealed,
      queued_at: mail.now
    }
  ])
