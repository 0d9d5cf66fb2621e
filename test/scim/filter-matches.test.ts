import { type Test, test } from 'tap'
import { parseDateTime } from '../../server/scim/date-time.ts'
import { matches } from '../../server/scim/filter/matches.ts'
import { parseFilter } from '../../server/scim/filter/parse.ts'
import { compareCodePoints, foldCase, isStorableText } from '../../server/scim/text.ts'
import fc from '../support/fuzz.ts'
import { ENTERPRISE, USER } from '../support/urns.ts'
import { BADGE, userWithBadge } from './badge.ts'

const userType = userWithBadge([
  { name: 'number', type: 'integer' },
  { name: 'issued', type: 'dateTime' },
  { name: 'tags', multiValued: true, caseExact: true },
  { name: 'constructor' }
])

const ada = {
  schemas: [USER, ENTERPRISE],
  id: '2819c223-7f76-453a-919d-413861904646',
  externalId: 'AbC',
  userName: 'Ada@Acme.test',
  name: { familyName: 'Lovelace', givenName: '' },
  title: 'ΟΔΟΣ',
  nickName: '',
  active: true,
  emails: [
    { value: 'ada@acme.test', type: 'work', primary: true },
    { value: 'ada@home.test', type: 'home' },
    { type: 'other' }
  ],
  phoneNumbers: [],
  groups: [{ value: 'G1', display: 'Staff', type: 'direct' }],
  meta: { resourceType: 'User', created: '2026-01-02T03:04:05.678Z', lastModified: '2026-01-02T03:04:05.678Z' },
  [ENTERPRISE]: { manager: { value: 'M1' }, department: 'R&D' },
  [BADGE]: { number: 7, issued: '2026-03-01T12:00:00.1239+02:00', tags: ['Red', 'blue'] }
}

const holds = (text: string, resource: Record<string, unknown> = ada) =>
  matches(parseFilter(text, userType, { lenient: true }), resource)

const isTrue = (t: Test, ...texts: string[]) => {
  for (const text of texts) t.equal(holds(text), true, text)
}
const isFalse = (t: Test, ...texts: string[]) => {
  for (const text of texts) t.equal(holds(text), false, `not ${text}`)
}

test('Strings compare in the letter case that caseExact requires', async (t) => {
  isTrue(t, 'userName eq "ADA@ACME.TEST"', 'externalId eq "AbC"', 'emails.type eq "WORK"', 'groups.value eq "g1"')
  isFalse(t, 'externalId eq "abc"', 'id eq "2819C223-7F76-453A-919D-413861904646"')
  isTrue(t, 'userName sw "ada"', 'userName co "@acme"', 'userName ew ".TEST"', 'externalId sw "Ab"')
  isFalse(t, 'userName sw "acme"', 'userName ew "ada"', 'externalId co "bc"')
  isTrue(t, 'title eq "οδος"', 'title eq "οδοσ"', 'title sw "οδο"', 'title sw "ΟΔΟΣ"', 'title co ""')
})

test('Strings are ordered by code points', async (t) => {
  isTrue(t, 'userName gt "ada"', 'userName lt "adb"', 'userName ge "ada@acme.test"', 'userName le "ADA@acme.test"')
  isFalse(t, 'userName gt "ada@acme.test"', 'userName lt "ada@acme.test"')
  t.ok(compareCodePoints('\uffee', '😀') < 0, 'also above U+FFFF, unlike the order of UTF-16')
  const utf8 = (a: string, b: string) => Buffer.compare(Buffer.from(a), Buffer.from(b))
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), fc.string({ unit: 'binary' }), (a, b) =>
      t.equal(Math.sign(compareCodePoints(a, b)), utf8(a, b))
    )
  )
})

test('One matching value of a multi-valued attribute is enough, and ne is the negation of eq', async (t) => {
  isTrue(t, 'emails eq "ada@home.test"', 'emails.value co "acme"', 'emails.primary eq true', `${BADGE}:tags eq "Red"`)
  isFalse(t, 'emails eq "x"', `${BADGE}:tags eq "red"`)
  isFalse(t, 'emails ne "ada@home.test"', 'emails.type ne "work"')
  isTrue(t, 'emails ne "x"', 'phoneNumbers ne "x"', 'userType ne "Employee"', 'emails.primary ne false')
})

test('A value path applies all its conditions to the same value', async (t) => {
  isTrue(t, 'emails[type eq "work" and value co "acme"]', 'emails[type eq "home"].value eq "ADA@home.test"')
  isFalse(t, 'emails[type eq "home" and value co "acme"]', 'emails[type eq "home"].value eq "ada@acme.test"')
  isTrue(t, 'emails[not (value pr)]', 'emails[primary ne true and value pr]', 'emails[type eq "other"].value eq null')
  isTrue(t, 'emails[type eq "home"].value ne "ada@acme.test"', 'emails[type eq "none"].value ne "x"')
  isTrue(t, 'name[familyName eq "lovelace"]', 'manager[value eq "m1"]')
  isFalse(t, 'phoneNumbers[type ne "work"]', 'userName eq "x" or phoneNumbers[not (type pr)]')
})

