import { test } from 'tap'
import { AppError } from '../../server/errors.ts'
import type { Filter } from '../../server/scim/filter/ast.ts'
import { parseFilter } from '../../server/scim/filter/parse.ts'
import { formatPath } from '../../server/scim/path.ts'
import { groupResourceType } from '../../server/scim/schemas/index.ts'
import fc from '../support/fuzz.ts'
import { ENTERPRISE } from '../support/urns.ts'
import { userWithBadge } from './badge.ts'

const BADGE = 'urn:example:badge.v1:User'
const user = userWithBadge(
  [
    { name: 'number', type: 'integer' },
    { name: 'weight', type: 'decimal' },
    { name: 'issued', type: 'dateTime' },
    { name: 'photo', type: 'binary' },
    { name: 'secret', returned: 'never' },
    { name: 'size', type: 'complex', subAttributes: [{ name: 'width', type: 'integer' }] },
    { name: 'pins', type: 'complex', multiValued: true, subAttributes: [{ name: 'value', returned: 'never' }] }
  ],
  { id: BADGE }
)

const strict = { lenient: false }
const lenient = { lenient: true }

/** The tree with brackets: `(userName eq "ada" and not active pr)`. */
function show(filter: Filter): string {
  switch (filter.op) {
    case 'and':
    case 'or':
      return `(${show(filter.left)} ${filter.op} ${show(filter.right)})`
    case 'not':
      return `not ${show(filter.inner)}`
    case 'pr':
      return `${formatPath(filter.path)} pr`
    case 'valuePath':
      return `${formatPath(filter.path)}[${show(filter.inner)}]`
    default:
      return `${formatPath(filter.path)} ${filter.op} ${JSON.stringify(filter.value)}`
  }
}

const parsed = (text: string, options = strict) => show(parseFilter(text, user, options))

test('The examples of RFC 7644 §3.4.2.2 parse', async (t) => {
  const table: [string, string][] = [
    ['userName eq "bjensen"', 'userName eq "bjensen"'],
    [`name.familyName co "O'Malley"`, `name.familyName co "O'Malley"`],
    ['userName sw "J"', 'userName sw "J"'],
    ['urn:ietf:params:scim:schemas:core:2.0:User:userName sw "J"', 'userName sw "J"'],
    ['title pr', 'title pr'],
    ['meta.lastModified gt "2011-05-13T04:42:34Z"', 'meta.lastModified gt "2011-05-13T04:42:34Z"'],
    ['title pr and userType eq "Employee"', '(title pr and userType eq "Employee")'],
    ['title pr or userType eq "Intern"', '(title pr or userType eq "Intern")'],
    [`schemas eq "${ENTERPRISE}"`, `schemas eq "${ENTERPRISE}"`],
    [
      'userType eq "Employee" and (emails co "example.com" or emails.value co "example.org")',
      '(userType eq "Employee" and (emails.value co "example.com" or emails.value co "example.org"))'
    ],
    [
      'userType ne "Employee" and not (emails co "example.com" or emails.value co "example.org")',
      '(userType ne "Employee" and not (emails.value co "example.com" or emails.value co "example.org"))'
    ],
    ['userType eq "Employee" and (emails.type eq "work")', '(userType eq "Employee" and emails.type eq "work")'],
    [
      'userType eq "Employee" and emails[type eq "work" and value co "@example.com"]',
      '(userType eq "Employee" and emails[(type eq "work" and value co "@example.com")])'
    ],
    [
      'emails[type eq "work" and value co "@example.com"] or ims[type eq "xmpp" and value co "@foo.com"]',
      '(emails[(type eq "work" and value co "@example.com")] or ims[(type eq "xmpp" and value co "@foo.com")])'
    ]
  ]
  for (const [text, expected] of table) t.equal(parsed(text), expected, text)
})

test('not binds tighter than and, and tighter than or; chains group from the left', async (t) => {
  t.equal(parsed('title pr or locale pr and active pr'), '(title pr or (locale pr and active pr))')
  t.equal(parsed('title pr and locale pr or active pr'), '((title pr and locale pr) or active pr)')
  t.equal(parsed('not (title pr) and locale pr'), '(not title pr and locale pr)')
  t.equal(parsed('title pr and locale pr and active pr'), '((title pr and locale pr) and active pr)')
  t.equal(parsed('title pr and (locale pr or active pr)'), '(title pr and (locale pr or active pr))')
  t.equal(parsed('not(not (((title pr))))'), 'not not title pr')
})

test('Operators, attributes, URNs and keywords match in any letter case', async (t) => {
  t.equal(
    parsed(`USERNAME EQ "Ada" And NOT (${ENTERPRISE.toUpperCase()}:MANAGER.Value Pr) oR Emails[TYPE Sw "w"]`),
    `((userName eq "Ada" and not ${ENTERPRISE}:manager.value pr) or emails[type sw "w"])`
  )
})

