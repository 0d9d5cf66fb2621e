import { test } from 'tap'
import type { ScimProfile } from '../../db/schema.ts'
import { PATCH_OP_URN, type PatchOperation, parsePatch } from '../../server/scim/patch/parse.ts'
import { formatPath } from '../../server/scim/path.ts'
import { type Lenience, Leniency } from '../../server/scim/profiles.ts'
import { ENTERPRISE_USER_URN as ENT } from '../../server/scim/schemas/enterprise-user.ts'
import { groupResourceType, userResourceType } from '../../server/scim/schemas/index.ts'
import type { ResourceType } from '../../server/scim/schemas/types.ts'
import { USER_URN } from '../../server/scim/schemas/user.ts'
import { refusal } from './refusal.ts'

type Operation = Record<string, unknown>
const message = (...operations: unknown[]) => ({ schemas: [PATCH_OP_URN], Operations: operations })

function parse(body: unknown, profile: ScimProfile = 'auto', resourceType: ResourceType = userResourceType) {
  const leniency = new Leniency(profile)
  const operations = parsePatch(body, resourceType, leniency).map(show)
  return { operations, applied: leniency.applied.map(({ lenience }) => lenience).sort() }
}

/** Shows an operation as text: `replace name.givenName "Ada"`. */
function show(operation: PatchOperation): string {
  const { path } = operation
  const isFiltered = path.attribute !== undefined && path.filter !== undefined
  const value = operation.op === 'remove' ? operation.values : operation.value
  return [operation.op, formatPath(path), isFiltered && '[…]', value !== undefined && JSON.stringify(value)]
    .filter((part) => part)
    .join(' ')
    .replaceAll(ENT, 'ENT')
}

test('Operations come out with resolved paths and canonical values, in every profile', (t) => {
  const cases: [operation: Operation, expected: string[]][] = [
    [{ op: 'add', path: 'nickName', value: 'Babs' }, ['add nickName "Babs"']],
    [{ op: 'replace', path: 'NAME.givenname', value: 'Ada' }, ['replace name.givenName "Ada"']],
    [{ op: 'replace', path: `${USER_URN}:name.givenName`, value: 'Ada' }, ['replace name.givenName "Ada"']],
    [{ op: 'replace', path: `${ENT}:department`, value: 'd' }, ['replace ENT:department "d"']],
    [{ op: 'add', path: 'emails', value: { value: 'a@x' } }, ['add emails [{"value":"a@x"}]']],
    [{ op: 'replace', path: 'emails', value: [] }, ['replace emails']],
    [{ op: 'replace', path: 'name', value: null }, ['replace name']],
    [{ op: 'replace', path: 'name', value: { givenName: 'A', middleName: null } }, ['replace name {"givenName":"A"}']],
    [{ op: 'replace', path: 'emails[type eq "work"].value', value: 'a@x' }, ['replace emails.value […] "a@x"']],
    [{ op: 'remove', path: 'emails[type eq "work"]' }, ['remove emails […]']],
    [{ op: 'remove', path: 'title', value: null }, ['remove title']],
    [{ op: 'remove', path: ENT }, ['remove ENT']],
    [
      { op: 'replace', path: ENT, value: { department: 'd', costCenter: null } },
      ['replace ENT:department "d"', 'replace ENT:costCenter']
    ],
    [{ op: 'replace', path: ENT, value: null }, ['remove ENT']],
    [{ op: 'add', path: ENT, value: null }, []],
    [
      { op: 'replace', value: { active: false, [ENT]: { department: 'd' } } },
      ['replace active false', 'replace ENT:department "d"']
    ],
    [{ op: 'add', value: { [`${ENT}:department`]: 'd' } }, ['add ENT:department "d"']],
    [{ op: 'add', path: 'schemas', value: [ENT] }, []],
    [{ OP: 'add', Path: 'title', VALUE: 'Dr' }, ['add title "Dr"']]
  ]
  for (const [operation, expected] of cases) {
    for (const profile of ['auto', 'strict'] as const) {
      t.strictSame(parse(message(operation), profile).operations, expected, `${JSON.stringify(operation)} (${profile})`)
    }
  }
  t.end()
})

