// Checks attribute values against the schema and brings them into canonical form, for resources (normalize.ts) and for
// PATCH operations (patch/parse.ts).
import { invalidSyntax, invalidValue } from '../errors.ts'
import type { Scalar } from './filter/ast.ts'
import { isObject, isUnassigned, type JsonObject, member } from './json.ts'
import type { Leniency } from './profiles.ts'
import { readScalar } from './scalars.ts'
import { findSubAttribute } from './schemas/resource-type.ts'
import type { Attribute } from './schemas/types.ts'
import { foldCase, shorten } from './text.ts'

/** Values of one attribute. Only the limit on the body applies to a group's members. */
const MAX_VALUES = 1_000

/** Sub-attributes by canonical name; one that is present but undefined is to be unassigned. */
export type Changes = Readonly<Record<string, unknown>>

/**
 * Reads a whole attribute.
 * @param at the attribute's path, for messages
 * @returns a scalar, an object, or a non-empty array of either; undefined for null, [], {} and objects of only such
 * @throws AppError invalidValue, invalidSyntax where an attribute is unknown or given twice
 */
export function readAttribute(value: unknown, attribute: Attribute, at: string, leniency: Leniency): unknown {
  if (isUnassigned(value)) return undefined
  if (!attribute.multiValued) return readOne(value, attribute, at, leniency)
  const list = readList(value, attribute, at, leniency)
  return list.length > 0 ? list : undefined
}

/**
 * Reads the values of a multi-valued attribute, as tidyList returns them.
 * @param takesOne whether one value may replace an array of one: RFC 7644 §3.5.2.1 shows this for PATCH add
 */
export function readList(
  value: unknown,
  attribute: Attribute,
  at: string,
  leniency: Leniency,
  takesOne = false
): readonly unknown[] {
  const elements = toArray(value, attribute, at, leniency, takesOne)
  const list: unknown[] = []
  for (const [index, element] of elements.entries()) {
    const read = isUnassigned(element) ? undefined : readElement(element, attribute, `${at}[${index}]`, leniency)
    if (read !== undefined) list.push(read)
  }
  return tidyList(list, attribute, at, leniency)
}

/** `{ "type": "work" }`, by canonical names: stands for the values that have these sub-attributes. */
export type Label = Readonly<Record<string, Scalar>>

/**
 * Reads the list of what a client wants removed.
 * @returns the labels, and separately the values, as readList returns them
 */
export function readListed(
  value: unknown,
  attribute: Attribute,
  at: string,
  leniency: Leniency
): { values: readonly unknown[]; labels: readonly Label[] } {
  const labels: Label[] = []
  const others = toArray(value, attribute, at, leniency, true).map((element, index) => {
    const label = readLabel(element, attribute, `${at}[${index}]`, leniency)
    if (label) labels.push(label)
    return label ? null : element
  })
  return { values: readList(others, attribute, at, leniency), labels }
}

/** A label with an empty or unknown member is no label: the client may have lost the value that it meant. */
function readLabel(element: unknown, attribute: Attribute, at: string, leniency: Leniency): Label | undefined {
  if (!isObject(element) || !Object.keys(element).every((key) => isLabel(key.toLowerCase()))) return undefined
  const label = readChanges(element, attribute, at, leniency)
  const said = Object.values(label)
  const isSaid = said.length > 0 && said.every(isScalar)
  return isSaid && isHollow(label, attribute) ? (label as Label) : undefined
}

const isScalar = (value: unknown): value is Scalar =>
  typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean'

function toArray(value: unknown, attribute: Attribute, at: string, leniency: Leniency, takesOne: boolean) {
  if (Array.isArray(value)) return value
  if (value === '' && leniency.allow('emptyStringClears', at)) return []
  // For a complex attribute only an object counts as one value: `emails: "x"` is a mistake
  const isOne = attribute.type === 'complex' ? isObject(value) : !isObject(value)
  if (isOne && (takesOne || leniency.allow('singleForArray', at))) return [value]
  throw invalidValue(`${at} must be an array`)
}