test('Filters may ask about extensions, meta and groups', async (t) => {
  isTrue(
    t,
    'manager eq "M1"',
    `${ENTERPRISE}:department eq "r&d"`,
    'groups.display eq "staff"',
    `schemas eq "${ENTERPRISE}"`
  )
  isTrue(t, 'meta.created ge "2026-01-02T03:04:05.678Z"', 'meta.created eq "2026-01-02T05:04:05.678+02:00"')
  isTrue(t, 'meta.created gt "2026-01-02T03:04:05"', 'meta.resourceType eq "User"', `${BADGE}:number gt 6`)
  isTrue(t, `${BADGE}:issued eq "2026-03-01T10:00:00.123Z"`, `${BADGE}:number le 7.0`)
  isFalse(t, 'meta.created lt "2026-01-02T03:04:05.678Z"', `${BADGE}:number ne 7`, `${BADGE}:constructor pr`)
})

test('pr is false for missing and empty values', async (t) => {
  isTrue(t, 'title pr', 'emails pr', 'name pr', 'name.familyName pr', 'emails.primary pr', 'active pr', 'manager pr')
  isFalse(
    t,
    'nickName pr',
    'name.givenName pr',
    'phoneNumbers pr',
    'phoneNumbers.value pr',
    'locale pr',
    'name.formatted pr'
  )
  isTrue(t, 'nickName eq ""', 'locale eq null', 'emails ne null', 'nickName eq null')
  t.notOk(holds('name pr', { name: {} }))
  t.notOk(holds('title pr', { title: null }))
  t.ok(holds('active pr', { active: false }), 'false is a value')
})

test('A value of another type than the attribute’s counts as no value', async (t) => {
  t.notOk(holds('title eq "5"', { title: 5 }))
  t.notOk(holds('active eq true', { active: 'true' }))
  t.notOk(holds('emails.type eq "work"', { emails: { type: 'work' } }))
  t.notOk(holds('name.familyName eq "x"', { name: 'x' }))
  t.notOk(holds(`${BADGE}:issued lt "2026-01-01T00:00:00Z"`, { [BADGE]: { issued: 'soon' } }))
  t.ok(holds('title ne "5"', { title: 5 }))
})

test('A dateTime is compared as an instant with milliseconds', async (t) => {
  const table: [string, string | undefined][] = [
    ['2026-01-02T03:04:05Z', '2026-01-02T03:04:05.000Z'],
    ['2026-01-02T03:04:05', '2026-01-02T03:04:05.000Z'],
    ['2026-01-02T03:04:05.1Z', '2026-01-02T03:04:05.100Z'],
    ['2026-01-02T03:04:05.9999999Z', '2026-01-02T03:04:05.999Z'],
    ['2026-01-02T03:04:05-14:00', '2026-01-02T17:04:05.000Z'],
    ['0050-01-01T00:00:00Z', '0050-01-01T00:00:00.000Z'],
    ['9999-12-31T23:59:59Z', '9999-12-31T23:59:59.000Z'],
    ['2024-02-29T00:00:00Z', '2024-02-29T00:00:00.000Z'],
    ['2000-02-29T00:00:00Z', '2000-02-29T00:00:00.000Z'],
    ['2023-02-29T00:00:00Z', undefined],
    ['1900-02-29T00:00:00Z', undefined],
    ['2026-04-31T00:00:00Z', undefined],
    ['2026-13-01T00:00:00Z', undefined],
    ['2026-01-01T24:00:00Z', undefined],
    ['2026-01-01T00:00:60Z', undefined],
    ['2026-01-01T00:00:00+14:01', undefined],
    ['0000-01-01T00:00:00Z', undefined],
    ['2026-01-01', undefined],
    ['2026-01-01 00:00:00Z', undefined],
    ['2026-01-01T00:00:00.Z', undefined],
    [' 2026-01-01T00:00:00Z', undefined],
    ['2026-01-01T00:00:00Z\n', undefined]
  ]
  for (const [text, expected] of table) {
    const ms = parseDateTime(text)
    t.equal(ms === undefined ? undefined : new Date(ms).toISOString(), expected, text)
  }
  t.equal(parseDateTime('0001-01-01T00:00:00+14:00'), parseDateTime('0001-01-01T00:00:00Z')! - 14 * 3_600_000)
})

test('Text that PostgreSQL cannot hold is told apart from text that it can', async (t) => {
  t.ok(isStorableText('é😀\n'))
  t.notOk(isStorableText('a\u0000b'))
  t.notOk(isStorableText('\ud83d'))
  t.equal(foldCase('ΟΔΟΣ Σ'), 'οδοσ σ')
})