test('What providers send beyond the RFC passes in auto, with the lenience’s name, and fails in strict', (t) => {
  const cases: [lenience: Lenience, body: unknown, expected: string[], strict: RegExp][] = [
    [
      'anyCaseOps',
      message({ op: 'Replace', path: 'active', value: false }),
      ['replace active false'],
      /^invalidSyntax: Operations\[0\]: op must be/
    ],
    [
      'stringBooleans',
      message({ op: 'replace', path: 'active', value: 'False' }),
      ['replace active false'],
      /^invalidValue/
    ],
    [
      'missingSchemas',
      { Operations: [{ op: 'remove', path: 'title' }] },
      ['remove title'],
      /^invalidSyntax: schemas must name/
    ],
    [
      'dottedKeys',
      message({ op: 'replace', value: { displayName: 'A', 'name.givenName': 'B', [`${ENT}:manager.value`]: 'm' } }),
      ['replace displayName "A"', 'replace name.givenName "B"', 'replace ENT:manager.value "m"'],
      /^invalidPath: .*Unknown attribute "name\.givenName"/
    ],
    [
      'dottedKeys',
      message({ op: 'add', value: { 'emails[type eq "work"].value': 'a@x' } }),
      ['add emails.value […] "a@x"'],
      /^invalidPath/
    ],
    [
      'dottedKeys',
      message({ op: 'add', value: { [ENT]: { 'manager.value': 'm' } } }),
      ['add ENT:manager.value "m"'],
      /^invalidSyntax/
    ],
    [
      'strayKeys',
      message({ op: 'replace', value: { active: true, department_id: 5 } }),
      ['replace active true'],
      /^invalidPath: .*Unknown attribute "department_id"/
    ],
    [
      'readOnlyIgnored',
      message({ op: 'replace', value: { id: 'u', meta: {}, groups: [], title: 'Dr' } }),
      ['replace id "u"', 'replace title "Dr"'],
      /^mutability: .*id is read-only/
    ],
    [
      'removeByValue',
      message({ op: 'Remove', path: 'emails', value: [{ $ref: null, value: 'a@x' }] }),
      ['remove emails [{"value":"a@x"}]'],
      /^invalidSyntax/
    ],
    [
      'removeByValue',
      message({ op: 'remove', path: `${ENT}:manager`, value: 'm' }),
      ['remove ENT:manager'],
      /^invalidValue: .*remove takes no value/
    ],
    [
      'removeByValue',
      message({ op: 'remove', path: 'emails', value: [] }),
      ['remove emails []'],
      /^invalidValue: .*remove takes no value/
    ],
    [
      'arrayForSingle',
      message({ op: 'add', path: `${ENT}:manager`, value: [{ $ref: 'http://x/Users/m', value: 'm' }] }),
      ['add ENT:manager {"$ref":"http://x/Users/m","value":"m"}'],
      /^invalidValue/
    ],
    [
      'bareValue',
      message({ op: 'replace', path: `${ENT}:manager`, value: 'm' }),
      ['replace ENT:manager {"value":"m"}'],
      /^invalidValue/
    ],
    [
      'emptyStringClears',
      message({ op: 'replace', path: `${ENT}:manager`, value: '' }),
      ['replace ENT:manager'],
      /^invalidValue/
    ],
    [
      'legacyUrns',
      message({ op: 'add', path: 'urn:scim:schemas:extension:enterprise:1.0:department', value: 'd' }),
      ['add ENT:department "d"'],
      /^invalidPath/
    ],
    [
      'managerId',
      message({ op: 'add', path: `${ENT}:manager.managerId`, value: 'm' }),
      ['add ENT:manager.value "m"'],
      /^invalidPath/
    ],
    [
      'jsonInString',
      message({ op: 'Add', path: 'roles', value: [{ value: '{"id":"1","value":"25","displayName":"R"}' }] }),
      ['add roles [{"value":"25","display":"R"}]'],
      /^invalidSyntax/
    ],
    [
      'singleForArray',
      message({ op: 'replace', path: 'roles', value: { value: 'r' } }),
      ['replace roles [{"value":"r"}]'],
      /^invalidValue: .*roles must be an array/
    ]
  ]
  for (const [lenience, body, expected, strict] of cases) {
    const { operations, applied } = parse(body)
    t.strictSame(operations, expected, JSON.stringify(body))
    t.ok(applied.includes(lenience), `${lenience} is noted`)
    t.match(
      refusal(() => parse(body, 'strict')),
      strict,
      `${lenience} in strict`
    )
  }
  t.strictSame(
    parse(message({ op: 'add', path: 'manager', value: { value: 'm' } })).operations,
    ['add ENT:manager {"value":"m"}'],
    'an extension attribute without its URN (E22)'
  )
  t.end()
})

