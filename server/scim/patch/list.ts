// Changes to the values of one attribute: all of them, or those that a path's filter chooses.
import { noTarget } from '../../errors.ts'
import type { Filter } from '../filter/ast.ts'
import { matches } from '../filter/matches.ts'
import { isObject, type JsonObject, member } from '../json.ts'
import { formatPath } from '../path.ts'
import type { Leniency } from '../profiles.ts'
import type { Attribute } from '../schemas/types.ts'
import { complete, demote, identity, readChanges } from '../values.ts'
import { mergeChanges } from './complex.ts'
import type { AssignOperation, TargetPath } from './parse.ts'

type List = readonly unknown[]

/** Appends values. One that already exists, by value and type, is merged with the new one (RFC 7644 §3.5.2.1). */
export function addToList(list: List, added: List, path: TargetPath): List {
  const byIdentity = new Map(list.map((value) => [identity(value, path.attribute), value]))
  let primary: string | undefined
  for (const value of added) {
    const key = identity(value, path.attribute)
    const earlier = byIdentity.get(key)
    byIdentity.set(key, isObject(earlier) && isObject(value) ? mergeChanges(earlier, value, path, 'add') : value)
    if (member(value, 'primary') === true) primary = key
  }
  const after = [...byIdentity.values()]
  return primary === undefined ? after : demote(after, [...byIdentity.keys()].indexOf(primary))
}

/**
 * Adds or replaces a sub-attribute of all values, the chosen values, or a sub-attribute of the chosen values.
 * @param list for a single-valued attribute: its value, or nothing
 * @throws AppError noTarget where the filter chooses nothing, unless the profile creates the value that it describes
 */
export function assignInList(list: List, operation: AssignOperation, leniency: Leniency): List {
  const { path, value } = operation
  const { filter } = path
  const isChosen = (element: unknown): element is JsonObject =>
    isObject(element) && (filter === undefined || matches(filter, element))
  if (!list.some(isChosen)) return createValue(list, operation, leniency)

  const changed = new Set<unknown>()
  const after: unknown[] = []
  for (const element of list) {
    const next = isChosen(element) ? assignToElement(element, operation, leniency) : element
    if (next !== undefined) after.push(next)
    if (next !== element) changed.add(next)
  }
  const claimsPrimary = path.subAttribute ? path.subAttribute.name === 'primary' && value === true : isPrimary(value)
  return claimsPrimary
    ? demote(
        after,
        after.findIndex((element) => isPrimary(element) && changed.has(element))
      )
    : after
}

const isPrimary = (value: unknown): boolean => member(value, 'primary') === true

function assignToElement(element: JsonObject, { op, path, value }: AssignOperation, leniency: Leniency): unknown {
  if (path.subAttribute) return mergeChanges(element, { [path.subAttribute.name]: value }, path, op)
  if (op === 'add') return isObject(value) ? mergeChanges(element, value, path, 'add') : element
  if (!isObject(value) || !path.filter || !leniency.permits('filteredReplaceCreates')) return value
  const kept = namedIn(path.filter).map((name) => [name, member(element, name)])
  return complete(path.attribute, { ...Object.fromEntries(kept), ...value }, formatPath(path))
}

/** The sub-attributes that a filter compares with eq: `type eq "work" and primary eq true` -> type, primary. */
function namedIn(filter: Filter): string[] {
  if (filter.op === 'and' || filter.op === 'or') return [...namedIn(filter.left), ...namedIn(filter.right)]
  return filter.op === 'eq' ? [filter.path.attribute.name] : []
}

/** Adds a value made from the filter's equality terms: `emails[type eq "work"].value` -> type: work. */
function createValue(list: List, operation: AssignOperation, leniency: Leniency): List {
  const { path, value } = operation
  const { attribute, subAttribute, filter } = path
  const at = formatPath(path)
  if (value === undefined && (!filter || leniency.permits('filteredReplaceCreates'))) return list
  const isRoom = attribute.multiValued || list.length === 0
  const base = filter ? readChanges(described(filter), attribute, at, leniency) : {}
  const made = complete(
    attribute,
    subAttribute ? { ...base, [subAttribute.name]: value } : { ...base, ...toObject(value) },
    at
  )
  const fits =
    !filter || (Object.keys(base).length > 0 && matches(filter, base)) || (made !== undefined && matches(filter, made))
  if (!isRoom || !fits || !made || (filter && !leniency.allow('filteredReplaceCreates', at))) {
    throw noTarget(`${at}: no value matches the filter`)
  }
  const after = [...list, made]
  return isPrimary(made) ? demote(after, after.length - 1) : after
}

const toObject = (value: unknown): JsonObject => (isObject(value) ? value : {})

/** What a value must contain for the filter to choose it, as far as equality terms tell. */
function described(filter: Filter): JsonObject {
  switch (filter.op) {
    case 'and':
      return { ...described(filter.left), ...described(filter.right) }
    case 'or':
      return described(filter.left)
    case 'eq': {
      const { name, multiValued } = filter.path.attribute
      return { [name]: multiValued ? [filter.value] : filter.value }
    }
    default:
      return {}
  }
}

/**
 * Removes the listed values, the chosen values, or a sub-attribute of the chosen values.
 * @throws AppError noTarget in strict where the filter chooses nothing (RFC 7644 §3.12, table 9)
 */
export function removeFromList(list: List, path: TargetPath, values: List | undefined, leniency: Leniency): List {
  const { attribute, subAttribute, filter } = path
  if (values) return withoutListed(list, values, attribute)
  const isChosen = (element: unknown): element is JsonObject =>
    isObject(element) && (filter === undefined || matches(filter, element))
  // A profile that may not create a value through a filter may not remove a missing one either
  if (filter && !leniency.permits('filteredReplaceCreates') && !list.some(isChosen)) {
    throw noTarget(`${formatPath(path)}: no value matches the filter`)
  }
  if (!subAttribute) return list.filter((element) => !isChosen(element))
  const removed = { [subAttribute.name]: undefined }
  return list
    .map((element) => (isChosen(element) ? mergeChanges(element, removed, path, 'replace') : element))
    .filter((element) => element !== undefined)
}

/** A listed value without a type stands for every equal value, whatever its type. */
function withoutListed(list: List, listed: List, attribute: Attribute): List {
  const keys = new Set(listed.map((value) => identity(value, attribute)))
  return list.filter((element) => {
    if (keys.has(identity(element, attribute))) return false
    const value = member(element, 'value')
    return value === undefined || !keys.has(identity({ value }, attribute))
  })
}
