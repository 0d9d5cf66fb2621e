// How schemas and resource types look on the discovery endpoints (RFC 7643 §6 and §7, RFC 7644 §4).
import type { Attribute, ResourceType, Schema } from './types.ts'

const SCHEMA_URN = 'urn:ietf:params:scim:schemas:core:2.0:Schema'
const RESOURCE_TYPE_URN = 'urn:ietf:params:scim:schemas:core:2.0:ResourceType'

/**
 * A schema as /Schemas returns it, with every characteristic; canonicalValues, referenceTypes and subAttributes appear
 * only where there are any.
 * @param baseUrl the tenant's SCIM endpoint without a trailing slash
 */
export function toSchemaResource(schema: Schema, baseUrl: string) {
  return {
    schemas: [SCHEMA_URN],
    id: schema.id,
    name: schema.name,
    description: schema.description,
    attributes: schema.attributes.map(toAttribute),
    meta: { resourceType: 'Schema', location: `${baseUrl}/Schemas/${schema.id}` }
  }
}

/** @param baseUrl as for toSchemaResource */
export function toResourceTypeResource(resourceType: ResourceType, baseUrl: string) {
  const { name, endpoint, description, schema, extensions } = resourceType
  const schemaExtensions = extensions.map((extension) => ({
    schema: extension.schema.id,
    required: extension.required
  }))
  return {
    schemas: [RESOURCE_TYPE_URN],
    id: name,
    name,
    endpoint,
    description,
    schema: schema.id,
    ...(schemaExtensions.length > 0 && { schemaExtensions }),
    meta: { resourceType: 'ResourceType', location: `${baseUrl}/ResourceTypes/${name}` }
  }
}

/** Copies field by field, so that no extra property of a registered schema gets out. */
function toAttribute(attribute: Attribute): Attribute {
  const { canonicalValues, referenceTypes, subAttributes } = attribute
  return {
    name: attribute.name,
    type: attribute.type,
    multiValued: attribute.multiValued,
    description: attribute.description,
    required: attribute.required,
    caseExact: attribute.caseExact,
    mutability: attribute.mutability,
    returned: attribute.returned,
    uniqueness: attribute.uniqueness,
    ...(canonicalValues && { canonicalValues }),
    ...(referenceTypes && { referenceTypes }),
    ...(subAttributes && { subAttributes: subAttributes.map(toAttribute) })
  }
}
