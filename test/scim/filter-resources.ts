// Random users and groups for test/scim/filter-to-sql.test.ts, in the database and as resources.

import { sql } from 'kysely'
import type { Db } from '../../db/connect.ts'
import { insertRows } from '../../db/rows.ts'
import { documentColumns, emailKeys, shownName, type UserDocument } from '../../server/provisioning/user-document.ts'
import { ENTERPRISE_USER_URN } from '../../server/scim/schemas/enterprise-user.ts'
import { parseExtensionSchema } from '../../server/scim/schemas/extension.ts'
import { groupResourceType, userResourceType } from '../../server/scim/schemas/index.ts'
import { withExtensions } from '../../server/scim/schemas/resource-type.ts'
import fc from '../support/fuzz.ts'

export const BASE_URL = 'https://acme.example/scim/v2'
export const BADGE_URN = 'urn:example:badge:1.0'
const badge = parseExtensionSchema({
  id: BADGE_URN,
  name: 'Badge',
  attributes: [
    { name: 'number', type: 'integer' },
    { name: 'weight', type: 'decimal' },
    { name: 'issued', type: 'dateTime' },
    { name: 'secure', type: 'boolean' },
    { name: 'exact', caseExact: true },
    { name: 'constructor' },
    { name: 'tags', multiValued: true },
    { name: 'levels', type: 'integer', multiValued: true },
    {
      name: 'doors',
      type: 'complex',
      multiValued: true,
      subAttributes: [
        { name: 'value' },
        { name: 'open', type: 'boolean' },
        { name: 'hours', type: 'dateTime', multiValued: true },
        { name: 'keys', multiValued: true }
      ]
    }
  ]
})
const extension = [{ schema: badge, required: false }]
export const userType = withExtensions(userResourceType, extension)
export const groupType = withExtensions(groupResourceType, extension)

// Letters whose lower case has another length, depends on their place or belongs to several upper-case letters;
// characters with a meaning in SQL, JSON and LIKE; characters above U+FFFF and just below.
const LETTERS = [
  ...['a', 'A', 'b', 'B', 'i', 'I', 'İ', 'ı', 'ß', 'ẞ', 'é', 'É', 'e\u0301', 'Σ', 'σ', 'ς', 'Ο', 'ο', 'k', '\u212a'],
  ...[
    '"',
    "'",
    '\\',
    '%',
    '_',
    '$1',
    '--',
    ' ',
    '\n',
    '@',
    '1',
    '中',
    '\ud7ff',
    '\ue000',
    '\uffee',
    '😀',
    '\u{10ffff}',
    '𐐀',
    '𐐨'
  ]
]
export const texts = fc.array(fc.constantFrom(...LETTERS), { maxLength: 4 }).map((letters) => letters.join(''))
const filledTexts = texts.map((text) => text || 'a')
export const dateTimes = fc
  .record({
    date: fc.constantFrom('2026-01-01', '2024-02-29', '1969-12-31', '0001-01-01', '9999-12-31'),
    time: fc.constantFrom('00:00:00', '23:59:59', '12:30:00'),
    fraction: fc.constantFrom('', '.1', '.123', '.1239', '.9999999'),
    offset: fc.constantFrom('', 'Z', '+02:00', '-14:00')
  })
  .map(({ date, time, fraction, offset }) => `${date}T${time}${fraction}${offset}`)
export const numbers = fc.oneof(
  fc.constantFrom(0, -0, 1, 1.5, 5e-324, 1.7976931348623157e308, 2 ** 53),
  fc.double({ noNaN: true, noDefaultInfinity: true })
)
// what may remain of an extension whose definition was changed
const odd = fc.constantFrom<unknown>(
  null,
  '',
  'true',
  'x',
  5,
  true,
  [],
  {},
  ['a'],
  { value: 'a' },
  '2023-02-29T00:00:00Z'
)
const orOdd = <T>(values: fc.Arbitrary<T>) =>
  fc.oneof({ weight: 9, arbitrary: values as fc.Arbitrary<unknown> }, { weight: 1, arbitrary: odd })
const lists = <T>(values: fc.Arbitrary<T>) => orOdd(fc.array(orOdd(values), { maxLength: 3 }))
const some = <T>(model: { [K in keyof T]: fc.Arbitrary<T[K]> }) => fc.record(model, { requiredKeys: [] })

