// Facts: the values that make up a user or a group, as events tell them and as rows hold them. An extension's fact is
// named by its URN and attribute, `urn:…:User:department`; the owner of an attribute by `authority:` and its path.
import { MEMBERS_CHANGED } from '../../../db/group-members.ts'
import type { HistoryEvent } from '../../../db/history.ts'
import type { GroupRow, UserRow } from '../../../db/schema.ts'
import { exceptionsOf } from '../authority.ts'
import { GROUP_ROLE_CHANGED } from '../group-roles.ts'

/** A fact without a value is absent. */
export type Facts = Map<string, unknown>

export interface EventFacts {
  readonly before: Facts
  readonly after: Facts
}

/** What an event of an undo took back: whole events, except some of their facts. */
export interface TakenBack {
  readonly undone?: readonly string[]
  readonly kept?: Readonly<Record<string, readonly string[]>>
}

/** For facts only; changes of members are read elsewhere. */
export const takenBackBy = ({ action, after }: HistoryEvent): TakenBack =>
  action !== MEMBERS_CHANGED && after?.includes('"undoId"') ? (JSON.parse(after) as TakenBack) : {}

/** What events of users and groups carry that is no fact. */
const NO_FACTS = new Set([
  'email',
  'passwordSet',
  'mustResetPassword',
  'groupIds',
  'added',
  'addedCount',
  'removed',
  'removedCount',
  'createdAt',
  'version',
  'undoId',
  'undone',
  'kept',
  'keptBy',
  'releasedMemberships'
])

/** User events about credentials, which never come back, or about what follows from other events. */
const NOT_TAKEN_BACK = new Set([
  GROUP_ROLE_CHANGED,
  'user.passwordChanged',
  'user.passwordReset',
  'user.passwordResetRequested',
  'user.googleLinked',
  'user.secondFactorPrepared',
  'user.secondFactorEnabled',
  'user.secondFactorDisabled',
  'user.secondFactorReset',
  'user.recoveryCodeUsed',
  'user.sessionsEnded'
])

/** Whether an event changed what a user or a group is, so that it can be taken back. */
export const isUndoable = ({ target_type, action }: Pick<HistoryEvent, 'target_type' | 'action'>): boolean =>
  action === UNDONE || ((target_type === 'user' || target_type === 'group') && !NOT_TAKEN_BACK.has(action))

/** The event that sums up a run of undoing. */
export const UNDONE = 'history.undone'

/** The facts that an event changed. Creating something changed only whether it exists. */
export function factsOfEvent(event: HistoryEvent): EventFacts {
  if (!isUndoable(event)) return { before: new Map(), after: new Map() }
  const before = flat(event.before)
  const after = flat(event.after)
  switch (event.action) {
    case 'group.created':
      return { before: new Map([['exists', false]]), after: new Map([['exists', true]]) }
    case 'group.removed':
      return { before: before.set('exists', true), after: new Map([['exists', false]]) }
    case 'user.created':
    case 'user.invited':
      if (before.has('state')) return { before, after }
      return { before: new Map([['state', 'removed']]), after: new Map([['state', after.get('state')]]) }
    default:
      return { before, after }
  }
}

function flat(json: string | null): Facts {
  return json === null ? new Map() : flatDocument(JSON.parse(json) as Record<string, unknown>)
}

/** @param document attributes; `schemas` follows from them and is left out */
function flatDocument(document: Record<string, unknown>): Facts {
  const facts: Facts = new Map()
  for (const [name, value] of Object.entries(document)) {
    if (name === 'schemas' || NO_FACTS.has(name) || value === null || value === undefined) continue
    if (!(name.startsWith('urn:') || name === 'authority') || typeof value !== 'object') {
      facts.set(name, value)
      continue
    }
    for (const [inner, innerValue] of Object.entries(value)) facts.set(`${name}:${inner}`, innerValue)
  }
  return facts
}

/** Facts that are columns, not attributes of the document. */
const COLUMNS = new Set(['state', 'role', 'locked', 'connectionId', 'exists'])
const AUTHORITY = 'authority:'

/** A document with some of its attributes changed; undefined removes one. */
export function withFacts<T extends { schemas: string[] }>(document: T, changes: Iterable<[string, unknown]>): T {
  const result: Record<string, unknown> = { ...document }
  for (const [name, value] of changes) {
    if (COLUMNS.has(name) || isAuthority(name)) continue
    if (!name.startsWith('urn:')) {
      assign(result, name, value)
      continue
    }
    const end = name.lastIndexOf(':')
    const urn = name.slice(0, end)
    const extension = { ...(result[urn] as Record<string, unknown> | undefined) }
    assign(extension, name.slice(end + 1), value)
    assign(result, urn, Object.keys(extension).length > 0 ? extension : undefined)
  }
  const [own, ...extensions] = document.schemas
  const present = Object.keys(result).filter((name) => name.startsWith('urn:'))
  const kept = extensions.filter((urn) => present.includes(urn))
  return { ...result, schemas: [own, ...kept, ...present.filter((urn) => !kept.includes(urn))] } as unknown as T
}

function assign(target: Record<string, unknown>, name: string, value: unknown): void {
  if (value === undefined) delete target[name]
  else target[name] = value
}

export function factsOfUser(user: UserRow): Facts {
  const facts = flatDocument(JSON.parse(user.doc))
  facts
    .set('state', user.state)
    .set('role', user.given_role ?? user.role)
    .set('locked', user.locked)
  if (user.connection_id) facts.set('connectionId', user.connection_id)
  for (const [path, owner] of Object.entries(exceptionsOf(user))) facts.set(AUTHORITY + path, owner)
  return facts
}

/** Builds `users.authority` from facts. */
export const authorityOf = (facts: Facts): string =>
  JSON.stringify(
    Object.fromEntries(
      [...facts].flatMap(([name, owner]) => (isAuthority(name) ? [[name.slice(AUTHORITY.length), owner]] : []))
    )
  )

/** Whether a fact tells who owns an attribute. */
export const isAuthority = (name: string): boolean => name.startsWith(AUTHORITY)

/** The fact whose owner an authority fact tells: `authority:name.givenName` -> `name`. */
export const factOfAuthority = (name: string): string => name.slice(AUTHORITY.length).replace(/^name\..*/, 'name')

/** How events nest a fact: under the URN of an extension or `authority`, and its name there. */
export function placeOf(name: string): readonly [outer: string, inner: string] | undefined {
  const end = isAuthority(name) ? AUTHORITY.length - 1 : name.startsWith('urn:') ? name.lastIndexOf(':') : -1
  return end < 0 ? undefined : [name.slice(0, end), name.slice(end + 1)]
}

export function factsOfGroup(group: Pick<GroupRow, 'doc' | 'connection_id'>): Facts {
  const facts = flatDocument(JSON.parse(group.doc)).set('exists', true)
  if (group.connection_id) facts.set('connectionId', group.connection_id)
  return facts
}
