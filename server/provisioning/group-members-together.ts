// Takes members who leave groups at one moment out in one transaction, unless something prevents one of them.

import { type Db, isCitus } from '../../db/connect.ts'
import { isUnavailable } from '../../db/failures.ts'
import { type Change, removeUsers } from '../../db/group-members.ts'
import type { Actor } from './actor.ts'
import { brakeOf } from './brake.ts'
import { Gathering, type Outcome } from './gathering.ts'

export interface Leaving extends Change {
  readonly actor: Actor
  readonly db: Db
  readonly tenantId: number
  readonly ownScope?: string
  readonly groupId: string
  readonly userId: string
}

const gatherings = new WeakMap<Db, Gathering<Leaving, boolean>>()

/** @returns whether it was done; where not, do it alone, which tells why not */
export async function leaveTogether(leaving: Leaving): Promise<boolean> {
  const { db, tenantId, ownScope, actor, groupId, userId } = leaving
  // Citus would run a statement of several rows on every node
  if (isCitus(db)) return false
  let gathering = gatherings.get(db)
  if (!gathering) {
    gathering = new Gathering(leaveAll)
    gatherings.set(db, gathering)
  }
  // permits are taken for one group at a time
  const kind = `${tenantId} ${ownScope ?? ''} ${actor.scim?.connectionId ?? ''} ${brakeOf(actor) ? groupId : ''}`
  return gathering.add(kind, `${groupId} ${userId}`, leaving)
}

async function leaveAll(all: readonly Leaving[]): Promise<Outcome<boolean>[]> {
  const { db, tenantId, ownScope, actor } = all[0]!
  try {
    const done = await removeUsers(db, { tenantId, connectionId: ownScope }, all, brakeOf(actor))
    return done.map((value) => ({ value }))
  } catch (error) {
    return all.map(() => (isUnavailable(error) ? { error } : { value: false }))
  }
}
