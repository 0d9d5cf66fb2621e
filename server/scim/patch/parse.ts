// Parses PatchOp messages (RFC 7644 §3.5.2) into operations with resolved paths and checked values. Only what depends
// on the resource is left to patch/apply.ts and patch/members.ts.
import { AppError, invalidPath, invalidSyntax, invalidValue, mutability, noTarget, tooMany } from '../../errors.ts'
import type { Filter } from '../filter/ast.ts'
import { isObject, isUnassigned, memberInAnyCase } from '../json.ts'
import { modernize } from '../legacy.ts'
import { isMissing } from '../normalize.ts'
import { parsePatchPath } from '../patch-path.ts'
import { type AttributePath, type ExtensionPath, formatPath, type PatchPath } from '../path.ts'
import type { Leniency } from '../profiles.ts'
import { findCoreAttribute, findSchema, findSubAttribute } from '../schemas/resource-type.ts'
import type { Attribute, ResourceType, SchemaLookup } from '../schemas/types.ts'
import { readUrns } from '../schemas-attribute.ts'
import { shorten } from '../text.ts'
import {
  ignoreStray,
  type Label,
  openJsonText,
  readAttribute,
  readChanges,
  readList,
  readListed,
  readOne
} from '../values.ts'

export const PATCH_OP_URN = 'urn:ietf:params:scim:api:messages:2.0:PatchOp'
export const MAX_OPERATIONS = 1_000

/** A path to an attribute or its values, never to a whole extension. */
export type TargetPath = Exclude<PatchPath, ExtensionPath>

/** Add or replace. A value for a whole extension, or for the resource, was split into one operation per attribute. */
export interface AssignOperation {
  readonly op: 'add' | 'replace'
  readonly path: TargetPath
  /**
   * Canonical; undefined unassigns. For a single-valued complex attribute without a filter: Changes. For a multi-valued
   * attribute without a filter: an array of its values.
   */
  readonly value: unknown
}

export interface RemoveOperation {
  readonly op: 'remove'
  readonly path: PatchPath
  /** The values to remove, where a client listed them; only for a multi-valued attribute. */
  readonly values?: readonly unknown[]
}

export type PatchOperation = AssignOperation | RemoveOperation

/**
 * Parses the body of a PATCH.
 * @param body parsed JSON of any shape
 * @returns `{ op: 'Replace', path: 'active', value: 'False' }` -> { op: 'replace', path: { attribute: active, … },
 *   value: false }
 * @throws AppError invalidSyntax, invalidPath, invalidFilter, invalidValue; noTarget for remove without a path;
 *   mutability for read-only attributes; tooMany for more than 1,000 operations. The detail names the operation.
 */
export function parsePatch(body: unknown, resourceType: ResourceType, leniency: Leniency): PatchOperation[] {
  if (!isObject(body)) throw invalidSyntax('A PATCH must be a JSON object')
  checkMessageSchemas(memberInAnyCase(body, 'schemas'), leniency)
  const list = memberInAnyCase(body, 'Operations')
  if (!Array.isArray(list) || list.length === 0) throw invalidSyntax('Operations must be a non-empty array')
  if (list.length > MAX_OPERATIONS) throw tooMany('A PATCH has at most 1,000 operations')
  const reader = new OperationReader(resourceType, leniency)
  for (const [index, operation] of list.entries()) {
    try {
      reader.read(operation)
    } catch (error) {
      throw error instanceof AppError ? withPosition(error, index) : error
    }
  }
  return reader.operations
}

const withPosition = (error: AppError, index: number): AppError =>
  new AppError(error.code, `Operations[${index}]: ${error.message}`, { scimType: error.scimType, cause: error })

function checkMessageSchemas(value: unknown, leniency: Leniency): void {
  const urns = readUrns(value, leniency)
  if (urns.some((urn) => urn.toLowerCase() === PATCH_OP_URN.toLowerCase())) return
  if (urns.length === 0 && leniency.allow('missingSchemas', 'schemas')) return
  throw invalidSyntax(`schemas must name ${PATCH_OP_URN}`)
}

type OperationName = PatchOperation['op']

class OperationReader {
  readonly operations: PatchOperation[] = []
  private readonly resourceType: ResourceType
  private readonly leniency: Leniency

  constructor(resourceType: ResourceType, leniency: Leniency) {
    this.resourceType = resourceType
    this.leniency = leniency
  }

