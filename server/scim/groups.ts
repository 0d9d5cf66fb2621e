// Group handlers of the protocol (RFC 7644 §3), one for each endpoint. The rules are in server/provisioning/groups.ts.
import { sql } from 'kysely'
import { groupLastModified, groupVersion, isWithinScope } from '../../db/groups.ts'
import { isId } from '../../db/ids.ts'
import { resourceEdition } from '../../db/resource-counts.ts'
import { findScimGroup, type ScimGroupRow, scimGroupColumns } from '../../db/scim-groups.ts'
import { notFound } from '../errors.ts'
import type { GroupDocument } from '../provisioning/group-document.ts'
import type { MemberChange, MemberReference } from '../provisioning/group-members.ts'
import { changeGroup, type GroupWork, createGroup as makeGroup, removeGroup } from '../provisioning/groups.ts'
import { ownScopeOf, type ScimAnswer, type ScimContext, type ScimRequest } from './context.ts'
import { etagOf, precondition, requireMatch } from './etag.ts'
import { parseFilter } from './filter/parse.ts'
import { chosenMembers } from './filter/to-sql.ts'
import { groupLocation, groupText, groupViewOf, groupWriter } from './group-text.ts'
import { carryImmutable, refuseImmutableChanges } from './immutable.ts'
import type { Resource } from './json.ts'
import { type ListSource, listResources } from './list.ts'
import { readListQuery, readSearchRequest } from './list-query.ts'
import { normalizeResource } from './normalize.ts'
import { isGroupUnmodified } from './not-modified.ts'
import { applyPatch } from './patch/apply.ts'
import { type MemberOperation, splitGroupPatch, splitMembers } from './patch/members.ts'
import { parsePatch } from './patch/parse.ts'
import type { Leniency } from './profiles.ts'
import { type Projection, parseProjection } from './projection.ts'
import { NO_CONTENT, resourceAnswer } from './respond.ts'

/** How lists read groups. */
export const groupSource: ListSource = {
  name: 'Group',
  table: 'groups',
  sortLayout: (_view, tenant) => ({
    document: sql`groups.doc`,
    columns: {
      id: { expression: sql`groups.id`, type: 'uuid', isNullable: false },
      displayName: { expression: sql`groups.display_name_key`, type: 'text', isNullable: false },
      externalId: { expression: sql`groups.external_id`, type: 'text', isNullable: true },
      'meta.created': { expression: sql`groups.created_at`, type: 'timestamptz', isNullable: false },
      'meta.lastModified': {
        expression: groupLastModified(tenant ?? sql`groups.tenant_id`),
        type: 'timestamptz',
        isNullable: false
      },
      'meta.location': { expression: sql`groups.id`, type: 'uuid', isNullable: false },
      'meta.version': { expression: groupVersion(tenant ?? sql`groups.tenant_id`), type: 'int', isNullable: false }
    },
    unsortable: ['members', 'meta', 'schemas']
  }),
  related: 'members',
  condition: ({ connectionId }) => isWithinScope('groups', connectionId),
  edition: ({ tenantId, connectionId }) => (connectionId ? undefined : resourceEdition(tenantId, 'Group')),
  columns: (view, withMembers) => scimGroupColumns({ connectionId: undefined, ...view, withMembers }),
  besides: () => undefined,
  writer: groupWriter
}

/** GET /Groups, RFC 7644 §3.4.2. */
export const listGroups = (context: ScimContext, { query }: ScimRequest): Promise<ScimAnswer> =>
  listResources(context, [groupSource], readListQuery(query), readFilterOf(context))

/** POST /Groups/.search, RFC 7644 §3.4.3. */
export const searchGroups = (context: ScimContext, { body }: ScimRequest): Promise<ScimAnswer> =>
  listResources(context, [groupSource], readSearchRequest(body, context.leniency), readFilterOf(context))

const readFilterOf =
  ({ schemas, leniency }: ScimContext) =>
  (text: string) =>
    parseFilter(text, schemas.Group, leniency.pathOptions)

/** GET /Groups/{id}, RFC 7644 §3.4.1; one statement. 304 where If-None-Match names the version and no member is shown. */
export async function getGroup(context: ScimContext, request: ScimRequest): Promise<ScimAnswer> {
  const { id, query, ifMatch, ifNoneMatch } = request
  const projection = parseProjection(query, context.schemas.Group)
  const row = await readGroup(context, id, projection)
  requireMatch(ifMatch, row.version)
  if (isGroupUnmodified(context, ifNoneMatch, row)) return { status: 304, etag: etagOf(row.version) }
  return answer(200, row, context, projection)
}

