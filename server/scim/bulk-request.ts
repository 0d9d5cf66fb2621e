// Parses a BulkRequest (RFC 7644 §3.7) into operations. An error in one operation becomes its own result and does not
// refuse the others.
import { AppError, invalidSyntax, invalidValue } from '../errors.ts'
import { isObject, type JsonObject, memberInAnyCase } from './json.ts'
import { MAX_OPERATIONS, PATCH_OP_URN } from './patch/parse.ts'
import type { Leniency } from './profiles.ts'
import { readUrns } from './schemas-attribute.ts'
import { shorten } from './text.ts'

const BULK_REQUEST_URN = 'urn:ietf:params:scim:api:messages:2.0:BulkRequest'

const METHODS = ['POST', 'PUT', 'PATCH', 'DELETE'] as const
export type BulkMethod = (typeof METHODS)[number]
const ENDPOINTS = { '/users': 'User', '/groups': 'Group' } as const

/** What a result repeats of its operation, whatever the outcome. */
interface Echo {
  readonly index: number
  /** As sent, if it was a string. */
  readonly method: string
  readonly bulkId: string | undefined
}

export interface BulkOperation extends Echo {
  readonly method: BulkMethod
  readonly resourceType: 'User' | 'Group'
  /** The resource's id; `bulkId:…` where another operation creates it; empty for POST. */
  readonly id: string
  readonly ifMatch: string | undefined
  readonly data: unknown
}

/** An operation that cannot be carried out. */
export interface BadOperation extends Echo {
  readonly problem: AppError
}

export const isBad = (operation: BulkOperation | BadOperation): operation is BadOperation => 'problem' in operation

export interface BulkRequest {
  readonly operations: readonly (BulkOperation | BadOperation)[]
  /** Number of errors after which no further operation runs. */
  readonly failOnErrors: number
}

/**
 * @param body parsed JSON of any shape
 * @throws AppError invalidSyntax where it is no BulkRequest; too_large (413, tooMany) for more than 1,000 operations
 */
export function parseBulkRequest(body: unknown, leniency: Leniency): BulkRequest {
  if (!isObject(body)) throw invalidSyntax('A bulk request must be a JSON object')
  const urns = readUrns(memberInAnyCase(body, 'schemas'), leniency)
  const isNamed = urns.some((urn) => urn.toLowerCase() === BULK_REQUEST_URN.toLowerCase())
  if (!isNamed && !(urns.length === 0 && leniency.allow('missingSchemas', 'schemas'))) {
    throw invalidSyntax(`schemas must name ${BULK_REQUEST_URN}`)
  }
  const list = memberInAnyCase(body, 'Operations')
  if (!Array.isArray(list) || list.length === 0) throw invalidSyntax('Operations must be a non-empty array')
  if (list.length > MAX_OPERATIONS) {
    throw new AppError('too_large', 'A bulk request has at most 1,000 operations', { scimType: 'tooMany' })
  }
  const taken = new Set<string>()
  return {
    operations: list.map((operation, index) => readOperation(operation, index, taken)),
    failOnErrors: readFailOnErrors(memberInAnyCase(body, 'failOnErrors'))
  }
}

function readFailOnErrors(value: unknown): number {
  if (value === undefined || value === null) return Number.POSITIVE_INFINITY
  const number = typeof value === 'string' && /^\d{1,9}$/.test(value) ? Number(value) : value
  // 0 means 1: the first error is always reported
  if (typeof number === 'number' && Number.isSafeInteger(number) && number >= 0) return Math.max(1, number)
  throw invalidValue('failOnErrors must be an integer that is not negative')
}

const textOf = (value: unknown): string | undefined => (typeof value === 'string' && value !== '' ? value : undefined)

/** @param taken the bulkIds of earlier operations */
function readOperation(operation: unknown, index: number, taken: Set<string>): BulkOperation | BadOperation {
  const message = isObject(operation) ? operation : {}
  const method = textOf(memberInAnyCase(message, 'method')) ?? ''
  const bulkId = textOf(memberInAnyCase(message, 'bulkId'))
  try {
    if (!isObject(operation)) throw invalidSyntax('An operation must be an object')
    const read = readParts(operation)
    if (read.method === 'POST') claimBulkId(bulkId, taken)
    return { index, bulkId, ...read }
  } catch (error) {
    if (error instanceof AppError) return { index, method, bulkId, problem: error }
    throw error
  }
}

/** RFC 7644 §3.7: POST requires a bulkId, and it must be unique. */
function claimBulkId(bulkId: string | undefined, taken: Set<string>): void {
  if (bulkId === undefined) throw invalidValue('POST needs a bulkId')
  if (taken.has(bulkId)) throw invalidValue(`Another operation has the bulkId "${shorten(bulkId)}" already`)
  taken.add(bulkId)
}

function readParts(operation: JsonObject): Omit<BulkOperation, 'index' | 'bulkId'> {
  const method = METHODS.find((known) => known === textOf(memberInAnyCase(operation, 'method'))?.toUpperCase())
  if (!method) throw invalidValue('method must be POST, PUT, PATCH or DELETE')
  const { resourceType, id } = readPath(memberInAnyCase(operation, 'path'), method)
  const data = readData(memberInAnyCase(operation, 'data'), method)
  if (method !== 'DELETE' && !isObject(data)) throw invalidSyntax(`${method} needs data, as an object`)
  return { method, resourceType, id, ifMatch: textOf(memberInAnyCase(operation, 'version')), data }
}

/**
 * An array for PATCH becomes the Operations of a PatchOp. This is no lenience: RFC 7644 §3.7 asks for the body of a single
 * PATCH, but the example in §3.7.3 shows the array, so clients may follow either.
 */
const readData = (data: unknown, method: BulkMethod): unknown =>
  method === 'PATCH' && Array.isArray(data) ? { schemas: [PATCH_OP_URN], Operations: data } : data

/** `/Users`, `/Groups/2819c223`, `/Users/bulkId:qwerty`; a query string after it is ignored. */
function readPath(value: unknown, method: BulkMethod) {
  const path = textOf(value)
  if (path === undefined) throw invalidSyntax('path is required')
  const [place = ''] = path.split('?', 1)
  const [, endpoint = '', rest = ''] = /^(\/?[^/]*)\/?(.*)$/.exec(place)!
  const key = `/${endpoint.replace(/^\//, '').toLowerCase()}`
  const resourceType = Object.hasOwn(ENDPOINTS, key) ? ENDPOINTS[key as keyof typeof ENDPOINTS] : undefined
  if (!resourceType) throw invalidValue(`path must begin with /Users or /Groups, not "${shorten(path)}"`)
  const id = decode(rest)
  if (method === 'POST' && id !== '') throw invalidValue(`POST goes to /${resourceType}s, not to "${shorten(path)}"`)
  if (method !== 'POST' && id === '') throw invalidValue(`${method} needs a path with an id: /${resourceType}s/{id}`)
  return { resourceType, id }
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    throw invalidValue('path is not percent-encoded as it should be')
  }
}