  read(operation: unknown): void {
    if (!isObject(operation)) throw invalidSyntax('An operation must be an object')
    const op = this.readName(memberInAnyCase(operation, 'op'))
    const path = this.readPath(memberInAnyCase(operation, 'path'))
    const value = memberInAnyCase(operation, 'value')
    if (op !== 'remove') this.readAssignment(op, path, value)
    else if (path) this.readRemove(path, value)
    else throw noTarget('remove needs a path')
  }

  private readAssignment(op: 'add' | 'replace', path: PatchPath | undefined, value: unknown): void {
    if (value === undefined) throw invalidValue(`${op} needs a value`)
    if (path) {
      this.assign(op, path, value)
      return
    }
    if (!isObject(value)) throw invalidValue(`${op} without a path needs an object as its value`)
    for (const [key, attributeValue] of Object.entries(value)) this.assignByKey(op, key, attributeValue)
  }

  private readName(op: unknown): OperationName {
    const name = typeof op === 'string' && this.leniency.permits('anyCaseOps') ? op.toLowerCase() : op
    if (name !== 'add' && name !== 'replace' && name !== 'remove') {
      throw invalidSyntax('op must be "add", "replace" or "remove"')
    }
    if (name !== op) this.leniency.allow('anyCaseOps', 'op')
    return name
  }

  private readPath(path: unknown): PatchPath | undefined {
    if (isUnassigned(path)) return undefined
    if (typeof path !== 'string') throw invalidPath('path must be a string')
    return parsePatchPath(
      modernize(path.trim(), this.resourceType, this.leniency),
      this.resourceType,
      this.leniency.pathOptions
    )
  }

  private readRemove(path: PatchPath, value: unknown): void {
    if (isReadOnly(path) || isSchemas(path)) throw mutability(`${formatPath(path)} cannot be removed`)
    if (isUnassigned(value)) {
      this.operations.push({ op: 'remove', path })
      return
    }
    // Without this, Entra's `remove members [{ value }]` would empty the group
    if (!this.leniency.allow('removeByValue', formatPath(path))) throw invalidValue('remove takes no value')
    if (path.attribute?.multiValued && !path.subAttribute && !path.filter) this.readRemoveListed(path, value)
    else this.operations.push({ op: 'remove', path })
  }

  /** A label removes the values that a path filter with its terms would choose. */
  private readRemoveListed(path: AttributePath, value: unknown): void {
    const { attribute } = path
    const at = formatPath(path)
    if (isMembers(path)) {
      // A label names no member: a client that lost the ids would empty the group with `{ "type": "User" }`
      this.operations.push({ op: 'remove', path, values: readList(value, attribute, at, this.leniency, true) })
      return
    }
    const { values, labels } = readListed(value, attribute, at, this.leniency)
    this.operations.push({ op: 'remove', path, values })
    for (const label of labels) {
      this.operations.push({ op: 'remove', path: { ...path, filter: bearing(label, attribute) } })
    }
  }

  /** Takes one member of a value without a path: an attribute, an extension, or a path as a key. */
  private assignByKey(op: 'add' | 'replace', key: string, value: unknown): void {
    const attribute = findCoreAttribute(this.resourceType, key)
    const name = modernize(key, this.resourceType, this.leniency)
    const schema = findSchema(this.resourceType, name)
    if (!attribute && schema && schema.extension !== undefined) {
      this.assignExtension(op, schema, value)
      return
    }
    const path = attribute ? { extension: undefined, attribute, subAttribute: undefined } : this.findPath(name)
    if (path) this.assignOrIgnore(op, path, value)
    else if (!this.leniency.allow('strayKeys', key)) throw invalidPath(`Unknown attribute "${shorten(key)}"`)
  }

  /** Strict allows a qualified attribute name (RFC 7644 §3.10), but no path into an attribute. */
  private findPath(key: string): PatchPath | undefined {
    const path = tryParsePath(key, this.resourceType, this.leniency)
    if (!path) return undefined
    const isDotted = path.subAttribute !== undefined || (path.attribute !== undefined && path.filter !== undefined)
    return !isDotted || this.leniency.allow('dottedKeys', key) ? path : undefined
  }

  /** Okta sends id, meta and groups along with its changes. */
  private assignOrIgnore(op: 'add' | 'replace', path: PatchPath, value: unknown): void {
    const isIgnorable = isReadOnly(path) && !isId(path)
    if (isIgnorable && this.leniency.allow('readOnlyIgnored', formatPath(path))) return
    this.assign(op, path, value)
  }

