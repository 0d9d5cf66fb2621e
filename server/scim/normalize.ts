// Resources from clients (POST, PUT), brought into the form in which they are stored and compared.
import { AppError, invalidPath, invalidSyntax, invalidValue } from '../errors.ts'
import { isObject, isUnassigned, type JsonObject, member, type Resource } from './json.ts'
import { modernize } from './legacy.ts'
import { type AttributePath, formatPath, resolveAttributePath } from './path.ts'
import type { Leniency } from './profiles.ts'
import { findCoreAttribute, findSchema } from './schemas/resource-type.ts'
import type { Attribute, ResourceType, SchemaLookup } from './schemas/types.ts'
import { checkSchemas } from './schemas-attribute.ts'
import { givenTwice, ignoreStray, readAttribute } from './values.ts'

interface NormalizedResource {
  /** Canonical names and JSON types; nothing unassigned, nothing read-only, no password; `schemas` rebuilt to fit. */
  readonly resource: Resource
  /** As sent; kept separate, so that it can be neither stored nor returned by mistake. */
  readonly password?: string
}

/**
 * Checks a resource against its schemas (RFC 7643) and brings it into canonical form. Normalizing twice changes
 * nothing. Read-only attributes are ignored (RFC 7644 §3.3, §3.5.1); canonicalValues are suggestions.
 * @param body parsed JSON of any shape
 * @param leniency decides on departures from the RFCs, and notes those it allows
 * @throws AppError invalidValue naming the attribute (`emails[0].value must be a string`); invalidSyntax where the body
 *   is no object, an attribute is unknown or given twice, or `schemas` does not fit
 */
export function normalizeResource(body: unknown, resourceType: ResourceType, leniency: Leniency): NormalizedResource {
  if (!isObject(body)) throw invalidSyntax('A resource must be a JSON object')
  const draft = new Draft(resourceType, leniency)
  for (const [key, value] of Object.entries(body)) draft.place(key, value)
  const { resource, password } = draft.read()
  checkRequired(resource, resourceType)
  return typeof password === 'string' ? { resource, password } : { resource }
}

/** The value of a resource's `schemas`: its own schema and the extensions present (RFC 7643 §3). */
export const schemasOf = (resource: JsonObject, resourceType: ResourceType): string[] => [
  resourceType.schema.id,
  ...resourceType.extensions.map(({ schema }) => schema.id).filter((urn) => member(resource, urn) !== undefined)
]

/** Attributes that a client must provide and the resource lacks, in the schemas that are present. */
export function missingAttributes(resource: JsonObject, resourceType: ResourceType): AttributePath[] {
  return requiredPaths(resourceType).filter(({ extension, attribute }) => {
    const container = extension === undefined ? resource : member(resource, extension)
    return container !== undefined && isMissing(member(container, attribute.name))
  })
}

const required = new WeakMap<ResourceType, readonly AttributePath[]>()

function requiredPaths(resourceType: ResourceType): readonly AttributePath[] {
  let paths = required.get(resourceType)
  if (!paths) {
    paths = resourceType.lookups.flatMap(({ extension, attributes }) =>
      [...attributes.values()]
        .filter((one) => one.required && one.mutability !== 'readOnly' && one.name !== 'schemas')
        .map((attribute) => ({ extension, attribute, subAttribute: undefined }))
    )
    required.set(resourceType, paths)
  }
  return paths
}

/** Whether the value of a required attribute counts as missing. */
export const isMissing = (value: unknown): boolean =>
  value === undefined || (typeof value === 'string' && value.trim() === '')

function checkRequired(resource: Resource, resourceType: ResourceType): void {
  const [missing] = missingAttributes(resource, resourceType)
  if (missing) throw invalidValue(`${formatPath(missing)} is required`)
  for (const { schema, required } of resourceType.extensions) {
    if (required && !Object.hasOwn(resource, schema.id)) throw invalidValue(`${schema.id} is required`)
  }
}

/** Collects the values a body assigns to each attribute, in any notation, before reading them. */
class Draft {
  private readonly resourceType: ResourceType
  private readonly leniency: Leniency
  private readonly assigned = new Map<SchemaLookup, Map<Attribute, unknown>>()
  private schemas: unknown

