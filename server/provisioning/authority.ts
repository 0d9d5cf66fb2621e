// Who owns each attribute of a user: the person, administrators, or a connection.
//
// What an identity provider sends is its own, and read-only elsewhere; people fill in the rest until it sends it.
// `users.connection_id` names the connection that owns a user and the attributes of the document, `users.authority` the
// exceptions. Attributes go by path: `title`, `name.givenName`, `urn:…:User:department`.
import { isDeepStrictEqual } from 'node:util'
import type { UserRow } from '../../db/schema.ts'
import { type Profile, roleOf, type UserDocument, withProfile } from './user-document.ts'

/** `person`, `administrator`, or the id of a connection. */
export type Owner = string

/**
 * The owner by attribute, where that is not the user's connection. GONE: the removed connection that still owns
 * everything else.
 */
type Exceptions = Record<string, Owner>
export const GONE = '*'
/** `users.authority` where there are none. */
export const NO_EXCEPTIONS = '{}'

type Owned = Pick<UserRow, 'connection_id' | 'authority'>

export const isConnection = (owner: Owner): boolean => owner !== 'person' && owner !== 'administrator'

export const exceptionsOf = ({ authority }: Pick<UserRow, 'authority'>): Exceptions =>
  authority === NO_EXCEPTIONS ? {} : (JSON.parse(authority) as Exceptions)

/** The facts that people give about themselves: API name to path. */
export const PROFILE_PATHS = {
  displayName: 'displayName',
  givenName: 'name.givenName',
  familyName: 'name.familyName',
  timeZone: 'timezone',
  locale: 'locale'
} as const satisfies Record<keyof Profile, string>

const PERSONAL: ReadonlySet<string> = new Set([...Object.values(PROFILE_PATHS), 'name.formatted'])

/** A client that reads a whole user and writes it back repeats these without managing them. */
const REPEATED: ReadonlySet<string> = new Set(['timezone', 'locale', 'roles'])

/** The owner where no connection manages the user. */
export const usualOwner = (path: string): Owner => (PERSONAL.has(path) ? 'person' : 'administrator')

/** @param document the user's */
export function ownerOf(user: Owned, document: UserDocument, path: string): Owner {
  // administrators own the role where the document names none that we know
  const isThere = path === 'roles' ? roleOf(document) !== undefined : valueAt(document, path) !== undefined
  if (!isThere) return usualOwner(path)
  return ownerOfPresent(user, exceptionsOf(user), path)
}

const ownerOfPresent = (user: Owned, exceptions: Exceptions, path: string): Owner =>
  exceptions[path] ?? user.connection_id ?? exceptions[GONE] ?? usualOwner(path)

/**
 * Whether another connection gave the stored externalId. One is scoped to its provisioning client (RFC 7643 §3.1): two
 * providers may mean different people by it. Without an owner, any connection may take it over.
 */
export const isForeignExternalId = (user: Owned, connectionId: string | null): boolean =>
  connectionId !== null &&
  user.connection_id !== null &&
  user.connection_id !== connectionId &&
  exceptionsOf(user)['externalId'] !== connectionId

/** Every attribute of the document with its owner; the role's owner even where the document names no role. */
export function ownersOf(user: Owned, document: UserDocument): Map<string, Owner> {
  const exceptions = exceptionsOf(user)
  const owners = new Map(pathsOf(document).map((path) => [path, ownerOfPresent(user, exceptions, path)]))
  if (roleOf(document) === undefined) owners.set('roles', usualOwner('roles'))
  return owners
}

/** What a connection has written. */
export interface Written {
  readonly connectionId: string | null
  /** The connection that owns the user from now on. */
  readonly userConnectionId: string | null
  readonly before: UserDocument
  readonly after: UserDocument
  /** What was sent, where that was a whole user. */
  readonly sent?: UserDocument
  /** Whether the sender may be repeating values that it has read. */
  readonly mayRepeat: boolean
  /** `roles` shows the role that the user keeps, not one that was sent. */
  readonly isRoleKept: boolean
}

/**
 * A connection owns what it changes. One that takes a user on also takes over what it sends, and leaves people what it
 * does not send.
 * @returns `users.authority`
 */