  private assign(op: 'add' | 'replace', path: PatchPath, value: unknown): void {
    if (path.attribute === undefined) {
      this.assignExtension(op, findSchema(this.resourceType, path.extension)!, value)
      return
    }
    if (isSchemas(path)) {
      // `schemas` follows from the extensions present, whatever a client adds to it
      readUrns(value, this.leniency)
      return
    }
    if (isReadOnly(path) && !(isId(path) && this.leniency.allow('readOnlyIgnored', 'id'))) {
      throw mutability(`${formatPath(path)} is read-only`)
    }
    // An empty form field must not remove a password; null does
    if (value === '' && isPassword(path)) throw invalidValue('password must not be empty')
    const read = this.readValue(op, path, value)
    const isWhole = !path.subAttribute && !path.filter
    const isGiven = op === 'replace' || read !== undefined
    if (path.attribute.required && isWhole && isGiven && isMissing(read)) {
      throw invalidValue(`${formatPath(path)} is required`)
    }
    this.operations.push({ op, path, value: read })
  }

  /** RFC 7644 §3.5.2.3 merges complex values; an extension is treated the same way. */
  private assignExtension(op: 'add' | 'replace', lookup: SchemaLookup, value: unknown): void {
    const urn = lookup.schema.id
    if (isUnassigned(value) || (value === '' && this.leniency.allow('emptyStringClears', urn))) {
      if (op === 'replace') this.readRemove({ extension: urn, attribute: undefined, subAttribute: undefined }, null)
      return
    }
    if (!isObject(value)) throw invalidValue(`${urn} must be an object`)
    for (const [key, attributeValue] of Object.entries(value)) {
      const attribute = lookup.attributes.get(key.toLowerCase())
      const path = attribute
        ? { extension: urn, attribute, subAttribute: undefined }
        : this.findPath(modernize(`${urn}:${key}`, this.resourceType, this.leniency))
      if (path) this.assignOrIgnore(op, path, attributeValue)
      else ignoreStray(`${urn}:${key}`, this.leniency)
    }
  }

  private readValue(op: 'add' | 'replace', path: TargetPath, value: unknown): unknown {
    const at = formatPath(path)
    const { attribute, subAttribute, filter } = path
    if (subAttribute) return readAttribute(openText(path, value, at, this.leniency), subAttribute, at, this.leniency)
    if (filter) return readOne(value, attribute, at, this.leniency)
    if (!attribute.multiValued) {
      if (attribute.type !== 'complex') return readOne(value, attribute, at, this.leniency)
      // null unassigns the whole attribute, {} changes nothing
      const isCleared = isUnassigned(value) || (value === '' && this.leniency.allow('emptyStringClears', at))
      return isCleared ? undefined : readChanges(value, attribute, at, this.leniency)
    }
    if (isUnassigned(value)) return undefined
    const list = readList(value, attribute, at, this.leniency, op === 'add')
    return list.length > 0 ? list : undefined
  }
}

/** `{ type: 'work', primary: true }` -> the filter `type eq "work" and primary eq true` */
function bearing(label: Label, attribute: Attribute): Filter {
  const terms = Object.entries(label).map(([name, value]): Filter => {
    const path = { extension: undefined, attribute: findSubAttribute(attribute, name)!, subAttribute: undefined }
    return { op: 'eq', path, value }
  })
  return terms.reduce((left, right) => ({ op: 'and', left, right }))
}

/** Decodes Entra's app roles from JSON text, also where the path names the `value`. */
function openText({ attribute, subAttribute }: TargetPath, value: unknown, at: string, leniency: Leniency): unknown {
  return subAttribute?.name === 'value' ? openJsonText({ value }, attribute, at, leniency)['value'] : value
}

function tryParsePath(text: string, resourceType: ResourceType, leniency: Leniency): PatchPath | undefined {
  try {
    return parsePatchPath(text, resourceType, leniency.pathOptions)
  } catch (error) {
    if (error instanceof AppError) return undefined
    throw error
  }
}

const isReadOnly = (path: PatchPath): boolean =>
  path.attribute?.mutability === 'readOnly' || path.subAttribute?.mutability === 'readOnly'

const isCore = (path: PatchPath, name: string): path is AttributePath =>
  path.extension === undefined && path.attribute?.name === name

/** Whether the path names the password, which never becomes part of a resource. */
export const isPassword = (path: PatchPath): boolean =>
  isCore(path, 'password') && path.attribute?.mutability === 'writeOnly'

export const isId = (path: PatchPath): boolean => isCore(path, 'id')
const isMembers = (path: PatchPath): boolean => isCore(path, 'members')
const isSchemas = (path: PatchPath): boolean => isCore(path, 'schemas')
