import { test } from 'tap'
import type { ScimProfile } from '../../db/schema.ts'
import { SCIM_PROFILES } from '../../db/schema.ts'
import { carryImmutable } from '../../server/scim/immutable.ts'
import { normalizeResource } from '../../server/scim/normalize.ts'
import { LENIENCES, type Lenience, Leniency } from '../../server/scim/profiles.ts'
import { ENTERPRISE_USER_URN as ENT } from '../../server/scim/schemas/enterprise-user.ts'
import { GROUP_URN } from '../../server/scim/schemas/group.ts'
import { groupResourceType, userResourceType } from '../../server/scim/schemas/index.ts'
import type { ResourceType } from '../../server/scim/schemas/types.ts'
import { USER_URN } from '../../server/scim/schemas/user.ts'
import { BADGE, userWithBadge } from './badge.ts'
import { refusal } from './refusal.ts'

const userType = userWithBadge([
  { name: 'number', type: 'integer' },
  { name: 'weight', type: 'decimal' },
  { name: 'issued', type: 'dateTime' },
  { name: 'serial', mutability: 'immutable' },
  { name: 'codes', multiValued: true, caseExact: true },
  { name: 'constructor' },
  {
    name: 'size',
    type: 'complex',
    subAttributes: [
      { name: 'width', type: 'integer', required: true },
      { name: 'unit', mutability: 'immutable' }
    ]
  }
])

type Json = Record<string, unknown>
const ada = (rest: Json = {}): Json => ({ schemas: [USER_URN], userName: 'ada', ...rest })
const extended = (badgeValues: Json): Json => ada({ schemas: [USER_URN, BADGE], [BADGE]: badgeValues })

function normalize(body: unknown, profile: ScimProfile = 'auto', resourceType: ResourceType = userType) {
  const leniency = new Leniency(profile)
  const { resource, password } = normalizeResource(body, resourceType, leniency)
  return { resource, password, applied: leniency.applied.map(({ lenience }) => lenience).sort() }
}

test('A resource comes out in canonical form, in every profile', (t) => {
  const cases: [title: string, body: Json, resource: Json][] = [
    [
      'attribute names in any letter case',
      { SCHEMAS: [USER_URN], USERNAME: 'ada', Name: { GIVENNAME: 'Ada' } },
      ada({ name: { givenName: 'Ada' } })
    ],
    [
      'null, [] and {} as nothing',
      ada({ title: null, emails: [], addresses: [null], name: {}, [ENT]: { manager: {} } }),
      ada()
    ],
    [
      'an object of nulls as nothing',
      ada({ name: { familyName: null }, emails: [{ value: null, type: null }] }),
      ada()
    ],
    ['read-only attributes ignored', ada({ id: 'x', meta: { created: 5 }, groups: 7 }), ada()],
    [
      'read-only sub-attributes ignored',
      ada({ schemas: [USER_URN, ENT], [ENT]: { manager: { value: 'm', displayName: 'Max' } } }),
      ada({ schemas: [USER_URN, ENT], [ENT]: { manager: { value: 'm' } } })
    ],
    [
      'URNs in any letter case',
      ada({ schemas: [USER_URN.toUpperCase(), ENT], [ENT.toLowerCase()]: { department: 'd' } }),
      ada({ schemas: [USER_URN, ENT], [ENT]: { department: 'd' } })
    ],
    ['schemas without the extensions that are empty', ada({ schemas: [USER_URN, ENT] }), ada()],
    [
      'a phone number unchanged (E29)',
      ada({ phoneNumbers: [{ value: '55555555555', type: 'work' }] }),
      ada({ phoneNumbers: [{ value: '55555555555', type: 'work' }] })
    ],
    [
      'types that nobody suggested',
      ada({ emails: [{ value: 'no address', type: 'Büro' }] }),
      ada({ emails: [{ value: 'no address', type: 'Büro' }] })
    ],
    [
      'what several values with the same value and type say, as one',
      ada({
        emails: [
          { value: 'a@x', type: 'work', display: 'A' },
          { value: 'a@x', type: 'work', primary: true }
        ]
      }),
      ada({ emails: [{ value: 'a@x', display: 'A', type: 'work', primary: true }] })
    ],
    [
      'one value for each pair of value and type',
      ada({
        emails: [
          { value: 'A@x', type: 'work' },
          { value: 'a@x', type: 'home' },
          { value: 'a@x', type: 'Work', display: 'A' }
        ]
      }),
      ada({
        emails: [
          { value: 'a@x', display: 'A', type: 'Work' },
          { value: 'a@x', type: 'home' }
        ]
      })
    ],
    [
      'the types of a registered extension',
      extended({
        number: 7,
        weight: 1.5,
        issued: '2026-02-28T23:59:59.5+14:00',
        codes: ['a', 'A', 'a'],
        constructor: 'c'
      }),
      extended({ number: 7, weight: 1.5, issued: '2026-02-28T23:59:59.5+14:00', codes: ['a', 'A'], constructor: 'c' })
    ],
    [
      'a certificate in base64, padded or not',
      ada({ x509Certificates: [{ value: 'TQ==' }, { value: 'TWE' }] }),
      ada({ x509Certificates: [{ value: 'TQ==' }, { value: 'TWE' }] })
    ]
  ]
  for (const [title, body, resource] of cases) {
    for (const profile of ['auto', 'strict'] as const) {
      t.strictSame(normalize(body, profile), { resource, password: undefined, applied: [] }, `${title} (${profile})`)
    }
  }
  t.strictSame(
    normalize(
      { schemas: [GROUP_URN], displayName: 'G', members: [{ value: 'u', display: 'U', type: 'User' }] },
      'strict',
      groupResourceType
    ).resource,
    { schemas: [GROUP_URN], displayName: 'G', members: [{ value: 'u', type: 'User' }] }
  )
  t.end()
})

