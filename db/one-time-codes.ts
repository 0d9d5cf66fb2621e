// Codes that sign somebody in once: a link that the service printed, or the last hop of a sign-in elsewhere.
import { type Db, inTenant } from './connect.ts'
import type { OneTimeCodesTable } from './schema.ts'

export const insertOneTimeCode = (
  db: Db,
  tenantId: number,
  code: Omit<OneTimeCodesTable, 'tenant_id'>
): Promise<unknown> =>
  inTenant(db, tenantId, (trx) =>
    trx
      .insertInto('one_time_codes')
      .values({ ...code, tenant_id: tenantId })
      .execute()
  )

/**
 * Deletes a code and returns its user: of two concurrent tries, one gets it.
 * @param code.browserHash hash of the browser's cookie; a code that is bound to another browser is left alone
 */
export const takeOneTimeCode = (
  db: Db,
  tenantId: number,
  code: { hash: Buffer; purpose: OneTimeCodesTable['purpose']; browserHash: Buffer | undefined; now: Date }
): Promise<{ user_id: string } | undefined> =>
  inTenant(db, tenantId, (trx) =>
    trx
      .deleteFrom('one_time_codes')
      .where('tenant_id', '=', tenantId)
      .where('code_hash', '=', code.hash)
      .where('purpose', '=', code.purpose)
      .where('expires_at', '>', code.now)
      .where((eb) =>
        eb.or([
          eb('browser_hash', 'is', null),
          ...(code.browserHash ? [eb('browser_hash', '=', code.browserHash)] : [])
        ])
      )
      .returning('user_id')
      .executeTakeFirst()
  )
