// Applies operations to a resource (RFC 7644 §3.5.2.1 to 3), in memory and without changing its input.
import { invalidValue, mutability, tooMany } from '../../errors.ts'
import type { Filter } from '../filter/ast.ts'
import { refuseImmutableChanges } from '../immutable.ts'
import { isObject, type JsonObject, member, type Resource } from '../json.ts'
import { missingAttributes, schemasOf } from '../normalize.ts'
import { type AttributePath, formatPath } from '../path.ts'
import type { Leniency } from '../profiles.ts'
import type { ResourceType } from '../schemas/types.ts'
import { type Changes, tidyList } from '../values.ts'
import { mergeChanges } from './complex.ts'
import { addToList, assignInList, removeFromList } from './list.ts'
import {
  type AssignOperation,
  isId,
  isPassword,
  type PatchOperation,
  type RemoveOperation,
  type TargetPath
} from './parse.ts'
import { readTarget, withMember, writeTarget } from './target.ts'

/** Characters of a resource as JSON: about as many as a body may have. */
const MAX_RESOURCE_LENGTH = 2_000_000
/** Values examined, times the terms of the filter that examines them: about a second of work. */
const MAX_WORK = 3_000_000

interface PatchedResource {
  readonly resource: Resource
  /** As sent; null where it was removed, absent where no operation named it. */
  readonly password?: string | null
}

/**
 * Applies operations in order, all or none: it throws before anything takes effect.
 * - replace of a complex attribute or an extension keeps the sub-attributes that the value does not name (RFC 7644
 *   §3.5.2.3); replace of values chosen by a filter puts the new value in their place.
 * - A value that becomes primary makes the others `primary: false` (§3.5.2).
 * - remove succeeds where there is nothing to remove; with a filter that chooses nothing, strict answers noTarget.
 * @param resource in canonical form, with its `id`, which a client may repeat. patch/members.ts handles a group's
 *   members, so that nobody has to load them
 * @param operations from parsePatch
 * @returns the resource in canonical form, read-only attributes unchanged
 * @throws AppError noTarget; mutability for immutable attributes and for required ones that end up unassigned;
 *   invalidValue; tooMany where the operations are too much work
 */
export function applyPatch(
  resource: Resource,
  operations: readonly PatchOperation[],
  resourceType: ResourceType,
  leniency: Leniency
): PatchedResource {
  const draft = new Draft(resource, leniency)
  for (const operation of operations) {
    if (operation.op === 'remove') draft.remove(operation)
    else draft.assign(operation)
  }
  const after = draft.finish(resourceType)
  if (operations.some(mayLengthen) && JSON.stringify(after).length > MAX_RESOURCE_LENGTH) {
    throw invalidValue('The resource would have more than 2,000,000 characters')
  }
  checkRequired(resource, after, resourceType)
  refuseImmutableChanges(resource, after, resourceType)
  return draft.password === undefined ? { resource: after } : { resource: after, password: draft.password }
}

/**
 * Activating or deactivating a user, the most common change, does not. A boolean sub-attribute may create an element.
 */
const mayLengthen = (operation: PatchOperation): boolean =>
  operation.op !== 'remove' && (typeof operation.value !== 'boolean' || operation.path.subAttribute !== undefined)

/** RFC 7644 §3.5.2.2: a required attribute cannot become unassigned. */
function checkRequired(before: Resource, after: Resource, resourceType: ResourceType): void {
  const missingBefore = new Set(missingAttributes(before, resourceType).map(formatPath))
  for (const path of missingAttributes(after, resourceType).map(formatPath)) {
    if (!missingBefore.has(path)) throw mutability(`${path} is required`)
  }
  for (const { schema, required } of resourceType.extensions) {
    const isGone = member(before, schema.id) !== undefined && member(after, schema.id) === undefined
    if (required && isGone) throw mutability(`${schema.id} is required`)
  }
}

/** The resource between two operations. */
class Draft {
  password: string | null | undefined
  private resource: Resource
  private readonly leniency: Leniency
  /** Multi-valued attributes that an operation wrote, by path. */
  private readonly touched = new Map<string, AttributePath>()
  private work = 0

  constructor(resource: Resource, leniency: Leniency) {
    this.resource = resource
    this.leniency = leniency
  }

  assign(operation: AssignOperation): void {
    const { op, path, value } = operation
    if (isId(path)) {
      if (value !== member(this.resource, 'id')) throw mutability('id is read-only')
    } else if (op === 'add' && value === undefined) {
      // Nothing to add
    } else if (isPassword(path)) {
      this.password = typeof value === 'string' ? value : null
    } else if (path.filter || (path.attribute.multiValued && path.subAttribute)) {
      this.writeList(path, assignInList(this.readList(path), operation, this.leniency))
    } else if (op === 'add' && path.attribute.multiValued && Array.isArray(value)) {
      this.writeList(path, addToList(this.readList(path), value, path))
    } else if (path.attribute.type === 'complex' && !path.attribute.multiValued) {
      this.assignComplex(operation)
    } else {
      this.write(path, value)
    }
  }

  private assignComplex({ op, path, value }: AssignOperation): void {
    const before = readTarget(this.resource, path)
    const changes = path.subAttribute ? { [path.subAttribute.name]: value } : value
    const after = isObject(changes) ? mergeChanges(toObject(before), changes as Changes, path, op) : undefined
    this.write(path, after)
  }

  remove({ path, values }: RemoveOperation): void {
    if (path.attribute === undefined) {
      this.resource = withMember(this.resource, path.extension, undefined)
      return
    }
    if (path.subAttribute?.required) throw mutability(`${formatPath(path)} is required`)
    if (isPassword(path)) {
      this.password = null
    } else if (values || path.filter || (path.attribute.multiValued && path.subAttribute)) {
      this.writeList(path, removeFromList(this.readList(path), path, values, this.leniency))
    } else if (path.subAttribute) {
      this.assignComplex({ op: 'replace', path, value: undefined })
    } else {
      this.write(path, undefined)
    }
  }

  /** The values that the path refers to, also of a single-valued attribute. */
  private readList(path: TargetPath): readonly unknown[] {
    const value = readTarget(this.resource, path)
    const list = value === undefined ? [] : Array.isArray(value) ? value : [value]
    this.work += list.length * (path.filter ? countTerms(path.filter) : 1)
    if (this.work > MAX_WORK) throw tooMany('The operations of this PATCH are too much work; send fewer at a time')
    return list
  }

  private writeList(path: TargetPath, list: readonly unknown[]): void {
    this.write(path, path.attribute.multiValued ? list : list[0])
  }

  private write(path: TargetPath, value: unknown): void {
    if (path.attribute.multiValued) this.touched.set(formatPath({ ...path, subAttribute: undefined }), path)
    this.resource = writeTarget(this.resource, path, value)
  }

  /** Drops hollow values only at the end: one operation may set the type and a later one the value. */
  finish(resourceType: ResourceType): Resource {
    for (const [at, path] of this.touched) {
      const list = readTarget(this.resource, path)
      if (!Array.isArray(list)) continue
      this.resource = writeTarget(this.resource, path, tidyList(list, path.attribute, at, this.leniency))
    }
    return { ...this.resource, schemas: schemasOf(this.resource, resourceType) }
  }
}

const toObject = (value: unknown): JsonObject | undefined => (isObject(value) ? value : undefined)

function countTerms(filter: Filter): number {
  switch (filter.op) {
    case 'and':
    case 'or':
      return countTerms(filter.left) + countTerms(filter.right)
    case 'not':
    case 'valuePath':
      return countTerms(filter.inner)
    default:
      return 1
  }
}
