// What identity providers send and must get, as data: the shape of exchanges/*/*.json, and how an answer is compared.
import { isDeepStrictEqual } from 'node:util'
import type { ScimProfile } from '../../../db/schema.ts'

export interface Conversation {
  /** Who sends it, and about what. */
  title: string
  /** Of the tokens that it works with. */
  profiles: ScimProfile[]
  exchanges: Exchange[]
}

/**
 * Texts may hold `{{name}}` of what an earlier exchange saved; `{{uuid}}` is a random one, `{{baseUrl}}` is
 * the tenant's; `{{domain}}` (for e-mail addresses) and `{{run}}` (in other names) belong to nobody else.
 */
export interface Exchange {
  /** What of an identity provider's behaviour it shows, such as E19; several may show the same. */
  id: string
  /** In words that an administrator understands. */
  says: string
  request: {
    method: string
    /** Below /scim/v2, as it stands on the wire. */
    url: string
    /** null takes away what the loop would send: authorization, content-type. */
    headers?: Record<string, string | null>
    body?: unknown
  }
  /** The same request so often at once, `{{index}}` in it counting from 0. Each answer must fit. */
  times?: number
  expect: {
    status: number | number[]
    headers?: Record<string, string>
    /** Found in the answer: members that are not named may be there, arrays are as long and in this order. */
    body?: unknown
    /** Paths that must not be there: `password`, `Resources.0.members`. */
    absent?: string[]
  }
  /** Names for parts of the answer: `{ "adaId": "id" }`. */
  save?: Record<string, string>
}

/** What a template refers to is not there. */
export class NothingSaved extends Error {
  constructor(name: string) {
    super(`Nothing was saved as ${name}`)
    this.name = 'NothingSaved'
  }
}

/** Exchanges the placeholders of a template. @throws NothingSaved for one that nothing was saved under */
function fill<T>(template: T, values: Readonly<Record<string, unknown>>): T {
  if (typeof template === 'string') return fillText(template, values) as T
  if (Array.isArray(template)) return template.map((item) => fill(item, values)) as T
  if (typeof template !== 'object' || template === null) return template
  return Object.fromEntries(Object.entries(template).map(([key, value]) => [key, fill(value, values)])) as T
}

const fillText = (text: string, values: Readonly<Record<string, unknown>>): string =>
  text.replace(/\{\{(\w+)\}\}/g, (_, name: string) => {
    if (name === 'uuid') return crypto.randomUUID()
    if (!Object.hasOwn(values, name)) throw new NothingSaved(name)
    return String(values[name])
  })

/** `Resources.0.id` of an answer; undefined where it is not there. */
const valueAt = (body: unknown, path: string): unknown =>
  path.split('.').reduce((value, key) => (value as Record<string, unknown> | undefined)?.[key], body)

/** Placeholders for values whose text nobody knows beforehand. */
const KINDS: Record<string, (value: unknown) => boolean> = {
  '<string>': (value) => typeof value === 'string' && value !== '',
  '<number>': (value) => typeof value === 'number',
  '<dateTime>': (value) => typeof value === 'string' && /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$/.test(value),
  '<etag>': (value) => typeof value === 'string' && /^W\/".+"$/.test(value)
}

/** @returns where an answer lacks what is expected, such as `Resources.0.active: true instead of false` */
function differences(actual: unknown, expected: unknown, at = ''): string[] {
  const told = (what: string) => [`${at || 'body'}: ${what}`]
  if (typeof expected === 'string' && KINDS[expected]) {
    return KINDS[expected](actual) ? [] : told(`${JSON.stringify(actual)} is no ${expected}`)
  }
  if (Array.isArray(expected)) {
    if (!Array.isArray(actual)) return told(`${JSON.stringify(actual)} is no array`)
    if (actual.length !== expected.length) return told(`${actual.length} values instead of ${expected.length}`)
    return expected.flatMap((item, index) => differences(actual[index], item, join(at, String(index))))
  }
  if (typeof expected === 'object' && expected !== null) {
    if (typeof actual !== 'object' || actual === null) return told(`${JSON.stringify(actual)} is no object`)
    return Object.entries(expected).flatMap(([key, value]) =>
      differences((actual as Record<string, unknown>)[key], value, join(at, key))
    )
  }
  if (isDeepStrictEqual(actual, expected)) return []
  return told(`${JSON.stringify(actual)} instead of ${JSON.stringify(expected)}`)
}

/** An answer as whoever plays the exchanges got it. */
export interface Reply {
  readonly status: number
  readonly headers: Readonly<Record<string, unknown>>
  /** Parsed JSON; undefined where there was none. */
  readonly body: unknown
  readonly text: string
}

/** @param expect filled; @returns where the answer is not what is expected */
export function problemsOf(reply: Reply, expect: Exchange['expect']): string[] {
  const wanted = [expect.status].flat()
  return [
    ...(wanted.includes(reply.status) ? [] : [`status ${reply.status} instead of ${wanted.join(' or ')}`]),
    ...differences(reply.headers, expect.headers ?? {}, 'headers'),
    ...(expect.body === undefined ? [] : differences(reply.body, expect.body)),
    ...(expect.absent ?? []).filter((path) => valueAt(reply.body, path) !== undefined).map((path) => `${path} is there`)
  ]
}

export type Ask = (request: Exchange['request']) => Promise<Reply>

export interface Played {
  /** As sent; the first one where there were several at once. */
  readonly request: Exchange['request']
  readonly reply: Reply
  readonly expect: Exchange['expect']
  readonly problems: readonly string[]
}

/**
 * Plays an exchange, and saves what later ones need.
 * @param saved by name; added to
 * @throws NothingSaved where an earlier exchange gave nothing to refer to
 */
export async function playExchange(exchange: Exchange, saved: Record<string, unknown>, ask: Ask): Promise<Played> {
  const { times = 1, save = {} } = exchange
  const requests = Array.from({ length: times }, (_, index) => fill(exchange.request, { ...saved, index }))
  const expect = fill(exchange.expect, saved)
  const replies = await Promise.all(requests.map(ask))
  for (const [name, path] of Object.entries(save)) {
    const value = valueAt(replies[0]!.body, path)
    if (value !== undefined) saved[name] = value
  }
  const problems = replies.map((reply) => problemsOf(reply, expect))
  const shown = Math.max(
    0,
    problems.findIndex((found) => found.length > 0)
  )
  return { request: requests[shown]!, reply: replies[shown]!, expect, problems: problems[shown]! }
}

const join = (at: string, key: string): string => (at === '' ? key : `${at}.${key}`)