/** Reads a single-valued attribute, or the single value that a PATCH path's filter chooses. */
export function readOne(value: unknown, attribute: Attribute, at: string, leniency: Leniency): unknown {
  const one = unwrap(value, at, leniency)
  return isUnassigned(one) ? undefined : readElement(one, attribute, at, leniency)
}

function readElement(value: unknown, attribute: Attribute, at: string, leniency: Leniency): unknown {
  if (attribute.type !== 'complex') return readScalar(value, attribute, at, leniency)
  return complete(attribute, readSubAttributes(value, attribute, at, leniency), at)
}

/** Reads a complex value as changes for PATCH: null unassigns a sub-attribute, absence keeps it. */
export function readChanges(value: unknown, attribute: Attribute, at: string, leniency: Leniency): Changes {
  const one = unwrap(value, at, leniency)
  return isUnassigned(one) ? {} : readSubAttributes(one, attribute, at, leniency)
}

function unwrap(value: unknown, at: string, leniency: Leniency): unknown {
  if (!Array.isArray(value) || value.length > 1 || !leniency.allow('arrayForSingle', at)) return value
  return value[0]
}

function readSubAttributes(value: unknown, attribute: Attribute, at: string, leniency: Leniency): Changes {
  const changes: Record<string, unknown> = {}
  for (const [key, subValue] of Object.entries(toObject(value, attribute, at, leniency))) {
    const subAttribute = findSubAttribute(attribute, key) ?? aliased(attribute, key, at, leniency)
    if (!subAttribute) {
      ignoreStray(`${at}.${key}`, leniency)
    } else if (subAttribute.mutability !== 'readOnly') {
      if (Object.hasOwn(changes, subAttribute.name)) throw givenTwice(`${at}.${subAttribute.name}`)
      changes[subAttribute.name] = readAttribute(subValue, subAttribute, `${at}.${subAttribute.name}`, leniency)
    }
  }
  return changes
}

/** @throws AppError invalidSyntax unless the profile ignores unknown attributes (RFC 7644 §3.12, table 9) */
export function ignoreStray(at: string, leniency: Leniency): void {
  if (!leniency.allow('strayKeys', at)) throw invalidSyntax(`Unknown attribute "${shorten(at)}"`)
}

export const givenTwice = (at: string) => invalidSyntax(`${at} is given twice`)

function aliased(attribute: Attribute, key: string, at: string, leniency: Leniency): Attribute | undefined {
  const isManagerId = attribute.name === 'manager' && key.toLowerCase() === 'managerid'
  return isManagerId && leniency.allow('managerId', at) ? findSubAttribute(attribute, 'value') : undefined
}

function toObject(value: unknown, attribute: Attribute, at: string, leniency: Leniency): JsonObject {
  if (isObject(value)) return openJsonText(value, attribute, at, leniency)
  if (value === '' && leniency.allow('emptyStringClears', at)) return {}
  const takesText = typeof value === 'string' && findSubAttribute(attribute, 'value')?.mutability !== 'readOnly'
  if (takesText && findSubAttribute(attribute, 'value') && leniency.allow('bareValue', at)) {
    return openJsonText({ value }, attribute, at, leniency)
  }
  throw invalidValue(`${at} must be an object`)
}

/** `{ "value": "{\"id\":…,\"value\":\"25\",\"displayName\":…}" }` -> { value: '25', display: … } (Entra's app roles) */
export function openJsonText(object: JsonObject, attribute: Attribute, at: string, leniency: Leniency): JsonObject {
  const text = member(object, 'value')
  if (!attribute.multiValued || typeof text !== 'string' || !text.startsWith('{')) return object
  const inner = parseObject(text)
  const value = member(inner, 'value')
  if (typeof value !== 'string' || !leniency.allow('jsonInString', at)) return object
  const display = member(object, 'display') ?? member(inner, 'display') ?? member(inner, 'displayName')
  return openJsonText({ ...object, value, display }, attribute, at, leniency)
}

