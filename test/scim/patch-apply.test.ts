import { test } from 'tap'
import type { ScimProfile } from '../../db/schema.ts'
import { applyPatch } from '../../server/scim/patch/apply.ts'
import { PATCH_OP_URN, parsePatch } from '../../server/scim/patch/parse.ts'
import { Leniency } from '../../server/scim/profiles.ts'
import { ENTERPRISE_USER_URN as ENT } from '../../server/scim/schemas/enterprise-user.ts'
import { parseExtensionSchema } from '../../server/scim/schemas/extension.ts'
import { userResourceType } from '../../server/scim/schemas/index.ts'
import { withExtensions } from '../../server/scim/schemas/resource-type.ts'
import { USER_URN } from '../../server/scim/schemas/user.ts'
import { refusal } from './refusal.ts'

type Json = Record<string, unknown>
const BADGE = 'urn:example:badge:User'
const badge = parseExtensionSchema({
  id: BADGE,
  name: 'Badge',
  attributes: [
    { name: 'serial', mutability: 'immutable' },
    { name: 'codes', multiValued: true },
    {
      name: 'size',
      type: 'complex',
      subAttributes: [
        { name: 'width', type: 'integer', required: true },
        { name: 'unit', mutability: 'immutable' }
      ]
    },
    {
      name: 'pins',
      type: 'complex',
      multiValued: true,
      subAttributes: [
        { name: 'value', mutability: 'immutable' },
        { name: 'colors', multiValued: true }
      ]
    }
  ]
})
const resourceType = withExtensions(userResourceType, [{ schema: badge, required: false }])

/** Schemas follow the extensions, so the cases leave them out. */
const user = (rest: Json = {}): Json => ({
  schemas: [USER_URN, ...[ENT, BADGE].filter((urn) => urn in rest)],
  id: 'u1',
  userName: 'ada',
  ...rest
})

function patch(before: Json, operations: unknown[], profile: ScimProfile = 'auto') {
  const leniency = new Leniency(profile)
  const parsed = parsePatch({ schemas: [PATCH_OP_URN], Operations: operations }, resourceType, leniency)
  return applyPatch(before, parsed, resourceType, leniency)
}

const work = { value: 'w@x', type: 'work', primary: true }
const home = { value: 'h@x', type: 'home' }
const emails = [work, home]
const name = { familyName: 'L', givenName: 'Ada' }
const manager = { value: 'm', $ref: 'http://x/Users/m', displayName: 'Max' }

type Case = [title: string, before: Json, operations: Json[], after: Json]

