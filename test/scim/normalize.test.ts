import { test } from 'tap'
import { carryImmutable } from '../../server/scim/immutable.ts'
import { ENTERPRISE_USER_URN as ENT } from '../../server/scim/schemas/enterprise-user.ts'
import { GROUP_URN } from '../../server/scim/schemas/group.ts'
import { groupResourceType } from '../../server/scim/schemas/index.ts'
import { USER_URN } from '../../server/scim/schemas/user.ts'
import { userWithBadge } from './badge.ts'
import { ada, extended, type Json, normalize, userType } from './normalizing.ts'
import { refusal } from './refusal.ts'

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

test('The password is kept apart from the resource', (t) => {
  t.strictSame(normalize(ada({ password: 'secret' })), { resource: ada(), password: 'secret', applied: [] })
  t.equal(normalize(ada({ password: '' })).password, undefined, 'an empty one is none')
  t.end()
})

test('What no profile allows is refused with the attribute’s path', (t) => {
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

test('Keys that are names in a prototype are unknown keys like any other', (t) => {
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

test('PUT keeps immutable values and refuses other ones', (t) => {
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
