// The parameters of a list (RFC 7644 §3.4.2, RFC 9865 §2), from a query string or the body of /.search.
import { invalidCount, invalidCursor, invalidFilter, invalidSyntax, invalidValue } from '../errors.ts'
import { isObject, type JsonObject } from './json.ts'
import { DEFAULT_PAGE_SIZE, MAX_PAGE_SIZE } from './limits.ts'
import type { Leniency } from './profiles.ts'
import type { ProjectionParameters } from './projection.ts'
import { readUrns } from './schemas-attribute.ts'

export interface ListQuery {
  readonly filter: string | undefined
  readonly sortBy: string | undefined
  readonly isDescending: boolean
  /** 1-based. */
  readonly startIndex: number
  /** 0 for totals only, at most MAX_PAGE_SIZE. */
  readonly count: number
  /** Undefined for paging by index; empty for the first page by cursor. */
  readonly cursor: string | undefined
  readonly projection: ProjectionParameters
}

const SEARCH_REQUEST_URN = 'urn:ietf:params:scim:api:messages:2.0:SearchRequest'

/** @param parameters those that lists do not know are ignored */
export function readListQuery(parameters: Readonly<Record<string, unknown>>): ListQuery {
  const cursor = readText(parameters['cursor'], 'cursor', invalidCursor)
  return {
    filter: readFilter(parameters['filter']),
    sortBy: readText(parameters['sortBy'], 'sortBy', invalidValue)?.trim() || undefined,
    isDescending: readOrder(parameters['sortOrder']),
    startIndex: Math.max(1, readInteger(parameters['startIndex'], 'startIndex') ?? 1),
    count: cursor === undefined ? readCount(parameters['count']) : readCursorCount(parameters['count']),
    cursor,
    projection: { attributes: parameters['attributes'], excludedAttributes: parameters['excludedAttributes'] }
  }
}

/**
 * Reads the body of POST /.search, RFC 7644 §3.4.3.
 * @throws AppError invalidSyntax where it is no SearchRequest
 */
export function readSearchRequest(body: unknown, leniency: Leniency): ListQuery {
  if (!isObject(body)) throw invalidSyntax('A search must be a JSON object')
  const parameters = inCanonicalCase(body)
  const urns = readUrns(parameters['schemas'], leniency)
  const isNamed = urns.some((urn) => urn.toLowerCase() === SEARCH_REQUEST_URN.toLowerCase())
  if (!isNamed && !(urns.length === 0 && leniency.allow('missingSchemas', 'schemas'))) {
    throw invalidSyntax(`schemas must name ${SEARCH_REQUEST_URN}`)
  }
  return readListQuery(parameters)
}

const CANONICAL = new Map(
  'schemas attributes excludedAttributes filter sortBy sortOrder startIndex count cursor'
    .split(' ')
    .map((name) => [name.toLowerCase(), name])
)

/**
 * Parameters under their usual names, which match in any letter case (RFC 7643 §2.1): overlooking a `Filter` would
 * return everything. A parameter in two spellings counts as repeated.
 * @returns the same object where all spellings are usual; else a copy without unknown parameters
 */
export function inCanonicalCase(parameters: JsonObject): JsonObject {
  for (const name in parameters) {
    const canonical = CANONICAL.get(name.toLowerCase())
    if (canonical !== undefined && canonical !== name) return rename(parameters)
  }
  return parameters
}

function rename(parameters: JsonObject): JsonObject {
  const renamed: Record<string, unknown> = {}
  for (const [name, value] of Object.entries(parameters)) {
    const canonical = CANONICAL.get(name.toLowerCase())
    if (canonical === undefined) continue
    renamed[canonical] = Object.hasOwn(renamed, canonical) ? [renamed[canonical], value].flat() : value
  }
  return renamed
}

type Refuse = (detail: string) => Error

function readText(value: unknown, name: string, refuse: Refuse): string | undefined {
  if (value === undefined || value === null) return undefined
  if (typeof value === 'string') return value
  throw refuse(`${name} must be given once, as text`)
}

/** An empty filter would match everything, which a client that lost its value must not take for the answer. */
function readFilter(value: unknown): string | undefined {
  const filter = readText(value, 'filter', invalidFilter)
  if (filter !== undefined && filter.trim() === '') throw invalidFilter('The filter is empty')
  return filter
}

function readOrder(value: unknown): boolean {
  const order = readText(value, 'sortOrder', invalidValue)?.toLowerCase()
  if (order === 'descending') return true
  if (order === undefined || order === '' || order === 'ascending') return false
  throw invalidValue('sortOrder must be ascending or descending')
}

function readInteger(value: unknown, name: string, refuse: Refuse = invalidValue): number | undefined {
  if (value === undefined || value === null) return undefined
  const number = typeof value === 'string' && /^[+-]?\d{1,15}$/.test(value.trim()) ? Number(value) : value
  if (typeof number === 'number' && Number.isSafeInteger(number)) return number
  throw refuse(`${name} must be an integer`)
}

/** RFC 7644 §3.4.2.4: a negative count means 0, and the service provider may return fewer. */
function readCount(value: unknown): number {
  const count = readInteger(value, 'count') ?? DEFAULT_PAGE_SIZE
  return Math.min(Math.max(0, count), MAX_PAGE_SIZE)
}

/** RFC 9865 §2.4 */
function readCursorCount(value: unknown): number {
  const count = readInteger(value, 'count', invalidCount) ?? DEFAULT_PAGE_SIZE
  if (count >= 1 && count <= MAX_PAGE_SIZE) return count
  throw invalidCount(`count must be from 1 to ${MAX_PAGE_SIZE.toLocaleString('en')}`)
}
