// Resource types with lookups, which are built once for a tenant's set of schemas and read on every request.
import { commonAttributes } from './common.ts'
import type { Attribute, ResourceType, Schema, SchemaExtension, SchemaLookup } from './types.ts'

/** A resource type without its lookups, RFC 7643 §6. */
type ResourceTypeDefinition = Pick<ResourceType, 'name' | 'endpoint' | 'description' | 'schema' | 'extensions'>

/**
 * Adds the lookups to a definition.
 * @param definition with all of the tenant's extensions, including registered ones
 */
export function buildResourceType(definition: ResourceTypeDefinition): ResourceType {
  const core = lookupOf(definition.schema, undefined, [...commonAttributes, ...definition.schema.attributes])
  const extensions = definition.extensions.map(({ schema }) => lookupOf(schema, schema.id, schema.attributes))
  const lookups = [core, ...extensions].sort((a, b) => b.urnLower.length - a.urnLower.length)
  return { ...definition, core, lookups }
}

/** The same resource type with more extensions, such as those registered by an administrator. */
export function withExtensions(resourceType: ResourceType, extensions: readonly SchemaExtension[]): ResourceType {
  return buildResourceType({ ...resourceType, extensions: [...resourceType.extensions, ...extensions] })
}

function lookupOf(schema: Schema, extension: string | undefined, attributes: readonly Attribute[]): SchemaLookup {
  return { schema, extension, urnLower: schema.id.toLowerCase(), attributes: byLowerName(attributes) }
}

const byLowerName = (attributes: readonly Attribute[]): ReadonlyMap<string, Attribute> =>
  new Map(attributes.map((attribute) => [attribute.name.toLowerCase(), attribute]))

/** Finds a core or common attribute by name, in any letter case. */
export const findCoreAttribute = (resourceType: ResourceType, name: string): Attribute | undefined =>
  resourceType.core.attributes.get(name.toLowerCase())

/** Finds the lookup of a core or extension schema by URN, in any letter case. */
export function findSchema(resourceType: ResourceType, urn: string): SchemaLookup | undefined {
  const urnLower = urn.toLowerCase()
  return resourceType.lookups.find((lookup) => lookup.urnLower === urnLower)
}

const subAttributeMaps = new WeakMap<Attribute, ReadonlyMap<string, Attribute>>()

/** Finds a sub-attribute by name, in any letter case; undefined also where the attribute is not complex. */
export function findSubAttribute(attribute: Attribute, name: string): Attribute | undefined {
  if (!attribute.subAttributes) return undefined
  let map = subAttributeMaps.get(attribute)
  if (!map) {
    map = byLowerName(attribute.subAttributes)
    subAttributeMaps.set(attribute, map)
  }
  return map.get(name.toLowerCase())
}