test('Strings are JSON strings with all their escapes', async (t) => {
  const table: [string, string][] = [
    [String.raw`"a\"b"`, 'a"b'],
    [String.raw`"\\\/\b\f\n\r\t"`, '\\/\b\f\n\r\t'],
    [String.raw`"\u00e9\uD83D\uDE00"`, 'é😀'],
    ['"é😀 ) ] and"', 'é😀 ) ] and'],
    ['""', '']
  ]
  for (const [literal, value] of table) {
    t.match(parseFilter(`title eq ${literal}`, user, strict), { op: 'eq', value }, literal)
  }
})

test('Numbers, booleans, dates and null are parsed as the attribute’s type requires', async (t) => {
  const table: [string, string][] = [
    [`${BADGE}:number ge -12`, `${BADGE}:number ge -12`],
    [`${BADGE}:weight lt 1.5e3`, `${BADGE}:weight lt 1500`],
    ['active eq true', 'active eq true'],
    ['active ne false', 'active ne false'],
    [`${BADGE}:issued le "2024-02-29T23:59:59.123+02:00"`, `${BADGE}:issued le "2024-02-29T23:59:59.123+02:00"`],
    ['title eq null', 'not title pr'],
    ['title ne null', 'title pr'],
    ['emails eq null', 'not emails pr'],
    ['name ne null', 'name pr']
  ]
  for (const [text, expected] of table) t.equal(parsed(text), expected, text)
})

test('A value path may be followed by a sub-attribute, as Entra sends it', async (t) => {
  const table: [string, string][] = [
    ['emails[type eq "work"].value eq "u@x"', 'emails[(type eq "work" and value eq "u@x")]'],
    ['emails[type eq "work"].VALUE pr', 'emails[(type eq "work" and value pr)]'],
    ['emails[type eq "work"].value ne "u@x"', 'not emails[(type eq "work" and value eq "u@x")]'],
    ['emails[type eq "work"].value eq null', 'not emails[(type eq "work" and value pr)]'],
    ['emails[type eq "work"] and title pr', '(emails[type eq "work"] and title pr)'],
    ['not (emails[not (type eq "work")])', 'not emails[not type eq "work"]'],
    ['name[familyName eq "J"]', 'name[familyName eq "J"]']
  ]
  for (const [text, expected] of table) t.equal(parsed(text), expected, text)
})

test('Lenience accepts what identity providers send', async (t) => {
  const table: [string, string][] = [
    ['externalId eq jyoung', 'externalId eq "jyoung"'],
    ['externalId eq 00123 and active eq TRUE', '(externalId eq "00123" and active eq true)'],
    ['(userName eq j.young+x@acme.test)', 'userName eq "j.young+x@acme.test"'],
    ['externalId eq true', 'externalId eq "true"'],
    ['active eq "True"', 'active eq true'],
    ['roles[primary eq "False"]', 'roles[primary eq false]'],
    ['manager eq "M"', `${ENTERPRISE}:manager.value eq "M"`],
    [`${ENTERPRISE}:manager eq "M"`, `${ENTERPRISE}:manager.value eq "M"`],
    ['department eq "Sales"', `${ENTERPRISE}:department eq "Sales"`],
    [`${BADGE}:number eq "5"`, `${BADGE}:number eq 5`]
  ]
  for (const [text, expected] of table) {
    t.equal(parsed(text, lenient), expected, text)
    t.throws(() => parsed(text), { name: 'AppError', scimType: 'invalidFilter' }, `strict refuses ${text}`)
  }
  t.equal(
    show(parseFilter('id eq "G" and members eq "U"', groupResourceType, strict)),
    '(id eq "G" and members.value eq "U")'
  )
})

