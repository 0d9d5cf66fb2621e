// Builds a user's answer as text around the stored document, which is parsed only to select attributes.
import { isDeepStrictEqual } from 'node:util'
import type { ScimUserRow, ScimView } from '../../db/scim-users.ts'
import { isForeignExternalId } from '../provisioning/authority.ts'
import type { UserBefore } from '../provisioning/scim-users.ts'
import type { UserDocument } from '../provisioning/user-document.ts'
import { connectionOf, ownScopeOf, type ScimContext } from './context.ts'
import { isObject, type Resource } from './json.ts'
import { withMember } from './patch/target.ts'
import { needs, type Projection, project } from './projection.ts'
import { ENTERPRISE_USER_URN } from './schemas/enterprise-user.ts'

/** What to read of users for an answer; memberships only where the answer includes them. */
export const viewOf = (context: ScimContext, projection: Projection): ScimView => ({
  tenantId: context.tenant.id,
  groupsUrl: `${context.baseUrl}/Groups/`,
  connectionId: ownScopeOf(context),
  withGroups: needs(projection, context.schemas.User, 'groups')
})

export const userLocation = (context: Pick<ScimContext, 'baseUrl'>, userId: string): string =>
  `${context.baseUrl}/Users/${userId}`

/** The columns that a user's text needs. */
export type UserTextRow = Pick<
  ScimUserRow,
  'id' | 'state' | 'connection_id' | 'authority' | 'version' | 'doc' | 'groups' | 'created_at' | 'updated_at'
>

/** The resource as JSON text, reduced by the projection. */
export function userText(row: UserTextRow, context: ScimContext, projection: Projection): string {
  const text = wholeText(row, context)
  return isWhole(projection, context) ? text : partOf(text, context, projection)
}

const partOf = (text: string, { schemas }: ScimContext, projection: Projection): string =>
  JSON.stringify(project(JSON.parse(text), projection, schemas.User))

/** Whether nothing is left out: by default everything stored is shown, with groups as they were read. */
export function isWhole({ mode, selections }: Projection, { schemas }: ScimContext): boolean {
  if (!schemas.isPlain.User) return false
  if (mode === 'default') return true
  const groupsAttribute = schemas.User.core.attributes.get('groups')!
  return mode === 'except' && selections.size === 1 && selections.get(groupsAttribute) === 'whole'
}

function wholeText(row: UserTextRow, context: ScimContext): string {
  return `{"id":"${row.id}",${membersOf(docOf(row, context), context.baseUrl)}${restOf(row, context)}`
}

/** The document without an externalId that another identity provider gave. */
function docOf(row: UserTextRow, context: ScimContext): string {
  if (!isForeignExternalId(row, connectionOf(context)) || !row.doc.includes('"externalId":')) return row.doc
  const { externalId: _, ...document } = JSON.parse(row.doc) as UserDocument
  return JSON.stringify(document)
}

/** A document without its braces, with references in the form that is sent. */
function membersOf(doc: string, baseUrl: string): string {
  let text = ''
  let from = 1
  for (let at = doc.indexOf(REF); at !== -1; at = doc.indexOf(REF, at + 1)) {
    if (doc[at - 1] !== '"') continue
    text += `${doc.slice(from, at)}$ref":"${baseUrl}/Users/`
    from = at + REF.length
  }
  return text + doc.slice(from, -1)
}

/** What follows the document. */
function restOf(row: UserTextRow, context: ScimContext): string {
  const { id, state, version, groups } = row
  return (
    `${assumedNameText(row, context)},"active":${state !== 'deactivated'}` +
    (groups === null ? '' : `,"groups":${groups}`) +
    `,"meta":{"resourceType":"User","created":"${timeText(row.created_at)}"` +
    `,"lastModified":"${timeText(row.updated_at)}","location":"${context.baseUrl}/Users/${id}"` +
    `,"version":"W/\\"${version}\\""}}`
  )
}

const timeText = (time: Date | string) => (typeof time === 'string' ? time : time.toISOString())

/**
 * Okta imports no user without a given and a family name, and takes the first user of a list as a sample. An invited
 * user who has told neither gets a name derived from their display name or address; a strict token sees what is stored.
 * Invited users have a role in their document and no connection.
 */
function assumedName({ connection_id, doc }: UserBefore['row'], { leniency }: ScimContext): AssumedName | undefined {
  if (connection_id !== null || leniency.profile === 'strict') return undefined
  if (doc.includes('"name":{') || !doc.includes('"roles":[{')) return undefined
  const { displayName, userName } = JSON.parse(doc) as UserDocument
  const words = (displayName ?? userName.replace(/@.*$/, '').replace(/[._+-]+/g, ' ')).trim().split(/\s+/)
  const familyName = words.at(-1) ?? userName
  const givenName = words.slice(0, -1).join(' ') || familyName
  return { familyName, givenName }
}

interface AssumedName {
  readonly familyName: string
  readonly givenName: string
}

function assumedNameText(row: UserTextRow, context: ScimContext): string {
  const name = assumedName(row, context)
  return name ? `,"name":${JSON.stringify(name)}` : ''
}

/**
 * The user after a write, without the name if it is the assumed one and would still be shown. Okta writes back what it
 * has read, which would make the name the identity provider's, so that the person could not give their own.
 */
export function withoutAssumedName(after: Resource, before: UserBefore, context: ScimContext): Resource {
  const name = after['name']
  if (!isObject(name) || before.document.name !== undefined) return after
  const assumed = assumedName(before.row, context)
  if (!isDeepStrictEqual(name, assumed)) return after
  const nameless = withMember(after, 'name', undefined)
  // a connection that takes the person on sends their profile
  const takesOn = context.actor.scim !== undefined && after['externalId'] !== undefined
  const row = { connection_id: null, doc: JSON.stringify(nameless) }
  return !takesOn && isDeepStrictEqual(assumedName(row, context), assumed) ? nameless : after
}

// JSON text escapes quotes in values, so this always is a member's name and the start of its value
export const RELATIVE_REF = '"$ref":"../Users/'
/** The text to search for: a dollar is rare in a document, and found far faster than a quote. */
const REF = RELATIVE_REF.slice(1)

/**
 * What is stored of a resource. A manager without `$ref` gets one, and a reference to this server is stored as a
 * relative one, so that it survives a change of the server's name.
 */
export function toDocument(resource: Resource, baseUrl: string): UserDocument {
  const { id: _id, active: _active, ...document } = resource
  const enterprise = document[ENTERPRISE_USER_URN]
  const manager = isObject(enterprise) ? enterprise['manager'] : undefined
  if (!isObject(enterprise) || !isObject(manager)) return document as UserDocument
  const relative = relativeRef(manager, baseUrl)
  if (relative === manager['$ref']) return document as UserDocument
  return {
    ...document,
    [ENTERPRISE_USER_URN]: { ...enterprise, manager: { ...manager, $ref: relative } }
  } as unknown as UserDocument
}

/** A reference to a user of this server follows `value`, the only part that many clients change. */
function relativeRef({ value, $ref }: Resource, baseUrl: string): unknown {
  const isOwn = typeof $ref !== 'string' || $ref.startsWith('../Users/') || $ref.startsWith(`${baseUrl}/Users/`)
  return isOwn && typeof value === 'string' ? `../Users/${encodeURIComponent(value)}` : $ref
}

/** The resource that PUT and PATCH start from: without meta and groups, which no client can change. */
export const toResource = ({ id, active, document }: UserBefore): Resource => ({ id, ...document, active })
