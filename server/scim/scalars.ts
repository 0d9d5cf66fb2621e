// Single values of the simple types (RFC 7643 §2.3), checked and converted to the type's JSON form.
import { type AppError, invalidValue } from '../errors.ts'
import { parseDateTime } from './date-time.ts'
import type { Scalar } from './filter/ast.ts'
import type { Leniency } from './profiles.ts'
import type { Attribute } from './schemas/types.ts'
import { isStorableText } from './text.ts'

const MAX_STRING_LENGTH = 65_536
/** Photos as data: URIs and certificates are longer than other text. */
const MAX_BLOB_LENGTH = 262_144
/** Of indexed values: at most 2,048 bytes in UTF-8, which fits into an index entry of PostgreSQL. */
const MAX_INDEXED_LENGTH = 512
const INDEXED = new Set(['userName', 'externalId', 'displayName', 'name.familyName', 'emails.value'])

/**
 * Reads one value of a simple attribute, single-valued or multi-valued.
 * @param value neither null nor undefined
 * @param at its path, for messages: `emails[0].value`
 * @returns undefined where "" means unassigned
 * @throws AppError invalidValue
 */
export function readScalar(value: unknown, attribute: Attribute, at: string, leniency: Leniency): Scalar | undefined {
  if (value === '' && leniency.allow('emptyStringClears', at)) return undefined
  switch (attribute.type) {
    case 'boolean':
      return readBoolean(value, at, leniency)
    case 'integer':
      return readNumber(value, at, leniency, Number.isSafeInteger, 'an integer')
    case 'decimal':
      return readNumber(value, at, leniency, Number.isFinite, 'a number')
    case 'dateTime':
      return readDateTime(value, at)
    case 'reference':
      return readReference(value, at, leniency)
    case 'binary':
      return readBinary(value, at)
    default:
      return readText(value, at, MAX_STRING_LENGTH)
  }
}

const mustBe = (at: string, what: string): AppError => invalidValue(`${at} must be ${what}`)

function readBoolean(value: unknown, at: string, leniency: Leniency): boolean {
  if (typeof value === 'boolean') return value
  // Entra sends active as the string "False"
  if (typeof value === 'string' && /^(true|false)$/i.test(value) && leniency.allow('stringBooleans', at)) {
    return value.toLowerCase() === 'true'
  }
  throw mustBe(at, 'a boolean')
}

const NUMBER = /^-?\d+(\.\d+)?([eE][+-]?\d+)?$/

function readNumber(
  value: unknown,
  at: string,
  leniency: Leniency,
  fits: (number: number) => boolean,
  what: string
): number {
  if (typeof value === 'number' && fits(value)) return value
  if (typeof value === 'string' && NUMBER.test(value) && fits(Number(value)) && leniency.allow('stringNumbers', at)) {
    return Number(value)
  }
  throw mustBe(at, what)
}

function readDateTime(value: unknown, at: string): string {
  if (typeof value === 'string' && value.length <= 64 && parseDateTime(value) !== undefined) return value
  throw mustBe(at, 'a dateTime such as 2026-01-23T04:56:22Z')
}

function readReference(value: unknown, at: string, leniency: Leniency): string {
  const text = readText(value, at, MAX_BLOB_LENGTH)
  if (isUriReference(text) || leniency.allow('looseReferences', at)) return text
  throw mustBe(at, 'a URI')
}

/** RFC 3986 §4.1, as far as a URL parser checks it; a URI has no spaces and no control characters. */
const isUriReference = (text: string): boolean =>
  text !== '' && !/[\s\u0000-\u001f\u007f]/.test(text) && URL.canParse(text, 'http://base.invalid')

// RFC 4648 §4 and §5; RFC 7643 §2.3.6 lets a client omit the padding
const BASE64 = /^[A-Za-z0-9+/_-]*={0,2}$/

function readBinary(value: unknown, at: string): string {
  const text = readText(value, at, MAX_BLOB_LENGTH)
  const padding = text.indexOf('=')
  const digits = padding === -1 ? text.length : padding
  if (BASE64.test(text) && digits % 4 !== 1 && (padding === -1 || text.length % 4 === 0)) return text
  throw mustBe(at, 'encoded in base64')
}

function readText(value: unknown, at: string, maxLength: number): string {
  if (typeof value !== 'string') throw mustBe(at, 'a string')
  const limit = value.length > MAX_INDEXED_LENGTH && INDEXED.has(withoutIndexes(at)) ? MAX_INDEXED_LENGTH : maxLength
  if (value.length > limit) throw invalidValue(`${at} has more than ${limit.toLocaleString('en')} characters`)
  if (!isStorableText(value)) throw invalidValue(`${at} holds a character that cannot be stored`)
  return value
}

/** `emails[0].value` -> `emails.value` */
const withoutIndexes = (at: string): string => at.replaceAll(/\[\d+\]/g, '')
