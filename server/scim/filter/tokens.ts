// Cuts a filter into tokens, in one pass over the text.
import { type AppError, invalidFilter } from '../../errors.ts'
import { isStorableText, shorten } from '../text.ts'

export interface Token {
  /** word: an attribute path, an operator, or an unquoted literal. end: the end of the text. */
  readonly kind: 'word' | 'string' | '(' | ')' | '[' | ']' | 'end'
  /** As written; the decoded value of a string. */
  readonly text: string
  /** Offsets in the filter; `end` is after the last character. */
  readonly start: number
  readonly end: number
}

/** @param offset of the character where reading stopped; messages count columns from 1 */
export const filterError = (detail: string, offset: number): AppError =>
  invalidFilter(`${detail} at column ${offset + 1}`)

const SPACE = /[ \t\r\n]*/y
const WORD = /[^ \t\r\n()[\]"]+/y
// RFC 8259 §7
const STRING = /"(?:[^"\\\u0000-\u001f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*"/y

/** @throws AppError invalidFilter where a string is not closed or not JSON */
export function tokenize(text: string): Token[] {
  const tokens: Token[] = []
  let offset = skip(SPACE, text, 0)
  while (offset < text.length) {
    const token = readToken(text, offset)
    tokens.push(token)
    offset = skip(SPACE, text, token.end)
  }
  tokens.push({ kind: 'end', text: '', start: text.length, end: text.length })
  return tokens
}

function readToken(text: string, start: number): Token {
  const first = text[start]
  if (first === '(' || first === ')' || first === '[' || first === ']') {
    return { kind: first, text: first, start, end: start + 1 }
  }
  if (first === '"') return readString(text, start)
  const end = skip(WORD, text, start)
  return { kind: 'word', text: text.slice(start, end), start, end }
}

function readString(text: string, start: number): Token {
  const end = skip(STRING, text, start)
  if (end === start) throw filterError('A string that is not closed or not valid JSON starts', start)
  const value: string = JSON.parse(text.slice(start, end))
  if (!isStorableText(value)) throw filterError('A string with a character that cannot be stored starts', start)
  return { kind: 'string', text: value, start, end }
}

/** @returns the offset after what the sticky expression matches at `offset`, or `offset` itself */
function skip(expression: RegExp, text: string, offset: number): number {
  expression.lastIndex = offset
  return expression.test(text) ? expression.lastIndex : offset
}

/** The token for a message: `"userName"`, or `the end`. */
export const showToken = (token: Token): string => (token.kind === 'end' ? 'the end' : `"${shorten(token.text)}"`)