export function authorityAfterWrite(user: Owned, written: Written): string {
  const { connectionId, userConnectionId, before, after, sent, mayRepeat, isRoleKept } = written
  const isOwnAlone = user.connection_id === connectionId && user.authority === NO_EXCEPTIONS
  if (connectionId === null || (isOwnAlone && !isRoleKept)) return user.authority
  const exceptions = exceptionsOf(user)
  const isTakenOn = userConnectionId !== user.connection_id
  for (const path of new Set([...Object.keys(exceptions), ...pathsOf(before), ...pathsOf(after)])) {
    if (path === GONE) continue
    const owner = ownerAfter(path)
    if (owner === undefined || owner === userConnectionId) delete exceptions[path]
    else exceptions[path] = owner
  }
  if (isTakenOn) delete exceptions[GONE]
  return toText(user, exceptions)

  function ownerAfter(path: string): Owner | undefined {
    const value = valueAt(after, path)
    if (value === undefined) return undefined
    const isChanged = !isDeepStrictEqual(valueAt(before, path), value)
    if (isChanged) return path === 'roles' && isRoleKept ? 'administrator' : connectionId!
    if (!isTakenOn) return exceptions[path]
    const isSent = sent !== undefined && valueAt(sent, path) !== undefined && !(mayRepeat && REPEATED.has(path))
    if (isSent) return connectionId!
    return exceptions[path] ?? (PERSONAL.has(path) || path === 'roles' ? usualOwner(path) : undefined)
  }
}

/** What a person changes of a user over SCIM with an API token. */
export interface OwnWrite {
  /** `users.authority` */
  readonly authority: string
  /** By connection, the paths that it owns and the write would change. */
  readonly managed: ReadonlyMap<Owner, readonly string[]>
}

/** @param isSelf whether people write about themselves */
export function ownWrite(user: Owned, before: UserDocument, after: UserDocument, isSelf: boolean): OwnWrite {
  const exceptions = exceptionsOf(user)
  const isConnected = Boolean(user.connection_id ?? exceptions[GONE])
  const managed = new Map<Owner, string[]>()
  for (const path of new Set([...pathsOf(before), ...pathsOf(after)])) {
    const value = valueAt(after, path)
    if (isDeepStrictEqual(valueAt(before, path), value)) continue
    const owner = ownerOf(user, before, path)
    if (isConnection(owner)) managed.set(owner, [...(managed.get(owner) ?? []), path])
    if (value === undefined || !isConnected) delete exceptions[path]
    else exceptions[path] = isSelf ? usualOwner(path) : 'administrator'
  }
  return { authority: toText(user, exceptions), managed }
}

/**
 * A whole user as sent, plus what others own and the sender left out: RFC 7644 §3.5.1 lets a provider keep what a
 * client may not know of or may only read. A write by a person's API token keeps what connections own.
 * @param connectionId who sends it; null for people
 */
export function withOthersKept(
  user: Owned,
  before: UserDocument,
  sent: UserDocument,
  connectionId: string | null
): UserDocument {
  if (user.connection_id === connectionId && user.authority === NO_EXCEPTIONS) return sent
  const gone = exceptionsOf(user)[GONE]
  let document = sent
  for (const path of pathsOf(before)) {
    if (path === 'roles' || valueAt(sent, path) !== undefined) continue
    const owner = ownerOf(user, before, path)
    const isOthers = owner !== connectionId && (owner !== gone || connectionId === null)
    const isKept = isConnection(owner) ? isOthers : connectionId !== null && PERSONAL.has(path)
    if (isKept) document = withValueAt(document, path, valueAt(before, path))
  }
  return document
}

/** The part of a profile that may be written. */
export interface OwnProfile {
  readonly before: UserDocument
  readonly document: UserDocument
  /** `users.authority` */
  readonly authority: string
  /** By connection, the facts that it owns and that therefore stay as they are, by their names in the API. */
  readonly managed: ReadonlyMap<Owner, readonly (keyof Profile)[]>
}

