// Describes input that does not fit its shape: which field, and what it must be. Zod's messages are for programmers.
import { z } from 'zod'
import { invalid } from '../errors.ts'

type Issue = z.core.$ZodIssue
type RawIssue = Parameters<z.core.$ZodErrorMap>[0]

/** `invites.0.role must be one of …; password is missing`: every problem with its place. */
export const describeZodError = (error: z.ZodError): string => describeIssues(error.issues, [])

/** A route's query string. @throws AppError invalid */
export function readQuery<T>(shape: z.ZodType<T>, query: unknown): T {
  const parsed = shape.safeParse(query)
  if (parsed.success) return parsed.data
  throw invalid(describeZodError(parsed.error))
}

// shapes with a message of their own (refine, regex) do not use it
z.config({ localeError: inWords })

const describeIssues = (issues: readonly Issue[], within: readonly PropertyKey[]): string =>
  issues.flatMap((issue) => describeIssue(issue, [...within, ...issue.path])).join('; ')

function describeIssue(issue: Issue, path: readonly PropertyKey[]): string[] {
  if (issue.code === 'unrecognized_keys') {
    return issue.keys.map((key) => `${placeOf([...path, key])} is no field of this call`)
  }
  if (issue.code === 'invalid_union' && issue.errors.length > 0) return [describeIssues(closest(issue.errors), path)]
  // messages of the shapes are sentences; those below continue after the field's name
  const isSentence = /^\p{Lu}/u.test(issue.message)
  return [`${placeOf(path)}${isSentence ? ':' : ''} ${issue.message}`]
}

const placeOf = (path: readonly PropertyKey[]): string => path.map(String).join('.') || 'The input'

/** Of several forms that an input may have, the one that it is closest to. */
const closest = (errors: readonly (readonly Issue[])[]): readonly Issue[] =>
  errors.reduce((best, issues) => (distanceOf(issues) < distanceOf(best) ? issues : best))

/** An unexpected field counts more than a missing one. */
const distanceOf = (issues: readonly Issue[]): number =>
  issues.reduce((sum, issue) => sum + (issue.code === 'unrecognized_keys' ? 10 * issue.keys.length : 1), 0)

function inWords(issue: RawIssue): string {
  switch (issue.code) {
    case 'invalid_type':
      return issue.input === undefined ? 'is missing' : `must be ${TYPES[issue.expected] ?? issue.expected}`
    case 'invalid_value':
      return issue.input === undefined ? 'is missing' : `must be ${oneOf(issue.values.map(String))}`
    case 'too_small':
    case 'too_big':
      return bound(issue)
    case 'invalid_format':
      return `must be ${FORMATS[issue.format] ?? 'of another form'}`
    case 'not_multiple_of':
      return `must be a multiple of ${issue.divisor}`
    case 'invalid_union': {
      const { discriminator, options } = issue as { discriminator?: string; options?: readonly unknown[] }
      return discriminator && options
        ? `must be ${oneOf(options.map(String))}`
        : 'has none of the forms that it may have'
    }
    default:
      return 'is not valid'
  }
}

const oneOf = (values: readonly string[]) => (values.length === 1 ? values[0]! : `one of ${values.join(', ')}`)

function bound(issue: Extract<RawIssue, { code: 'too_small' | 'too_big' }>): string {
  const [least, count] = issue.code === 'too_small' ? [true, issue.minimum] : [false, issue.maximum]
  const unit = UNITS[issue.origin]
  if (unit === undefined) {
    const comparison = issue.inclusive === false ? (least ? 'more than' : 'less than') : least ? 'at least' : 'at most'
    return `must be ${comparison} ${count}`
  }
  if (least && Number(count) === 1) return 'must not be empty'
  return `must have ${issue.exact ? 'exactly' : least ? 'at least' : 'at most'} ${Number(count).toLocaleString('en')} ${unit}`
}

const UNITS: Readonly<Record<string, string>> = { string: 'characters', array: 'items', set: 'items', map: 'entries' }

const TYPES: Readonly<Record<string, string>> = {
  string: 'text',
  number: 'a number',
  int: 'a whole number',
  boolean: 'true or false',
  array: 'a list',
  object: 'an object',
  record: 'an object',
  tuple: 'a list',
  null: 'null'
}

const FORMATS: Readonly<Record<string, string>> = {
  email: 'an e-mail address',
  uuid: 'a UUID',
  url: 'a URL',
  datetime: 'a time such as 2027-01-31T09:40:00Z',
  date: 'a date such as 2027-01-31'
}
