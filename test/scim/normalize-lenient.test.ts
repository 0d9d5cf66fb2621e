// What providers send although the RFCs do not allow it: each lenience has a name, and strict tokens have none.
import { test } from 'tap'
import { SCIM_PROFILES } from '../../db/schema.ts'
import { normalizeResource } from '../../server/scim/normalize.ts'
import { LENIENCES, type Lenience, Leniency } from '../../server/scim/profiles.ts'
import { ENTERPRISE_USER_URN as ENT } from '../../server/scim/schemas/enterprise-user.ts'
import { userResourceType } from '../../server/scim/schemas/index.ts'
import type { ResourceType } from '../../server/scim/schemas/types.ts'
import { USER_URN } from '../../server/scim/schemas/user.ts'
import { BADGE } from './badge.ts'
import { ada, extended, type Json, normalize } from './normalizing.ts'
import { refusal } from './refusal.ts'

test('What the RFCs do not allow passes in auto, with the lenience’s name, and fails in strict', (t) => {
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

test('The body with mistakes in Entra’s documentation makes a user (E10)', (t) => {
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

test('Each lenience belongs to auto and to at least one provider’s profile', (t) => {
  for (const lenience of Object.keys(LENIENCES) as Lenience[]) {
    const profiles = SCIM_PROFILES.filter((profile) => new Leniency(profile).permits(lenience))
    t.ok(profiles.includes('auto') && profiles.length > 1 && !profiles.includes('strict'), lenience)
  }
  t.end()
})

test('A request reports which leniences it needed and where, without values, at most ten places', (t) => {
  const leniency = new Leniency('auto')
  normalizeResource(
    ada({ ...Object.fromEntries(Array.from({ length: 20 }, (_, i) => [`stray${i}`, 'v'])) }),
    userResourceType,
    leniency
  )
  t.strictSame(leniency.applied, [{ lenience: 'strayKeys', where: Array.from({ length: 10 }, (_, i) => `stray${i}`) }])
  t.end()
})
