// A group's SCIM attributes and the columns stored beside them: the one place that converts between the two.
import type { GroupColumns } from '../../db/groups.ts'
import type { GroupRow } from '../../db/schema.ts'
import { AppError } from '../errors.ts'
import { caseKey } from './user-document.ts'

export const GROUP_SCHEMA = 'urn:ietf:params:scim:schemas:core:2.0:Group'

/** What an index entry can hold; far beyond any name. */
export const MAX_GROUP_TEXT_LENGTH = 500

/**
 * The attributes that a client may write (RFC 7643 §4.2 and extensions), in canonical spelling and types; what
 * `groups.doc` holds. Never id, meta or members: those come from columns and memberships.
 */
export interface GroupDocument {
  schemas: string[]
  displayName: string
  externalId?: string
  [attribute: string]: unknown
}

/** @throws AppError invalidValue where displayName is missing or a name is too long */
export function groupColumns(document: GroupDocument): GroupColumns {
  const { displayName, externalId } = document
  if (typeof displayName !== 'string' || displayName.trim() === '') throw invalidText('displayName is required')
  refuseLong('displayName', displayName)
  if (externalId) refuseLong('externalId', externalId)
  return {
    display_name: displayName,
    display_name_key: caseKey(displayName),
    external_id: externalId || null,
    doc: JSON.stringify(document)
  }
}

function refuseLong(name: string, text: string): void {
  if (text.length > MAX_GROUP_TEXT_LENGTH) throw invalidText(`${name} has at most ${MAX_GROUP_TEXT_LENGTH} characters`)
}

const invalidText = (detail: string) => new AppError('invalid', detail, { scimType: 'invalidValue' })

/** Everything from which a removed group can be restored, except its members. */
export function wholeGroup(
  group: Pick<GroupRow, 'doc' | 'connection_id' | 'created_at'>,
  version: number
): Record<string, unknown> {
  const { schemas: _, ...attributes } = JSON.parse(group.doc) as GroupDocument
  const { connection_id: connectionId, created_at: createdAt } = group
  return { ...attributes, ...(connectionId && { connectionId }), createdAt, version }
}
