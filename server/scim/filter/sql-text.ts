// String conditions in SQL that agree with matches.ts, whatever the database's locale, ICU or Unicode version.
import { type RawBuilder, sql } from 'kysely'
import { foldCase } from '../text.ts'
import type { Comparison } from './ast.ts'

export type Condition = RawBuilder<boolean>
export type TextComparison = Exclude<Comparison, 'ne'>

const OPERATORS = { eq: sql`=`, gt: sql`>`, ge: sql`>=`, lt: sql`<`, le: sql`<=` }
export const orderOperator = (op: TextComparison) =>
  op === 'co' || op === 'sw' || op === 'ew' ? undefined : OPERATORS[op]

/** @param text an expression of type text of any collation; null counts as no value */
export function compareText(text: RawBuilder<string>, op: TextComparison, literal: string): Condition {
  switch (op) {
    case 'co':
      return sql`strpos((${text}) collate "C", ${literal}) > 0`
    case 'sw':
      return sql`starts_with((${text}) collate "C", ${literal})`
    case 'ew':
      return sql`right((${text}) collate "C", length(${literal}::text)) = ${literal}`
    default:
      return sql`(${text}) collate "C" ${OPERATORS[op]} ${literal}`
  }
}

/** Compares in any letter case: foldCase() of the text with foldCase() of the literal. */
export function compareFolded(text: RawBuilder<string>, op: TextComparison, literal: string): Condition {
  const folded = foldCase(literal)
  const isOrder = op === 'gt' || op === 'ge' || op === 'lt' || op === 'le'
  return compareText(isOrder ? foldWhole(text) : foldFor(text, folded), op, folded)
}

/**
 * Compares a `…_key` column, which holds toLowerCase() of the text: foldCase() except for the sigma. An index on the
 * column serves equality, and prefixes without a sigma.
 */
export function compareKey(column: RawBuilder<string>, op: TextComparison, literal: string): Condition {
  const folded = foldCase(literal)
  if (folded.includes('σ')) return compareText(sql`replace(${column}, 'ς', 'σ')`, op, folded)
  return op === 'sw' ? hasPrefix(column, folded) : compareText(column, op, folded)
}

/** The bounds of a `…_key` column where an index on it serves the comparison. */
export interface KeyBounds {
  /** Exactly one key; all from one key up to before another; all from one key on. */
  readonly kind: 'is' | 'within' | 'from'
  readonly values: readonly string[]
}

/** Undefined where no index serves the comparison. */
export function keyBounds(op: TextComparison, literal: string): KeyBounds | undefined {
  const folded = foldCase(literal)
  if ((op !== 'eq' && op !== 'sw') || folded.includes('σ')) return undefined
  if (op === 'eq') return { kind: 'is', values: [folded] }
  const end = behindPrefix(folded)
  return end === undefined ? { kind: 'from', values: [folded] } : { kind: 'within', values: [folded, end] }
}

/** @param values those of KeyBounds, or placeholders for them */
export function meetsBounds(
  column: RawBuilder<string>,
  kind: KeyBounds['kind'],
  [first, end]: readonly string[]
): Condition {
  if (kind === 'is') return sql`${column} = ${first}`
  return kind === 'from' ? sql`${column} >= ${first}` : sql`(${column} >= ${first} and ${column} < ${end})`
}

/**
 * A prefix as a range: `starts_with` and LIKE are not leakproof, so they use no index under row-level security.
 * @param column of collation "C"
 */
export function hasPrefix(column: RawBuilder<string>, prefix: string): Condition {
  const end = behindPrefix(prefix)
  return end === undefined ? sql`${column} >= ${prefix}` : sql`(${column} >= ${prefix} and ${column} < ${end})`
}

const LAST_CODE_POINT = 0x10ffff

/** The first string after all that start with the prefix; undefined where there is none. */
function behindPrefix(prefix: string): string | undefined {
  const codePoints = Array.from(prefix, (character) => character.codePointAt(0)!)
  while (codePoints.at(-1) === LAST_CODE_POINT) codePoints.pop()
  const last = codePoints.pop()
  if (last === undefined) return undefined
  // The code points in between are halves of surrogate pairs
  return String.fromCodePoint(...codePoints, last === 0xd7ff ? 0xe000 : last + 1)
}

/** U+0130 is the only character whose lower case has two characters. */
const expandDottedI = (text: RawBuilder<string>): RawBuilder<string> =>
  sql`replace(${text}, ${sql.lit('\u0130')}, ${sql.lit('i\u0307')})`

/**
 * Folds only characters that fold to one of the literal's. Others are not in the literal, folded or not, so they do not
 * change the result of eq, co, sw or ew. translate() takes time in proportion to the characters that it looks for.
 */
function foldFor(text: RawBuilder<string>, folded: string): RawBuilder<string> {
  const { byLower } = foldings()
  let from = ''
  let to = ''
  for (const lower of new Set(folded)) {
    for (const upper of byLower.get(lower) ?? []) {
      from += upper
      to += lower
    }
  }
  return sql`translate(${expandDottedI(text)}, ${from}, ${to})`
}

/** foldCase() of a whole text expression, as ordering needs. In collation "C", lower() changes ASCII letters only. */
export function foldWhole(text: RawBuilder<string>): RawBuilder<string> {
  const { from, to } = foldings()
  return sql`(select case when octet_length(t) = length(t) then lower(t collate "C")
    else translate(${expandDottedI(sql`t`)}, ${from}, ${to}) end from (select ${text} as t offset 0) as s)`
}

interface Foldings {
  byLower: ReadonlyMap<string, readonly string[]>
  /** The same as two strings with equal numbers of characters. */
  from: string
  to: string
}

let cached: Foldings | undefined

/** Every character that foldCase() turns into one other character. */
function foldings(): Foldings {
  cached ??= readFoldings()
  return cached
}

/** All scripts with letter case lie below. */
const CASED_END = 0x1ffff

function readFoldings(): Foldings {
  const byLower = new Map<string, string[]>()
  let from = ''
  let to = ''
  for (let codePoint = 0; codePoint <= CASED_END; codePoint++) {
    const upper = String.fromCodePoint(codePoint)
    const lower = foldCase(upper)
    if (lower === upper || Array.from(lower).length !== 1) continue
    byLower.set(lower, [...(byLower.get(lower) ?? []), upper])
    from += upper
    to += lower
  }
  return { byLower, from, to }
}
