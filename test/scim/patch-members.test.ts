import { test } from 'tap'
import type { ScimProfile } from '../../db/schema.ts'
import { normalizeResource } from '../../server/scim/normalize.ts'
import { type MemberOperation, splitGroupPatch, splitMembers } from '../../server/scim/patch/members.ts'
import { PATCH_OP_URN, parsePatch } from '../../server/scim/patch/parse.ts'
import { Leniency } from '../../server/scim/profiles.ts'
import { GROUP_URN } from '../../server/scim/schemas/group.ts'
import { groupResourceType } from '../../server/scim/schemas/index.ts'
import { refusal } from './refusal.ts'

function split(operations: unknown[], profile: ScimProfile = 'auto') {
  const body = { schemas: [PATCH_OP_URN], Operations: operations }
  return splitGroupPatch(parsePatch(body, groupResourceType, new Leniency(profile)))
}

const add = (...ids: string[]): MemberOperation => ({ kind: 'add', members: ids.map((value) => ({ value })) })
const remove = (...values: string[]): MemberOperation => ({ kind: 'remove', values })
const replace = (...ids: string[]): MemberOperation => ({ kind: 'replace', members: ids.map((value) => ({ value })) })

test('Operations on members become set operations', (t) => {
  const cases: [title: string, operations: unknown[], expected: MemberOperation[]][] = [
    ['add with a null $ref (E35)', [{ op: 'Add', path: 'members', value: [{ $ref: null, value: 'a' }] }], [add('a')]],
    [
      'add of several, and by several operations (E35)',
      [
        { op: 'Add', path: 'members', value: [{ value: 'a' }, { value: 'b' }] },
        { op: 'Add', path: 'members', value: [{ value: 'c' }] }
      ],
      [add('a', 'b', 'c')]
    ],
    ['add twice (E36)', [{ op: 'add', path: 'members', value: [{ value: 'a' }, { value: 'a' }] }], [add('a')]],
    ['one object for an array (X1)', [{ op: 'add', path: 'members', value: { value: 'a' } }], [add('a')]],
    [
      'a type, in any letter case',
      [
        {
          op: 'add',
          path: 'members',
          value: [
            { value: 'g', type: 'group' },
            { value: 'u', type: 'User' },
            { value: 'x', type: 'Robot' }
          ]
        }
      ],
      [{ kind: 'add', members: [{ value: 'g', type: 'Group' }, { value: 'u', type: 'User' }, { value: 'x' }] }]
    ],
    [
      'remove with a list removes these alone (E37)',
      [{ op: 'Remove', path: 'members', value: [{ $ref: null, value: 'a' }] }],
      [remove('a')]
    ],
    ['remove with an empty list removes nobody', [{ op: 'remove', path: 'members', value: [] }], []],
    [
      'remove of what names nobody removes nobody, and a label names nobody',
      [
        [{}],
        [{ value: null }],
        {},
        '',
        [''],
        [{ type: 'User' }],
        { type: 'Group' },
        [{ type: 'User', value: null }]
      ].map((value) => ({ op: 'remove', path: 'members', value })),
      []
    ],
    ['remove through a filter (E38)', [{ op: 'remove', path: 'members[value eq "a"]' }], [remove('a')]],
    [
      'remove through a filter with several ids',
      [{ op: 'remove', path: 'members[value eq "a" or (value eq "b" or value eq "c")]' }],
      [remove('a', 'b', 'c')]
    ],
    ['remove without value and filter', [{ op: 'remove', path: 'members' }], [{ kind: 'clear' }]],
    [
      'remove and add (O13)',
      [
        { op: 'remove', path: 'members[value eq "a"]' },
        { op: 'add', path: 'members', value: [{ value: 'b', display: 'B' }] }
      ],
      [remove('a'), add('b')]
    ],
    [
      'replace (O14)',
      [{ op: 'replace', path: 'members', value: [{ value: 'a' }, { value: 'b' }] }],
      [replace('a', 'b')]
    ],
    ['replace with an empty list', [{ op: 'replace', path: 'members', value: [] }], [{ kind: 'clear' }]],
    [
      'replace without a path (O14)',
      [{ op: 'replace', value: { members: [], id: 'g1', displayName: 'X' } }],
      [{ kind: 'clear' }]
    ],
    [
      'of several changes to one member the last one counts',
      [
        { op: 'add', path: 'members', value: [{ value: 'a' }] },
        { op: 'remove', path: 'members[value eq "a"]' },
        { op: 'remove', path: 'members[value eq "b"]' },
        { op: 'add', path: 'members', value: [{ value: 'b' }] }
      ],
      [remove('a'), add('b')]
    ],
    [
      'a new list makes earlier changes vain and takes later ones in',
      [
        { op: 'add', path: 'members', value: [{ value: 'x' }] },
        { op: 'replace', path: 'members', value: [{ value: 'a' }] },
        { op: 'add', path: 'members', value: [{ value: 'b' }] },
        { op: 'remove', path: 'members[value eq "a"]' }
      ],
      [replace('b')]
    ],
    [
      'another member in the place of one',
      [{ op: 'replace', path: 'members[value eq "a"]', value: { value: 'b' } }],
      [remove('a'), add('b')]
    ],
    [
      'nothing to add',
      [
        { op: 'add', path: 'members', value: [] },
        { op: 'add', path: 'members', value: null }
      ],
      []
    ]
  ]
  for (const [title, operations, expected] of cases) t.strictSame(split(operations).members, expected, title)
  t.end()
})

