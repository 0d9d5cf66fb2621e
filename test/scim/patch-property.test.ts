import { isDeepStrictEqual } from 'node:util'
import { test } from 'tap'
import { SCIM_PROFILES, type ScimProfile } from '../../db/schema.ts'
import type { Resource } from '../../server/scim/json.ts'
import { normalizeResource } from '../../server/scim/normalize.ts'
import { applyPatch } from '../../server/scim/patch/apply.ts'
import { splitGroupPatch } from '../../server/scim/patch/members.ts'
import { PATCH_OP_URN, parsePatch } from '../../server/scim/patch/parse.ts'
import { Leniency } from '../../server/scim/profiles.ts'
import { ENTERPRISE_USER_URN } from '../../server/scim/schemas/enterprise-user.ts'
import { groupResourceType } from '../../server/scim/schemas/index.ts'
import type { Attribute } from '../../server/scim/schemas/types.ts'
import { USER_URN } from '../../server/scim/schemas/user.ts'
import fc from '../support/fuzz.ts'
import { BADGE, PINS, userWithBadge } from './badge.ts'
import { refusal } from './refusal.ts'

const resourceType = userWithBadge([
  { name: 'number', type: 'integer' },
  { name: 'weight', type: 'decimal' },
  { name: 'issued', type: 'dateTime' },
  { name: 'serial', mutability: 'immutable' },
  { name: 'codes', multiValued: true, caseExact: true },
  { name: 'constructor', type: 'boolean' },
  {
    name: 'size',
    type: 'complex',
    subAttributes: [
      { name: 'width', type: 'integer', required: true },
      { name: 'unit', mutability: 'immutable' },
      { name: 'marks', multiValued: true }
    ]
  },
  PINS
])

// only a few values, so that they meet each other
const TEXTS = ['a', 'A', 'b', 'work', 'home', 'a@x', 'ß', 'True', '{"value":"a"}']
const FITTING: Record<Attribute['type'], readonly unknown[]> = {
  string: TEXTS,
  reference: ['http://x/a', '/a'],
  boolean: [true, false],
  integer: [0, 1],
  decimal: [0, 1.5],
  dateTime: ['2026-01-01T00:00:00Z', '2026-02-28T12:00:00.5+01:00'],
  binary: ['TQ==', 'TWE'],
  complex: []
}
const DOUBTFUL = [null, '', ' ', 'x y', '\u0000', '\ud800', 'True', 'false', '1', 1.5, 1e300, {}, [], '2026-01-01']

/** A value that fits the attribute, or nearly. */
function valueFor(attribute: Attribute): fc.Arbitrary<unknown> {
  const one =
    attribute.type === 'complex'
      ? fc.record(Object.fromEntries(attribute.subAttributes!.map((sub) => [sub.name, valueFor(sub)])), {
          requiredKeys: []
        })
      : fc.constantFrom(...FITTING[attribute.type])
  const fitting = attribute.multiValued ? fc.array(one, { maxLength: 3 }) : one
  return fc.oneof({ weight: 100, arbitrary: fitting }, { weight: 1, arbitrary: fc.constantFrom<unknown>(...DOUBTFUL) })
}

const isGenerated = ({ name }: Attribute): boolean => !['schemas', 'id', 'meta'].includes(name)
const valuesOf = (attributes: Iterable<Attribute>) =>
  fc.record(
    Object.fromEntries([...attributes].filter(isGenerated).map((attribute) => [attribute.name, valueFor(attribute)])),
    { requiredKeys: [] }
  )

const [core, ...extensions] = [...resourceType.lookups].sort((a, b) => (a.extension ? 1 : 0) - (b.extension ? 1 : 0))
const body = fc
  .tuple(valuesOf(core!.attributes.values()), ...extensions.map(({ attributes }) => valuesOf(attributes.values())))
  .map(([values, ...parts]) => ({
    schemas: [USER_URN, ...extensions.map(({ schema }) => schema.id)],
    ...values,
    ...Object.fromEntries(extensions.map(({ schema }, index) => [schema.id, parts[index]])),
    userName: 'ada'
  }))

const FILTERS = [
  'type eq "work"',
  'primary eq true',
  'value eq "a" or type eq "home"',
  'not (value pr)',
  'value co "a"'
]

/** An operation whose path and value mostly belong together. */
const operation = fc
  .constantFrom(
    ...resourceType.lookups.flatMap(({ extension, attributes }) =>
      [...attributes.values()].map((attribute) => ({ extension, attribute }))
    )
  )
  .chain(({ extension, attribute }) => {
    const sub = fc.option(fc.constantFrom(...(attribute.subAttributes ?? [attribute])), { nil: undefined })
    const filter =
      attribute.type === 'complex' ? fc.option(fc.constantFrom(...FILTERS), { nil: undefined }) : fc.constant(undefined)
    return fc.tuple(sub, filter).chain(([subAttribute, text]) => {
      const isPart = subAttribute !== undefined && subAttribute !== attribute
      const names = `${attribute.name}${text ? `[${text}]` : ''}${isPart ? `.${subAttribute.name}` : ''}`
      const path = extension === undefined ? names : `${extension}:${names}`
      const target = isPart ? subAttribute : text ? { ...attribute, multiValued: false } : attribute
      return fc
        .record({
          op: fc.constantFrom('add', 'replace', 'remove', 'Replace'),
          path: fc.constant(path),
          value: valueFor(target)
        })
        .map(withoutNeedlessValue)
    })
  })
