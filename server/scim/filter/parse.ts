// Reads a filter expression into a tree, attributes resolved (RFC 7644 §3.4.2.2, figure 1).
import { invalidFilter } from '../../errors.ts'
import { type AttributePath, formatPath, resolveAttributePath } from '../path.ts'
import { findSubAttribute } from '../schemas/resource-type.ts'
import type { Attribute, ResourceType } from '../schemas/types.ts'
import { shorten } from '../text.ts'
import { COMPARISONS, type Comparison, type Filter } from './ast.ts'
import { checkOperator, readLiteral } from './literal.ts'
import { filterError, showToken, type Token, tokenize } from './tokens.ts'

export const MAX_FILTER_LENGTH = 4096
const MAX_FILTER_DEPTH = 50

export interface FilterOptions {
  /**
   * Accepts what identity providers send beyond the RFC: unquoted strings, "True" for a boolean, extension attributes
   * without their URN, and a complex attribute for its `value` (`manager eq "…"`).
   */
  lenient: boolean
}

/**
 * Parses a filter. Attribute names and operators match in any letter case; `not` binds tightest, then `and`, then `or`.
 * A multi-valued complex attribute stands for its `value`: `emails co "@x"`. `eq null` becomes "not present".
 * `emails[type eq "work"].value eq "x"` becomes `emails[type eq "work" and value eq "x"]`; with `ne` and `eq null` it
 * becomes the negation of that.
 * @param text as received, percent-decoded, at most 4,096 characters and 50 levels of brackets
 * @returns `userName eq "ada"` -> { op: 'eq', path: { attribute: userName, … }, value: 'ada' }
 * @throws AppError invalidFilter, naming the 1-based column where reading stopped
 */
export function parseFilter(text: string, resourceType: ResourceType, options: FilterOptions): Filter {
  checkLength(text)
  const parser = new FilterParser(tokenize(text), options, rootScope(resourceType, options))
  const filter = parser.readOr()
  parser.expectEnd()
  return filter
}

/**
 * Parses the text between the brackets of a PATCH path: `type eq "work"` of `emails[type eq "work"]`.
 * @param attribute the complex attribute before the brackets
 * @throws AppError invalidFilter as parseFilter does; columns count from the start of `text`
 */
export function parseValueFilter(text: string, attribute: Attribute, options: FilterOptions): Filter {
  checkLength(text)
  const parser = new FilterParser(tokenize(text), options, valueScope(attribute))
  const filter = parser.readOr()
  parser.expectEnd()
  return filter
}

function checkLength(text: string): void {
  if (text.length > MAX_FILTER_LENGTH) throw invalidFilter('A filter has at most 4,096 characters')
}

/** Finds the attribute that a word names, in a resource or in one value of a complex attribute. */
type Scope = (word: Token) => AttributePath

const rootScope =
  (resourceType: ResourceType, options: FilterOptions): Scope =>
  (word) =>
    resolveAttributePath(word.text, resourceType, options, (detail) => filterError(detail, word.start))

const valueScope =
  (complex: Attribute): Scope =>
  (word) => {
    const attribute = findSubAttribute(complex, word.text)
    if (!attribute) throw filterError(`Unknown attribute "${shorten(word.text)}" of ${complex.name}`, word.start)
    return { extension: undefined, attribute, subAttribute: undefined }
  }

class FilterParser {
  private readonly tokens: readonly Token[]
  private readonly options: FilterOptions
  private scope: Scope
  private position = 0
  private depth = 0

  constructor(tokens: readonly Token[], options: FilterOptions, scope: Scope) {
    this.tokens = tokens
    this.options = options
    this.scope = scope
  }

  readOr(): Filter {
    let left = this.readAnd()
    while (this.skipWord('or')) left = { op: 'or', left, right: this.readAnd() }
    return left
  }

  expectEnd(): void {
    const token = this.peek()
    if (token.kind !== 'end')
      throw filterError(`Expected "and", "or" or the end, found ${showToken(token)}`, token.start)
  }

  private readAnd(): Filter {
    let left = this.readFactor()
    while (this.skipWord('and')) left = { op: 'and', left, right: this.readFactor() }
    return left
  }

  private readFactor(): Filter {
    const token = this.peek()
    if (token.kind === '(') return this.readEnclosed(')')
    if (token.kind === 'word' && token.text.toLowerCase() === 'not') {
      this.position++
      if (this.peek().kind !== '(') throw filterError('"not" needs parentheses', token.start)
      return { op: 'not', inner: this.readEnclosed(')') }
    }
    return this.readExpression()
  }

  /** Reads an opening bracket, a filter and the closing bracket. */
  private readEnclosed(closing: ')' | ']'): Filter {
    const opening = this.next()
    // Brackets are the only recursion, so this bound also bounds the stack
    if (++this.depth > MAX_FILTER_DEPTH) throw filterError('More than 50 levels of nesting', opening.start)
    const inner = this.readOr()
    const token = this.next()
    if (token.kind !== closing) throw filterError(`Expected "${closing}", found ${showToken(token)}`, token.start)
    this.depth--
    return inner
  }

