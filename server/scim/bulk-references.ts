// References between the operations of a bulk request (RFC 7644 §3.7.2): `bulkId:qwerty` stands, wherever it occurs,
// for the id of the resource that the operation with that bulkId creates.
import { AppError, invalidValue } from '../errors.ts'
import { type BadOperation, type BulkOperation, isBad } from './bulk-request.ts'
import { isObject } from './json.ts'
import { shorten } from './text.ts'

// alone, or at the end of a reference: `../Users/bulkId:qwerty`
const REFERENCE = /^(.*\/)?bulkId:([^/]+)$/s
const QUOTED = /"bulkId:([^"]+)"/g

/** No attribute lies deeper, and a client may nest data so deeply that visiting all of it fails. */
const MAX_DEPTH = 20

/** @returns the id; undefined leaves out the reference */
type Resolve = (bulkId: string) => string | undefined

/** The bulkIds that an operation's path and data refer to, without duplicates. */
function referencesOf({ id, data, resourceType }: BulkOperation): Set<string> {
  const found = new Set<string>()
  const note: Resolve = (bulkId) => {
    found.add(bulkId)
    return bulkId
  }
  replaceInText(id, note)
  replaceReferences(readable(data, resourceType), note)
  return found
}

/** `groups` of a user is read-only and ignored, so a reference in it creates no dependency. */
const readable = (data: unknown, resourceType: 'User' | 'Group'): unknown =>
  resourceType === 'User' && isObject(data) && 'groups' in data ? { ...data, groups: undefined } : data

/**
 * Replaces every reference in a value. A reference that cannot be replaced is left out along with its place: the member
 * of an object, the element of a list, or the object that loses its `value`. Values without references are not copied.
 */
export const replaceReferences = (value: unknown, resolve: Resolve): unknown =>
  mayRefer(value) ? replaceWithin(value, resolve, 0) : value

function mayRefer(value: unknown, depth = 0): boolean {
  if (typeof value === 'string') return value.includes('bulkId:')
  if (typeof value !== 'object' || value === null || depth > MAX_DEPTH) return false
  return Object.values(value).some((inner) => mayRefer(inner, depth + 1))
}

function replaceWithin(value: unknown, resolve: Resolve, depth: number): unknown {
  if (typeof value === 'string') return replaceInText(value, resolve)
  if (depth > MAX_DEPTH) return value
  if (Array.isArray(value)) {
    return value.map((item) => replaceWithin(item, resolve, depth + 1)).filter((item) => item !== undefined)
  }
  if (!isObject(value)) return value
  const replaced: Record<string, unknown> = {}
  for (const [key, inner] of Object.entries(value)) {
    const isPath = typeof inner === 'string' && key.toLowerCase() === 'path'
    const after = isPath ? replaceQuoted(inner, resolve) : replaceWithin(inner, resolve, depth + 1)
    if (after !== undefined) replaced[key] = after
    else if (key === 'value') return undefined
  }
  return replaced
}

/** @returns undefined where the text is a reference to leave out */
export function replaceInText(text: string, resolve: Resolve): string | undefined {
  const [, before = '', bulkId] = (text.includes('bulkId:') && REFERENCE.exec(text)) || []
  if (bulkId === undefined) return text
  const id = resolve(bulkId)
  return id === undefined ? undefined : before + id
}

/** Replaces references in the path of a PATCH: `members[value eq "bulkId:qwerty"]`. */
const replaceQuoted = (path: string, resolve: Resolve): string =>
  path.replace(QUOTED, (_, bulkId: string) => JSON.stringify(resolve(bulkId) ?? ''))

/** What an operation waits for. */
export interface Dependencies {
  /** The operations that create the resources it refers to. */
  readonly makers: readonly (BulkOperation | BadOperation)[]
  /** Users that refer to each other, this one included, in the order of the request. Usually empty. */
  readonly circle: readonly BulkOperation[]
}

/**
 * @returns what each operation waits for, or why it can never run: a reference to a bulkId that no operation has, or
 *   (409, RFC 7644 §3.7.1) groups that would contain each other
 */
export function findDependencies(
  operations: readonly (BulkOperation | BadOperation)[]
): ReadonlyMap<BulkOperation, Dependencies | AppError> {
  const makers = new Map<string, BulkOperation | BadOperation>()
  for (const operation of operations) {
    const { bulkId, method } = operation
    if (bulkId !== undefined && method.toUpperCase() === 'POST' && !makers.has(bulkId)) makers.set(bulkId, operation)
  }
  const found = new Map<BulkOperation, Dependencies | AppError>()
  for (const operation of operations) {
    if (isBad(operation)) continue
    const references = [...referencesOf(operation)]
    const unknown = references.find((bulkId) => !makers.has(bulkId))
    found.set(
      operation,
      unknown === undefined
        ? { makers: references.map((bulkId) => makers.get(bulkId)!), circle: [] }
        : invalidValue(`No operation of this request makes bulkId:${shorten(unknown)}`)
    )
  }
  for (const circle of findCircles(found)) {
    const hasGroup = circle.some(({ resourceType }) => resourceType === 'Group')
    for (const operation of circle) {
      const { makers: needed } = found.get(operation) as Dependencies
      found.set(operation, hasGroup ? containedInEachOther() : { makers: needed, circle })
    }
  }
  return found
}

const containedInEachOther = () =>
  new AppError('conflict', 'These groups would contain each other, directly or not', { reason: 'groupCycle' })

/** Finds the sets of operations that all wait for each other, and single ones that wait for themselves (Tarjan). */
function findCircles(found: ReadonlyMap<BulkOperation, Dependencies | AppError>): BulkOperation[][] {
  const circles: BulkOperation[][] = []
  const order = new Map<BulkOperation, number>()
  const stack: BulkOperation[] = []
  const isOnStack = new Set<BulkOperation>()
  const next = (operation: BulkOperation): BulkOperation[] => {
    const dependencies = found.get(operation)
    if (!dependencies || dependencies instanceof AppError) return []
    return dependencies.makers.flatMap((maker) => (isBad(maker) ? [] : [maker]))
  }
  /** @returns the place of the earliest operation on the stack that can be reached */
  function visit(operation: BulkOperation): number {
    const place = order.size
    order.set(operation, place)
    stack.push(operation)
    isOnStack.add(operation)
    let earliest = place
    for (const maker of next(operation)) {
      if (!order.has(maker)) earliest = Math.min(earliest, visit(maker))
      else if (isOnStack.has(maker)) earliest = Math.min(earliest, order.get(maker)!)
    }
    if (earliest < place) return earliest
    const component = stack.splice(stack.indexOf(operation))
    for (const done of component) isOnStack.delete(done)
    const isCircle = component.length > 1 || next(operation).includes(operation)
    if (isCircle) circles.push(component.sort((a, b) => a.index - b.index))
    return earliest
  }
  for (const operation of found.keys()) if (!order.has(operation)) visit(operation)
  return circles
}