function parseObject(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

/**
 * Builds a complex value from its sub-attributes, in the schema's order.
 * @returns undefined where nothing is assigned
 * @throws AppError invalidValue where a required sub-attribute is missing
 */
export function complete(attribute: Attribute, subValues: Changes, at: string): JsonObject | undefined {
  const value: Record<string, unknown> = {}
  for (const { name } of attribute.subAttributes ?? []) {
    const subValue = member(subValues, name)
    if (subValue !== undefined) value[name] = subValue
  }
  if (Object.keys(value).length === 0) return undefined
  const missing = attribute.subAttributes?.find(
    ({ name, required, mutability }) => required && mutability !== 'readOnly' && !Object.hasOwn(value, name)
  )
  if (missing) throw invalidValue(`${at}.${missing.name} is required`)
  return value
}

/**
 * Enforces the rules of RFC 7643 §2.4 on a list: each pair of value and type appears once (a later one adds to the
 * earlier one), and at most one value is primary.
 * @throws AppError invalidValue for several primary values, unless the profile keeps the first; for too many values
 */
export function tidyList(
  list: readonly unknown[],
  attribute: Attribute,
  at: string,
  leniency: Leniency
): readonly unknown[] {
  // faster for the usual list of one
  if (list.length === 1 && !isHollow(list[0], attribute)) return list
  const values = new Map<string, unknown>()
  for (const value of list) {
    if (isHollow(value, attribute) && leniency.allow('hollowValues', at)) continue
    const key = identity(value, attribute)
    const earlier = values.get(key)
    values.set(key, isObject(earlier) && isObject(value) ? complete(attribute, { ...earlier, ...value }, at) : value)
  }
  if (values.size > MAX_VALUES && at !== 'members') throw invalidValue(`${at} has more than 1,000 values`)
  return keepFirstPrimary([...values.values()], at, leniency)
}

/** A string equal for two values with the same identity: value and type, else everything except `primary`. */
export function identity(value: unknown, attribute: Attribute): string {
  if (!isObject(value)) return JSON.stringify(folded(value, attribute))
  const own = findSubAttribute(attribute, 'value')
  if (!own || member(value, own.name) === undefined) return JSON.stringify({ ...value, primary: undefined })
  const type = findSubAttribute(attribute, 'type')
  return JSON.stringify([folded(member(value, own.name), own), type && folded(member(value, type.name), type)])
}

const folded = (value: unknown, attribute: Attribute): unknown =>
  typeof value === 'string' && !attribute.caseExact ? foldCase(value) : value

const isLabel = (name: string): boolean => name === 'type' || name === 'primary'

/** `{ "type": "work", "primary": true }`: labels without a value. */
const isHollow = (value: unknown, attribute: Attribute): boolean =>
  isObject(value) &&
  Object.keys(value).every(isLabel) &&
  attribute.subAttributes !== undefined &&
  !attribute.subAttributes.every(({ name }) => isLabel(name))

const isPrimary = (value: unknown): boolean => member(value, 'primary') === true

function keepFirstPrimary(list: readonly unknown[], at: string, leniency: Leniency): readonly unknown[] {
  const first = list.findIndex(isPrimary)
  if (!list.some((value, index) => index > first && isPrimary(value))) return list
  if (!leniency.allow('severalPrimaries', at)) throw invalidValue(`${at} has more than one primary value`)
  return demote(list, first)
}

/** The list with every primary value except the one at `kept` set to false (RFC 7644 §3.5.2). */
export const demote = (list: readonly unknown[], kept: number): readonly unknown[] =>
  list.map((value, index) =>
    index !== kept && isObject(value) && isPrimary(value) ? { ...value, primary: false } : value
  )
