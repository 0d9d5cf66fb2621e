// Who has the say over what is kept of a person: the person, administrators, or a connection.
//
// What an identity provider sends is its own, and read-only elsewhere; what it leaves out people fill in themselves, until
// it is sent. `users.connection_id` says whose a user is, and with that whose the attributes of the document are;
// `users.authority` names the exceptions. Attributes go by their paths: `title`, `name.givenName`, `urn:…:User:department`.
import { isDeepStrictEqual } from 'node:util'
import type { UserRow } from '../../db/schema.ts'
import { type Profile, roleOf, type UserDocument, withProfile } from './user-document.ts'

/** `person`, `administrator`, or the id of a connection. */
export type Owner = string

/**
 * By attribute, who has it where that is not the user's connection. GONE: the connection that was removed and still has
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

/** What people tell of themselves, by the names that they have in the API. */
export const PROFILE_PATHS = {
  displayName: 'displayName',
  givenName: 'name.givenName',
  familyName: 'name.familyName',
  timeZone: 'timezone',
  locale: 'locale'
} as const satisfies Record<keyof Profile, string>

const PERSONAL: ReadonlySet<string> = new Set([...Object.values(PROFILE_PATHS), 'name.formatted'])

/** Who reads a whole user and writes it back repeats these without managing them. */
const REPEATED: ReadonlySet<string> = new Set(['timezone', 'locale', 'roles'])

/** Of a user whom no connection has. */
export const usualOwner = (path: string): Owner => (PERSONAL.has(path) ? 'person' : 'administrator')

/** @param document the user's */
export function ownerOf(user: Owned, document: UserDocument, path: string): Owner {
  // a role that is nobody's word is the administrators', and so is a value that is none of ours
  const isThere = path === 'roles' ? roleOf(document) !== undefined : valueAt(document, path) !== undefined
  if (!isThere) return usualOwner(path)
  return ownerOfPresent(user, exceptionsOf(user), path)
}

const ownerOfPresent = (user: Owned, exceptions: Exceptions, path: string): Owner =>
  exceptions[path] ?? user.connection_id ?? exceptions[GONE] ?? usualOwner(path)

/**
 * Whether the externalId that is kept of a user is none that the connection has given: it is scoped to whoever provisions
 * (RFC 7643 §3.1), so that two identity providers may mean different people by one. What no connection has, any may take on.
 */
export const isForeignExternalId = (user: Owned, connectionId: string | null): boolean =>
  connectionId !== null &&
  user.connection_id !== null &&
  user.connection_id !== connectionId &&
  exceptionsOf(user)['externalId'] !== connectionId

/** Every attribute of the document with its owner, and the role's also where the document names none. */
export function ownersOf(user: Owned, document: UserDocument): Map<string, Owner> {
  const exceptions = exceptionsOf(user)
  const owners = new Map(pathsOf(document).map((path) => [path, ownerOfPresent(user, exceptions, path)]))
  if (roleOf(document) === undefined) owners.set('roles', usualOwner('roles'))
  return owners
}

/** What a connection has written. */
export interface Written {
  readonly connectionId: string | null
  /** Whose the user is from now on. */
  readonly userConnectionId: string | null
  readonly before: UserDocument
  readonly after: UserDocument
  /** The whole of what was sent, where that was a whole user. */
  readonly sent?: UserDocument
  /** Whether what was sent may repeat what the sender has read. */
  readonly mayRepeat: boolean
  /** `roles` says what the role was anyhow. */
  readonly isRoleKept: boolean
}

/**
 * What a connection changes is its own. The first one that a user belongs to takes over what it sends, and leaves people
 * what it does not.
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

/** What people, by their API tokens, change of a user over SCIM. */
export interface OwnWrite {
  /** `users.authority` */
  readonly authority: string
  /** By connection, the paths of what it has and they would change. */
  readonly managed: ReadonlyMap<Owner, readonly string[]>
}

/** @param isSelf whether it is the user who writes */
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
 * A whole user as it is sent, with what others have and it leaves out: RFC 7644 §3.5.1 lets a provider keep what a client
 * may not know of, and what it may only read. People's API tokens keep what a connection has.
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

/** A profile as far as it may be written. */
export interface OwnProfile {
  readonly before: UserDocument
  readonly document: UserDocument
  /** `users.authority` */
  readonly authority: string
  /** By connection, the facts that would change and are not changed, by their names in the API. */
  readonly managed: ReadonlyMap<Owner, readonly (keyof Profile)[]>
}

/**
 * @param hasSay whether a connection that owns an attribute still keeps others from it
 */
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
  // people do not see it, so that a connection which sends it keeps it
  const document = isConnection(formatted)
    ? withValueAt(changed, 'name.formatted', valueAt(before, 'name.formatted'))
    : changed
  return { before, document, authority: toText(user, exceptions), managed }
}

/** `users.authority` once administrators have given a role. */
export function authorityAfterRole(user: Owned): string {
  const { roles: _, ...exceptions } = exceptionsOf(user)
  if (!(user.connection_id ?? exceptions[GONE])) return toText(user, exceptions)
  return toText(user, { ...exceptions, roles: 'administrator' })
}

/**
 * `users.authority` once a connection is gone.
 * @param isKept whether what it had stays its own
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

/** The exceptions that differ, for an event: nothing where none does. */
export function authorityFacts(before: string, after: string): { before: object; after: object } {
  const [was, is] = [exceptionsOf({ authority: before }), exceptionsOf({ authority: after })]
  const differing = ([path, owner]: [string, Owner], others: Exceptions) => others[path] !== owner
  const pick = (some: Exceptions, others: Exceptions) => {
    const picked = Object.entries(some).filter((one) => differing(one, others))
    return picked.length > 0 ? { authority: Object.fromEntries(picked) } : {}
  }
  return { before: pick(was, is), after: pick(is, was) }
}

/** What it was, to the letter, where nothing changes. */
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