const badges = orOdd(
  some({
    number: orOdd(fc.integer({ min: -3, max: 3 })),
    weight: orOdd(numbers),
    issued: orOdd(dateTimes),
    secure: orOdd(fc.boolean()),
    exact: orOdd(texts),
    constructor: orOdd(texts) as never,
    tags: lists(texts),
    levels: lists(fc.integer({ min: -3, max: 3 })),
    doors: lists(some({ value: orOdd(texts), open: orOdd(fc.boolean()), hours: lists(dateTimes), keys: lists(texts) }))
  })
)
const userDocuments = some({
  externalId: texts,
  displayName: texts,
  title: orOdd(texts),
  nickName: texts,
  name: some({ familyName: texts, givenName: texts, formatted: texts }),
  emails: fc.array(some({ value: texts, type: fc.constantFrom('work', 'Work', 'home'), primary: fc.boolean() }), {
    maxLength: 3
  }),
  photos: fc.array(some({ value: texts }), { maxLength: 2 }),
  [BADGE_URN]: badges,
  [ENTERPRISE_USER_URN]: some({ department: texts, manager: some({ value: texts, displayName: texts }) })
})
const groupDocuments = some({ externalId: texts, [BADGE_URN]: badges })
const users = fc.record({
  document: userDocuments,
  userName: filledTexts,
  state: fc.constantFrom('invited', 'active', 'deactivated'),
  memberOf: fc.array(fc.nat(5), { maxLength: 2 })
})
const groups = fc.record({ document: groupDocuments, displayName: texts, parent: fc.nat(5), hasParent: fc.boolean() })
export const instants = fc.constantFrom(
  '2026-01-01T00:00:00.000Z',
  '2026-01-01T00:00:00.123Z',
  '2024-02-29T23:59:59.999Z'
)

export type Resource = Record<string, unknown> & { id: string }
export const uuid = (kind: number, index: number) =>
  `0000${kind}000-0000-7000-8000-00000000${(0xab00 + index).toString(16)}`

