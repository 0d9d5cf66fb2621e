// Checks a custom extension schema that an administrator registers for a tenant (RFC 7643 §3.3 and §7).
import { invalidValue } from '../../errors.ts'
import { isObject, type JsonObject } from '../json.ts'
import { commonAttributes } from './common.ts'
import { ENTERPRISE_USER_URN } from './enterprise-user.ts'
import { GROUP_URN, groupSchema } from './group.ts'
import {
  ATTRIBUTE_TYPES,
  type Attribute,
  type AttributeType,
  MUTABILITIES,
  RETURNED,
  type Schema,
  UNIQUENESS
} from './types.ts'
import { USER_URN, userSchema } from './user.ts'

/** Including sub-attributes. */
export const MAX_EXTENSION_ATTRIBUTES = 100
const MAX_NAME_LENGTH = 100
const MAX_TEXT_LENGTH = 1000
const MAX_URN_LENGTH = 255
const MAX_LIST_LENGTH = 100

/**
 * Checks a schema in the form of RFC 7643 §7. Omitted characteristics have the defaults of §2.2; other members
 * (`schemas`, `meta`) are ignored.
 * @param input `{ id: 'urn:acme:scim:1.0:User', name, description?, attributes: [{ name, type, … }] }`
 * @param taken URNs of the tenant's other registered schemas
 * @throws AppError invalidValue that names the attribute and what is wrong with it
 */
export function parseExtensionSchema(input: unknown, taken: readonly string[] = []): Schema {
  const schema = asObject(input, 'The schema')
  const id = parseUrn(schema.id, taken)
  const name = asText(schema.name ?? id, 'name', MAX_URN_LENGTH)
  if (!Array.isArray(schema.attributes) || schema.attributes.length === 0) {
    throw invalidValue('attributes must be a list with at least one attribute')
  }
  // Counts before parsing, so that no huge list is parsed
  if (countAttributes(schema.attributes) > MAX_EXTENSION_ATTRIBUTES) {
    throw invalidValue(`A schema has at most ${MAX_EXTENSION_ATTRIBUTES} attributes, sub-attributes included`)
  }
  const attributes = parseAttributes(schema.attributes, '')
  for (const attribute of attributes) refuseCoreName(attribute)
  return { id, name, description: asText(schema.description ?? '', 'description', MAX_TEXT_LENGTH), attributes }
}

// Letters, digits and `-._:` of RFC 8141: its other characters would not survive in paths and filters
const URN = /^urn:[a-z0-9][a-z0-9-]{1,31}(:[a-z0-9_-]+([.][a-z0-9_-]+)*)+$/i
const RESERVED = ['urn:ietf:params:scim:api:', 'urn:ietf:params:scim:schemas:core:']
const BUILT_IN = [USER_URN, GROUP_URN, ENTERPRISE_USER_URN]

function parseUrn(value: unknown, taken: readonly string[]): string {
  const urn = asText(value, 'id', MAX_URN_LENGTH)
  if (!URN.test(urn)) throw invalidValue(`id must be a URN such as urn:example:scim:1.0:User, not "${urn}"`)
  const lower = urn.toLowerCase()
  if (RESERVED.some((prefix) => lower.startsWith(prefix))) throw invalidValue(`${urn} is in a namespace of SCIM itself`)
  for (const other of [...BUILT_IN, ...taken]) {
    if (overlap(lower, other.toLowerCase())) throw invalidValue(`${urn} cannot be told from ${other} in a path`)
  }
  return urn
}

/** `urn:a:b` and `urn:a:b:c` overlap: as a path, the second is also attribute `c` of the first. */
const overlap = (a: string, b: string): boolean =>
  a === b || [':', '.'].some((separator) => a.startsWith(b + separator) || b.startsWith(a + separator))

const countAttributes = (attributes: readonly unknown[]): number =>
  attributes.reduce<number>((count, attribute) => {
    const subAttributes = isObject(attribute) ? attribute.subAttributes : undefined
    return count + 1 + (Array.isArray(subAttributes) ? subAttributes.length : 0)
  }, 0)

/** @param owner name of the complex attribute with these sub-attributes; empty at the top */
function parseAttributes(list: readonly unknown[], owner: string): Attribute[] {
  const seen = new Set<string>()
  return list.map((item, index) => {
    const attribute = parseAttribute(asObject(item, `Attribute ${index + 1} ${owner && `of ${owner}`}`.trim()), owner)
    const lower = attribute.name.toLowerCase()
    if (seen.has(lower)) throw invalidValue(`${label(owner, attribute.name)} occurs twice`)
    seen.add(lower)
    return attribute
  })
}

// RFC 7643 §2.1
const NAME = /^[a-z][a-z0-9_-]*$/i
// Words of the filter grammar
const FILTER_WORDS = new Set(['and', 'or', 'not'])

