// Which attributes of a resource an answer includes: `attributes` and `excludedAttributes` (RFC 7644 §3.9) combined
// with the `returned` characteristic (RFC 7643 §7).
import { AppError, invalidPath, invalidValue } from '../errors.ts'
import { isObject, type JsonObject } from './json.ts'
import { type AttributePath, type ExtensionPath, resolvePath } from './path.ts'
import { findSchema } from './schemas/resource-type.ts'
import type { Attribute, ResourceType, SchemaLookup } from './schemas/types.ts'

/** A whole attribute, or the sub-attributes in the set. */
type Selection = 'whole' | ReadonlySet<Attribute>
type Selections = ReadonlyMap<Attribute, Selection>

/** default: by `returned` alone. only: `attributes`. except: `excludedAttributes`. */
export interface Projection {
  readonly mode: 'default' | 'only' | 'except'
  readonly selections: Selections
}

export interface ProjectionParameters {
  /** Comma-separated, or a list of such texts (a repeated query parameter, a /.search body). */
  attributes?: unknown
  excludedAttributes?: unknown
}

const DEFAULT: Projection = { mode: 'default', selections: new Map() }

/**
 * Reads the two parameters. Names match in any letter case, with or without their URN; a URN alone means the whole
 * schema. Unknown names are ignored, since one request may go to several resource types.
 * @throws AppError invalidValue where both are given (the RFC leaves open which wins, and a guess could leak or lose
 *   attributes), or where one is neither a string nor a list of strings
 */
export function parseProjection(parameters: ProjectionParameters, resourceType: ResourceType): Projection {
  const attributes = namesOf(parameters.attributes, 'attributes')
  const excluded = namesOf(parameters.excludedAttributes, 'excludedAttributes')
  if (attributes.length > 0 && excluded.length > 0) {
    throw invalidValue('attributes and excludedAttributes cannot be given together')
  }
  if (attributes.length > 0) return { mode: 'only', selections: select(attributes, resourceType) }
  if (excluded.length > 0) return { mode: 'except', selections: select(excluded, resourceType) }
  return DEFAULT
}

function namesOf(parameter: unknown, what: string): string[] {
  if (parameter === undefined || parameter === null) return []
  const list: unknown[] = Array.isArray(parameter) ? parameter : [parameter]
  return list.flatMap((item) => {
    if (typeof item !== 'string') throw invalidValue(`${what} must be a list of attribute names`)
    return item.split(',').flatMap((name) => name.trim() || [])
  })
}

function select(names: readonly string[], resourceType: ResourceType): Selections {
  const selections = new Map<Attribute, 'whole' | Set<Attribute>>()
  for (const name of names) {
    const schema = findSchema(resourceType, name)
    if (schema) {
      for (const attribute of schema.attributes.values()) selections.set(attribute, 'whole')
      continue
    }
    const path = findPath(name, resourceType)
    if (path?.attribute) addSelection(selections, path)
  }
  return selections
}

function addSelection(selections: Map<Attribute, 'whole' | Set<Attribute>>, path: AttributePath): void {
  const { attribute, subAttribute } = path
  const before = selections.get(attribute)
  if (!subAttribute || before === 'whole') selections.set(attribute, 'whole')
  else selections.set(attribute, (before ?? new Set<Attribute>()).add(subAttribute))
}

function findPath(name: string, resourceType: ResourceType): AttributePath | ExtensionPath | undefined {
  try {
    return resolvePath(name, resourceType, { lenient: true }, invalidPath)
  } catch (error) {
    if (error instanceof AppError) return undefined
    throw error
  }
}

/**
 * Whether an answer would include the attribute: `needs(projection, resourceType, 'members')` tells a handler whether
 * it must read memberships.
 */
export function needs(projection: Projection, resourceType: ResourceType, coreName: string): boolean {
  const attribute = resourceType.core.attributes.get(coreName.toLowerCase())
  return attribute !== undefined && isReturned(attribute, projection)
}

/**
 * The resource as an answer includes it. Extensions and list elements that lose all their attributes are removed, as
 * are members that no schema of the resource type knows.
 * @param resource the whole resource, keys in the schemas' letter case; it is not changed
 */
export function project(resource: JsonObject, projection: Projection, resourceType: ResourceType): JsonObject {
  const result: Record<string, unknown> = {}
  for (const key of Object.keys(resource)) {
    const attribute = resourceType.core.attributes.get(key.toLowerCase())
    const value = attribute
      ? projectAttribute(attribute, resource[key], projection)
      : projectExtension(findSchema(resourceType, key), resource[key], projection)
    if (value !== undefined) result[key] = value
  }
  return result
}

function projectExtension(lookup: SchemaLookup | undefined, container: unknown, projection: Projection): unknown {
  if (lookup?.extension === undefined || !isObject(container)) return undefined
  const result: Record<string, unknown> = {}
  for (const [key, value] of Object.entries(container)) {
    const attribute = lookup.attributes.get(key.toLowerCase())
    const projected = attribute && projectAttribute(attribute, value, projection)
    if (projected !== undefined) result[attribute!.name] = projected
  }
  return Object.keys(result).length > 0 ? result : undefined
}

/** `always` and `never` apply whatever was asked for; `request` only returns attributes named in `attributes`. */
function isReturned(attribute: Attribute, { mode, selections }: Projection): boolean {
  if (attribute.returned === 'always') return true
  if (attribute.returned === 'never') return false
  if (mode === 'only') return selections.has(attribute)
  if (attribute.returned === 'request') return false
  return mode === 'default' || selections.get(attribute) !== 'whole'
}

function projectAttribute(attribute: Attribute, value: unknown, projection: Projection): unknown {
  if (!isReturned(attribute, projection)) return undefined
  const { subAttributes } = attribute
  if (!subAttributes) return value
  const selection = projection.selections.get(attribute) ?? 'whole'
  const drops = subAttributes.filter((sub) => !isSubReturned(sub, projection.mode, selection))
  if (drops.length === 0) return value
  if (!Array.isArray(value)) return withoutMembers(value, drops)
  const kept = value.flatMap((element) => withoutMembers(element, drops) ?? [])
  return kept.length > 0 || value.length === 0 ? kept : undefined
}

function isSubReturned(sub: Attribute, mode: Projection['mode'], selection: Selection): boolean {
  if (sub.returned === 'always') return true
  if (sub.returned === 'never') return false
  const isNamed = selection !== 'whole' && selection.has(sub)
  if (mode === 'only' && selection !== 'whole') return isNamed
  return sub.returned !== 'request' && !isNamed
}

/** @returns undefined where nothing is left */
function withoutMembers(value: unknown, drops: readonly Attribute[]): unknown {
  if (!isObject(value)) return value
  const names = new Set(drops.map(({ name }) => name))
  const kept = Object.entries(value).filter(([key]) => !names.has(key))
  return kept.length > 0 ? Object.fromEntries(kept) : undefined
}
