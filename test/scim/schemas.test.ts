import { test } from 'tap'
import { AppError } from '../../server/errors.ts'
import { ENTERPRISE_USER_URN, enterpriseUserSchema } from '../../server/scim/schemas/enterprise-user.ts'
import { MAX_EXTENSION_ATTRIBUTES, parseExtensionSchema } from '../../server/scim/schemas/extension.ts'
import { GROUP_URN } from '../../server/scim/schemas/group.ts'
import { groupResourceType, userResourceType } from '../../server/scim/schemas/index.ts'
import { toResourceTypeResource, toSchemaResource } from '../../server/scim/schemas/representation.ts'
import { findCoreAttribute, findSubAttribute, withExtensions } from '../../server/scim/schemas/resource-type.ts'
import type { Attribute } from '../../server/scim/schemas/types.ts'
import { USER_URN, userSchema } from '../../server/scim/schemas/user.ts'

const BASE_URL = 'https://acme.example/scim/v2'

/** The characteristics that differ from readWrite, returned by default, not caseExact, not unique, optional. */
function exceptions(attributes: readonly Attribute[], owner = ''): string[] {
  return attributes.flatMap((attribute) => {
    const { required, caseExact, mutability, returned, uniqueness } = attribute
    const facts = [
      required && 'required',
      caseExact && 'caseExact',
      mutability !== 'readWrite' && mutability,
      returned !== 'default' && `returned ${returned}`,
      uniqueness !== 'none' && `unique by ${uniqueness}`
    ].filter(Boolean)
    const name = owner + attribute.name
    return [
      ...(facts.length > 0 ? [`${name}: ${facts.join(', ')}`] : []),
      ...exceptions(attribute.subAttributes ?? [], `${name}.`)
    ]
  })
}

const names = (attributes: readonly Attribute[] | undefined) => attributes?.map(({ name }) => name).join(' ')

test('The User schema has every attribute of RFC 7643 §4.1 with the characteristics of §8.7.1', async (t) => {
  t.equal(
    names(userSchema.attributes),
    'userName name displayName nickName profileUrl title userType preferredLanguage locale timezone active password ' +
      'emails phoneNumbers ims photos addresses groups entitlements roles x509Certificates'
  )
  t.same(exceptions(userSchema.attributes), [
    'userName: required, unique by server',
    'password: writeOnly, returned never',
    'photos.value: caseExact',
    'groups: readOnly',
    'groups.value: readOnly',
    'groups.$ref: readOnly',
    'groups.display: readOnly',
    'groups.type: readOnly',
    'x509Certificates.value: caseExact'
  ])
  const multiValued = userSchema.attributes.filter((attribute) => attribute.multiValued)
  t.equal(names(multiValued), 'emails phoneNumbers ims photos addresses groups entitlements roles x509Certificates')
  const subAttributes = Object.fromEntries(
    userSchema.attributes.flatMap((a) => (a.subAttributes ? [[a.name, names(a.subAttributes)]] : []))
  )
  const plural = 'value display type primary'
  t.same(subAttributes, {
    name: 'formatted familyName givenName middleName honorificPrefix honorificSuffix',
    emails: plural,
    phoneNumbers: plural,
    ims: plural,
    photos: plural,
    addresses: 'formatted streetAddress locality region postalCode country type primary',
    groups: 'value $ref display type',
    entitlements: plural,
    roles: plural,
    x509Certificates: plural
  })
})

test('Types other than string, canonical values and reference types are those of the RFC', async (t) => {
  const facts = (attributes: readonly Attribute[], owner = ''): string[] =>
    attributes.flatMap((a) => [
      ...(a.type === 'string' || a.type === 'complex' ? [] : [`${owner}${a.name} ${a.type}`]),
      ...facts(a.subAttributes ?? [], `${owner}${a.name}.`)
    ])
  t.same(
    facts(userSchema.attributes).filter((fact) => !fact.endsWith('primary boolean')),
    [
      'profileUrl reference',
      'active boolean',
      'photos.value reference',
      'groups.$ref reference',
      'x509Certificates.value binary'
    ]
  )
  t.same(facts(enterpriseUserSchema.attributes), ['manager.$ref reference'])
  const typesOf = (name: string) =>
    findSubAttribute(findCoreAttribute(userResourceType, name)!, 'type')?.canonicalValues?.join(' ')
  t.equal(typesOf('emails'), 'work home other')
  t.equal(typesOf('phoneNumbers'), 'work home mobile fax pager other')
  t.equal(typesOf('ims'), 'aim gtalk icq xmpp msn skype qq yahoo')
  t.equal(typesOf('photos'), 'photo thumbnail')
  t.equal(typesOf('addresses'), 'work home other')
  t.equal(typesOf('groups'), 'direct indirect')
  t.equal(typesOf('roles'), undefined)
})

