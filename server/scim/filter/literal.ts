// Reads the right side of a comparison according to the attribute's type (RFC 7644 §3.4.2.2).
import { parseDateTime } from '../date-time.ts'
import type { Attribute, AttributeType } from '../schemas/types.ts'
import { isStorableText } from '../text.ts'
import type { Comparison, Scalar } from './ast.ts'
import { filterError, showToken, type Token } from './tokens.ts'

const EQUALITY: readonly Comparison[] = ['eq', 'ne']
const ORDER: readonly Comparison[] = ['eq', 'ne', 'gt', 'ge', 'lt', 'le']
const ALL: readonly Comparison[] = [...ORDER, 'co', 'sw', 'ew']
const OPERATORS: Record<AttributeType, readonly Comparison[]> = {
  string: ALL,
  reference: ALL,
  integer: ORDER,
  decimal: ORDER,
  dateTime: ORDER,
  boolean: EQUALITY,
  binary: EQUALITY,
  complex: []
}

/** @throws AppError invalidFilter where the operator has no meaning for the attribute's type, such as gt on a boolean */
export function checkOperator(attribute: Attribute, operator: Comparison, token: Token): void {
  if (OPERATORS[attribute.type].includes(operator)) return
  throw filterError(`"${operator}" cannot compare ${attribute.name}, which is ${attribute.type},`, token.start)
}

/**
 * @param token a string or a word (`true`, `5`); the caller handles null
 * @param lenient also accepts unquoted words as strings, and strings as booleans and numbers
 * @returns dateTimes as written, after a check
 * @throws AppError invalidFilter where the value does not fit the attribute's type
 */
export function readLiteral(attribute: Attribute, token: Token, lenient: boolean): Scalar {
  const value = literalOf(attribute.type, token, lenient)
  if (value !== undefined) return value
  throw filterError(`${showToken(token)} is no ${EXPECTED[attribute.type]} for ${attribute.name}`, token.start)
}

const EXPECTED: Record<AttributeType, string> = {
  string: 'string in double quotes',
  reference: 'string in double quotes',
  binary: 'string in double quotes',
  dateTime: 'dateTime in double quotes',
  integer: 'number',
  decimal: 'number',
  boolean: 'boolean',
  complex: 'value'
}

function literalOf(type: AttributeType, token: Token, lenient: boolean): Scalar | undefined {
  switch (type) {
    case 'string':
    case 'reference':
    case 'binary':
      return stringOf(token, lenient)
    case 'dateTime': {
      const text = stringOf(token, lenient)
      return text !== undefined && parseDateTime(text) !== undefined ? text : undefined
    }
    case 'integer':
    case 'decimal':
      return token.kind === 'word' || lenient ? numberOf(token.text) : undefined
    case 'boolean':
      return booleanOf(token, lenient)
    case 'complex':
      return undefined
  }
}

// Entra documents `externalId eq jyoung`. A word with an apostrophe or the like is more likely a mistake, and a client
// would take an empty answer to a mistake for "no such user".
const BARE_STRING = /^[\p{L}\p{N}_.@+\-:/=#%~|!]+$/u

function stringOf(token: Token, lenient: boolean): string | undefined {
  if (token.kind === 'string') return token.text
  return lenient && BARE_STRING.test(token.text) && isStorableText(token.text) ? token.text : undefined
}

// RFC 8259 §6
const NUMBER = /^-?(0|[1-9][0-9]*)([.][0-9]+)?([eE][+-]?[0-9]+)?$/

function numberOf(text: string): number | undefined {
  if (!NUMBER.test(text)) return undefined
  const value = Number(text)
  return Number.isFinite(value) ? value : undefined
}

function booleanOf(token: Token, lenient: boolean): boolean | undefined {
  // Entra sends `primary eq "True"`
  const text = lenient ? token.text.toLowerCase() : token.kind === 'word' ? token.text : undefined
  if (text === 'true') return true
  return text === 'false' ? false : undefined
}
