// Stored second factors: for each user a sealed secret, the last time step used, and recovery codes.
import { sql } from 'kysely'
import { type Db, inTenant, readOneInTenant, type Trx } from './connect.ts'

interface SecondFactor {
  secret_sealed: Buffer
  /** Null until the user has entered a first code. */
  confirmed_at: Date | null
  recovery_count: number
}

export const findSecondFactor = (db: Db, tenantId: number, userId: string): Promise<SecondFactor | undefined> =>
  readOneInTenant<SecondFactor>(
    db,
    tenantId,
    db
      .selectFrom('second_factors')
      .select(['secret_sealed', 'confirmed_at', sql<number>`cardinality(recovery_hashes)`.as('recovery_count')])
      .where('tenant_id', '=', tenantId)
      .where('user_id', '=', userId)
  )

/** When the user's factor was confirmed; undefined without a confirmed one. Lock the user's row before calling it. */
export async function readConfirmedAt(trx: Trx, tenantId: number, userId: string): Promise<Date | undefined> {
  const row = await trx
    .selectFrom('second_factors')
    .select('confirmed_at')
    .where('tenant_id', '=', tenantId)
    .where('user_id', '=', userId)
    .executeTakeFirst()
  return row?.confirmed_at ?? undefined
}

/** Begins a factor, or replaces an unconfirmed one. @returns false if a confirmed one exists, which stays */
export async function beginSecondFactor(
  trx: Trx,
  tenantId: number,
  userId: string,
  secretSealed: Buffer,
  now: Date
): Promise<boolean> {
  const facts = { secret_sealed: secretSealed, last_step: '0', recovery_hashes: [], created_at: now }
  const row = await trx
    .insertInto('second_factors')
    .values({ tenant_id: tenantId, user_id: userId, confirmed_at: null, ...facts })
    .onConflict((conflict) =>
      conflict.columns(['tenant_id', 'user_id']).doUpdateSet(facts).where('second_factors.confirmed_at', 'is', null)
    )
    .returning('user_id')
    .executeTakeFirst()
  return row !== undefined
}

/**
 * Confirms a factor, and stores its recovery codes.
 * @param facts.secretSealed as it was read when the code was checked
 * @returns false if it is confirmed already, does not exist, or was begun anew with another secret
 */
export async function confirmSecondFactor(
  trx: Trx,
  tenantId: number,
  userId: string,
  {
    secretSealed,
    step,
    recoveryHashes,
    now
  }: { secretSealed: Buffer; step: number; recoveryHashes: Buffer[]; now: Date }
): Promise<boolean> {
  const { numUpdatedRows } = await trx
    .updateTable('second_factors')
    .set({ confirmed_at: now, last_step: String(step), recovery_hashes: recoveryHashes })
    .where('tenant_id', '=', tenantId)
    .where('user_id', '=', userId)
    .where('confirmed_at', 'is', null)
    .where('secret_sealed', '=', secretSealed)
    .executeTakeFirst()
  return numUpdatedRows > 0n
}

/** @returns whether the user had a confirmed one */
export async function deleteSecondFactor(trx: Trx, tenantId: number, userId: string): Promise<boolean> {
  const row = await trx
    .deleteFrom('second_factors')
    .where('tenant_id', '=', tenantId)
    .where('user_id', '=', userId)
    .returning('confirmed_at')
    .executeTakeFirst()
  return Boolean(row?.confirmed_at)
}

/**
 * Marks the code of a time step, and all codes before it, as used.
 * @param used.before the secret as it was read when the code was checked; `after`: the same, sealed anew, because the
 *   old sealing key may be dropped one day
 * @returns false if the step was used before, or the stored secret has changed meanwhile
 */
export const useStep = (
  db: Db,
  tenantId: number,
  userId: string,
  { step, before, after }: { step: number; before: Buffer; after: Buffer }
): Promise<boolean> =>
  inTenant(db, tenantId, async (trx) => {
    const { numUpdatedRows } = await trx
      .updateTable('second_factors')
      .set({ last_step: String(step), secret_sealed: after })
      .where('tenant_id', '=', tenantId)
      .where('user_id', '=', userId)
      .where('last_step', '<', String(step))
      .where('secret_sealed', '=', before)
      .executeTakeFirst()
    return numUpdatedRows > 0n
  })

/** Uses up a recovery code. @returns false if the user has no such code */
export async function useRecoveryCode(trx: Trx, tenantId: number, userId: string, hash: Buffer): Promise<boolean> {
  const { numUpdatedRows } = await trx
    .updateTable('second_factors')
    .set({ recovery_hashes: sql`array_remove(recovery_hashes, ${hash}::bytea)` })
    .where('tenant_id', '=', tenantId)
    .where('user_id', '=', userId)
    .where('confirmed_at', 'is not', null)
    .where(sql<boolean>`${hash}::bytea = any(recovery_hashes)`)
    .executeTakeFirst()
  return numUpdatedRows > 0n
}
