// Removes passwords and tokens from what is kept of a request.
import type { Attribute, ResourceType } from '../scim/schemas/types.ts'

export const REDACTED = '[redacted]'

/** Names of attributes and query parameters whose values nobody may read later. */
const SECRET_NAME = /passw|secret|token/i
/** A condition on or an assignment to one of them: `password eq "x"`, `access_token=x`, `{"password":"x"}` as text. */
const SECRET_USE = /(passw|secret|token)[\w-]*["'\]]*\s*([=:]|\s(eq|ne|co|sw|ew|gt|ge|lt|le)\b)/i
/** Our own tokens, wherever they occur. */
const OWN_TOKEN = /mst_[a-z]+_[\w-]+/g

/** A tenant's resource types. */
interface Types {
  readonly User: ResourceType
  readonly Group: ResourceType
}

const namesOfTypes = new WeakMap<Types, ReadonlySet<string>>()

/** Attributes that no answer includes and SECRET_NAME does not match, in lower case. */
export function secretNames(types: Types): ReadonlySet<string> {
  const known = namesOfTypes.get(types)
  if (known) return known
  const lookups = [types.User, types.Group].flatMap((type) => type.lookups)
  const names = lookups.flatMap(({ attributes }) => neverReturned(attributes))
  const found = new Set(names.filter((name) => !SECRET_NAME.test(name)))
  namesOfTypes.set(types, found)
  return found
}

const neverReturned = (attributes: ReadonlyMap<string, Attribute>): string[] =>
  [...attributes.values()].flatMap(({ name, returned, subAttributes = [] }) => [
    ...(returned === 'never' ? [name.toLowerCase()] : []),
    ...subAttributes.filter((sub) => sub.returned === 'never').map((sub) => sub.name.toLowerCase())
  ])

export interface RedactedBody {
  /** JSON text. */
  readonly text: string
  /** The removed values, so that they can be removed from an answer that quotes them. */
  readonly secrets: readonly string[]
}

/**
 * A body as JSON text, without the values of attributes that are secret by name or by schema, even where a PATCH names
 * them in its path.
 * @param body parsed JSON
 * @param sent the text it was parsed from, if any
 * @param names see secretNames
 */
export function redactBody(body: unknown, sent: string | undefined, names: ReadonlySet<string>): RedactedBody {
  const text = sent !== undefined && isTellable(sent) ? sent : JSON.stringify(body)
  if (!mayHoldSecret(text, names)) return { text, secrets: [] }
  const isSecret = (name: string) => SECRET_NAME.test(name) || names.has(lastName(name))
  const secrets: string[] = []
  const take = (value: unknown): string => {
    collectTexts(value, secrets)
    return REDACTED
  }
  const redacted = JSON.stringify(body, function (this: unknown, key: string, value: unknown) {
    if (value === null || value === undefined) return value
    if (isSecret(key)) return take(value)
    if (key.toLowerCase() === 'value' && isSecret(pathOf(this))) return take(value)
    return typeof value === 'string' && SECRET_USE.test(value) ? take(value) : value
  })
  return { text: redacted, secrets }
}

/** Longer texts may be nested too deeply for some later readers to parse. */
export const MAX_TOLD_LENGTH = 4_096

/** What JSON.stringify writes differently: escapes that disguise names, spellings that a search would miss. */
const OTHERWISE = ['\\u', '\\/', '": ', '\n']

/** Whether a text can be stored in place of what was parsed from it. */
const isTellable = (sent: string): boolean =>
  sent.length <= MAX_TOLD_LENGTH && !OTHERWISE.some((text) => sent.includes(text))

function mayHoldSecret(text: string, names: ReadonlySet<string>): boolean {
  if (SECRET_NAME.test(text)) return true
  if (names.size === 0) return false
  const lower = text.toLowerCase()
  return [...names].some((name) => lower.includes(name))
}

/** `urn:…:User:name.pin` -> `pin` */
const lastName = (path: string): string => /[^.:\s]*$/.exec(path.trim().toLowerCase())![0]

/** The path of a PATCH operation, with its key in any letter case. */
function pathOf(operation: unknown): string {
  for (const [key, value] of Object.entries(operation as Record<string, unknown>)) {
    if (key.toLowerCase() === 'path' && typeof value === 'string') return value
  }
  return ''
}

/** Shorter ones would match in almost any text. */
const MIN_SECRET_LENGTH = 4

function collectTexts(value: unknown, found: string[]): void {
  if (typeof value === 'string' || typeof value === 'number') {
    if (String(value).length >= MIN_SECRET_LENGTH) found.push(String(value))
  } else if (typeof value === 'object' && value !== null) {
    for (const inner of Object.values(value)) collectTexts(inner, found)
  }
}

/** The URL, without its query where that may contain a secret. */
export const redactUrl = (url: string): string =>
  url.includes('?') && SECRET_USE.test(decoded(url)) ? `${url.split('?', 1)[0]}?${REDACTED}` : url

function decoded(url: string): string {
  if (!url.includes('%') && !url.includes('+')) return url
  try {
    return decodeURIComponent(url.replaceAll('+', ' '))
  } catch {
    return url
  }
}

/** A string in JSON text; the last one is unclosed where the text was cut. */
const STRING = /"[^"\\]*(?:\\.?[^"\\]*)*("|$)/gs

/**
 * Removes from an answer the secrets of its request.
 * @param text JSON, or its beginning. It stays JSON: only strings are replaced, since a secret may be `true`
 */
export function redactAnswer(text: string, secrets: readonly string[]): string {
  if (secrets.length === 0) return text
  const clean = (inner: string) => secrets.reduce((rest, secret) => rest.replaceAll(secret, REDACTED), inner)
  return text.replace(STRING, (literal, end: string) => {
    if (end !== '') return JSON.stringify(clean(JSON.parse(literal) as string))
    return secrets.reduce((rest, secret) => rest.replaceAll(JSON.stringify(secret).slice(1, -1), REDACTED), literal)
  })
}

/** The last check before storing. */
export const withoutTokens = (text: string): string => (mayHoldToken(text) ? text.replace(OWN_TOKEN, REDACTED) : text)

/** Looks for the underscore of `mst_`: underscores are few, and searching for four letters takes ten times as long. */
function mayHoldToken(text: string): boolean {
  for (let at = text.indexOf('_'); at !== -1; at = text.indexOf('_', at + 1)) {
    if (text.startsWith('mst', at - 3)) return true
  }
  return false
}