const everywhere: Case[] = [
  // RFC 7644 §3.5.2.1
  ['add sets a single value', {}, [{ op: 'add', path: 'nickName', value: 'Babs' }], { nickName: 'Babs' }],
  ['add replaces a single value', { nickName: 'A' }, [{ op: 'add', path: 'nickName', value: 'B' }], { nickName: 'B' }],
  [
    'add merges a complex value',
    { name },
    [{ op: 'add', path: 'name', value: { givenName: 'B', middleName: 'C' } }],
    { name: { familyName: 'L', givenName: 'B', middleName: 'C' } }
  ],
  [
    'add without a path adds attributes',
    { emails: [work] },
    [{ op: 'add', value: { title: 'Dr', emails: [home] } }],
    { title: 'Dr', emails }
  ],
  ['add appends a value', { emails: [work] }, [{ op: 'add', path: 'emails', value: [home] }], { emails }],
  ['add leaves an identical value alone', { emails }, [{ op: 'add', path: 'emails', value: [home] }], { emails }],
  [
    'add completes a value that has the same value and type',
    { emails },
    [{ op: 'add', path: 'emails', value: [{ ...home, display: 'H' }] }],
    { emails: [work, { ...home, display: 'H' }] }
  ],
  [
    'add of a primary value unsets the other',
    { emails },
    [{ op: 'add', path: 'emails', value: [{ value: 'n@x', primary: true }] }],
    { emails: [{ ...work, primary: false }, home, { value: 'n@x', primary: true }] }
  ],
  [
    'add makes a value primary that is there',
    { emails },
    [{ op: 'add', path: 'emails', value: [{ ...home, primary: true }] }],
    {
      emails: [
        { ...work, primary: false },
        { ...home, primary: true }
      ]
    }
  ],
  [
    'add through a filter merges into the chosen values',
    { emails },
    [{ op: 'add', path: 'emails[type eq "home"]', value: { display: 'H' } }],
    { emails: [work, { ...home, display: 'H' }] }
  ],
  [
    'add of null changes nothing',
    { title: 'Dr', name },
    [
      { op: 'add', path: 'title', value: null },
      { op: 'add', path: 'name', value: { givenName: null } }
    ],
    { title: 'Dr', name }
  ],
  [
    'add of an extension attribute brings its URN',
    {},
    [{ op: 'add', path: `${ENT}:department`, value: 'd' }],
    { [ENT]: { department: 'd' } }
  ],
  [
    'add appends to a list of strings',
    { [BADGE]: { codes: ['a'] } },
    [{ op: 'add', path: `${BADGE}:codes`, value: ['A', 'b'] }],
    { [BADGE]: { codes: ['A', 'b'] } }
  ],
  [
    'add to a sub-attribute with several values',
    { [BADGE]: { pins: [{ value: 'p', colors: ['red'] }] } },
    [{ op: 'add', path: `${BADGE}:pins[value eq "p"].colors`, value: ['red', 'blue'] }],
    { [BADGE]: { pins: [{ value: 'p', colors: ['red', 'blue'] }] } }
  ],
  // RFC 7644 §3.5.2.2
  ['remove unassigns a single value', { title: 'Dr' }, [{ op: 'remove', path: 'title' }], {}],
  ['remove unassigns a complex value', { name }, [{ op: 'remove', path: 'name' }], {}],
  [
    'remove of a sub-attribute keeps the others',
    { name },
    [{ op: 'remove', path: 'name.givenName' }],
    { name: { familyName: 'L' } }
  ],
  [
    'remove of the last sub-attribute unassigns the attribute',
    { name: { givenName: 'A' } },
    [{ op: 'remove', path: 'name.givenName' }],
    {}
  ],
  ['remove empties a list', { emails }, [{ op: 'remove', path: 'emails' }], {}],
  [
    'remove through a filter takes the chosen values',
    { emails },
    [{ op: 'remove', path: 'emails[type eq "work"]' }],
    { emails: [home] }
  ],
  [
    'remove of all chosen values unassigns the attribute',
    { emails },
    [{ op: 'remove', path: 'emails[value co "@"]' }],
    {}
  ],
  [
    'remove of a sub-attribute of the chosen values',
    { emails },
    [{ op: 'remove', path: 'emails[type eq "work"].primary' }],
    { emails: [{ value: 'w@x', type: 'work' }, home] }
  ],
  [
    'remove of a sub-attribute of all values',
    { emails },
    [{ op: 'remove', path: 'emails.type' }],
    { emails: [{ value: 'w@x', primary: true }, { value: 'h@x' }] }
  ],
  [
    'remove of what is not there succeeds (E27)',
    {},
    [
      { op: 'remove', path: 'title' },
      { op: 'remove', path: 'emails' },
      { op: 'remove', path: `${ENT}:manager` },
      { op: 'remove', path: ENT }
    ],
    {}
  ],
  ['remove of a whole extension', { [ENT]: { department: 'd' } }, [{ op: 'remove', path: ENT }], {}],
  [
    'remove of the last extension attribute drops its URN',
    { [ENT]: { department: 'd' } },
    [{ op: 'remove', path: `${ENT}:department` }],
    {}
  ],
  // RFC 7644 §3.5.2.3
  ['replace sets a single value', { title: 'Dr' }, [{ op: 'replace', path: 'title', value: 'Sir' }], { title: 'Sir' }],
  [
    'replace of what is not there adds it',
    {},
    [
      { op: 'replace', path: 'title', value: 'Sir' },
      { op: 'replace', path: 'name.givenName', value: 'A' }
    ],
    { title: 'Sir', name: { givenName: 'A' } }
  ],
  [
    'replace keeps the sub-attributes it does not name',
    { name },
    [{ op: 'replace', path: 'name', value: { givenName: 'B' } }],
    { name: { familyName: 'L', givenName: 'B' } }
  ],
  [
    'replace unassigns a sub-attribute that is null',
    { name },
    [{ op: 'replace', path: 'name', value: { givenName: null } }],
    { name: { familyName: 'L' } }
  ],
  [
    'replace with null unassigns',
    { title: 'Dr', emails, name },
    [{ op: 'replace', value: { title: null, emails: [], name: null } }],
    {}
  ],
  [
    'replace of a list replaces all values',
    { emails },
    [{ op: 'replace', path: 'emails', value: [{ value: 'n@x' }] }],
    { emails: [{ value: 'n@x' }] }
  ],
  [
    'replace of the chosen values puts the new one in their place',
    { emails: [{ ...work, display: 'W' }, home] },
    [{ op: 'replace', path: 'emails[type eq "work"]', value: { value: 'n@x', type: 'work' } }],
    { emails: [{ value: 'n@x', type: 'work' }, home] }
  ],
  [
    'replace of a sub-attribute of the chosen values',
    { emails },
    [{ op: 'replace', path: 'emails[type eq "work"].value', value: 'n@x' }],
    { emails: [{ ...work, value: 'n@x' }, home] }
  ],
  [
    'replace of a sub-attribute of all values',
    { emails },
    [{ op: 'replace', path: 'emails.display', value: 'D' }],
    {
      emails: [
        { value: 'w@x', display: 'D', type: 'work', primary: true },
        { value: 'h@x', display: 'D', type: 'home' }
      ]
    }
  ],
  [
    'replace of a sub-attribute where there is no value makes one',
    {},
    [{ op: 'replace', path: 'emails.value', value: 'n@x' }],
    { emails: [{ value: 'n@x' }] }
  ],
  [
    'replace makes a chosen value primary, and the other not',
    { emails },
    [{ op: 'replace', path: 'emails[type eq "home"].primary', value: true }],
    {
      emails: [
        { ...work, primary: false },
        { ...home, primary: true }
      ]
    }
  ],
  [
    'several chosen values, and the first becomes primary',
    { emails: [home, { value: 'i@x', type: 'home' }] },
    [{ op: 'replace', path: 'emails[type eq "home"].primary', value: true }],
    {
      emails: [
        { ...home, primary: true },
        { value: 'i@x', type: 'home', primary: false }
      ]
    }
  ],
  [
    'replace of an extension keeps what it does not name',
    { [ENT]: { department: 'd', costCenter: 'c' } },
    [{ op: 'replace', path: ENT, value: { department: 'e' } }],
    { [ENT]: { department: 'e', costCenter: 'c' } }
  ],
  [
    'replace of an extension with null drops it',
    { [ENT]: { department: 'd' } },
    [{ op: 'replace', value: { [ENT]: null } }],
    {}
  ],
  [
    'values that become the same one are one',
    { emails },
    [{ op: 'replace', path: 'emails[type eq "work"]', value: { value: 'h@x', type: 'home' } }],
    { emails: [home] }
  ],
  [
    'another manager takes the reference and the name of the old one along',
    { [ENT]: { manager } },
    [{ op: 'replace', path: `${ENT}:manager.value`, value: 'n' }],
    { [ENT]: { manager: { value: 'n' } } }
  ],
  [
    'the same manager keeps them',
    { [ENT]: { manager } },
    [{ op: 'replace', path: `${ENT}:manager`, value: { value: 'm' } }],
    { [ENT]: { manager } }
  ],
  [
    'a filter on a single complex value',
    { name },
    [
      { op: 'replace', path: 'name[familyName eq "L"].givenName', value: 'B' },
      { op: 'remove', path: 'name[givenName eq "B"].familyName' }
    ],
    { name: { givenName: 'B' } }
  ],
  [
    'several operations on one attribute, in order (E25)',
    { emails },
    [
      { op: 'remove', path: 'emails' },
      { op: 'add', path: 'emails', value: [home] },
      { op: 'replace', path: 'emails', value: [{ value: 'n@x' }] }
    ],
    { emails: [{ value: 'n@x' }] }
  ],
  [
    'Entra: replace of roles drops the others (E24)',
    { roles: [{ value: 'a' }, { value: 'b' }] },
    [{ op: 'replace', path: 'roles', value: [{ value: 'b' }] }],
    { roles: [{ value: 'b' }] }
  ],
  [
    'an immutable attribute takes a first value',
    {},
    [{ op: 'add', path: `${BADGE}:serial`, value: 's' }],
    { [BADGE]: { serial: 's' } }
  ],
  [
    'an immutable attribute may be given the same value again',
    { [BADGE]: { serial: 's' } },
    [{ op: 'replace', path: `${BADGE}:serial`, value: 's' }],
    { [BADGE]: { serial: 's' } }
  ],
  [
    'a required attribute may go and come back in one request',
    {},
    [
      { op: 'remove', path: 'userName' },
      { op: 'add', path: 'userName', value: 'eve' }
    ],
    { userName: 'eve' }
  ]
]