test('The password is apart from the resource', (t) => {
  t.strictSame(normalize(ada({ password: 'secret' })), { resource: ada(), password: 'secret', applied: [] })
  t.equal(normalize(ada({ password: '' })).password, undefined, 'an empty one is none')
  t.end()
})

test('What the RFCs do not allow passes in auto, under a name, and fails in strict', (t) => {
  const cases: [lenience: Lenience, body: Json, resource: Json, strict: RegExp, resourceType?: ResourceType][] = [
    ['stringBooleans', ada({ active: 'False' }), ada({ active: false }), /^invalidValue: active must be a boolean/],
    [
      'stringBooleans',
      ada({ roles: [{ value: 'a', primary: 'True' }] }),
      ada({ roles: [{ value: 'a', primary: true }] }),
      /^invalidValue: roles\[0\]\.primary must be a boolean/
    ],
    [
      'stringNumbers',
      extended({ number: '7', weight: '-1.5e2' }),
      extended({ number: 7, weight: -150 }),
      /^invalidValue: urn:example:badge:User:number must be an integer/
    ],
    [
      'singleForArray',
      ada({ emails: { value: 'a@x' } }),
      ada({ emails: [{ value: 'a@x' }] }),
      /^invalidValue: emails must be an array/
    ],
    ['singleForArray', extended({ codes: 'a' }), extended({ codes: ['a'] }), /^invalidValue: .*codes must be an array/],
    ['singleForArray', ada({ schemas: USER_URN }), ada(), /^invalidSyntax: schemas must be an array/],
    [
      'arrayForSingle',
      ada({ name: [{ givenName: 'Ada' }] }),
      ada({ name: { givenName: 'Ada' } }),
      /^invalidValue: name must be an object/
    ],
    ['arrayForSingle', ada({ title: ['Dr'] }), ada({ title: 'Dr' }), /^invalidValue: title must be a string/],
    [
      'bareValue',
      ada({ schemas: [USER_URN, ENT], [ENT]: { manager: '123456' } }),
      ada({ schemas: [USER_URN, ENT], [ENT]: { manager: { value: '123456' } } }),
      /^invalidValue: .*manager must be an object/
    ],
    [
      'bareValue',
      ada({ roles: ['admin'] }),
      ada({ roles: [{ value: 'admin' }] }),
      /^invalidValue: roles\[0\] must be an object/
    ],
    [
      'managerId',
      ada({ schemas: [USER_URN, ENT], [ENT]: { manager: { managerId: 'm' } } }),
      ada({ schemas: [USER_URN, ENT], [ENT]: { manager: { value: 'm' } } }),
      /^invalidSyntax: Unknown attribute ".*manager\.managerId"/
    ],
    [
      'managerId',
      ada({ schemas: [USER_URN, ENT], [ENT]: { 'manager.managerId': 'm' } }),
      ada({ schemas: [USER_URN, ENT], [ENT]: { manager: { value: 'm' } } }),
      /^invalidSyntax: Unknown attribute/
    ],
    [
      'jsonInString',
      ada({ roles: [{ value: '{"id":"1","value":"25","displayName":"R"}', primary: true }] }),
      ada({ roles: [{ value: '25', display: 'R', primary: true }] }),
      /^accepted/
    ],
    [
      'dottedKeys',
      ada({ 'name.givenName': 'Ada', name: { familyName: 'L' } }),
      ada({ name: { familyName: 'L', givenName: 'Ada' } }),
      /^invalidSyntax: Unknown attribute "name\.givenName"/
    ],
    [
      'dottedKeys',
      ada({ schemas: [USER_URN, ENT], [`${ENT}:employeeNumber`]: '7' }),
      ada({ schemas: [USER_URN, ENT], [ENT]: { employeeNumber: '7' } }),
      /^invalidSyntax: Unknown attribute/
    ],
    [
      'dottedKeys',
      ada({ schemas: [USER_URN, ENT], [ENT]: { 'manager.value': 'm' } }),
      ada({ schemas: [USER_URN, ENT], [ENT]: { manager: { value: 'm' } } }),
      /^invalidSyntax: Unknown attribute/
    ],
    [
      'strayKeys',
      ada({ department: 'd', manager: { value: 'm' } }),
      ada(),
      /^invalidSyntax: Unknown attribute "department"/
    ],
    [
      'strayKeys',
      ada({ emails: [{ value: 'a@x', verified: true }] }),
      ada({ emails: [{ value: 'a@x' }] }),
      /^invalidSyntax: Unknown attribute "emails\[0\]\.verified"/
    ],
    [
      'strayKeys',
      ada({ schemas: [USER_URN, ENT], [ENT]: { badge: 1 } }),
      ada(),
      /^invalidSyntax: Unknown attribute ".*User:badge"/
    ],
    [
      'emptyStringClears',
      ada({ name: { givenName: 'Ada', middleName: '' } }),
      ada({ name: { givenName: 'Ada' } }),
      /^accepted/
    ],
    [
      'emptyStringClears',
      ada({ emails: '', active: '', schemas: [USER_URN, ENT], [ENT]: { manager: '' } }),
      ada(),
      /^invalidValue/
    ],
    [
      'hollowValues',
      ada({
        emails: [
          { type: 'work', primary: true },
          { value: 'a@x', type: 'home' }
        ]
      }),
      ada({ emails: [{ value: 'a@x', type: 'home' }] }),
      /^accepted/
    ],
    [
      'severalPrimaries',
      ada({
        emails: [
          { value: 'a', primary: true },
          { value: 'b', primary: true }
        ]
      }),
      ada({
        emails: [
          { value: 'a', primary: true },
          { value: 'b', primary: false }
        ]
      }),
      /^invalidValue: emails has more than one primary value/
    ],
    [
      'looseReferences',
      ada({ profileUrl: 'see my page' }),
      ada({ profileUrl: 'see my page' }),
      /^invalidValue: profileUrl must be a URI/
    ],
    ['missingSchemas', { userName: 'ada' }, ada(), /^invalidSyntax: schemas must name .*core:2.0:User/],
    ['missingSchemas', ada({ schemas: [] }), ada(), /^invalidSyntax: schemas must name/],
    ['missingSchemas', ada({ schemas: [ENT] }), ada(), /^invalidSyntax: schemas must name/],
    [
      'extensionNotInSchemas',
      ada({ [BADGE]: { number: 7 } }),
      extended({ number: 7 }),
      /^invalidSyntax: schemas must name urn:example:badge/
    ],
    [
      'unknownSchemas',
      ada({ schemas: [USER_URN, 'http://schemas.microsoft.com/2006/11/ResourceManagement/ADSCIM/2.0/Group'] }),
      ada(),
      /^invalidValue: "http.*" in schemas is no schema of User/
    ],
    [
      'legacyUrns',
      ada({ schemas: ['urn:scim:schemas:core:2.0', 'urn:scim:schemas:extension:enterprise:2.0'] }),
      ada(),
      /^invalidValue/
    ],
    [
      'legacyUrns',
      ada({ schemas: ['urn:scim:schemas:core:1.0'], 'urn:scim:schemas:extension:enterprise:1.0': { department: 'd' } }),
      ada({ schemas: [USER_URN, ENT], [ENT]: { department: 'd' } }),
      /^invalidSyntax/
    ],
    [
      'legacyUrns',
      ada({ schemas: [USER_URN, `${ENT.slice(0, -5)}User`], [`${ENT.slice(0, -5)}User`]: { department: 'd' } }),
      ada({ schemas: [USER_URN, ENT], [ENT]: { department: 'd' } }),
      /^invalidSyntax/
    ]
  ]
  for (const [lenience, body, resource, strict] of cases) {
    const lenient = normalize(body)
    t.strictSame(lenient.resource, resource, `${lenience}: ${JSON.stringify(body)}`)
    t.ok(lenient.applied.includes(lenience), `${lenience} is noted`)
    t.match(
      refusal(() => normalize(body, 'strict')),
      strict,
      `${lenience} in strict`
    )
  }
  t.end()
})