function parseAttribute(input: JsonObject, owner: string): Attribute {
  const name = asText(input.name, `${owner || 'attribute'} name`, MAX_NAME_LENGTH)
  const isName = NAME.test(name) || (owner !== '' && name === '$ref')
  if (!isName || FILTER_WORDS.has(name.toLowerCase())) throw invalidValue(`"${name}" is no attribute name`)
  const what = label(owner, name)
  const type = oneOf(ATTRIBUTE_TYPES, input.type ?? 'string', `type of ${what}`)
  const attribute: Attribute = {
    name,
    type,
    multiValued: asBoolean(input.multiValued, `multiValued of ${what}`),
    description: asText(input.description ?? '', `description of ${what}`, MAX_TEXT_LENGTH),
    required: asBoolean(input.required, `required of ${what}`),
    caseExact: asBoolean(input.caseExact, `caseExact of ${what}`),
    mutability: oneOf(MUTABILITIES, input.mutability ?? 'readWrite', `mutability of ${what}`),
    returned: oneOf(RETURNED, input.returned ?? 'default', `returned of ${what}`),
    uniqueness: oneOf(UNIQUENESS, input.uniqueness ?? 'none', `uniqueness of ${what}`),
    ...parseLists(input, type, what),
    ...(type === 'complex' && { subAttributes: parseSubAttributes(input.subAttributes, name, owner) })
  }
  checkCharacteristics(attribute, input, what)
  return attribute
}

function parseSubAttributes(value: unknown, name: string, owner: string): Attribute[] {
  if (owner !== '') throw invalidValue(`${label(owner, name)} is complex inside a complex attribute`)
  if (!Array.isArray(value) || value.length === 0) throw invalidValue(`${name} is complex and needs subAttributes`)
  return parseAttributes(value, name)
}

function parseLists(input: JsonObject, type: AttributeType, what: string) {
  const canonicalValues = asTexts(input.canonicalValues, `canonicalValues of ${what}`)
  const referenceTypes = asTexts(input.referenceTypes, `referenceTypes of ${what}`)
  if (referenceTypes && type !== 'reference') throw invalidValue(`${what} is no reference but has referenceTypes`)
  return { ...(canonicalValues && { canonicalValues }), ...(referenceTypes && { referenceTypes }) }
}

function checkCharacteristics(attribute: Attribute, input: JsonObject, what: string): void {
  if (attribute.type !== 'complex' && input.subAttributes !== undefined && input.subAttributes !== null) {
    throw invalidValue(`${what} has subAttributes but is not complex`)
  }
  // Nothing enforces uniqueness of registered attributes, so /Schemas may not promise it
  if (attribute.uniqueness !== 'none') throw invalidValue(`uniqueness of ${what} must be none`)
  if (attribute.mutability === 'writeOnly' && attribute.returned !== 'never') {
    throw invalidValue(`${what} is writeOnly and must have returned "never"`)
  }
}

const CORE_NAMES = new Set(
  [...commonAttributes, ...userSchema.attributes, ...groupSchema.attributes].map(({ name }) => name.toLowerCase())
)

/** Identity providers omit the URN, which would make this attribute indistinguishable from the core one. */
function refuseCoreName({ name }: Attribute): void {
  if (CORE_NAMES.has(name.toLowerCase())) throw invalidValue(`${name} is the name of a core attribute`)
}

const label = (owner: string, name: string): string => (owner === '' ? name : `${owner}.${name}`)

function asObject(value: unknown, what: string): JsonObject {
  if (!isObject(value)) throw invalidValue(`${what} must be an object`)
  return value
}

function asText(value: unknown, what: string, maxLength: number): string {
  if (typeof value !== 'string') throw invalidValue(`${what} must be a string`)
  if (value.length > maxLength) throw invalidValue(`${what} has at most ${maxLength} characters`)
  return value
}

function asTexts(value: unknown, what: string): string[] | undefined {
  if (value === undefined || value === null) return undefined
  if (!Array.isArray(value) || value.length > MAX_LIST_LENGTH) {
    throw invalidValue(`${what} must be a list of at most ${MAX_LIST_LENGTH} strings`)
  }
  return value.length === 0 ? undefined : value.map((item) => asText(item, what, MAX_TEXT_LENGTH))
}

function asBoolean(value: unknown, what: string): boolean {
  if (value === undefined || value === null) return false
  if (typeof value !== 'boolean') throw invalidValue(`${what} must be true or false`)
  return value
}

function oneOf<T extends string>(allowed: readonly T[], value: unknown, what: string): T {
  const found = allowed.find((candidate) => candidate === value)
  if (found === undefined) throw invalidValue(`${what} must be one of ${allowed.join(', ')}`)
  return found
}