const leniently: Case[] = [
  [
    'Entra: both operations apply (E15)',
    { emails, name },
    [
      { op: 'Replace', path: 'emails[type eq "work"].value', value: 'n@x' },
      { op: 'Replace', path: 'name.familyName', value: 'N' }
    ],
    { emails: [{ ...work, value: 'n@x' }, home], name: { familyName: 'N', givenName: 'Ada' } }
  ],
  [
    'Entra: a missing value is made with its type (E16)',
    { emails: [home], name },
    [
      { op: 'Replace', path: 'emails[type eq "work"].value', value: 'n@x' },
      { op: 'Replace', path: 'name.familyName', value: 'N' }
    ],
    { emails: [home, { value: 'n@x', type: 'work' }], name: { familyName: 'N', givenName: 'Ada' } }
  ],
  [
    'Entra: of several operations on a missing value the first one makes it',
    {},
    [
      { op: 'Add', path: 'addresses[type eq "work"].primary', value: 'True' },
      { op: 'Add', path: 'addresses[type eq "work"].locality', value: 'Ulm' }
    ],
    { addresses: [{ locality: 'Ulm', type: 'work', primary: true }] }
  ],
  [
    'Entra: an address beside the one at home (E17)',
    { addresses: [{ formatted: 'H', type: 'home' }] },
    [{ op: 'Add', path: 'addresses[type eq "work"].formatted', value: 'W' }],
    {
      addresses: [
        { formatted: 'H', type: 'home' },
        { formatted: 'W', type: 'work' }
      ]
    }
  ],
  [
    'Entra: active as a string (E19)',
    { active: true },
    [{ op: 'Replace', path: 'active', value: 'False' }],
    { active: false }
  ],
  [
    'Entra: dotted and qualified keys (E20)',
    { emails, name },
    [
      { op: 'replace', path: 'emails[type eq "work"].value', value: 'n@x' },
      { op: 'replace', value: { displayName: 'A', 'name.givenName': 'G', [`${ENT}:employeeNumber`]: '7' } }
    ],
    {
      emails: [{ ...work, value: 'n@x' }, home],
      displayName: 'A',
      name: { familyName: 'L', givenName: 'G' },
      [ENT]: { employeeNumber: '7' }
    }
  ],
  [
    'Entra: every form of a manager (E22)',
    {},
    [
      { op: 'Add', path: 'manager', value: [{ $ref: 'http://x/Users/m', value: 'm' }] },
      { op: 'Replace', path: `${ENT}:manager`, value: 'n' }
    ],
    { [ENT]: { manager: { value: 'n' } } }
  ],
  [
    'Entra: an empty string clears the manager (E22)',
    { [ENT]: { manager } },
    [{ op: 'Replace', path: `${ENT}:manager`, value: '' }],
    {}
  ],
  [
    'Entra: app roles (E24)',
    { roles: [{ value: 'old', primary: true }] },
    [
      { op: 'Add', path: 'roles', value: [{ value: '{"id":"1","value":"25","displayName":"R"}' }] },
      { op: 'Replace', path: 'roles[primary eq "True"].value', value: 'Admin' }
    ],
    {
      roles: [
        { value: 'Admin', primary: true },
        { value: '25', display: 'R' }
      ]
    }
  ],
  [
    'Entra: a primary role that is missing is made, and is the only primary one',
    { roles: [{ value: 'a', primary: false }] },
    [{ op: 'Replace', path: 'roles[primary eq "True"].value', value: 'Admin' }],
    {
      roles: [
        { value: 'a', primary: false },
        { value: 'Admin', primary: true }
      ]
    }
  ],
  [
    'Entra: remove with a list of values takes these alone',
    { emails },
    [{ op: 'Remove', path: 'emails', value: [{ value: 'W@x' }, { value: 'none@x' }] }],
    { emails: [home] }
  ],
  [
    'Entra: a value that is cleared leaves no label behind',
    { emails },
    [{ op: 'Remove', path: 'emails[type eq "work"].value' }],
    { emails: [home] }
  ],
  [
    'Okta: no path, the same id and read-only attributes (O6, O12)',
    { active: true },
    [{ op: 'replace', value: { id: 'u1', meta: {}, groups: [], active: false } }],
    { active: false }
  ],
  [
    'a value is made from the first alternative of a filter',
    {},
    [{ op: 'add', path: 'emails[(type eq "work" or type eq "home") and value pr]', value: { value: 'n@x' } }],
    { emails: [{ value: 'n@x', type: 'work' }] }
  ],
  [
    'a value that is made may be the primary one',
    { emails },
    [{ op: 'add', path: 'emails[type eq "other"]', value: { value: 'o@x', primary: true } }],
    { emails: [{ ...work, primary: false }, home, { value: 'o@x', type: 'other', primary: true }] }
  ],
  [
    'unassigning through a filter that chooses nothing does nothing',
    { emails: [home] },
    [
      { op: 'replace', path: 'emails[type eq "work"].value', value: null },
      { op: 'remove', path: 'emails[type eq "work"]' }
    ],
    { emails: [home] }
  ]
]