test('What is no filter is refused with the column', async (t) => {
  const table: [string, RegExp][] = [
    ['', /Expected an attribute, found the end at column 1$/],
    ['   ', /the end at column 4$/],
    ['nmae eq "x"', /Unknown attribute "nmae" at column 1$/],
    ['title pr and nmae eq "x"', /Unknown attribute "nmae" at column 14$/],
    ['emails[kind eq "x"]', /Unknown attribute "kind" of emails at column 8$/],
    ['userName', /Expected an operator, found the end at column 9$/],
    ['userName is "x"', /Expected an operator, found "is" at column 10$/],
    ['userName "x"', /Expected an operator/],
    ['userName eq', /Expected a value, found the end at column 12$/],
    ['userName eq (', /Expected a value, found "\("/],
    ['userName eq "x', /starts at column 13$/],
    ['userName eq "\\x"', /starts at column 13$/],
    ['userName eq "a\nb"', /starts at column 13$/],
    ['userName eq "\\u0000"', /cannot be stored starts at column 13$/],
    ['userName eq "\\ud800"', /cannot be stored/],
    ['userName eq "a" "b"', /Expected "and", "or" or the end, found "b" at column 17$/],
    ['userName eq "a" xor title pr', /found "xor"/],
    ['(userName eq "a"', /Expected "\)", found the end/],
    ['userName eq "a")', /found "\)"/],
    ['emails[type eq "a")', /Expected "\]", found "\)"/],
    ['()', /Expected an attribute, found "\)"/],
    ['and', /Unknown attribute "and"/],
    ['title pr and', /Expected an attribute, found the end/],
    ['not title pr', /"not" needs parentheses at column 1$/],
    ['not', /"not" needs parentheses/],
    ['emails[type[value eq "x"]]', /type is not complex and takes no \[ at column 8$/],
    ['userName[value eq "x"]', /userName is not complex/],
    ['emails[type eq "a"].valeu eq "x"', /Unknown attribute "valeu" of emails/],
    ['emails[type eq "a"]value eq "x"', /Expected "\." and a name/],
    ['emails[]', /Expected an attribute/],
    ['name eq "x"', /name is complex, name one of its sub-attributes/],
    [`${BADGE}:size eq 5`, /size is complex/],
    ['meta eq "x"', /meta is complex/],
    [ENTERPRISE + ' pr', /names no attribute/],
    ['userName eq 5', /no string in double quotes for userName/],
    ["userName eq 'x'", /no string/],
    ['active eq "true"', /no boolean/],
    ['active eq 1', /no boolean/],
    ['active gt true', /"gt" cannot compare active, which is boolean, at column 8$/],
    ['active co true', /"co" cannot compare/],
    [`${BADGE}:number co 5`, /"co" cannot compare number, which is integer/],
    [`${BADGE}:number eq 05`, /no number/],
    [`${BADGE}:number eq 1e999`, /no number/],
    [`${BADGE}:number eq "5"`, /no number/],
    [`${BADGE}:photo gt "x"`, /binary/],
    [`${BADGE}:issued sw "2024"`, /dateTime/],
    ['meta.created gt "yesterday"', /no dateTime/],
    ['meta.created gt "2023-02-29T00:00:00Z"', /no dateTime/],
    ['meta.created gt 5', /no dateTime/],
    ['title gt null', /"gt" cannot compare with null/],
    ['password eq "x"', /password cannot be filtered/],
    ['password pr', /password cannot be filtered/],
    [`${BADGE}:secret sw "x"`, /secret cannot be filtered/],
    [`${BADGE}:pins eq "1"`, /pins.value cannot be filtered/],
    [`${BADGE}:pins[value sw "1"]`, /value cannot be filtered/],
    [`${BADGE}:pins[$ref pr].value sw "1"`, /Unknown attribute/]
  ]
  for (const [text, message] of table) {
    t.throws(() => parseFilter(text, user, strict), { message, scimType: 'invalidFilter', code: 'invalid' }, text)
  }
  t.throws(() => parseFilter("userName eq 'x'", user, lenient), { message: /no string/ }, 'also where it is lenient')
  t.throws(() => parseFilter('externalId eq "a', user, lenient), AppError)
})

test('A filter is limited to 4,096 characters and 50 levels', async (t) => {
  const nested = (levels: number) => `${'('.repeat(levels)}title pr${')'.repeat(levels)}`
  t.equal(parsed(nested(50)), 'title pr')
  t.throws(() => parsed(nested(51)), { message: /50 levels of nesting at column 51/, scimType: 'invalidFilter' })
  t.throws(() => parsed('('.repeat(4000)), { name: 'AppError', scimType: 'invalidFilter' })
  t.throws(() => parsed('not ('.repeat(800)), { name: 'AppError', scimType: 'invalidFilter' })
  t.throws(() => parsed('emails['.repeat(500)), { name: 'AppError', scimType: 'invalidFilter' })
  t.doesNotThrow(() => parsed(`title eq "${'x'.repeat(4096 - 11)}"`))
  t.throws(() => parsed(`title eq "${'x'.repeat(4096 - 10)}"`), { message: /4,096/, scimType: 'invalidFilter' })
  t.doesNotThrow(() => parsed(Array(300).fill('title pr').join(' or ')), 'a chain is no nesting')
})

test('Any text is either parsed or refused as invalidFilter', async (t) => {
  const words = fc.constantFrom(
    ...['userName', 'emails', 'type', '.value', 'eq', 'pr', 'co', 'and', 'or', 'not', '(', ')', '[', ']', '"x"', '"'],
    ...['true', 'null', '5', ENTERPRISE, ':manager', '\\', '\u0000', '\ud800', 'active', ' ', 'meta.created']
  )
  const texts = fc.oneof(
    fc.string({ unit: 'binary' }),
    fc.array(words, { maxLength: 12 }).map((list) => list.join(' ')),
    fc.array(words, { maxLength: 12 }).map((list) => list.join(''))
  )
  fc.assert(
    fc.property(texts, fc.boolean(), (text, isLenient) => {
      try {
        parseFilter(text, user, { lenient: isLenient })
      } catch (error) {
        if (!(error instanceof AppError) || error.scimType !== 'invalidFilter') throw error
      }
    }),
    { numRuns: 2000 }
  )
  t.pass()
})