const withoutNeedlessValue = (operation: { op: string; path: string; value: unknown }) =>
  operation.op === 'remove' ? { op: operation.op, path: operation.path } : operation
const pathless = fc.record({ op: fc.constantFrom('add', 'replace'), value: body })
const anyOperation = fc.oneof(
  { weight: 12, arbitrary: operation },
  { weight: 1, arbitrary: pathless },
  { weight: 1, arbitrary: fc.record({ op: fc.constant('remove'), path: fc.constantFrom(ENTERPRISE_USER_URN, BADGE) }) }
)

const profiles = fc.constantFrom<ScimProfile>(...SCIM_PROFILES)

function deepFreeze<T>(value: T): T {
  if (typeof value === 'object' && value !== null) {
    Object.freeze(value)
    for (const inner of Object.values(value)) deepFreeze(inner)
  }
  return value
}

const normalize = (input: unknown, profile: ScimProfile): Resource =>
  normalizeResource(input, resourceType, new Leniency(profile)).resource

function primaries(resource: Resource): number[] {
  const lists = Object.values(resource).filter((value) => Array.isArray(value))
  return lists.map((list) => list.filter((value) => value?.primary === true).length)
}

test('Normalizing twice changes nothing, and no input is changed', (t) => {
  let normalized = 0
  fc.assert(
    fc.property(body, profiles, (input, profile) => {
      deepFreeze(input)
      let once: Resource | undefined
      const answer = refusal(() => {
        once = normalize(input, profile)
      })
      if (!once) return answer !== 'accepted'
      normalized++
      return isDeepStrictEqual(normalize(once, profile), once) && primaries(once).every((count) => count <= 1)
    }),
    { numRuns: 1_000 }
  )
  t.ok(normalized > 50, `${normalized} of 1,000 bodies passed`)
  t.end()
})

test('Random PATCH sequences keep a resource valid and do not change their input', (t) => {
  let applied = 0
  fc.assert(
    fc.property(
      body,
      fc.array(fc.array(anyOperation, { minLength: 1, maxLength: 4 }), { maxLength: 8 }),
      profiles,
      (input, patches, profile) => {
        let resource: Resource = { schemas: [USER_URN], userName: 'ada' }
        refusal(() => {
          resource = normalize(input, profile)
        })
        for (const operations of patches) {
          const before = deepFreeze(resource)
          const message = deepFreeze({ schemas: [PATCH_OP_URN], Operations: operations })
          refusal(() => {
            const leniency = new Leniency(profile)
            const patched = applyPatch(before, parsePatch(message, resourceType, leniency), resourceType, leniency)
            resource = patched.resource
            applied++
          })
          const again = normalize(resource, profile)
          if (!isDeepStrictEqual(again, resource)) return false
          if (primaries(resource).some((count) => count > 1)) return false
        }
        return true
      }
    ),
    { numRuns: 1_000 }
  )
  t.ok(applied > 500, `${applied} sequences were applied`)
  t.end()
})

const NAMES = [
  'schemas',
  'Operations',
  'op',
  'path',
  'value',
  'userName',
  'emails',
  'name',
  'type',
  'members',
  '__proto__',
  'constructor',
  'toString',
  ENTERPRISE_USER_URN,
  'name.givenName',
  'displayName',
  'add',
  'remove',
  'replace',
  PATCH_OP_URN,
  USER_URN,
  'emails[type eq "work"].value',
  'members[value eq "a"]'
]
/** JSON as a parser returns it, with `__proto__` as an ordinary key. */
const anyJson = fc
  .letrec((tie) => ({
    tree: fc.oneof(
      { depthSize: 'small', withCrossShrink: true },
      fc.constantFrom(...NAMES, ...TEXTS, null, true, 5),
      fc.string({ unit: 'binary' }),
      fc.array(tie('tree'), { maxLength: 4 }),
      fc.dictionary(fc.constantFrom(...NAMES), tie('tree'), { maxKeys: 5 })
    )
  }))
  .tree.map((tree): unknown => JSON.parse(JSON.stringify(tree)))
const anyMessage = fc.oneof(
  anyJson,
  fc.array(anyJson, { maxLength: 3 }).map((Operations) => ({ Operations })),
  fc
    .array(
      fc.record(
        { op: fc.constantFrom('add', 'replace', 'remove'), path: anyJson, value: anyJson },
        { requiredKeys: ['op'] }
      ),
      { maxLength: 3 }
    )
    .map((Operations) => ({ Operations })),
  fc
    .tuple(fc.string({ unit: 'binary' }), anyJson)
    .map(([path, value]) => ({ Operations: [{ op: 'add', path, value }] }))
)

test('Any JSON gives only errors of the protocol, and touches no prototype', (t) => {
  fc.assert(
    fc.property(anyJson, anyMessage, profiles, (input, message, profile) => {
      const leniency = new Leniency(profile)
      refusal(() => normalizeResource(input, resourceType, leniency))
      refusal(() => normalizeResource(input, groupResourceType, leniency))
      refusal(() =>
        applyPatch(
          { schemas: [USER_URN], userName: 'ada' },
          parsePatch(message, resourceType, leniency),
          resourceType,
          leniency
        )
      )
      refusal(() => splitGroupPatch(parsePatch(message, groupResourceType, leniency)))
    }),
    { numRuns: 3_000 }
  )
  t.strictSame(Object.keys(Object.prototype), [])
  t.end()
})