test('Operations do what RFC 7644 §3.5.2 says, in every profile', (t) => {
  for (const [title, before, operations, after] of everywhere) {
    for (const profile of ['auto', 'strict'] as const) {
      t.strictSame(patch(user(before), operations, profile).resource, user(after), `${title} (${profile})`)
    }
  }
  t.end()
})

test('Operations do what providers expect, unless the profile is strict', (t) => {
  for (const [title, before, operations, after] of leniently) {
    t.strictSame(patch(user(before), operations).resource, user(after), title)
    t.not(
      refusal(() => patch(user(before), operations, 'strict')),
      'accepted',
      `${title}: strict refuses`
    )
  }
  t.end()
})

test('A value that is replaced through a filter keeps what the filter says of it, except in strict', (t) => {
  const operation = { op: 'replace', path: 'emails[type eq "work" or type eq "home"]', value: { value: 'n@x' } }
  t.strictSame(
    patch(user({ emails }), [operation]).resource,
    user({
      emails: [
        { value: 'n@x', type: 'work' },
        { value: 'n@x', type: 'home' }
      ]
    })
  )
  t.strictSame(patch(user({ emails }), [operation], 'strict').resource, user({ emails: [{ value: 'n@x' }] }))
  t.end()
})

test('An app role as JSON text is opened also where the path names its value (E24)', (t) => {
  const operation = { op: 'Replace', path: 'roles[primary eq "True"].value', value: '{"id":"1","value":"25"}' }
  t.strictSame(patch(user(), [operation]).resource, user({ roles: [{ value: '25', primary: true }] }))
  t.end()
})