/** POST /Groups, RFC 7644 §3.3. */
export async function createGroup(context: ScimContext, { body, query }: ScimRequest): Promise<ScimAnswer> {
  const projection = parseProjection(query, context.schemas.Group)
  const { document, members } = readBody(context, body)
  const id = await makeGroup(workOf(context), document, members)
  return answer(201, await readGroup(context, id, projection), context, projection)
}

/** PUT /Groups/{id}, RFC 7644 §3.5.1: members that the body leaves out leave the group. */
export async function replaceGroup(context: ScimContext, request: ScimRequest): Promise<ScimAnswer> {
  const { id, body, query } = request
  const projection = parseProjection(query, context.schemas.Group)
  const { document, members } = readBody(context, body)
  await changeGroup(workOf(context), id, {
    document: (before) => carryImmutable(before, document, context.schemas.Group) as GroupDocument,
    members: [members.length > 0 ? { kind: 'replace', members } : { kind: 'clear' }],
    precondition: preconditionOf(request)
  })
  return answer(200, await readGroup(context, id, projection), context, projection)
}

/**
 * PATCH /Groups/{id}, RFC 7644 §3.5.2: 204, or 200 with the group where the query names `attributes`. A request with a
 * precondition also receives the new version, which is not computed for others.
 */
export async function patchGroup(context: ScimContext, request: ScimRequest): Promise<ScimAnswer> {
  const { id, body, query } = request
  const { schemas, leniency } = context
  const projection = parseProjection(query, schemas.Group)
  const { attributes, members } = splitGroupPatch(parsePatch(body, schemas.Group, leniency))
  const patch = (before: GroupDocument): GroupDocument => {
    const { resource } = applyPatch({ id, ...before }, attributes, schemas.Group, leniency)
    refuseImmutableChanges(before, resource, schemas.Group)
    return toDocument(resource)
  }
  const version = await changeGroup(workOf(context), id, {
    ...(attributes.length > 0 && { document: patch }),
    members: members.map((operation) => toMemberChange(operation, context, id)),
    precondition: preconditionOf(request)
  })
  if (query['attributes'] === undefined) {
    return version === undefined ? NO_CONTENT : { ...NO_CONTENT, etag: etagOf(version) }
  }
  return answer(200, await readGroup(context, id, projection), context, projection)
}

/** DELETE /Groups/{id}, RFC 7644 §3.6. */
export async function deleteGroup(context: ScimContext, request: ScimRequest): Promise<ScimAnswer> {
  await removeGroup(workOf(context), request.id, preconditionOf(request))
  return NO_CONTENT
}

const workOf = (context: ScimContext): GroupWork => ({
  db: context.deps.db,
  tenantId: context.tenant.id,
  actor: context.actor,
  now: context.now,
  ownScope: ownScopeOf(context),
  groupRoles: context.tenant.settings.groupRoles ?? false,
  listener: context.deps.listener
})

/** Without a precondition, most member changes need not lock the group. */
const preconditionOf = ({ ifMatch, ifNoneMatch }: ScimRequest) =>
  ifMatch === undefined && ifNoneMatch === undefined ? undefined : precondition({ ifMatch, ifNoneMatch })

function readBody({ schemas, leniency }: ScimContext, body: unknown) {
  const { group, members = [] } = splitMembers(normalizeResource(body, schemas.Group, leniency).resource)
  return { document: toDocument(group), members: references(members, leniency) }
}

/** An id alone tells the member's type; what the client says of it counts only for strict. */
const references = (members: readonly MemberReference[], leniency: Leniency): readonly MemberReference[] =>
  leniency.permits('looseMemberTypes') ? members.map(({ value }) => ({ value })) : members

const toDocument = ({ id: _id, ...document }: Resource): GroupDocument => document as GroupDocument

function toMemberChange(operation: MemberOperation, context: ScimContext, groupId: string): MemberChange {
  const { tenant, baseUrl, leniency } = context
  if (operation.kind === 'add' || operation.kind === 'replace') {
    return { kind: operation.kind, members: references(operation.members, leniency) }
  }
  if (operation.kind !== 'removeWhere') return operation
  const sqlContext = { tenantId: tenant.id, baseUrl, connectionId: ownScopeOf(context) }
  return { kind: 'removeWhere', chosen: chosenMembers(operation.filter, groupId, sqlContext) }
}

async function readGroup(context: ScimContext, id: string, projection: Projection): Promise<ScimGroupRow> {
  const row = isId(id) ? await findScimGroup(context.deps.db, groupViewOf(context, projection), id) : undefined
  if (!row) throw notFound('Group')
  return row
}

const answer = (status: 200 | 201, row: ScimGroupRow, context: ScimContext, projection: Projection): ScimAnswer =>
  resourceAnswer(status, {
    body: groupText(row, context, projection),
    version: etagOf(row.version),
    location: groupLocation(context, row.id)
  })
