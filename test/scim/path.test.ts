import { test } from 'tap'
import { invalidPath } from '../../server/errors.ts'
import { matches } from '../../server/scim/filter/matches.ts'
import { parsePatchPath } from '../../server/scim/patch-path.ts'
import { formatPath, resolveAttributePath, resolvePath } from '../../server/scim/path.ts'
import { groupResourceType } from '../../server/scim/schemas/index.ts'
import { ENTERPRISE, USER } from '../support/urns.ts'
import { userWithBadge } from './badge.ts'

const BADGE = 'urn:example:badge.v1:User'
const user = userWithBadge([{ name: 'colour' }, { name: 'department' }, { name: 'tags', multiValued: true }], {
  id: BADGE
})

const strict = { lenient: false }
const lenient = { lenient: true }
const resolved = (text: string, options = strict) => formatPath(resolvePath(text, user, options, invalidPath))

test('Attribute paths resolve in any letter case, with and without their URN', async (t) => {
  const table: [string, string][] = [
    ['userName', 'userName'],
    ['USERNAME', 'userName'],
    ['name.familyName', 'name.familyName'],
    ['Name.FAMILYNAME', 'name.familyName'],
    ['id', 'id'],
    ['meta.lastmodified', 'meta.lastModified'],
    ['groups.$REF', 'groups.$ref'],
    [`${USER}:userName`, 'userName'],
    [`${USER.toUpperCase()}:NAME.givenname`, 'name.givenName'],
    [`${USER}:meta.created`, 'meta.created'],
    [ENTERPRISE, ENTERPRISE],
    [ENTERPRISE.toUpperCase(), ENTERPRISE],
    [`${ENTERPRISE}:manager`, `${ENTERPRISE}:manager`],
    [`${ENTERPRISE.toLowerCase()}:MANAGER.value`, `${ENTERPRISE}:manager.value`],
    [BADGE, BADGE],
    [`${BADGE}:Colour`, `${BADGE}:colour`]
  ]
  for (const [text, expected] of table) t.equal(resolved(text), expected, text)
})

test('An unknown path is refused, naming the unknown part', async (t) => {
  const table: [string, RegExp][] = [
    ['nmae', /Unknown attribute "nmae"/],
    ['name.nick', /Unknown attribute "name.nick"/],
    ['userName.value', /Unknown attribute "userName.value"/],
    ['name.familyName.x', /Unknown attribute "name.familyName.x"/],
    ['', /Unknown attribute ""/],
    ['.', /Unknown attribute ""/],
    ['name.', /Unknown attribute "name."/],
    ['constructor', /Unknown attribute "constructor"/],
    ['__proto__', /Unknown attribute/],
    ['urn:example:other:1.0:userName', /Unknown schema in "urn:example:other/],
    [`${ENTERPRISE}x:manager`, /Unknown schema/],
    [`${ENTERPRISE}:userName`, /Unknown attribute "userName"/],
    [`${USER}:department`, /Unknown attribute "department"/],
    [`${ENTERPRISE}:`, /Unknown attribute ""/],
    [USER, /names no attribute/],
    ['manager', /Unknown attribute "manager"/],
    [`${ENTERPRISE}.department`, /Unknown schema/]
  ]
  for (const [text, message] of table) {
    t.throws(() => resolvePath(text, user, strict, invalidPath), { message, scimType: 'invalidPath' }, text)
  }
  const long = 'a'.repeat(5000)
  t.throws(() => resolvePath(long, user, strict, invalidPath), { message: /^.{1,200}$/ }, 'the message stays short')
})

test('A lenient path finds an extension’s attribute without its URN, unless two extensions have it', async (t) => {
  t.equal(resolved('manager', lenient), `${ENTERPRISE}:manager`)
  t.equal(resolved('MANAGER.displayname', lenient), `${ENTERPRISE}:manager.displayName`)
  t.equal(resolved('colour', lenient), `${BADGE}:colour`)
  t.equal(resolved(`${ENTERPRISE}.department`, lenient), `${ENTERPRISE}:department`)
  t.throws(() => resolved('department', lenient), { message: /Unknown attribute "department"/ })
  t.equal(resolved('displayName', lenient), 'displayName', 'the core attribute comes first')
})

test('A whole extension is no attribute', async (t) => {
  t.throws(() => resolveAttributePath(ENTERPRISE, user, strict, invalidPath), { message: /names no attribute/ })
  t.equal(resolveAttributePath(`${ENTERPRISE}:division`, user, strict, invalidPath).attribute.name, 'division')
})

test('A PATCH path may select values by a filter', async (t) => {
  const members = parsePatchPath('members[value eq "a]b"]', groupResourceType, strict)
  t.equal(members.attribute?.name, 'members')
  t.equal(members.subAttribute, undefined)
  t.ok('filter' in members && matches(members.filter!, { value: 'A]b' }))
  t.notOk('filter' in members && matches(members.filter!, { value: 'b' }))

  const email = parsePatchPath(' EMAILS[Type Eq "work" and not (primary eq true)].VALUE ', user, strict)
  t.equal(email.subAttribute?.name, 'value')
  t.ok('filter' in email && matches(email.filter!, { type: 'WORK', value: 'x' }))
  t.notOk('filter' in email && matches(email.filter!, { type: 'work', primary: true }))

  const manager = parsePatchPath(`${ENTERPRISE}:manager[value eq "m"].displayName`, user, strict)
  t.equal(formatPath(manager), `${ENTERPRISE}:manager.displayName`)

  t.same(parsePatchPath(ENTERPRISE, user, strict), {
    extension: ENTERPRISE,
    attribute: undefined,
    subAttribute: undefined
  })
  t.notOk('filter' in parsePatchPath('emails.value', user, strict))
})

test('A PATCH path takes "True" for a boolean only if it is lenient', async (t) => {
  const path = parsePatchPath('roles[primary eq "True"].value', user, lenient)
  t.ok('filter' in path && matches(path.filter!, { primary: true }))
  t.throws(() => parsePatchPath('roles[primary eq "True"].value', user, strict), {
    name: 'AppError',
    scimType: 'invalidFilter'
  })
})

test('A malformed PATCH path is refused', async (t) => {
  const table: [string, string, RegExp][] = [
    ['', 'invalidPath', /empty/],
    ['  ', 'invalidPath', /empty/],
    ['nmae', 'invalidPath', /"nmae"/],
    ['emails[type eq "work"', 'invalidPath', /not closed/],
    ['emails]type eq "work"[', 'invalidPath', /Unknown attribute/],
    ['emails[type eq "work"]value', 'invalidPath', /Unknown attribute "emailsvalue"/],
    ['emails[type eq "work"].', 'invalidPath', /column 23/],
    ['emails[type eq "work"].valeu', 'invalidPath', /emails.valeu/],
    ['emails[]', 'invalidFilter', /Expected an attribute/],
    ['emails[kind eq "work"]', 'invalidFilter', /from column 8 on: Unknown attribute "kind" of emails/],
    ['emails[type zz "work"]', 'invalidFilter', /Expected an operator/],
    ['userName[value eq "x"]', 'invalidPath', /not complex/],
    ['emails.value[type eq "x"]', 'invalidPath', /not complex/],
    [`${ENTERPRISE}[value eq "x"]`, 'invalidPath', /not complex/],
    [`${BADGE}:tags[value eq "x"]`, 'invalidPath', /not complex/],
    ['a'.repeat(5000), 'invalidPath', /4,096/]
  ]
  for (const [text, scimType, message] of table) {
    t.throws(() => parsePatchPath(text, user, strict), { message, scimType }, text.slice(0, 40))
  }
})
