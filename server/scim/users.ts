// /Users (RFC 7644 §3): one handler for each operation.

import { sql } from 'kysely'
import { usersByFamilyName } from '../../db/family-names.ts'
import { isId } from '../../db/ids.ts'
import { resourceEdition } from '../../db/resource-counts.ts'
import { findScimUser, findScimUserByName } from '../../db/scim-user-lookup.ts'
import { groupsOfPage, userPageColumns } from '../../db/scim-user-pages.ts'
import { isVisibleUser, type ScimUserRow } from '../../db/scim-users.ts'
import { notFound } from '../errors.ts'
import { moveLinks } from '../invitations/moved.ts'
import { welcomeMail } from '../invitations/welcome.ts'
import { createUser as makeUser } from '../provisioning/scim-user-create.ts'
import type { NewUser } from '../provisioning/scim-user-new.ts'
import { changeUser, deleteUser as removeUser, type ScimWriter, type UserBefore } from '../provisioning/scim-users.ts'
import type { ScimAnswer, ScimContext, ScimRequest } from './context.ts'
import { etagOf, precondition, requireMatch } from './etag.ts'
import type { Filter } from './filter/ast.ts'
import { parseFilter } from './filter/parse.ts'
import { shownExternalId } from './filter/sql-resources.ts'
import { carryImmutable } from './immutable.ts'
import type { Resource } from './json.ts'
import { type ListSource, listResources } from './list.ts'
import { type ListQuery, readListQuery, readSearchRequest } from './list-query.ts'
import { listBody } from './list-response.ts'
import { normalizeResource } from './normalize.ts'
import { isUserUnmodified } from './not-modified.ts'
import { hashPassword, passwordSetter } from './passwords.ts'
import { applyPatch } from './patch/apply.ts'
import { type PatchOperation, parsePatch } from './patch/parse.ts'
import { type Projection, parseProjection } from './projection.ts'
import { NO_CONTENT, resourceAnswer } from './respond.ts'
import { foldCase } from './text.ts'
import { userWriter } from './user-page.ts'
import { toDocument, toResource, userLocation, userText, viewOf, withoutAssumedName } from './user-text.ts'

/** POST /Users, RFC 7644 §3.3. A pending invitation for the address ends, and its user becomes this one. */
export async function createUser(context: ScimContext, request: ScimRequest): Promise<ScimAnswer> {
  const projection = projectionOf(context, request)
  const user = await makeUser(writerOf(context, projection), await readNewUser(context, request.body))
  return answer(201, user, context, projection)
}

/**
 * The user that a POST creates, with the password already hashed.
 * @throws AppError invalidSyntax, invalidValue
 */
export async function readNewUser(context: ScimContext, body: unknown): Promise<NewUser> {
  const { resource, password } = normalizeResource(body, context.schemas.User, context.leniency)
  return {
    document: toDocument(resource, context.baseUrl),
    active: resource['active'] !== false,
    passwordHash: password === undefined ? undefined : await hashPassword(context, password),
    afterwards: welcomeMail(context)
  }
}

/** GET /Users/{id}, RFC 7644 §3.4.1; 304 where If-None-Match names the version and no group shown can have changed. */
export async function getUser(context: ScimContext, request: ScimRequest): Promise<ScimAnswer> {
  const projection = projectionOf(context, request)
  const user = isId(request.id) && (await findScimUser(context.deps.db, viewOf(context, projection), request.id))
  if (!user) throw notFound('User')
  requireMatch(request.ifMatch, user.version)
  if (await isUserUnmodified(context, request.ifNoneMatch, user, projection)) {
    return { status: 304, etag: etagOf(user.version) }
  }
  return answer(200, user, context, projection)
}

/** PUT /Users/{id}, RFC 7644 §3.5.1: removes what the body leaves out, except active and the role. */
export async function replaceUser(context: ScimContext, request: ScimRequest): Promise<ScimAnswer> {
  const projection = projectionOf(context, request)
  const { resource, password } = normalizeResource(request.body, context.schemas.User, context.leniency)
  if (!isId(request.id)) throw notFound('User')
  const setPassword = passwordSetter(context)
  const user = await changeUser(writerOf(context, projection), request.id, {
    kind: 'replace',
    mayDeactivate: resource['active'] === false,
    precondition: precondition(request),
    change(before) {
      const sent = withoutAssumedName(resource, before, context)
      const after = carryImmutable(toResource(before), sent, context.schemas.User)
      const active = activeOf(resource)
      const changed = { document: toDocument(after, context.baseUrl), active, asksActive: active === true }
      if (password === undefined) return changed
      return setPassword(before.id, password).then((given) => ({ ...changed, ...given }))
    },
    addressMoved: (trx, moved) => moveLinks(trx, context, moved),
    adopted: welcomeMail(context)
  })
  return answer(200, user, context, projection)
}

/** PATCH /Users/{id}, RFC 7644 §3.5.2. Answers 200 with the whole resource and its new ETag. */
export async function patchUser(context: ScimContext, request: ScimRequest): Promise<ScimAnswer> {
  const { leniency, schemas, baseUrl } = context
  const projection = projectionOf(context, request)
  const operations = parsePatch(request.body, schemas.User, leniency)
  if (!isId(request.id)) throw notFound('User')
  const setPassword = passwordSetter(context)
  const user = await changeUser(writerOf(context, projection), request.id, {
    kind: 'patch',
    mayDeactivate: operations.some(mayDeactivate),
    precondition: precondition(request),
    change(before: UserBefore) {
      const { resource, password } = applyPatch(toResource(before), operations, schemas.User, leniency)
      // asked only while changes of the connection are held: whether an inactive user would become active
      const asksActive =
        context.actor.scim?.hasHeld &&
        applyPatch({ ...toResource(before), active: false }, operations, schemas.User, leniency).resource['active'] ===
          true
      const after = withoutAssumedName(resource, before, context)
      const changed = { document: toDocument(after, baseUrl), active: activeOf(after), asksActive }
      if (typeof password !== 'string') return { ...changed, passwordHash: password === null ? null : undefined }
      return setPassword(before.id, password).then((given) => ({ ...changed, ...given }))
    },
    addressMoved: (trx, moved) => moveLinks(trx, context, moved),
    adopted: welcomeMail(context)
  })
  return answer(200, user, context, projection)
}

