// An undo gives nothing back to a connection that is gone.
import { findAuthorities } from '../../../db/authority.ts'
import type { Trx } from '../../../db/connect.ts'
import { isConnection } from '../authority.ts'
import { isAuthority } from './facts.ts'
import { changedNames, conflictOf, type Reversed, refuse, type UndoRun } from './run.ts'

/** Call it under lockGroupRoles, which the removal of a connection holds, too. */
export async function refuseGoneConnections(trx: Trx, run: UndoRun, all: readonly Reversed[]): Promise<void> {
  const wanted = all.map((reversed) => {
    const names = changedNames(reversed).filter((name) => name === 'connectionId' || isAuthority(name))
    const owners = names.map((name) => reversed.after.get(name)).filter((owner) => owner !== undefined) as string[]
    const isWhole = typeof reversed.after.get('connectionId') === 'string' && names.includes('connectionId')
    return { reversed, names, isWhole, owners: owners.filter(isConnection) }
  })
  const ids = [...new Set(wanted.flatMap(({ owners }) => owners))]
  if (ids.length === 0) return
  const found = await findAuthorities(trx, run.tenantId, ids)
  const present = new Set(found.map(({ id }) => id))
  const live = new Set(found.filter(({ is_removed }) => !is_removed).map(({ id }) => id))
  for (const { reversed, names, isWhole, owners } of wanted) {
    const isGone =
      owners.some((id) => !present.has(id)) || (isWhole && !live.has(reversed.after.get('connectionId') as string))
    if (!isGone) continue
    refuse(reversed, names, 'connectionRemoved')
    if (!names.includes('connectionId')) reversed.conflicts.push(conflictOf('connectionId', 'connectionRemoved'))
  }
}