/** Fills a tenant with random users and nested groups. @returns the resources as a client would read them */
export async function fill(owner: Db, tenantId: number, seed: number) {
  const sample = <T>(values: fc.Arbitrary<T>, numRuns: number) => fc.sample(values, { seed, numRuns })
  const groupRows = sample(groups, 6).map((group, i) => ({
    ...group,
    id: uuid(1, i),
    displayName: `${group.displayName}${i}`
  }))
  const times = sample(instants, 200)
  // a parent has a lower number than its children, so that there is no cycle
  const parentOf = (i: number) =>
    groupRows[i]!.hasParent && groupRows[i]!.parent < i ? groupRows[i]!.parent : undefined
  const ancestors = (i: number): number[] => {
    const parent = parentOf(i)
    return parent === undefined ? [i] : [i, ...ancestors(parent)]
  }
  await sql`insert into tenants (id, subdomain, name, created_at, updated_at) overriding system value
    values (${tenantId}, ${`t${tenantId}`}, 'T', now(), now())`.execute(owner)
  await insertRows(
    owner,
    'groups',
    {
      tenant_id: 'int',
      id: 'uuid',
      display_name: 'text',
      display_name_key: 'text',
      external_id: 'text',
      connection_id: 'uuid',
      doc: 'json',
      created_at: 'timestamptz',
      updated_at: 'timestamptz'
    },
    groupRows.map(({ id, displayName, document }, i) => ({
      tenant_id: tenantId,
      id,
      display_name: displayName,
      display_name_key: displayName.toLowerCase(),
      external_id: document.externalId || null,
      connection_id: id,
      doc: JSON.stringify({ schemas: [groupType.schema.id], displayName, ...document }),
      created_at: times[i],
      updated_at: times[i]
    }))
  )
  const userRows = sample(users, 120).map((user, i) => {
    const document = {
      schemas: [userType.schema.id],
      userName: `${user.userName}${i}`,
      ...user.document
    } as UserDocument
    return {
      ...user,
      id: uuid(2, i),
      document,
      columns: documentColumns(document),
      memberOf: [...new Set(user.memberOf)]
    }
  })
  /** Where a family name is found: in the index, in the list, or in neither. */
  const placeOf = ({ family_name_key: key }: { family_name_key: string | null }, i: number) => {
    const isListed = i % 3 === 1 && key !== null
    return {
      indexed_family_name: i % 3 === 0 ? key : i % 3 === 1 ? 'doe' : null,
      listed_family_name: isListed ? `${tenantId} ${key}` : null
    }
  }
  await insertRows(
    owner,
    'users',
    {
      tenant_id: 'int',
      id: 'uuid',
      state: 'text',
      role: 'text',
      connection_id: 'uuid',
      listed_family_name: 'text',
      ...Object.fromEntries(Object.keys(userRows[0]!.columns).map((name) => [name, name === 'doc' ? 'json' : 'text'])),
      version: 'int',
      created_at: 'timestamptz',
      updated_at: 'timestamptz'
    },
    userRows.map(({ id, state, columns }, i) => ({
      tenant_id: tenantId,
      id,
      state,
      role: 'responder',
      connection_id: id,
      ...columns,
      ...placeOf(columns, i),
      version: i % 3,
      created_at: times[i],
      updated_at: times[i + 1]
    }))
  )
  const listed = userRows.filter(({ columns }, i) => placeOf(columns, i).listed_family_name !== null)
  await insertRows(
    owner,
    'user_family_names',
    { tenant_id: 'int', family_name_key: 'text', user_id: 'uuid' },
    listed.map(({ id, columns }) => ({ tenant_id: tenantId, family_name_key: columns.family_name_key, user_id: id }))
  )
  await insertRows(
    owner,
    'user_emails',
    { tenant_id: 'int', user_id: 'uuid', value_key: 'text' },
    userRows.flatMap(({ id, document }) =>
      emailKeys(document).map((key) => ({ tenant_id: tenantId, user_id: id, value_key: key }))
    )
  )
  const memberships = userRows.flatMap(({ id, memberOf }) =>
    memberOf.map((i) => ({ tenant_id: tenantId, group_id: uuid(1, i), user_id: id }))
  )
  await insertRows(owner, 'group_members', { tenant_id: 'int', group_id: 'uuid', user_id: 'uuid' }, memberships)
  const numbersOfGroups = groupRows.map((_, i) => i)
  await insertRows(
    owner,
    'group_children',
    { tenant_id: 'int', group_id: 'uuid', child_id: 'uuid' },
    numbersOfGroups.flatMap((i) =>
      parentOf(i) === undefined ? [] : [{ tenant_id: tenantId, group_id: uuid(1, parentOf(i)!), child_id: uuid(1, i) }]
    )
  )
  await insertRows(
    owner,
    'group_ancestors',
    { tenant_id: 'int', group_id: 'uuid', ancestor_id: 'uuid' },
    numbersOfGroups.flatMap((i) =>
      ancestors(i).map((j) => ({ tenant_id: tenantId, group_id: uuid(1, i), ancestor_id: uuid(1, j) }))
    )
  )
  await insertRows(
    owner,
    'group_revisions',
    { tenant_id: 'int', group_id: 'uuid', member_delta: 'int', at: 'timestamptz' },
    [0, 1, 2].map((i) => ({
      tenant_id: tenantId,
      group_id: uuid(1, i),
      member_delta: 1,
      at: '2026-05-05T05:05:05.005Z'
    }))
  )

  const meta = (type: string, id: string, created: string, lastModified: string, version: string) => ({
    meta: { resourceType: type, created, lastModified, location: `${BASE_URL}/${type}s/${id}`, version }
  })
  const userResources = userRows.map(({ id, document, state, memberOf }, i): Resource => {
    const all = [...new Set(memberOf.flatMap(ancestors))]
    return {
      ...document,
      id,
      active: state !== 'deactivated',
      groups: all.map((j) => ({
        value: uuid(1, j),
        display: groupRows[j]!.displayName,
        type: memberOf.includes(j) ? 'direct' : 'indirect',
        $ref: `${BASE_URL}/Groups/${uuid(1, j)}`
      })),
      ...meta('User', id, times[i]!, times[i + 1]!, `W/"${i % 3}"`)
    }
  })
  const groupResources = groupRows.map(({ id, displayName, document }, i): Resource => {
    const members = [
      ...userRows
        .filter(({ memberOf }) => memberOf.includes(i))
        .map((user) => ({ value: user.id, display: shownName(user.columns), type: 'User' })),
      ...groupRows.flatMap((child, j) =>
        parentOf(j) === i ? [{ value: child.id, display: child.displayName, type: 'Group' }] : []
      )
    ]
    return {
      schemas: [groupType.schema.id],
      displayName,
      ...document,
      id,
      members: members.map((member) => ({ ...member, $ref: `${BASE_URL}/${member.type}s/${member.value}` })),
      ...meta('Group', id, times[i]!, i < 3 ? '2026-05-05T05:05:05.005Z' : times[i]!, i < 3 ? 'W/"2"' : 'W/"1"')
    }
  })
  return { userResources, groupResources }
}
