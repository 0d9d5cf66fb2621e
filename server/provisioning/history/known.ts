// Whether there is, or ever was, what history is asked of: nothing at all would be told of a mistyped id, as of a quiet one.
import type { Db } from '../../../db/connect.ts'
import { type Historied, isKnown } from '../../../db/history-list.ts'
import { notFound } from '../../errors.ts'

/** @throws AppError not_found for what this tenant has no trace of */
export async function requireKnown(db: Db, tenantId: number, what: Historied, id: string): Promise<void> {
  if (!(await isKnown(db, tenantId, what, id))) throw notFound(`${what} ${id}`)
}

/** Also one that was removed: what it did can be undone. @throws AppError not_found */
export const requireConnection = (db: Db, tenantId: number, connectionId: string): Promise<void> =>
  requireKnown(db, tenantId, 'Connection', connectionId)
