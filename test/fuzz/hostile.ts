// Hostile input: texts and JSON of any shape, made of words that the parsers know, of what they do not expect, and of
// names that poison JavaScript's prototypes.
import fc from '../support/fuzz.ts'
import { BULK_REQUEST, ENTERPRISE, PATCH_OP, USER } from '../support/urns.ts'

const WORDS = [
  ...['userName', 'name.givenName', 'emails', 'members', 'roles', 'manager', 'schemas', 'active', 'password', 'groups'],
  ...['value', 'type', 'primary', '$ref', 'meta.created', 'externalId', 'displayName', 'op', 'path', 'Operations'],
  ...[USER, ENTERPRISE, PATCH_OP, BULK_REQUEST],
  ...['eq', 'ne', 'co', 'sw', 'gt', 'pr', 'and', 'or', 'not', 'add', 'Replace', 'remove', 'work', 'bulkId:a', '*'],
  ...[
    'true',
    'False',
    'null',
    '5',
    '1e999',
    '-0',
    '2026-01-01T00:00:00Z',
    '9999999-99-99',
    'a@x.test',
    'Ada <a@x.test>'
  ]
]
const POISON = [
  '__proto__',
  'constructor',
  'prototype',
  'toString',
  'hasOwnProperty',
  '__defineGetter__',
  'constructor.prototype'
]
const SIGNS = [
  ...['(', ')', '[', ']', '{', '}', '"', "'", '\\', '\\u0000', ',', ';', ':', '.', '<', '>', '@', '=', '%', '/', '-'],
  ...[' ', '\t', '\r\n', '\0', '\ud800', '\ufeff', '\u202e', 'é', 'e\u0301', 'İ', 'ß', '😀', '\u2028', 'W/', 'Bcc: ']
]

const word = fc.constantFrom(...WORDS, ...POISON)
const piece = fc.oneof({ weight: 5, arbitrary: word }, { weight: 4, arbitrary: fc.constantFrom(...SIGNS) })

/** Texts: words and signs in any order, any bytes, or one of them many times. */
export const hostileText: fc.Arbitrary<string> = fc.oneof(
  { weight: 6, arbitrary: fc.array(piece, { maxLength: 14 }).map((pieces) => pieces.join(' ')) },
  { weight: 6, arbitrary: fc.array(piece, { maxLength: 14 }).map((pieces) => pieces.join('')) },
  { weight: 2, arbitrary: fc.string({ unit: 'binary', maxLength: 40 }) },
  { weight: 1, arbitrary: fc.tuple(piece, fc.integer({ min: 1, max: 300 })).map(([text, times]) => text.repeat(times)) }
)

const SCALARS = [null, true, false, 0, -1, 1.5, 1e300, 2 ** 53, '', ' ', 'True', '2026-01-01', '{"value":"a"}', '[1]']

/** JSON as text, so that `__proto__` can be an ordinary member and appear twice. */
export const hostileJson: fc.Arbitrary<string> = fc.letrec<{
  value: string
  object: string
  list: string
  leaf: string
}>((tie) => ({
  leaf: fc.oneof(
    fc.constantFrom(...SCALARS.map((scalar) => JSON.stringify(scalar))),
    piece.map((text) => JSON.stringify(text)),
    fc.constantFrom('1e999', '-0', '1e-400', '123456789012345678901234567890', '"\\ud800"', '"\\u0000"')
  ),
  list: fc.array(tie('value'), { maxLength: 4 }).map((items) => `[${items.join(',')}]`),
  object: fc
    .array(fc.tuple(fc.oneof({ weight: 6, arbitrary: word }, { weight: 1, arbitrary: piece }), tie('value')), {
      maxLength: 5
    })
    .map((members) => `{${members.map(([key, value]) => `${JSON.stringify(key)}:${value}`).join(',')}}`),
  value: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    { weight: 4, arbitrary: tie('leaf') },
    { weight: 3, arbitrary: tie('object') },
    { weight: 2, arbitrary: tie('list') }
  )
})).value

export const hostileValue: fc.Arbitrary<unknown> = hostileJson.map((text) => JSON.parse(text))

/** A PATCH message, correct for SCIM or nearly so. */
export const hostilePatch: fc.Arbitrary<unknown> = fc
  .array(
    fc.record(
      {
        op: fc.constantFrom('add', 'Replace', 'remove', 'move', ''),
        path: fc.oneof(hostileText, word),
        value: hostileValue
      },
      { requiredKeys: ['op'] }
    ),
    { maxLength: 4 }
  )
  .map((Operations) => ({ schemas: [PATCH_OP], Operations }))

/** What objects inherit, for comparison: nothing may be added or changed. */
export function inherited(): string {
  const of = (prototype: object) =>
    Reflect.ownKeys(prototype).map(
      (key) => `${String(key)} ${typeof Reflect.getOwnPropertyDescriptor(prototype, key)?.value}`
    )
  return JSON.stringify([Object.prototype, Array.prototype, Function.prototype, String.prototype].map(of))
}