  private readExpression(): Filter {
    const word = this.next()
    if (word.kind !== 'word') throw filterError(`Expected an attribute, found ${showToken(word)}`, word.start)
    const path = this.scope(word)
    checkFilterable(path, word)
    if (this.peek().kind === '[') return this.readValuePath(path, word)
    return this.readComparison(path, word)
  }

  private readValuePath(path: AttributePath, word: Token): Filter {
    const complex = path.subAttribute ?? path.attribute
    if (complex.type !== 'complex') throw filterError(`${formatPath(path)} is not complex and takes no [`, word.start)
    const outer = this.scope
    this.scope = valueScope(complex)
    const inner = this.readEnclosed(']')
    this.scope = outer
    const closing = this.tokens[this.position - 1]!
    const next = this.peek()
    if (next.kind !== 'word' || next.start !== closing.end) return { op: 'valuePath', path, inner }
    return this.readValuePathComparison(path, complex, inner)
  }

  /** Reads the rest of `emails[type eq "work"].value eq "u@x"`, as Entra sends it. */
  private readValuePathComparison(path: AttributePath, complex: Attribute, inner: Filter): Filter {
    const word = this.next()
    if (!word.text.startsWith('.')) throw filterError(`Expected "." and a name, found ${showToken(word)}`, word.start)
    const subPath = valueScope(complex)({ ...word, text: word.text.slice(1) })
    checkFilterable(subPath, word)
    const comparison = this.readComparison(subPath, word)
    const within = (right: Filter): Filter => ({ op: 'valuePath', path, inner: { op: 'and', left: inner, right } })
    // ne and `eq null` are about all values that the brackets choose: none of them is equal, or present
    if (comparison.op === 'not') return { op: 'not', inner: within(comparison.inner) }
    if (comparison.op === 'ne') return { op: 'not', inner: within({ ...comparison, op: 'eq' }) }
    return within(comparison)
  }

  private readComparison(path: AttributePath, word: Token): Filter {
    const operatorToken = this.next()
    const operator = operatorToken.kind === 'word' ? operatorToken.text.toLowerCase() : ''
    if (operator === 'pr') return { op: 'pr', path }
    if (!isComparison(operator)) {
      throw filterError(`Expected an operator, found ${showToken(operatorToken)}`, operatorToken.start)
    }
    const value = this.next()
    if (value.kind !== 'word' && value.kind !== 'string') {
      throw filterError(`Expected a value, found ${showToken(value)}`, value.start)
    }
    if (value.kind === 'word' && value.text === 'null') return nullComparison(path, operator, operatorToken)
    const target = this.comparablePath(path, word)
    const attribute = target.subAttribute ?? target.attribute
    checkOperator(attribute, operator, operatorToken)
    return { op: operator, path: target, value: readLiteral(attribute, value, this.options.lenient) }
  }

  /** A complex attribute has no value of its own to compare, so its `value` stands for it. */
  private comparablePath(path: AttributePath, word: Token): AttributePath {
    if (path.subAttribute || path.attribute.type !== 'complex') return path
    const value = findSubAttribute(path.attribute, 'value')
    if (value && (path.attribute.multiValued || this.options.lenient)) {
      const target = { ...path, subAttribute: value }
      checkFilterable(target, word)
      return target
    }
    throw filterError(`${formatPath(path)} is complex, name one of its sub-attributes`, word.start)
  }

  private peek(): Token {
    return this.tokens[this.position]!
  }

  /** The last token is `end`, which no caller steps over. */
  private next(): Token {
    const token = this.peek()
    if (token.kind !== 'end') this.position++
    return token
  }

  private skipWord(lower: string): boolean {
    const token = this.peek()
    if (token.kind !== 'word' || token.text.toLowerCase() !== lower) return false
    this.position++
    return true
  }
}

const isComparison = (word: string): word is Comparison => (COMPARISONS as readonly string[]).includes(word)

function nullComparison(path: AttributePath, operator: Comparison, token: Token): Filter {
  if (operator === 'eq') return { op: 'not', inner: { op: 'pr', path } }
  if (operator === 'ne') return { op: 'pr', path }
  throw filterError(`"${operator}" cannot compare with null`, token.start)
}

/** A filter on an attribute that is never returned would reveal it letter by letter. */
function checkFilterable(path: AttributePath, word: Token): void {
  for (const attribute of [path.attribute, path.subAttribute]) {
    if (attribute && (attribute.returned === 'never' || attribute.mutability === 'writeOnly')) {
      throw filterError(`${formatPath(path)} cannot be filtered`, word.start)
    }
  }
}
