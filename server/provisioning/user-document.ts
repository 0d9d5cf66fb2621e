// A user's SCIM attributes and the columns stored beside them: the one place that converts between the two.
import { ROLES, type Role, type UserRow } from '../../db/schema.ts'
import type { DOCUMENT_COLUMNS } from '../../db/user-columns.ts'
import { addressKey, parseAddress } from './address.ts'

export const USER_SCHEMA = 'urn:ietf:params:scim:schemas:core:2.0:User'

interface Plural {
  value?: unknown
  type?: unknown
  primary?: unknown
  [name: string]: unknown
}

/**
 * The attributes that a client may write (RFC 7643 §4.1 and extensions), in canonical spelling and types; what
 * `users.doc` holds. Never id, meta, active, groups or password: those come from columns, memberships, or nowhere.
 */
export interface UserDocument {
  schemas: string[]
  userName: string
  externalId?: string
  displayName?: string
  name?: { formatted?: string; givenName?: string; familyName?: string; [name: string]: unknown }
  emails?: Plural[]
  roles?: Plural[]
  timezone?: string
  locale?: string
  [attribute: string]: unknown
}

/** The columns of `users` that follow from a document. */
export type DocumentColumns = Pick<UserRow, keyof typeof DOCUMENT_COLUMNS>

/** Lower case, as every `…_key` column holds it and every case-insensitive comparison uses it. */
export const caseKey = (text: string) => text.toLowerCase()

const textOf = (value: unknown): string | null => (typeof value === 'string' && value !== '' ? value : null)
const keyOf = (value: unknown): string | null => (typeof value === 'string' && value !== '' ? caseKey(value) : null)

/** @param doc the document's JSON text, where that is known */
export function documentColumns(document: UserDocument, doc = JSON.stringify(document)): DocumentColumns {
  const email = loginAddress(document) ?? null
  const familyNameKey = keyOf(document.name?.familyName)
  return {
    user_name: document.userName,
    user_name_key: caseKey(document.userName),
    external_id: textOf(document.externalId),
    email,
    email_key: email && addressKey(email),
    display_name: textOf(document.displayName),
    display_name_key: keyOf(document.displayName),
    given_name: textOf(document.name?.givenName),
    family_name: textOf(document.name?.familyName),
    family_name_key: familyNameKey,
    indexed_family_name: familyNameKey,
    time_zone: textOf(document.timezone),
    locale: textOf(document.locale),
    doc
  }
}

/** As documentColumns, for an existing user: a login address that was kept apart stays with its other holder. */
export function columnsOfUser(
  document: UserDocument,
  { apart_key }: Pick<UserRow, 'apart_key'>,
  doc?: string
): DocumentColumns {
  const columns = documentColumns(document, doc)
  return apart_key !== null && columns.email_key === apart_key ? withoutAddress(columns) : columns
}

/** For a user who does not sign in by the login address of their document, because another user does. */
export const withoutAddress = (columns: DocumentColumns): DocumentColumns => ({
  ...columns,
  email: null,
  email_key: null
})

/** The keys for `user_emails`: every e-mail value of the document, once. */
export function emailKeys(document: UserDocument): string[] {
  const values = (document.emails ?? []).map(({ value }) => value)
  return [
    ...new Set(values.filter((value) => typeof value === 'string' && value !== '').map((v) => caseKey(v as string)))
  ]
}

/**
 * The login address: the primary e-mail, else the first of type work, else the first, else `userName` where it is an
 * address. It alone is claimed across tenants, and mail goes there.
 */
function loginAddress(document: UserDocument): string | undefined {
  const emails = (document.emails ?? []).filter(({ value }) => typeof value === 'string')
  const chosen =
    emails.find(({ primary }) => primary === true) ??
    emails.find(({ type }) => typeof type === 'string' && caseKey(type) === 'work') ??
    emails[0]
  return parseAddress(String(chosen?.value ?? document.userName))
}

/** The role that `roles` asks for: the primary value, else the first; undefined where that is none of ours. */
export function roleOf(document: UserDocument): Role | undefined {
  const roles = document.roles ?? []
  const counted = roles.find(({ primary }) => primary === true) ?? roles[0]
  const value = typeof counted?.value === 'string' ? caseKey(counted.value) : ''
  return ROLES.find((role) => role === value)
}

/** The document with `role` as its primary role; values that are none of our roles stay. */
export function withRole(document: UserDocument, role: Role): UserDocument {
  const others = (document.roles ?? [])
    .filter(({ value }) => !ROLES.some((known) => known === value))
    .map(({ primary: _, ...rest }) => rest)
  return { ...document, roles: [{ value: role, primary: true }, ...others] }
}

/** The document that somebody invited starts with. */
export function invitedDocument(address: string, role: Role): UserDocument {
  return {
    schemas: [USER_SCHEMA],
    userName: address,
    emails: [{ value: address, type: 'work', primary: true }],
    roles: [{ value: role, primary: true }]
  }
}

export interface Profile {
  displayName?: string
  givenName?: string
  familyName?: string
  timeZone?: string
  locale?: string
}

/** The document with the given facts changed; an empty string removes the fact, undefined leaves it. */
export function withProfile(document: UserDocument, profile: Profile): UserDocument {
  const name = { ...document.name }
  assign(name, 'givenName', profile.givenName)
  assign(name, 'familyName', profile.familyName)
  if (profile.givenName !== undefined || profile.familyName !== undefined) delete name.formatted
  const { name: _, ...changed } = document
  assign(changed, 'displayName', profile.displayName)
  assign(changed, 'timezone', profile.timeZone)
  assign(changed, 'locale', profile.locale)
  return (Object.keys(name).length > 0 ? { ...changed, name } : changed) as UserDocument
}

function assign(target: Record<string, unknown>, key: string, value: string | undefined): void {
  if (value === undefined) return
  if (value === '') delete target[key]
  else target[key] = value
}

/** What people see: the display name, else the full name, else the address or user name. */
export const shownName = (user: {
  display_name: string | null
  given_name: string | null
  family_name: string | null
  email: string | null
  user_name: string
}): string =>
  user.display_name ?? ([user.given_name, user.family_name].filter(Boolean).join(' ') || (user.email ?? user.user_name))