/** @param hasSay whether a connection that owns an attribute still keeps others from changing it */
export function withOwnProfile(
  user: Pick<UserRow, 'connection_id' | 'authority' | 'doc'>,
  profile: Profile,
  by: 'person' | 'administrator',
  hasSay: (connectionId: string) => boolean = () => true
): OwnProfile {
  const before = JSON.parse(user.doc) as UserDocument
  const managed = new Map<Owner, (keyof Profile)[]>()
  const own: Profile = { ...profile }
  const exceptions = exceptionsOf(user)
  for (const [name, path] of Object.entries(PROFILE_PATHS) as [keyof Profile, string][]) {
    const value = profile[name]
    if (value === undefined || value === (valueAt(before, path) ?? '')) continue
    const owner = ownerOf(user, before, path)
    if (isConnection(owner) && hasSay(owner)) {
      managed.set(owner, [...(managed.get(owner) ?? []), name])
      delete own[name]
    } else if (value === '' || !(user.connection_id ?? exceptions[GONE])) delete exceptions[path]
    else exceptions[path] = by
  }
  const formatted = ownerOf(user, before, 'name.formatted')
  const changed = withProfile(before, own)
  // people do not see name.formatted, so a connection that sends it keeps it
  const document = isConnection(formatted)
    ? withValueAt(changed, 'name.formatted', valueAt(before, 'name.formatted'))
    : changed
  return { before, document, authority: toText(user, exceptions), managed }
}

/** `users.authority` after an administrator has given a role. */
export function authorityAfterRole(user: Owned): string {
  const { roles: _, ...exceptions } = exceptionsOf(user)
  if (!(user.connection_id ?? exceptions[GONE])) return toText(user, exceptions)
  return toText(user, { ...exceptions, roles: 'administrator' })
}

/**
 * `users.authority` after a connection was removed.
 * @param isKept whether it goes on owning what it had
 */
export function authorityWithout(user: Owned, connectionId: string, isKept: boolean): string {
  const exceptions = exceptionsOf(user)
  if (isKept)
    return toText(user, user.connection_id === connectionId ? { ...exceptions, [GONE]: connectionId } : exceptions)
  const isManaged = [user.connection_id, exceptions[GONE]].some((owner) => owner && owner !== connectionId)
  const left = Object.entries(exceptions).flatMap(([path, owner]): [string, Owner][] => {
    if (owner !== connectionId) return isManaged || isConnection(owner) ? [[path, owner]] : []
    return isManaged && path !== GONE ? [[path, usualOwner(path)]] : []
  })
  return toText(user, Object.fromEntries(left))
}

/** The exceptions that differ, for an event; empty where none does. */
export function authorityFacts(before: string, after: string): { before: object; after: object } {
  const [was, is] = [exceptionsOf({ authority: before }), exceptionsOf({ authority: after })]
  const differing = ([path, owner]: [string, Owner], others: Exceptions) => others[path] !== owner
  const pick = (some: Exceptions, others: Exceptions) => {
    const picked = Object.entries(some).filter((one) => differing(one, others))
    return picked.length > 0 ? { authority: Object.fromEntries(picked) } : {}
  }
  return { before: pick(was, is), after: pick(is, was) }
}

/** Returns the stored text itself where nothing changes. */
const toText = ({ authority }: Pick<UserRow, 'authority'>, exceptions: Exceptions): string =>
  isDeepStrictEqual(exceptionsOf({ authority }), exceptions) ? authority : JSON.stringify(exceptions)

const isNested = (name: string) => name === 'name' || name.startsWith('urn:')

function pathsOf(document: UserDocument): string[] {
  return Object.entries(document).flatMap(([name, value]) => {
    if (name === 'schemas') return []
    if (!isNested(name) || typeof value !== 'object' || value === null) return [name]
    return Object.keys(value).map((inner) => (name === 'name' ? `name.${inner}` : `${name}:${inner}`))
  })
}

function split(path: string): [name: string, inner: string | undefined] {
  const end = path.startsWith('urn:') ? path.lastIndexOf(':') : path.startsWith('name.') ? 4 : -1
  return end < 0 ? [path, undefined] : [path.slice(0, end), path.slice(end + 1)]
}

function valueAt(document: UserDocument, path: string): unknown {
  const [name, inner] = split(path)
  const value = document[name]
  return inner === undefined ? value : (value as Record<string, unknown> | undefined)?.[inner]
}

/** @param value undefined leaves the document as it is */
function withValueAt(document: UserDocument, path: string, value: unknown): UserDocument {
  if (value === undefined) return document
  const [name, inner] = split(path)
  if (inner === undefined) return { ...document, [name]: value }
  const { schemas } = document
  return {
    ...document,
    schemas: name === 'name' || schemas.includes(name) ? schemas : [...schemas, name],
    [name]: { ...(document[name] as object | undefined), [inner]: value }
  }
}
