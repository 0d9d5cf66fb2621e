// The parts of a schema (RFC 7643 §7). Validation, filters, PATCH, projection and /Schemas read these values.

export const ATTRIBUTE_TYPES = [
  'string',
  'boolean',
  'decimal',
  'integer',
  'dateTime',
  'reference',
  'binary',
  'complex'
] as const
export type AttributeType = (typeof ATTRIBUTE_TYPES)[number]
export const MUTABILITIES = ['readOnly', 'readWrite', 'immutable', 'writeOnly'] as const
type Mutability = (typeof MUTABILITIES)[number]
export const RETURNED = ['always', 'never', 'default', 'request'] as const
export type Returned = (typeof RETURNED)[number]
export const UNIQUENESS = ['none', 'server', 'global'] as const
type Uniqueness = (typeof UNIQUENESS)[number]

/** An attribute with its characteristics, RFC 7643 §2.2 and §7. Only a complex one has subAttributes. */
export interface Attribute {
  readonly name: string
  readonly type: AttributeType
  readonly multiValued: boolean
  readonly description: string
  readonly required: boolean
  readonly caseExact: boolean
  readonly mutability: Mutability
  readonly returned: Returned
  readonly uniqueness: Uniqueness
  /** Suggestions, not a closed list: RFC 7643 §7 lets a service provider accept other values. */
  readonly canonicalValues?: readonly string[]
  readonly referenceTypes?: readonly string[]
  readonly subAttributes?: readonly Attribute[]
}

export interface Schema {
  /** The URN. */
  readonly id: string
  readonly name: string
  readonly description: string
  readonly attributes: readonly Attribute[]
}

export interface SchemaExtension {
  readonly schema: Schema
  readonly required: boolean
}

/** The attributes of one schema, by lower-case name. */
export interface SchemaLookup {
  readonly schema: Schema
  /** Undefined for the resource type's own schema, whose lookup also holds the common attributes of RFC 7643 §3.1. */
  readonly extension: string | undefined
  /** The URN in lower case. */
  readonly urnLower: string
  readonly attributes: ReadonlyMap<string, Attribute>
}

/** What a resource of one kind may hold in one tenant. Built by buildResourceType, which adds the lookups. */
export interface ResourceType {
  readonly name: 'User' | 'Group'
  /** `/Users`, `/Groups`: relative to the SCIM base URL. */
  readonly endpoint: string
  readonly description: string
  readonly schema: Schema
  readonly extensions: readonly SchemaExtension[]
  readonly core: SchemaLookup
  /** Core and extensions, longest URN first, so that a URN is tried before its own prefixes. */
  readonly lookups: readonly SchemaLookup[]
}