test('The Group and enterprise schemas have the attributes of RFC 7643 §4.2 and §4.3', async (t) => {
  t.same(exceptions(groupResourceType.schema.attributes), [
    'displayName: required, unique by server',
    'members.value: immutable',
    'members.$ref: immutable',
    'members.display: readOnly',
    'members.type: immutable'
  ])
  t.equal(names(enterpriseUserSchema.attributes), 'employeeNumber costCenter organization division department manager')
  t.same(exceptions(enterpriseUserSchema.attributes), ['manager.displayName: readOnly'])
})

test('Common attributes are found in every resource type, and /Schemas does not list them', async (t) => {
  for (const resourceType of [userResourceType, groupResourceType]) {
    const common = ['schemas', 'id', 'externalId', 'meta'].map((name) => findCoreAttribute(resourceType, name)!)
    t.same(exceptions(common), [
      'schemas: required, returned always',
      'id: required, caseExact, readOnly, returned always, unique by server',
      'externalId: caseExact',
      'meta: readOnly',
      'meta.resourceType: caseExact, readOnly',
      'meta.created: readOnly',
      'meta.lastModified: readOnly',
      'meta.location: caseExact, readOnly',
      'meta.version: caseExact, readOnly'
    ])
    const listed = toSchemaResource(resourceType.schema, BASE_URL).attributes.map(({ name }) => name)
    t.notOk(listed.includes('meta') || listed.includes('id') || listed.includes('externalId'))
  }
})

test('A schema is represented without nulls, and with lists only if they have entries', async (t) => {
  const resource = toSchemaResource(userSchema, BASE_URL)
  t.match(resource, {
    schemas: ['urn:ietf:params:scim:schemas:core:2.0:Schema'],
    id: USER_URN,
    name: 'User',
    meta: { resourceType: 'Schema', location: `${BASE_URL}/Schemas/${USER_URN}` }
  })
  t.notMatch(JSON.stringify(resource), /null/)
  t.same(resource.attributes[0], {
    name: 'userName',
    type: 'string',
    multiValued: false,
    description: userSchema.attributes[0]!.description,
    required: true,
    caseExact: false,
    mutability: 'readWrite',
    returned: 'default',
    uniqueness: 'server'
  })
  const groups = resource.attributes.find(({ name }) => name === 'groups')
  t.same(groups?.subAttributes?.[1]?.referenceTypes, ['User', 'Group'])
})

test('A resource type is represented with its extensions, if it has any', async (t) => {
  t.same(toResourceTypeResource(userResourceType, BASE_URL), {
    schemas: ['urn:ietf:params:scim:schemas:core:2.0:ResourceType'],
    id: 'User',
    name: 'User',
    endpoint: '/Users',
    description: 'User Account',
    schema: USER_URN,
    schemaExtensions: [{ schema: ENTERPRISE_USER_URN, required: false }],
    meta: { resourceType: 'ResourceType', location: `${BASE_URL}/ResourceTypes/User` }
  })
  const group = toResourceTypeResource(groupResourceType, BASE_URL)
  t.equal(group.schema, GROUP_URN)
  t.notOk('schemaExtensions' in group)
})

const CUSTOM_URN = 'urn:example:scim:badge:1.0:User'
const custom = (attributes: unknown, rest: Record<string, unknown> = {}) => ({
  id: CUSTOM_URN,
  name: 'Badge',
  attributes,
  ...rest
})

test('A registered extension schema gets the default characteristics and works like the built-in ones', async (t) => {
  const schema = parseExtensionSchema(
    custom([
      { name: 'number', type: 'integer', required: true, stray: 1 },
      { name: 'doors', type: 'complex', multiValued: true, subAttributes: [{ name: '$ref', type: 'reference' }] }
    ])
  )
  t.same(schema.attributes[0], {
    name: 'number',
    type: 'integer',
    multiValued: false,
    description: '',
    required: true,
    caseExact: false,
    mutability: 'readWrite',
    returned: 'default',
    uniqueness: 'none'
  })
  const extended = withExtensions(userResourceType, [{ schema, required: false }])
  t.same(toResourceTypeResource(extended, BASE_URL).schemaExtensions?.[1], { schema: CUSTOM_URN, required: false })
  t.equal(userResourceType.extensions.length, 1, 'the original is unchanged')
  t.same(parseExtensionSchema(JSON.parse(JSON.stringify(schema))), schema, 'and its own form is accepted again')
})

