// How operations change a user by RFC 7644 §3.5.2, whatever the token's profile.
import { ENTERPRISE_USER_URN as ENT } from '../../server/scim/schemas/enterprise-user.ts'
import { BADGE } from './badge.ts'

export type Json = Record<string, unknown>
export type Case = [title: string, before: Json, operations: Json[], after: Json]

export const work = { value: 'w@x', type: 'work', primary: true }
export const home = { value: 'h@x', type: 'home' }
export const emails = [work, home]
export const name = { familyName: 'L', givenName: 'Ada' }
export const manager = { value: 'm', $ref: 'http://x/Users/m', displayName: 'Max' }

export const everywhere: Case[] = [
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
