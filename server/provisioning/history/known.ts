// Whether something exists or ever existed: otherwise a mistyped id would look like a thing without any history.
import type { Db } from '../../../db/connect.ts'
import { type Historied, isKnown } from '../../../db/history-list.ts'
import { notFound } from '../../errors.ts'

/** @throws AppError not_found where this tenant has no trace of it */
export async function requireKnown(db: Db, tenantId: number, what: Historied, id: string): Promise<void> {
  if (!(await isKnown(db, tenantId, what, id))) throw notFound(`${what} ${id}`)
}

/** Accepts a removed one, too: what it did can be undone. @throws AppError not_found */
export const requireConnection = (db: Db, tenantId: number, connectionId: string): Promise<void> =>
  requireKnown(db, tenantId, 'Connection', connectionId)