test('What no profile forgives is refused with the attribute’s path', (t) => {
  const cases: [body: unknown, expected: RegExp][] = [
    [[], /^invalidSyntax: A resource must be a JSON object/],
    ['x', /^invalidSyntax/],
    [ada({ schemas: [GROUP_URN] }), /^invalid(Syntax|Value)/],
    [ada({ schemas: [7] }), /^invalidSyntax: schemas must be an array of URNs/],
    [{ schemas: [USER_URN] }, /^invalidValue: userName is required/],
    [ada({ userName: '' }), /^invalidValue: userName is required/],
    [ada({ userName: ' \t' }), /^invalidValue: userName is required/],
    [ada({ userName: 7 }), /^invalidValue: userName must be a string/],
    [ada({ userName: 'x'.repeat(513) }), /^invalidValue: userName has more than 512 characters/],
    [ada({ userName: 'x\u0000' }), /^invalidValue: userName holds a character that cannot be stored/],
    [ada({ title: '\ud800' }), /^invalidValue: title holds a character that cannot be stored/],
    [ada({ title: 'x'.repeat(65_537) }), /^invalidValue: title has more than 65,536 characters/],
    [ada({ emails: [{ value: 'x'.repeat(513) }] }), /^invalidValue: emails\[0\]\.value has more than 512 characters/],
    [ada({ emails: [{ value: 'a@x' }, { value: 7 }] }), /^invalidValue: emails\[1\]\.value must be a string/],
    [ada({ emails: 'a@x' }), /^invalidValue: emails must be an array/],
    [ada({ name: 'Ada' }), /^invalidValue: name must be an object/],
    [ada({ active: 'yes' }), /^invalidValue: active must be a boolean/],
    [ada({ active: 1 }), /^invalidValue: active must be a boolean/],
    [
      ada({ x509Certificates: [{ value: 'a b!' }] }),
      /^invalidValue: x509Certificates\[0\]\.value must be encoded in base64/
    ],
    [ada({ x509Certificates: [{ value: 'TQ=' }] }), /^invalidValue/],
    [ada({ x509Certificates: [{ value: 'TWFuT' }] }), /^invalidValue/],
    [ada({ userName: 'ada', USERNAME: 'eve' }), /^invalidSyntax: userName is given twice/],
    [ada({ name: { givenName: 'a', GivenName: 'b' } }), /^invalidSyntax: name\.givenName is given twice/],
    [extended({ number: 1.5 }), /^invalidValue: urn:example:badge:User:number must be an integer/],
    [extended({ issued: '2026-02-30T00:00:00Z' }), /^invalidValue: .*issued must be a dateTime/],
    [extended({ issued: 'today' }), /^invalidValue: .*issued must be a dateTime/],
    [extended({ size: { unit: 'cm' } }), /^invalidValue: .*size\.width is required/],
    [ada({ schemas: [USER_URN, ENT], [ENT]: [] }), /^invalidValue: .*enterprise:2\.0:User must be an object/],
    [
      ada({ ims: Array.from({ length: 1001 }, (_, i) => ({ value: `${i}` })) }),
      /^invalidValue: ims has more than 1,000 values/
    ]
  ]
  for (const profile of ['auto', 'strict'] as const) {
    for (const [body, expected] of cases)
      t.match(
        refusal(() => normalize(body, profile)),
        expected,
        profile
      )
  }
  const required = userWithBadge([{ name: 'number' }], { required: true })
  t.match(
    refusal(() => normalize(ada(), 'auto', required)),
    /^invalidValue: urn:example:badge:User is required/
  )
  t.end()
})

