// What identity providers send and must receive, as data: the shape of exchanges/*/*.json, and how a reply is compared.
import { isDeepStrictEqual } from 'node:util'
import type { ScimProfile } from '../../../db/schema.ts'

export interface Conversation {
  /** Who sends it, and about what. */
  title: string
  /** The profiles of the tokens that it works with. */
  profiles: ScimProfile[]
  exchanges: Exchange[]
}

/**
 * Texts may hold `{{name}}`, a value that an earlier exchange saved. `{{uuid}}` is a random UUID and `{{baseUrl}}` the
 * tenant's; `{{domain}}` (for e-mail addresses) and `{{run}}` (in other names) are unique to the run.
 */
export interface Exchange {
  /** The behaviour of an identity provider that it shows, such as E19; several exchanges may show the same one. */
  id: string
  /** A description that an administrator understands. */
  says: string
  request: {
    method: string
    /** Below /scim/v2, as sent on the wire. */
    url: string
    /** null removes a header that would otherwise be sent: authorization, content-type. */
    headers?: Record<string, string | null>
    body?: unknown
  }
  /** Sends the request this many times at once, with `{{index}}` counting from 0. Every reply must fit. */
  times?: number
  expect: {
    status: number | number[]
    headers?: Record<string, string>
    /** What the reply must contain: it may have further members, but arrays must have the same length and order. */
    body?: unknown
    /** Paths that must be absent: `password`, `Resources.0.members`. */
    absent?: string[]
  }
  /** Names for parts of the reply: `{ "adaId": "id" }`. */
  save?: Record<string, string>
}

/** A template refers to a value that was not saved. */
export class NothingSaved extends Error {
  constructor(name: string) {
    super(`Nothing was saved as ${name}`)
    this.name = 'NothingSaved'
  }
}

/** Replaces the placeholders of a template. @throws NothingSaved for a name that nothing was saved under */
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

/** The value at a path such as `Resources.0.id`; undefined where there is none. */
const valueAt = (body: unknown, path: string): unknown =>
  path.split('.').reduce((value, key) => (value as Record<string, unknown> | undefined)?.[key], body)

/** Placeholders for values that cannot be known beforehand. */
const KINDS: Record<string, (value: unknown) => boolean> = {
  '<string>': (value) => typeof value === 'string' && value !== '',
  '<number>': (value) => typeof value === 'number',
  '<dateTime>': (value) => typeof value === 'string' && /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$/.test(value),
  '<etag>': (value) => typeof value === 'string' && /^W\/".+"$/.test(value)
}

/** @returns where the reply differs from what is expected, such as `Resources.0.active: true instead of false` */
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

/** A reply as the player of the exchanges received it. */
export interface Reply {
  readonly status: number
  readonly headers: Readonly<Record<string, unknown>>
  /** Parsed JSON; undefined without a body. */
  readonly body: unknown
  readonly text: string
}

/** @param expect with its placeholders replaced; @returns where the reply differs from it */
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
  /** As sent. Of several requests at once, the first that failed, else the first. */
  readonly request: Exchange['request']
  readonly reply: Reply
  readonly expect: Exchange['expect']
  readonly problems: readonly string[]
}

/**
 * Plays an exchange and saves what later ones need.
 * @param saved values by name; new ones are added
 * @throws NothingSaved where an earlier exchange did not save a value that this one refers to
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