test('A value that a filter describes is checked like any other', (t) => {
  const operation = { op: 'add', path: 'x509Certificates[value eq "no base64"].type', value: 'work' }
  t.match(
    refusal(() => patch(user(), [operation])),
    /^invalidValue: .*must be encoded in base64/
  )
  t.end()
})

test('An operation that cannot be carried out is refused', (t) => {
  const cases: [before: Json, operation: Json, expected: RegExp, profile?: ScimProfile][] = [
    [
      { emails: [home] },
      { op: 'replace', path: 'emails[type eq "work"].value', value: 'x' },
      /^noTarget: emails\.value/,
      'strict'
    ],
    [{ emails: [home] }, { op: 'replace', path: 'emails[type eq "work"]', value: null }, /^noTarget/, 'strict'],
    [{ emails: [home] }, { op: 'add', path: 'emails[type eq "work"]', value: { value: 'x' } }, /^noTarget/, 'strict'],
    [{ emails: [home] }, { op: 'remove', path: 'emails[type eq "work"]' }, /^noTarget/, 'strict'],
    [{ emails: [home] }, { op: 'replace', path: 'emails[type ne "home"].type', value: 'home' }, /^noTarget/, 'okta'],
    [{ emails: [home] }, { op: 'replace', path: 'emails[type co "work"].value', value: 'x' }, /^noTarget/],
    [{ name }, { op: 'replace', path: 'name[familyName eq "X"].givenName', value: 'x' }, /^noTarget/],
    [{}, { op: 'remove', path: 'userName' }, /^mutability: userName is required/],
    [{}, { op: 'replace', path: 'userName', value: ' ' }, /^invalidValue: .*userName is required/],
    [{}, { op: 'replace', value: { id: 'u2' } }, /^mutability: id is read-only/],
    [
      { [BADGE]: { serial: 's' } },
      { op: 'replace', path: `${BADGE}:serial`, value: 't' },
      /^mutability: .*serial is immutable/
    ],
    [{ [BADGE]: { serial: 's' } }, { op: 'remove', path: `${BADGE}:serial` }, /^mutability/],
    [{ [BADGE]: { serial: 's' } }, { op: 'remove', path: BADGE }, /^mutability/],
    [
      { [BADGE]: { size: { width: 1, unit: 'cm' } } },
      { op: 'replace', path: `${BADGE}:size.unit`, value: 'in' },
      /^mutability: .*size\.unit is immutable/
    ],
    [
      { [BADGE]: { size: { width: 1 } } },
      { op: 'remove', path: `${BADGE}:size.width` },
      /^mutability: .*size\.width is required/
    ],
    [{}, { op: 'add', path: `${BADGE}:size`, value: { unit: 'cm' } }, /^invalidValue: .*size\.width is required/],
    [
      { [BADGE]: { pins: [{ value: 'p' }] } },
      { op: 'replace', path: `${BADGE}:pins[value eq "p"].value`, value: 'q' },
      /^mutability/
    ],
    [
      { ims: Array.from({ length: 1000 }, (_, i) => ({ value: `${i}` })) },
      { op: 'add', path: 'ims', value: [{ value: 'x' }] },
      /^invalidValue: ims has more than 1,000 values/
    ]
  ]
  for (const [before, operation, expected, profile] of cases) {
    t.match(
      refusal(() => patch(user(before), [operation], profile)),
      expected,
      JSON.stringify(operation)
    )
  }
  const required = withExtensions(userResourceType, [{ schema: badge, required: true }])
  const leniency = new Leniency('auto')
  const operations = parsePatch({ Operations: [{ op: 'remove', path: BADGE }] }, required, leniency)
  t.match(
    refusal(() => applyPatch(user({ [BADGE]: { codes: ['a'] } }), operations, required, leniency)),
    /^mutability: urn:example:badge:User is required/
  )
  t.end()
})

