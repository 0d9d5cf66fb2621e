// The audit log's filter, as in the page's address and as the service takes it.
import type { Inputs } from '../../api.ts'

export interface AuditSearch {
  action?: string
  /** An id, or one of ACTOR_KINDS. */
  actor?: string
  /** An id. */
  target?: string
  /** Days in the reader's time zone, both included: `2026-01-31`. */
  from?: string
  to?: string
  search?: string
}

type AuditInput = Pick<Exclude<Inputs['audit']['list'], void>, 'search' | 'filter'>
type ActorKind = NonNullable<NonNullable<AuditInput['filter']>['actorKind']>

export const ACTOR_KINDS: readonly { value: ActorKind; label: string }[] = [
  { value: 'user', label: 'Anybody signed in' },
  { value: 'apiToken', label: 'Any API token' },
  { value: 'scimToken', label: 'Any identity provider' },
  { value: 'operator', label: 'The operator' },
  { value: 'system', label: 'Muster itself' }
]

const UUID = /^[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}$/i
const ACTION = /^[A-Za-z]+\.[A-Za-z]*$/
export const isId = (text: string | undefined): text is string => text !== undefined && UUID.test(text)

/** Invalid values in the address are ignored instead of refused. */
export function toInput({ action, actor, target, from, to, search }: AuditSearch): AuditInput {
  const actorKind = ACTOR_KINDS.find(({ value }) => value === actor)?.value
  const filter = {
    ...(action && ACTION.test(action) && { action }),
    ...(actorKind && { actorKind }),
    ...(isId(actor) && { actorId: actor }),
    ...(isId(target) && { targetId: target }),
    ...(from && dayStart(from, 0) && { from: dayStart(from, 0) }),
    ...(to && dayStart(to, 1) && { to: dayStart(to, 1) })
  }
  return { ...(search && { search }), ...(Object.keys(filter).length > 0 && { filter }) }
}

/** The address of the filtered log as a file. */
export function exportAddress(format: 'csv' | 'jsonl', search: AuditSearch): string {
  const { search: text, filter } = toInput(search)
  const facts = { ...(text && { search: text }), ...filter, ...(format === 'csv' && { bom: 'true' }) }
  const query = new URLSearchParams(facts as Record<string, string>).toString()
  return `/audit.${format}${query && `?${query}`}`
}

/** The first instant of a day, or of the day `days` later, in the reader's time zone. */
export function dayStart(day: string, days: number): string | undefined {
  if (!/^\d{4}-\d{2}-\d{2}$/.test(day)) return undefined
  const start = new Date(`${day}T00:00`)
  if (Number.isNaN(start.getTime())) return undefined
  start.setDate(start.getDate() + days)
  return start.toISOString()
}

export const isFiltered = (search: AuditSearch) => Object.values(search).some(Boolean)