  constructor(resourceType: ResourceType, leniency: Leniency) {
    this.resourceType = resourceType
    this.leniency = leniency
    for (const lookup of resourceType.lookups) this.assigned.set(lookup, new Map())
  }

  /** Takes one member of the body: an attribute, an extension, or a path as a key. */
  place(key: string, value: unknown): void {
    const attribute = findCoreAttribute(this.resourceType, key)
    if (attribute) {
      this.assign(this.resourceType.core, attribute, value)
      return
    }
    const name = modernize(key, this.resourceType, this.leniency)
    const schema = findSchema(this.resourceType, name)
    if (schema && schema.extension !== undefined) this.placeExtension(schema, value)
    else this.placeByPath(name, key, value)
  }

  private placeExtension(lookup: SchemaLookup, value: unknown): void {
    const urn = lookup.schema.id
    if (isUnassigned(value) || (value === '' && this.leniency.allow('emptyStringClears', urn))) return
    if (!isObject(value)) throw invalidValue(`${urn} must be an object`)
    for (const [key, subValue] of Object.entries(value)) {
      const attribute = lookup.attributes.get(key.toLowerCase())
      if (attribute) this.assign(lookup, attribute, subValue)
      else this.placeByPath(modernize(`${urn}:${key}`, this.resourceType, this.leniency), `${urn}:${key}`, subValue)
    }
  }

  /** Takes a key such as `name.givenName` or `urn:…:User:department`. */
  private placeByPath(text: string, key: string, value: unknown): void {
    const path = this.findPath(text)
    if (!path || !this.leniency.allow('dottedKeys', key)) {
      ignoreStray(key, this.leniency)
      return
    }
    const { extension, attribute, subAttribute } = path
    const lookup = this.resourceType.lookups.find((candidate) => candidate.extension === extension)!
    if (!subAttribute) {
      this.assign(lookup, attribute, value)
      return
    }
    const values = this.assigned.get(lookup)!
    const earlier = values.get(attribute) ?? {}
    if (!isObject(earlier) || Object.hasOwn(earlier, subAttribute.name)) throw givenTwice(formatPath(path))
    values.set(attribute, { ...earlier, [subAttribute.name]: value })
  }

  private findPath(text: string): AttributePath | undefined {
    if (!text.includes('.') && !text.includes(':')) return undefined
    try {
      return resolveAttributePath(text, this.resourceType, { lenient: false }, invalidPath)
    } catch (error) {
      if (error instanceof AppError) return undefined
      throw error
    }
  }

  private assign(lookup: SchemaLookup, attribute: Attribute, value: unknown): void {
    if (lookup.extension === undefined && attribute.name === 'schemas') {
      this.schemas = value
      return
    }
    const values = this.assigned.get(lookup)!
    const earlier = values.get(attribute)
    if (values.has(attribute) && !(isObject(earlier) && isObject(value))) {
      throw givenTwice(formatPath({ extension: lookup.extension, attribute, subAttribute: undefined }))
    }
    values.set(attribute, isObject(earlier) && isObject(value) ? { ...earlier, ...value } : value)
  }

  read(): { resource: Resource; password: unknown } {
    const { core, extensions } = this.resourceType
    const { password, ...attributes } = this.readSchema(core)
    const resource: Record<string, unknown> = { schemas: [], ...attributes }
    for (const { schema } of extensions) {
      const values = this.readSchema(findSchema(this.resourceType, schema.id)!)
      if (Object.keys(values).length > 0) resource[schema.id] = values
    }
    const present = schemasOf(resource, this.resourceType)
    checkSchemas(this.schemas, present, this.resourceType, this.leniency)
    resource['schemas'] = present
    return { resource, password }
  }

  /** Reads the values assigned to one schema, in the schema's order. */
  private readSchema(lookup: SchemaLookup): Record<string, unknown> {
    const values: Record<string, unknown> = {}
    const assigned = this.assigned.get(lookup)!
    for (const attribute of lookup.attributes.values()) {
      if (!assigned.has(attribute) || attribute.mutability === 'readOnly') continue
      const at = formatPath({ extension: lookup.extension, attribute, subAttribute: undefined })
      const value = readAttribute(assigned.get(attribute), attribute, at, this.leniency)
      if (value !== undefined) values[attribute.name] = value
    }
    return values
  }
}
