// Decides who a user is whom a connection wants to create: somebody new, somebody here, somebody removed before, or a
// case for a person to judge. Pure: no database.
import type { ConflictReason, UserRow } from '../../db/schema.ts'
import type { ArrivalKeys, Candidates } from '../../db/scim-users.ts'
import { type Actor, isAbove } from './actor.ts'
import type { UserConflict } from './scim-conflicts.ts'
import { documentColumns, emailKeys, type UserDocument } from './user-document.ts'

export type Arrival =
  /** Whoever was in the way is gone: the insert tells whether a key is still taken. */
  | { readonly kind: 'new' }
  | { readonly kind: 'revive'; readonly user: UserRow }
  /** The same person is here: invited, or active and managed by no connection. */
  | { readonly kind: 'join'; readonly user: UserRow }
  /** The connection has created the user already, or somebody holds a value that must be unique. */
  | { readonly kind: 'taken'; readonly what: UserConflict }
  | { readonly kind: 'judge'; readonly reason: ConflictReason; readonly people: readonly UserRow[] }

/** The keys that identify the user of a document. */
export function arrivalKeys(actor: Actor, document: UserDocument): ArrivalKeys {
  const { email_key, user_name_key, external_id } = documentColumns(document)
  const connectionId = actor.scim?.connectionId ?? null
  return {
    addressKey: email_key,
    userNameKey: user_name_key,
    externalId: external_id,
    connectionId,
    otherKeys: connectionId === null ? [] : emailKeys(document).filter((key) => key !== email_key)
  }
}

/** @param actor a connection, or a person's API token, which manages no users and so links none */
export function planArrival(actor: Actor, candidates: Candidates): Arrival {
  const { holder, named, known, others, removed } = candidates
  const people = [...new Set([holder, named, known].filter((user) => user !== undefined))]
  const [user] = people
  if (!actor.scim) return planForPerson(candidates)
  const isOwn = ({ connection_id }: UserRow) => connection_id === actor.scim?.connectionId
  if (!user) {
    if (removed) return { kind: 'revive', user: removed }
    return others.length > 0 ? { kind: 'judge', reason: 'secondAddress', people: others } : { kind: 'new' }
  }
  if (named && isOwn(named) && named.state !== 'invited') return { kind: 'taken', what: 'userName' }
  if (people.length > 1) return { kind: 'judge', reason: 'twoPeople', people }
  const judge = (reason: ConflictReason): Arrival => ({ kind: 'judge', reason, people })
  const isInvited = user.state === 'invited'
  if (isOwn(user) && !isInvited) {
    return user === known ? { kind: 'taken', what: 'externalId' } : judge('sameConnection')
  }
  if (user.connection_id !== null && !isOwn(user)) return judge('otherConnection')
  if (isAbove(user.role, actor.role)) return judge('roleAbove')
  if (user.state === 'deactivated') return judge('deactivated')
  return user === holder || isInvited ? { kind: 'join', user } : judge('otherAddress')
}

function planForPerson({ holder, named, removed }: Candidates): Arrival {
  if (named && named.state !== 'invited') return { kind: 'taken', what: 'userName' }
  if (holder && holder.state !== 'invited') return { kind: 'taken', what: 'address' }
  if (holder && named && holder.id !== named.id) return { kind: 'taken', what: 'userName' }
  const invited = holder ?? named
  if (invited) return { kind: 'join', user: invited }
  return removed ? { kind: 'revive', user: removed } : { kind: 'new' }
}

/** What prevents a decision from being carried out. */
export type Obstacle = 'addressTaken' | 'userNameTaken' | 'externalIdTaken' | 'userGone'

/** Somebody who holds one of the keys that identify the arriving user. */
interface InTheWay {
  readonly id: string
  readonly connectionId: string | null
}

export interface Obstacles {
  readonly holder: InTheWay | undefined
  readonly named: InTheWay | undefined
  readonly known: InTheWay | undefined
}

/**
 * @param self the user to adopt; undefined to keep them all apart. Somebody whom no connection manages gives up their
 *   userName; a login address stays with its holder, and a user who is kept apart goes without one.
 */
export function obstacleTo({ holder, named, known }: Obstacles, self: string | undefined): Obstacle | undefined {
  if (known && known.id !== self) return 'externalIdTaken'
  if (named && named.id !== self && named.connectionId !== null) return 'userNameTaken'
  return self !== undefined && holder && holder.id !== self ? 'addressTaken' : undefined
}