test('What no profile allows is refused, and the answer names the operation', (t) => {
  const fine = { op: 'remove', path: 'title' }
  const cases: [body: unknown, expected: RegExp][] = [
    [undefined, /^invalidSyntax: A PATCH must be a JSON object/],
    [[fine], /^invalidSyntax/],
    [{ schemas: [PATCH_OP_URN] }, /^invalidSyntax: Operations must be a non-empty array/],
    [message(), /^invalidSyntax: Operations must be a non-empty array/],
    [{ ...message(fine), schemas: [USER_URN] }, /^invalidSyntax: schemas must name .*PatchOp/],
    [message(...Array(1001).fill(fine)), /^tooMany: A PATCH has at most 1,000 operations/],
    [message(fine, 'remove'), /^invalidSyntax: Operations\[1\]: An operation must be an object/],
    [
      message({ op: 'move', path: 'title' }),
      /^invalidSyntax: Operations\[0\]: op must be "add", "replace" or "remove"/
    ],
    [message({ path: 'title' }), /^invalidSyntax: .*op must be/],
    [message({ op: 'remove' }), /^noTarget: .*remove needs a path/],
    [message({ op: 'remove', value: { title: 'x' } }), /^noTarget/],
    [message({ op: 'add', path: 'title' }), /^invalidValue: .*add needs a value/],
    [message({ op: 'replace', value: 'x' }), /^invalidValue: .*replace without a path needs an object/],
    [message({ op: 'replace', value: null }), /^invalidValue/],
    [message({ op: 'replace', path: 5, value: 'x' }), /^invalidPath: .*path must be a string/],
    [message({ op: 'replace', path: '', value: 'x' }), /^invalidPath/],
    [message({ op: 'replace', path: 'nmae', value: 'x' }), /^invalidPath: .*Unknown attribute "nmae"/],
    [message({ op: 'replace', path: 'emails[type eq "work"', value: 'x' }), /^invalid(Path|Filter)/],
    [message({ op: 'replace', path: 'emails[type xx "work"].value', value: 'x' }), /^invalidFilter/],
    [message({ op: 'replace', path: 'meta', value: {} }), /^mutability: .*meta is read-only/],
    [message({ op: 'replace', path: 'meta.created', value: '2026-01-01T00:00:00Z' }), /^mutability/],
    [message({ op: 'add', path: 'groups', value: [{ value: 'g' }] }), /^mutability/],
    [message({ op: 'replace', path: `${ENT}:manager.displayName`, value: 'x' }), /^mutability/],
    [message({ op: 'remove', path: 'id' }), /^mutability: .*id cannot be removed/],
    [message({ op: 'remove', path: 'schemas' }), /^mutability: .*schemas cannot be removed/],
    [message({ op: 'add', path: 'schemas', value: 5 }), /^invalidSyntax/],
    [message({ op: 'replace', path: 'userName', value: null }), /^invalidValue: .*userName is required/],
    [message({ op: 'replace', path: 'active', value: 'maybe' }), /^invalidValue: .*active must be a boolean/],
    [message({ op: 'replace', path: 'emails', value: 'x' }), /^invalidValue: .*emails must be an array/],
    [message({ op: 'replace', path: 'name', value: 'x' }), /^invalidValue: .*name must be an object/],
    [message({ op: 'replace', path: ENT, value: 'x' }), /^invalidValue/],
    [message({ op: 'replace', path: 'password', value: '' }), /^invalidValue: .*password must not be empty/]
  ]
  for (const profile of ['auto', 'strict'] as const) {
    for (const [body, expected] of cases) {
      t.match(
        refusal(() => parse(body, profile)),
        expected,
        `${JSON.stringify(body)?.slice(0, 200)} (${profile})`
      )
    }
  }
  t.match(
    refusal(() =>
      parse(message({ op: 'replace', path: 'members[value eq "u"].display', value: 'x' }), 'auto', groupResourceType)
    ),
    /^mutability: .*members\.display is read-only/
  )
  t.end()
})
