// Puts the changes of versions and undos into words.
import type { Outputs } from '../../api.ts'
import { counted, peopleInWords } from '../../counted.ts'
import { ROLE_LABELS, type Role } from '../../roles.ts'
import { changesOf } from '../audit/changes.ts'
import { fieldName } from '../audit/words.ts'

export type Version = Outputs['history']['user']['items'][number]
export type UndoReport = Outputs['history']['preview']
export type UndoItem = UndoReport['items'][number]

/** Facts that follow from others, or mean nothing to people. */
const SILENT = new Set([
  'roles',
  'email',
  'schemas',
  'connectionId',
  'authority',
  'keptBy',
  'passwordSet',
  'groupIds',
  'memberships',
  'added',
  'addedCount',
  'removed',
  'removedCount',
  'createdAt',
  'version',
  'undoId',
  'undone',
  'kept'
])
/** Whether a fact is not worth showing. */
export const isSilent = (attribute: string): boolean => SILENT.has(attribute)

const SHOWN_CHANGES = 4
const SHOWN_LENGTH = 60

type Facts = Record<string, unknown> | null

const spoken = (facts: Facts): Facts =>
  facts && Object.fromEntries(Object.entries(facts).filter(([name]) => !SILENT.has(name)))

/** `display name none → Pat, role Responder → Manager`; empty where there is nothing to say. */
export function changesInWords({ before, after }: { before: Facts; after: Facts }): string {
  const changes = changesOf(spoken(before), spoken(after))
  const shown = changes.slice(0, SHOWN_CHANGES).map(({ path, before: from, after: to }) => inWords(path, from, to))
  const rest = changes.length - shown.length
  return rest > 0 ? `${shown.join(', ')} and ${rest} more` : shown.join(', ')
}

const inWords = (path: string, from: unknown, to: unknown) =>
  `${lower(fieldName(path.startsWith('urn:') ? path.slice(path.lastIndexOf(':') + 1) : path))} ${valueInWords(from)} → ${valueInWords(to)}`

const lower = (text: string) => text.charAt(0).toLowerCase() + text.slice(1)

export function valueInWords(value: unknown): string {
  if (value === undefined || value === null || value === '') return 'none'
  const text = typeof value === 'string' ? (ROLE_LABELS[value as Role] ?? value) : JSON.stringify(value)
  return text.length > SHOWN_LENGTH ? `${text.slice(0, SHOWN_LENGTH)}…` : text
}

/** What an undo does to one item, one line each. */
export function itemChanges({ kind, group, changes }: UndoItem): string[] {
  if (kind === 'membership') {
    return changes.map(({ from, to }) => {
      const name = group?.name ?? 'the group'
      if (from && to) return `stays in ${name}, by who had put them there before`
      return to ? `is in ${name} again` : `leaves ${name}`
    })
  }
  return changes
    .filter(({ attribute }) => !SILENT.has(attribute) && !attribute.startsWith('authority:'))
    .map(({ attribute, from, to }) => {
      if (attribute === 'exists') return to ? 'is brought back' : 'is deleted'
      return inWords(attribute, from, to)
    })
}

/** `2 people, 1 group and 14 memberships` */
export function countsInWords({ users, groups, memberships }: UndoReport['counts']): string {
  const parts = [
    ...(users > 0 ? [peopleInWords(users)] : []),
    ...(groups > 0 ? [counted(groups, 'group', 'groups')] : []),
    ...(memberships > 0 ? [counted(memberships, 'membership', 'memberships')] : [])
  ]
  return parts.length > 1 ? `${parts.slice(0, -1).join(', ')} and ${parts.at(-1)}` : (parts[0] ?? 'nothing')
}