test('The body that Entra’s documentation shows with its mistakes makes a user (E10)', (t) => {
  const body = {
    schemas: [USER_URN, 'urn:ietf:params:scim:schemas:extension:enterprise:2.0User'],
    externalId: 'jyoung',
    userName: 'jyoung@x.test',
    active: true,
    addresses: null,
    displayName: 'Joy Young',
    emails: [{ type: 'work', value: 'jyoung@x.test', primary: true }],
    meta: { resourceType: 'User' },
    name: { familyName: 'Young', givenName: 'Joy' },
    phoneNumbers: null,
    preferredLanguage: null,
    title: null,
    department: null,
    manager: null
  }
  const { resource, applied } = normalize(body, 'entra', userResourceType)
  t.strictSame(resource, {
    schemas: [USER_URN],
    externalId: 'jyoung',
    userName: 'jyoung@x.test',
    name: { familyName: 'Young', givenName: 'Joy' },
    displayName: 'Joy Young',
    active: true,
    emails: [{ value: 'jyoung@x.test', type: 'work', primary: true }]
  })
  t.strictSame(applied, ['legacyUrns', 'strayKeys'])
  t.end()
})

test('Keys that name parts of a prototype are strays like any other', (t) => {
  const body = JSON.parse(
    `{"schemas":["${USER_URN}"],"userName":"ada","__proto__":{"active":false},"constructor":{"prototype":{"x":1}},"name":{"__proto__":{"givenName":"x"},"toString":1}}`
  )
  const { resource } = normalize(body)
  t.strictSame(resource, ada())
  t.equal(Object.getPrototypeOf(resource), Object.prototype)
  t.equal(({} as Json)['x'], undefined)
  t.match(
    refusal(() => normalize(body, 'strict')),
    /^invalidSyntax: Unknown attribute/
  )
  t.end()
})

