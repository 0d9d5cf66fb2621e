// What providers send and expect although the RFCs do not allow it. Only strict tokens refuse it.
import { ENTERPRISE_USER_URN as ENT } from '../../server/scim/schemas/enterprise-user.ts'
import { type Case, emails, home, manager, name, work } from './patch-cases.ts'

const addresses = [
  { locality: 'Ulm', type: 'work' },
  { locality: 'Bonn', type: 'home' }
]

export const leniently: Case[] = [
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
    'remove with a list of labels takes whatever bears them',
    { emails, addresses },
    [
      { op: 'Remove', path: 'addresses', value: [{ type: 'Work' }] },
      { op: 'remove', path: 'emails', value: { TYPE: 'work' } }
    ],
    { emails: [home], addresses: [addresses[1]] }
  ],
  [
    'of several labels each takes its own, and all that one says counts',
    { emails: [work, home, { value: 'o@x', type: 'home', primary: false }, { value: 'p@x', type: 'other' }] },
    [
      {
        op: 'remove',
        path: 'emails',
        value: [{ type: 'home', primary: 'False' }, { type: 'other', primary: true }, { primary: true }]
      }
    ],
    { emails: [home, { value: 'p@x', type: 'other' }] }
  ],
  [
    'labels and values may be listed together',
    { emails: [...emails, { value: 'o@x', type: 'other' }] },
    [{ op: 'remove', path: 'emails', value: [{ value: 'h@x' }, { type: 'work' }] }],
    { emails: [{ value: 'o@x', type: 'other' }] }
  ],
  [
    'a label that nothing bears takes nothing',
    { emails: [home] },
    [
      { op: 'remove', path: 'emails', value: [{ type: 'work' }, { primary: true }] },
      { op: 'remove', path: 'addresses', value: [{ type: 'work' }] }
    ],
    { emails: [home] }
  ],
  [
    'a list that names no value takes nothing, nor does a label whose value was lost',
    { emails, addresses },
    [
      ...[[], [{}], [null], {}, '', [''], [{ value: null }], [{ type: null }], [{ type: '' }]].map((value) => ({
        op: 'remove',
        path: 'emails',
        value
      })),
      { op: 'remove', path: 'emails', value: [{ type: 'work', value: null }] },
      { op: 'remove', path: 'emails', value: [{ type: 'work', value: '' }] },
      { op: 'remove', path: 'emails', value: [{ type: 'work', adress: 'w@x' }] },
      { op: 'remove', path: 'addresses', value: [{ type: 'work', formatted: null, locality: '' }] }
    ],
    { emails, addresses }
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
