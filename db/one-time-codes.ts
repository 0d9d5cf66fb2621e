// Codes that sign somebody in once: a link that the service printed, or the last hop of a sign-in elsewhere.
import { type Db, inTenant } from './connect.ts'
import type { OneTimeCodesTable } from './schema.ts'

export const insertOneTimeCode = (db: Db, code: OneTimeCodesTable): Promise<unknown> =>
  inTenant(db, code.tenant_id, (trx) => trx.insertInto('one_time_codes').values(code).execute())

/**
 * Takes a code away: of two that try it at once, one gets it.
 * @param browserHash of the cookie of the browser that asks; a code that is bound to a browser is left alone by others
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
