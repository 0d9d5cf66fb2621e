// What happens to people, groups and memberships when their connection is removed: they stay. Everybody may change them
// again, or they stay read-only until another connection takes them on or they are released.
import { sql } from 'kysely'
import { type AuditEvent, insertAuditEvents } from '../../db/audit.ts'
import { lockOwnedUsers, type OwnedUser, releaseGroups, releaseUsers } from '../../db/authority.ts'
import type { Trx } from '../../db/connect.ts'
import type { UserRow } from '../../db/schema.ts'
import { updateUser } from '../../db/users.ts'
import type { Actor } from './actor.ts'
import { authorityFacts, authorityWithout, exceptionsOf, GONE, isConnection, NO_EXCEPTIONS } from './authority.ts'
import { shownName } from './user-document.ts'
import { audit, requireNotRemoved, type UserChange, userEvent } from './user-states.ts'

/** How much a connection owned; removed users do not count. */
export interface Released {
  users: number
  groups: number
}

/** Users per statement: bounds the memory that they take, however many there are. */
const USERS_AT_ONCE = 5_000

export interface Release {
  readonly trx: Trx
  readonly tenantId: number
  readonly actor: Actor
  readonly now: Date
  readonly connectionId: string
  /** Whether what the connection has stays read-only. */
  readonly isKept: boolean
}

/** Ends a connection's ownership of users and groups. */
export async function releaseResources(release: Release): Promise<Released> {
  const { trx, tenantId, actor, now, connectionId, isKept } = release
  // a large tenant takes long, and only the administrator waits for it
  await sql`set local statement_timeout = 0`.execute(trx)
  let users = 0
  for (let afterId: string | undefined; ; ) {
    const released = await releaseSomeUsers(release, afterId)
    users += released.users
    if (!released.lastId) break
    afterId = released.lastId
  }
  const groups = await releaseGroups(trx, tenantId, connectionId, isKept, now)
  await insertAuditEvents(
    trx,
    tenantId,
    actor,
    now,
    groups.map(({ id, display_name, was_live }) => ({
      action: 'group.released',
      targetType: 'group',
      targetId: id,
      targetName: display_name,
      before: was_live ? { connectionId } : { keptBy: connectionId },
      after: isKept ? { keptBy: connectionId } : {}
    }))
  )
  return { users, groups: groups.length }
}

async function releaseSomeUsers(
  { trx, tenantId, actor, now, connectionId, isKept }: Release,
  afterId: string | undefined
): Promise<{ users: number; lastId: string | undefined }> {
  const rows = await lockOwnedUsers(trx, tenantId, connectionId, afterId, USERS_AT_ONCE)
  const changed = rows
    .map((row) => ({ row, authority: authorityWithout(row, connectionId, isKept) }))
    .filter(({ row, authority }) => row.connection_id === connectionId || authority !== row.authority)
  if (changed.length > 0) {
    const users = changed.map(({ row: { id }, authority }) => ({ id, authority }))
    const told = changed.filter(({ row }) => row.state !== 'removed')
    const events = told.map(({ row, authority }) => releasedEvent(row, connectionId, authority))
    await Promise.all([
      releaseUsers(trx, tenantId, connectionId, users, now),
      insertAuditEvents(trx, tenantId, actor, now, events)
    ])
  }
  const had = (user: OwnedUser) => user.connection_id === connectionId || exceptionsOf(user)[GONE] === connectionId
  return {
    users: changed.filter(({ row }) => row.state !== 'removed' && had(row)).length,
    lastId: rows.length === USERS_AT_ONCE ? rows.at(-1)!.id : undefined
  }
}

function releasedEvent(user: OwnedUser, connectionId: string, authority: string): AuditEvent {
  const exceptions = authorityFacts(user.authority, authority)
  return {
    action: 'user.released',
    targetType: 'user',
    targetId: user.id,
    targetName: shownName(user),
    before: { ...(user.connection_id === connectionId && { connectionId }), ...exceptions.before },
    after: { ...exceptions.after }
  }
}

/**
 * Makes one person an ordinary member; their memberships stay as they are. A connection that goes on sending them takes
 * them on again, with what it then changes. Changes nothing where no connection owns anything of them.
 * @param user locked
 * @throws AppError conflict `userRemoved`
 */
export async function release(change: UserChange, user: UserRow): Promise<void> {
  requireNotRemoved(user)
  const { trx, tenantId, now } = change
  const { connection_id: connectionId, authority } = user
  if (connectionId === null && !Object.values(exceptionsOf(user)).some(isConnection)) return
  const exceptions = authorityFacts(authority, NO_EXCEPTIONS)
  const before = { ...(connectionId && { connectionId }), ...exceptions.before }
  await Promise.all([
    updateUser(trx, tenantId, user.id, { connection_id: null, authority: NO_EXCEPTIONS }, now),
    audit(change, [userEvent('user.released', user, before, {})])
  ])
}