const mayDeactivate = (operation: PatchOperation): boolean =>
  operation.op !== 'remove' && operation.path.attribute.name === 'active' && operation.value === false

/** DELETE /Users/{id}, RFC 7644 §3.6: also deletes active users and members of groups. */
export async function deleteUser(context: ScimContext, request: ScimRequest): Promise<ScimAnswer> {
  if (!isId(request.id)) throw notFound('User')
  await removeUser(writerOf(context, WHOLE), request.id, precondition(request))
  return NO_CONTENT
}

/** GET /Users, RFC 7644 §3.4.2. */
export const listUsers = (context: ScimContext, { query }: ScimRequest): Promise<ScimAnswer> =>
  list(context, readListQuery(query))

/** POST /Users/.search, RFC 7644 §3.4.3. */
export const searchUsers = (context: ScimContext, { body }: ScimRequest): Promise<ScimAnswer> =>
  list(context, readSearchRequest(body, context.leniency))

async function list(context: ScimContext, query: ListQuery): Promise<ScimAnswer> {
  const { schemas, leniency } = context
  const filter = query.filter === undefined ? undefined : parseFilter(query.filter, schemas.User, leniency.pathOptions)
  const userName = filter && soughtUserName(filter, query)
  if (userName !== undefined) return listByUserName(context, query, userName)
  return listResources(context, [userSource], query, () => filter!)
}

/**
 * Identity providers look up one user by userName before they create or change them.
 * @returns the name in lower case if the query asks for nothing else; at most one user in the tenant has it
 */
function soughtUserName(filter: Filter, { cursor, sortBy, startIndex, count }: ListQuery): string | undefined {
  if (filter.op !== 'eq' || cursor !== undefined || sortBy !== undefined || startIndex > 1 || count < 1)
    return undefined
  const { extension, attribute, subAttribute } = filter.path
  if (extension !== undefined || subAttribute || attribute.name !== 'userName') return undefined
  const folded = foldCase(String(filter.value))
  // the column has two forms of this letter
  return folded.includes('σ') ? undefined : folded
}

async function listByUserName(context: ScimContext, query: ListQuery, userName: string): Promise<ScimAnswer> {
  const projection = parseProjection(query.projection, context.schemas.User)
  const user = await findScimUserByName(context.deps.db, viewOf(context, projection), userName)
  const resources = user ? [userText(user, context, projection)] : []
  return { status: 200, body: listBody({ totalResults: resources.length, startIndex: 1 }, resources) }
}

export const userSource: ListSource = {
  name: 'User',
  table: 'users',
  sortLayout: (view) => ({
    document: sql`users.doc`,
    columns: {
      id: { expression: sql`users.id`, type: 'uuid', isNullable: false },
      userName: { expression: sql`users.user_name_key`, type: 'text', isNullable: false },
      externalId: { expression: shownExternalId(view), type: 'text', isNullable: true },
      displayName: {
        expression: sql`users.display_name_key`,
        type: 'text',
        isNullable: true,
        parts: () => [{ from: sql`users`, expression: sql`users.display_name_key`, condition: sql`true` }]
      },
      'name.familyName': {
        expression: sql`users.family_name_key`,
        type: 'text',
        isNullable: true,
        parts: (tenantId) => usersByFamilyName(tenantId).map(({ name, ...part }) => ({ ...part, expression: name }))
      },
      active: { expression: sql`(users.state <> 'deactivated')`, type: 'boolean', isNullable: false },
      'meta.created': { expression: sql`users.created_at`, type: 'timestamptz', isNullable: false },
      'meta.lastModified': { expression: sql`users.updated_at`, type: 'timestamptz', isNullable: false }
    },
    unsortable: ['schemas', 'meta', 'groups']
  }),
  related: 'groups',
  condition: ({ connectionId }) => isVisibleUser(connectionId),
  edition: ({ tenantId, connectionId }) => (connectionId ? undefined : resourceEdition(tenantId, 'User')),
  columns: () => userPageColumns,
  besides: (view, withGroups) => (withGroups ? groupsOfPage(view) : undefined),
  writer: userWriter
}

const projectionOf = ({ schemas }: ScimContext, { query }: ScimRequest): Projection =>
  parseProjection(query, schemas.User)

const WHOLE: Projection = { mode: 'default', selections: new Map() }

export const writerOf = (context: ScimContext, projection: Projection): ScimWriter => ({
  ...context,
  view: viewOf(context, projection)
})

/** PUT without `active` keeps its value, and so does a PATCH that removes it. */
const activeOf = (resource: Resource): boolean | undefined => {
  const active = resource['active']
  return typeof active === 'boolean' ? active : undefined
}

const answer = (status: 200 | 201, user: ScimUserRow, context: ScimContext, projection: Projection): ScimAnswer =>
  resourceAnswer(status, {
    body: userText(user, context, projection),
    version: etagOf(user.version),
    location: userLocation(context, user.id)
  })
