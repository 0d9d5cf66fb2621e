// Builds a group's answer as text around the stored document, which is parsed only to select attributes.

import type { ScimGroupRow, ScimGroupView } from '../../db/scim-groups.ts'
import { readTime } from '../../db/times.ts'
import { ownScopeOf, type ScimContext } from './context.ts'
import { COLUMNS_FROM, type WriteRow } from './list-sql.ts'
import { needs, type Projection, project } from './projection.ts'

/** What to read of groups for an answer; memberships only where the answer includes them. */
export const groupViewOf = (context: ScimContext, projection: Projection): ScimGroupView => ({
  tenantId: context.tenant.id,
  baseUrl: context.baseUrl,
  connectionId: ownScopeOf(context),
  withMembers: needs(projection, context.schemas.Group, 'members')
})

export const groupLocation = (context: Pick<ScimContext, 'baseUrl'>, groupId: string): string =>
  `${context.baseUrl}/Groups/${groupId}`

/** The resource as JSON text, reduced by the projection. */
export function groupText(row: ScimGroupRow, context: ScimContext, projection: Projection): string {
  const text = wholeText(row, context)
  if (isWhole(projection, row, context)) return text
  return JSON.stringify(project(JSON.parse(text), projection, context.schemas.Group))
}

/** Writes the rows of a list, whose columns have the order of scimGroupColumns. */
export function groupWriter(context: ScimContext, projection: Projection): WriteRow {
  return (sent, body) => {
    const [members, id, version, doc, created, modified] = sent.fields().slice(COLUMNS_FROM)
    const times = { created_at: readTime(created!), updated_at: readTime(modified!) }
    const row = { id: id!, version: Number(version), doc: doc!, members: members!, ...times }
    body.write(groupText(row, context, projection))
  }
}

/** Whether nothing is left out except members, which were then not read. */
function isWhole({ mode, selections }: Projection, { members }: ScimGroupRow, { schemas }: ScimContext): boolean {
  if (!schemas.isPlain.Group) return false
  if (mode === 'default') return true
  return mode === 'except' && selections.size === 1 && members === null
}

function wholeText(row: ScimGroupRow, context: ScimContext): string {
  const { id, version, members } = row
  return (
    `{"id":"${id}",${row.doc.slice(1, -1)}` +
    (members === null ? '' : `,"members":${members}`) +
    `,"meta":{"resourceType":"Group","created":"${row.created_at.toISOString()}"` +
    `,"lastModified":"${row.updated_at.toISOString()}","location":"${groupLocation(context, id)}"` +
    `,"version":"W/\\"${version}\\""}}`
  )
}