test('One bad operation leaves the resource as it was (E26)', (t) => {
  const before = Object.freeze(user({ emails: Object.freeze(emails) }))
  const copy = structuredClone(before)
  const operations = [
    { op: 'replace', path: 'title', value: 'Dr' },
    { op: 'replace', path: 'emails[type eq "work"].value', value: 'n@x' },
    { op: 'replace', path: 'emails[type eq "other"].value', value: 'n@x' }
  ]
  t.match(
    refusal(() => patch(before, operations, 'strict')),
    /^noTarget/
  )
  t.strictSame(before, copy)
  t.end()
})

test('A PATCH tells whether it changed anything', (t) => {
  const before = user({ emails, title: 'Dr' })
  t.equal(patch(before, [{ op: 'add', path: 'emails', value: [home] }]).changed, false)
  t.equal(patch(before, [{ op: 'replace', path: 'title', value: 'Dr' }]).changed, false)
  t.equal(patch(before, [{ op: 'remove', path: 'nickName' }]).changed, false)
  t.equal(
    patch(before, [
      { op: 'remove', path: 'title' },
      { op: 'add', path: 'title', value: 'Dr' }
    ]).changed,
    false
  )
  t.equal(patch(before, [{ op: 'replace', path: 'title', value: 'Sir' }]).changed, true)
  t.end()
})

test('A password is handed back apart from the resource (O9)', (t) => {
  const before = user()
  t.strictSame(patch(before, [{ op: 'replace', value: { password: 'secret' } }]), {
    resource: before,
    changed: true,
    password: 'secret'
  })
  t.strictSame(patch(before, [{ op: 'remove', path: 'password' }]), { resource: before, changed: true, password: null })
  t.strictSame(patch(before, [{ op: 'add', path: 'password', value: null }]), { resource: before, changed: false })
  t.end()
})

test('Operations that would look at too many values are refused before they take long', (t) => {
  const before = user({ ims: Array.from({ length: 1000 }, (_, i) => ({ value: `${i}` })) })
  const filter = Array.from({ length: 200 }, (_, i) => `value eq "${i}x"`).join(' or ')
  const operations = Array.from({ length: 20 }, () => ({ op: 'remove', path: `ims[${filter}]` }))
  t.match(
    refusal(() => patch(before, operations)),
    /^tooMany/
  )
  t.equal(patch(before, operations.slice(0, 5)).changed, false)
  t.end()
})
