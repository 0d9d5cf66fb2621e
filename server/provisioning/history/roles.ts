// Updates the roles that groups give after an undo, in the same transaction.
import { type RawBuilder, sql } from 'kysely'
import type { Trx } from '../../../db/connect.ts'
import { hasGroupRoles } from '../../../db/group-roles.ts'
import { AppError } from '../../errors.ts'
import { followGroups } from '../group-roles.ts'
import type { ConflictReason, FactsRun } from './run.ts'

/**
 * Call it under lockGroupRoles, after members or own roles have changed.
 * @param userIds whose roles may change; everybody's where it is left out
 * @throws AppError forbidden `notYourself`, `lastAdministrator`
 */
export async function followRoles(trx: Trx, run: FactsRun, userIds?: readonly string[]): Promise<void> {
  const { tenantId, actor } = run
  if (!(await hasGroupRoles(trx, tenantId))) return
  const affected: RawBuilder<unknown> | undefined = userIds && sql`select unnest(${userIds}::uuid[])`
  await followGroups({ trx, tenantId, actor, now: run.now() }, undefined, affected)
}

/** Why a role must not follow, whoever asks; undefined for any other error. */
export function roleRefusal(error: unknown): ConflictReason | undefined {
  if (!(error instanceof AppError) || error.code !== 'forbidden') return undefined
  const { reason } = error
  return reason === 'notYourself' || reason === 'lastAdministrator' ? reason : undefined
}