test('PUT keeps immutable values and refuses others', (t) => {
  const read = (values: Json) => normalize(extended(values)).resource
  const before = read({ serial: 's', size: { width: 1, unit: 'cm' } })
  t.strictSame(carryImmutable(before, before, userType), before)
  t.strictSame(
    carryImmutable(before, read({ size: { width: 2 } }), userType),
    read({ serial: 's', size: { width: 2, unit: 'cm' } }),
    'those left out come along'
  )
  t.strictSame(carryImmutable(normalize(ada()).resource, before, userType), before, 'a first value is welcome')
  t.match(
    refusal(() => carryImmutable(before, read({ serial: 't' }), userType)),
    /^mutability: .*serial is immutable/
  )
  t.end()
})

test('Each lenience belongs to auto, and to at least one vendor', (t) => {
  for (const lenience of Object.keys(LENIENCES) as Lenience[]) {
    const profiles = SCIM_PROFILES.filter((profile) => new Leniency(profile).permits(lenience))
    t.ok(profiles.includes('auto') && profiles.length > 1 && !profiles.includes('strict'), lenience)
  }
  t.end()
})

test('A request tells which leniences it needed and where, with no values and no more than ten places', (t) => {
  const leniency = new Leniency('auto')
  normalizeResource(
    ada({ ...Object.fromEntries(Array.from({ length: 20 }, (_, i) => [`stray${i}`, 'v'])) }),
    userResourceType,
    leniency
  )
  t.strictSame(leniency.applied, [{ lenience: 'strayKeys', where: Array.from({ length: 10 }, (_, i) => `stray${i}`) }])
  t.end()
})
