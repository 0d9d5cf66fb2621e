// The edges with a database behind them: every request is answered, and never with a fault of ours.
import type { InjectOptions } from 'fastify'
import { appRouter } from '../../server/admin/router.ts'
import { ROUTES } from '../../server/scim/routes.ts'
import type { TestApp } from '../support/app.ts'
import fc from '../support/fuzz.ts'
import type { Scim } from '../support/scim.ts'
import { hostileJson, hostilePatch, hostileText, inherited } from './hostile.ts'

export interface Edges {
  readonly app: TestApp
  readonly scim: Scim
  /** A token of an administrator of the same tenant. */
  readonly cookie: string
  /** Ids that exist. */
  readonly ids: readonly string[]
}

type Procedures = Record<string, { _def: { type: string } }>
const procedures = Object.entries(appRouter._def.procedures as unknown as Procedures)
/** Procedures that would end the run for the requests after them. */
const FINAL = new Set(['auth.signOut', 'auth.signOutEverywhere'])

const body = fc.oneof(
  { weight: 5, arbitrary: hostileJson },
  { weight: 3, arbitrary: hostilePatch.map((value) => JSON.stringify(value)) },
  { weight: 1, arbitrary: hostileText }
)

/** Content types; the most frequent ones are accepted. */
const contentType = fc.oneof(
  { weight: 12, arbitrary: fc.constant(undefined) },
  {
    weight: 1,
    arbitrary: fc.constantFrom('multipart/form-data; boundary=x', 'text/plain', 'application/octet-stream')
  },
  {
    weight: 1,
    arbitrary: fc.constantFrom('application/x-www-form-urlencoded', 'application/json; charset=utf-16', ';', '*/*')
  }
)

const scimRequest = (ids: readonly string[]) =>
  fc.record({
    kind: fc.constant('scim' as const),
    route: fc.constantFrom(...ROUTES.map(([method, path]) => ({ method: method as string, path }))),
    id: fc.oneof({ weight: 3, arbitrary: fc.constantFrom(...ids) }, { weight: 1, arbitrary: hostileText }),
    filter: hostileText,
    contentType,
    parameter: fc.constantFrom('filter', 'sortBy', 'attributes', 'excludedAttributes', 'count', 'startIndex', 'cursor'),
    body
  })

const trpcRequest = fc.record({
  contentType,
  kind: fc.constant('trpc' as const),
  procedure: fc.constantFrom(...procedures.filter(([name]) => !FINAL.has(name))),
  body
})

/** @throws Error for the first request that is answered 5xx or not at all, shrunk to the smallest one */
export async function feedEdges({ app, scim, cookie, ids }: Edges, requests: number, seed: number): Promise<void> {
  const before = inherited()
  const request = fc.oneof({ weight: 3, arbitrary: scimRequest(ids) }, { weight: 2, arbitrary: trpcRequest })
  const property = fc.asyncProperty(request, async (asked) => {
    const { statusCode, payload } = await app.inject('acme', optionsOf(asked, scim.token, cookie))
    // a POST to /Me is answered 501 on purpose
    if (statusCode >= 500 && statusCode !== 501) throw new Error(`answered ${statusCode}: ${payload.slice(0, 300)}`)
  })
  await fc.assert(property, { numRuns: requests, seed })
  if (inherited() !== before) throw new Error('A prototype was changed')
}

type ValueOf<A> = A extends fc.Arbitrary<infer Value> ? Value : never
type Asked = ValueOf<ReturnType<typeof scimRequest>> | ValueOf<typeof trpcRequest>

function optionsOf(asked: Asked, token: string, cookie: string): InjectOptions {
  if (asked.kind === 'scim') {
    const { method, path } = asked.route
    const url = `/scim/v2${path.replace(':id', encode(asked.id))}?${asked.parameter}=${encode(asked.filter)}`
    const headers = { authorization: `Bearer ${token}`, 'content-type': asked.contentType ?? 'application/scim+json' }
    return { method: method as 'GET', url, headers, ...(method !== 'GET' && { payload: asked.body }) }
  }
  const [name, { _def }] = asked.procedure
  if (_def.type === 'query') return { url: `/trpc/${name}?input=${encode(asked.body)}`, headers: { cookie } }
  const headers = { cookie, 'content-type': asked.contentType ?? 'application/json' }
  return { method: 'POST', url: `/trpc/${name}`, headers, payload: asked.body }
}

const encode = (text: string): string => encodeURIComponent(text.toWellFormed())
