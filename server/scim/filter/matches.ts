// Evaluates a filter on a resource in memory. filter/to-sql.ts does the same in SQL; a property test checks that both
// agree, so neither does anything beyond these rules.
//
// - A comparison is true when one of the attribute's values fits; without values it is false.
// - `ne` is the negation of `eq`: true without values, and true only if no value is equal.
// - A value of another JSON type than the attribute's counts as no value. So does a single value of a multi-valued
//   attribute, and an array of a single-valued one.
// - Strings compare by code points, after foldCase unless caseExact; dateTimes as instants with millisecond precision.
// - `pr` is false for null, "", [] and {}.
import { parseDateTime } from '../date-time.ts'
import { isObject, type JsonObject, member } from '../json.ts'
import type { AttributePath } from '../path.ts'
import type { Attribute } from '../schemas/types.ts'
import { compareCodePoints, foldCase } from '../text.ts'
import type { Comparison, Filter, Scalar } from './ast.ts'

/**
 * @param resource a whole resource, keys in the schema's letter case, with id, meta and groups; for the inner filter of
 *   a value path (PATCH), one value of the multi-valued attribute
 */
export function matches(filter: Filter, resource: JsonObject): boolean {
  switch (filter.op) {
    case 'and':
      return matches(filter.left, resource) && matches(filter.right, resource)
    case 'or':
      return matches(filter.left, resource) || matches(filter.right, resource)
    case 'not':
      return !matches(filter.inner, resource)
    case 'pr':
      return candidates(resource, filter.path).some(isPresent)
    case 'valuePath':
      return elements(resource, filter.path).some((element) => isObject(element) && matches(filter.inner, element))
    case 'ne':
      return !hasMatch(resource, filter.path, 'eq', filter.value)
    default:
      return hasMatch(resource, filter.path, filter.op, filter.value)
  }
}

function hasMatch(resource: JsonObject, path: AttributePath, op: Exclude<Comparison, 'ne'>, literal: Scalar): boolean {
  const attribute = path.subAttribute ?? path.attribute
  const right = comparable(attribute, literal)
  return values(resource, path).some((value) => {
    const left = comparable(attribute, value)
    return left !== undefined && right !== undefined && compare(left, op, right)
  })
}

/** What `pr` tests: the attribute as a whole, or the sub-attribute in each of its values. */
function candidates(resource: JsonObject, path: AttributePath): unknown[] {
  if (path.subAttribute) return elements(resource, path).map((element) => member(element, path.subAttribute!.name))
  return [rawValue(resource, path)]
}

/** Every single value that the path reaches. */
function values(resource: JsonObject, path: AttributePath): unknown[] {
  const first = elements(resource, path)
  const { subAttribute } = path
  if (!subAttribute) return first
  return first.flatMap((element) => spread(subAttribute, member(element, subAttribute.name)))
}

const elements = (resource: JsonObject, path: AttributePath): unknown[] =>
  spread(path.attribute, rawValue(resource, path))

function rawValue(resource: JsonObject, path: AttributePath): unknown {
  const container = path.extension === undefined ? resource : member(resource, path.extension)
  return member(container, path.attribute.name)
}

function spread(attribute: Attribute, value: unknown): unknown[] {
  if (!attribute.multiValued) return [value]
  return Array.isArray(value) ? value : []
}

function isPresent(value: unknown): boolean {
  if (value === undefined || value === null || value === '') return false
  if (Array.isArray(value)) return value.length > 0
  return typeof value !== 'object' || Object.keys(value).length > 0
}

/** The value in comparable form; undefined where its type does not fit the attribute. */
function comparable(attribute: Attribute, value: unknown): Scalar | undefined {
  switch (attribute.type) {
    case 'boolean':
      return typeof value === 'boolean' ? value : undefined
    case 'integer':
    case 'decimal':
      return typeof value === 'number' ? value : undefined
    case 'dateTime':
      return typeof value === 'string' ? parseDateTime(value) : undefined
    case 'complex':
      return undefined
    default:
      if (typeof value !== 'string') return undefined
      return attribute.caseExact ? value : foldCase(value)
  }
}

function compare(left: Scalar, op: Exclude<Comparison, 'ne'>, right: Scalar): boolean {
  switch (op) {
    case 'eq':
      return left === right
    case 'co':
      return String(left).includes(String(right))
    case 'sw':
      return String(left).startsWith(String(right))
    case 'ew':
      return String(left).endsWith(String(right))
    case 'gt':
      return order(left, right) > 0
    case 'ge':
      return order(left, right) >= 0
    case 'lt':
      return order(left, right) < 0
    case 'le':
      return order(left, right) <= 0
  }
}

const order = (left: Scalar, right: Scalar): number =>
  typeof left === 'string' && typeof right === 'string' ? compareCodePoints(left, right) : Number(left) - Number(right)
