// How strings compare, in memory (filter/matches.ts) and in PostgreSQL (filter/sql-text.ts) alike, whatever Unicode
// version or locale each has.

/**
 * The form in which strings of an attribute that is not caseExact compare: lower case, with one form of sigma.
 * toLowerCase() writes the last sigma of a word differently, so "ΟΔΟΣ" would not be a prefix of "ΟΔΟΣΑ".
 */
export const foldCase = (text: string): string => text.toLowerCase().replaceAll('ς', 'σ')

/**
 * Orders strings by code points, the order of their UTF-8 bytes and of PostgreSQL's collation "C".
 * @returns negative, 0 or positive, as sort() expects
 */
export function compareCodePoints(a: string, b: string): number {
  const length = Math.min(a.length, b.length)
  for (let i = 0; i < length; i++) {
    const left = a.charCodeAt(i)
    const right = b.charCodeAt(i)
    if (left !== right) return rank(left) - rank(right)
  }
  return a.length - b.length
}

/** Moves surrogates, which stand for code points above U+FFFF, after U+E000 to U+FFFF. */
function rank(codeUnit: number): number {
  if (codeUnit < 0xd800) return codeUnit
  return codeUnit < 0xe000 ? codeUnit + 0x2000 : codeUnit - 0x800
}

/** Whether PostgreSQL can store the text: no NUL, no half of a surrogate pair. */
export const isStorableText = (text: string): boolean => !text.includes('\u0000') && text.isWellFormed()

const SHOWN_LENGTH = 100
/** Shortens text from a client for a message. */
export const shorten = (text: string): string => (text.length > SHOWN_LENGTH ? `${text.slice(0, SHOWN_LENGTH)}…` : text)
