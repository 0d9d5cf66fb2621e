import { test } from 'tap'
import type { ScimProfile } from '../../db/schema.ts'
import { applyPatch } from '../../server/scim/patch/apply.ts'
import { PATCH_OP_URN, parsePatch } from '../../server/scim/patch/parse.ts'
import { Leniency } from '../../server/scim/profiles.ts'
import { ENTERPRISE_USER_URN as ENT } from '../../server/scim/schemas/enterprise-user.ts'
import { USER_URN } from '../../server/scim/schemas/user.ts'
import { BADGE, PINS, userWithBadge } from './badge.ts'
import { emails, everywhere, home, type Json, name } from './patch-cases.ts'
import { leniently } from './patch-cases-lenient.ts'
import { refusal } from './refusal.ts'

const resourceType = userWithBadge([
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
  PINS
])

/** The cases leave out `schemas`, which follows the extensions. */
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

test('A value replaced through a filter keeps what the filter says of it, except in strict', (t) => {
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

test('An app role as JSON text is parsed, too, if the path names its value (E24)', (t) => {
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

test('An impossible operation is refused', (t) => {
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
  const required = userWithBadge([{ name: 'codes', multiValued: true }], { required: true })
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

test('A PATCH of what is already so changes nothing', (t) => {
  const before = user({ emails, title: 'Dr' })
  t.strictSame(patch(before, [{ op: 'add', path: 'emails', value: [home] }]).resource, before)
  t.strictSame(patch(before, [{ op: 'replace', path: 'title', value: 'Dr' }]).resource, before)
  t.strictSame(patch(before, [{ op: 'remove', path: 'nickName' }]).resource, before)
  const operations = [
    { op: 'remove', path: 'title' },
    { op: 'add', path: 'title', value: 'Dr' }
  ]
  t.same(patch(before, operations).resource, before)
  t.notSame(patch(before, [{ op: 'replace', path: 'title', value: 'Sir' }]).resource, before)
  t.end()
})

test('A password is returned apart from the resource (O9)', (t) => {
  const before = user()
  t.strictSame(patch(before, [{ op: 'replace', value: { password: 'secret' } }]), {
    resource: before,
    password: 'secret'
  })
  t.strictSame(patch(before, [{ op: 'remove', path: 'password' }]), { resource: before, password: null })
  t.strictSame(patch(before, [{ op: 'add', path: 'password', value: null }]), { resource: before })
  t.end()
})

test('A resource stays below 2,000,000 characters, even with values that only their filter describes', (t) => {
  const operations = (from: number) =>
    Array.from({ length: 300 }, (_, i) => ({
      op: 'add',
      path: `entitlements[value eq "${from + i}${'x'.repeat(4_000)}"].primary`,
      value: false
    }))
  const once = patch(user(), operations(0)).resource
  t.match(
    refusal(() => patch(once, operations(300))),
    /^invalidValue: The resource would have more than 2,000,000 characters/
  )
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
  t.strictSame(patch(before, operations.slice(0, 5)).resource, before)
  t.end()
})