test('A filter on more than ids stays a filter, in its place', (t) => {
  const { members } = split([
    { op: 'add', path: 'members', value: [{ value: 'a' }] },
    { op: 'remove', path: 'members[type eq "Group"]' },
    { op: 'add', path: 'members', value: [{ value: 'b' }] }
  ])
  t.match(members, [add('a'), { kind: 'removeWhere', filter: { op: 'eq', value: 'Group' } }, add('b')])
  t.match(split([{ op: 'remove', path: 'members[value eq "a" and type eq "User"]' }]).members, [
    { kind: 'removeWhere' }
  ])
  t.match(split([{ op: 'remove', path: 'members[value eq "a" or display eq "A"]' }]).members, [{ kind: 'removeWhere' }])
  t.end()
})

test('Other operations are left for applyPatch', (t) => {
  const { attributes, members } = split([
    { op: 'replace', value: { id: 'g1', displayName: 'X', members: [{ value: 'a' }] } },
    { op: 'Replace', path: 'externalId', value: 'e' }
  ])
  t.strictSame(
    attributes.map(({ op, path }) => [op, path.attribute?.name]),
    [
      ['replace', 'id'],
      ['replace', 'displayName'],
      ['replace', 'externalId']
    ]
  )
  t.strictSame(members, [replace('a')])
  t.strictSame(
    split([{ op: 'add', path: 'members', value: [{ value: 'a' }] }]).attributes,
    [],
    'a change of members needs no resource'
  )
  t.end()
})

test('A part of a member cannot be changed, and a member needs an id', (t) => {
  const cases: [operation: unknown, expected: RegExp][] = [
    [{ op: 'replace', path: 'members[value eq "a"].display', value: 'x' }, /^mutability/],
    [
      { op: 'replace', path: 'members[value eq "a"].value', value: 'b' },
      /^mutability: members\.value cannot be changed/
    ],
    [{ op: 'add', path: 'members.type', value: 'User' }, /^mutability/],
    [{ op: 'remove', path: 'members[value eq "a"].type' }, /^mutability: members\.type cannot be removed/],
    [
      { op: 'add', path: 'members', value: [{ value: 'a' }, { type: 'User', $ref: 'http://x/Users/b' }] },
      /^invalidValue: members\[1\]\.value is required/
    ],
    [{ op: 'add', path: 'members', value: [{ value: 5 }] }, /^invalidValue: .*members\[0\]\.value must be a string/],
    [{ op: 'add', path: 'members', value: 'a' }, /^invalidValue: .*members must be an array/]
  ]
  for (const profile of ['auto', 'strict'] as const) {
    for (const [operation, expected] of cases)
      t.match(
        refusal(() => split([operation], profile)),
        expected
      )
  }
  t.end()
})

test('A thousand operations with many members make one change', (t) => {
  const operations = Array.from({ length: 1000 }, (_, i) => ({
    op: 'add',
    path: 'members',
    value: Array.from({ length: 50 }, (_, j) => ({ value: `${i}-${j}` }))
  }))
  const { members } = split(operations)
  t.equal(members.length, 1)
  t.equal(members[0]?.kind === 'add' && members[0].members.length, 50_000)
  t.end()
})

test('Members of a new group are kept apart from it', (t) => {
  const read = (body: object) =>
    splitMembers(
      normalizeResource({ schemas: [GROUP_URN], displayName: 'G', ...body }, groupResourceType, new Leniency('auto'))
        .resource
    )
  t.strictSame(read({ members: [{ value: 'a', type: 'User' }, { value: 'a' }, { value: 'b', display: 'B' }] }), {
    group: { schemas: [GROUP_URN], displayName: 'G' },
    members: [{ value: 'a' }, { value: 'b' }]
  })
  t.equal(read({ members: [] }).members, undefined)
  t.equal(read({ members: Array.from({ length: 30_000 }, (_, i) => ({ value: `${i}` })) }).members?.length, 30_000)
  t.match(
    refusal(() => read({ members: [{ $ref: 'http://x/Users/b' }] })),
    /^invalidValue: members\[0\]\.value is required/
  )
  t.end()
})