test('A registered extension schema is refused with the reason', async (t) => {
  const many = Array.from({ length: MAX_EXTENSION_ATTRIBUTES + 1 }, (_, i) => ({ name: `a${i}` }))
  const nested = [{ name: 'b', type: 'complex', subAttributes: [{ name: 'c' }] }]
  const refusals: [unknown, RegExp][] = [
    [null, /schema must be an object/],
    [[], /schema must be an object/],
    [custom([{ name: 'a' }], { id: 'badge' }), /must be a URN/],
    [custom([{ name: 'a' }], { id: 'urn:x:bad[value]' }), /must be a URN/],
    [custom([{ name: 'a' }], { id: 'urn:example:' }), /must be a URN/],
    [custom([{ name: 'a' }], { id: 5 }), /id must be a string/],
    [custom([{ name: 'a' }], { id: `urn:x:${'a'.repeat(300)}` }), /at most 255/],
    [custom([{ name: 'a' }], { id: 'urn:ietf:params:scim:schemas:core:2.0:Device' }), /namespace of SCIM/],
    [custom([{ name: 'a' }], { id: ENTERPRISE_USER_URN.toUpperCase() }), /cannot be told/],
    [custom([{ name: 'a' }], { id: `${ENTERPRISE_USER_URN}:manager` }), /cannot be told/],
    [custom([]), /at least one/],
    [custom({}), /at least one/],
    [custom(many), /at most 100/],
    [custom([5]), /Attribute 1 must be an object/],
    [custom([{ name: '1a' }]), /"1a" is no attribute name/],
    [custom([{ name: 'a.b' }]), /no attribute name/],
    [custom([{ name: '$ref' }]), /no attribute name/],
    [custom([{ name: '__proto__' }]), /no attribute name/],
    [custom([{ name: 'NOT' }]), /no attribute name/],
    [custom([{ name: 'a' }, { name: 'A' }]), /A occurs twice/],
    [custom([{ name: 'USERNAME' }]), /core attribute/],
    [custom([{ name: 'meta' }]), /core attribute/],
    [custom([{ name: 'a', type: 'text' }]), /type of a must be one of string/],
    [custom([{ name: 'a', multiValued: 'true' }]), /multiValued of a must be true or false/],
    [custom([{ name: 'a', mutability: 'readwrite' }]), /mutability of a/],
    [custom([{ name: 'a', uniqueness: 'server' }]), /uniqueness of a must be none/],
    [custom([{ name: 'a', mutability: 'writeOnly' }]), /must have returned "never"/],
    [custom([{ name: 'a', canonicalValues: 'x' }]), /canonicalValues of a/],
    [custom([{ name: 'a', referenceTypes: ['User'] }]), /no reference/],
    [custom([{ name: 'a', subAttributes: [{ name: 'b' }] }]), /not complex/],
    [custom([{ name: 'a', type: 'complex' }]), /needs subAttributes/],
    [custom([{ name: 'a', type: 'complex', subAttributes: nested }]), /a\.b is complex inside/],
    [custom([{ name: 'a', type: 'complex', subAttributes: [{ name: 'c' }, { name: 'C' }] }]), /a\.C occurs twice/],
    [custom([{ name: 'a', description: 'x'.repeat(2000) }]), /description of a has at most/]
  ]
  for (const [input, message] of refusals) {
    t.throws(() => parseExtensionSchema(input), { message, scimType: 'invalidValue' }, String(message))
  }
  t.throws(() => parseExtensionSchema(custom([{ name: 'a' }]), [`${CUSTOM_URN}:more`]), AppError)
  t.doesNotThrow(() => parseExtensionSchema(custom([{ name: 'a' }]), [`${CUSTOM_URN}2`]))
  t.doesNotThrow(() =>
    parseExtensionSchema(custom([{ name: 'a' }], { id: 'urn:ietf:params:scim:schemas:extension:Acme:2.0:User' }))
  )
})
