// No procedure of the API reaches another tenant, whatever input names that one. The test walks through the router.
import { type Test, test } from 'tap'
import { appRouter } from '../../server/admin/router.ts'
import type { Caller, TrpcAnswer } from '../support/app.ts'
import {
  freshCookie,
  type Neighbour,
  type Neighbours,
  startNeighbours,
  stateOf,
  tracesIn,
  tracesOf
} from './neighbours.ts'
import { PROBES } from './procedures.ts'

type Procedure = { _def: { type: 'query' | 'mutation' | 'subscription' } }
// test/events/live.test.ts tests what the subscription tells
const procedures = Object.fromEntries(
  Object.entries(appRouter._def.procedures as unknown as Record<string, Procedure>).filter(
    ([, { _def }]) => _def.type !== 'subscription'
  )
)

test('no tRPC procedure reaches another tenant', async (t) => {
  const neighbours = await startNeighbours(t)
  const { app, acme, globex } = neighbours

  const call = (host: string, name: string, input: unknown, caller: Caller): Promise<TrpcAnswer> =>
    procedures[name]!._def.type === 'query'
      ? app.query(host, name, input, caller)
      : app.mutate(host, name, input, caller)

  t.test('and each has an entry in procedures.ts', async (t) => {
    t.same(Object.keys(PROBES).sort(), Object.keys(procedures).sort(), 'procedures.ts has an entry for each')
    for (const { _def } of Object.values(procedures)) t.ok(['query', 'mutation'].includes(_def.type))
  })

  const cursors = await cursorsOf(neighbours, globex)
  t.test('and the inputs include cursors of the neighbour', async (t) => {
    t.match([...cursors.keys()], /users\.list/)
    t.ok(cursors.size >= 8, [...cursors.keys()].join(' '))
  })
  const traces = await tracesOf(app, globex)
  t.ok(traces.length > 40, 'there is something to be found')
  const before = await stateOf(app, globex)

  interface Way {
    host: string
    /** Made for each call, because some calls end the session. */
    caller: () => Caller | Promise<Caller>
    statuses: readonly number[]
  }

  /** Calls a procedure with each of its inputs and looks for the neighbour in the answers. */
  async function probe(t: Test, name: string, { host, caller, statuses }: Way): Promise<void> {
    for (const input of PROBES[name]!.inputs(globex, acme, cursors.get(name))) {
      const by = await caller()
      const request = JSON.stringify([input, by])
      const { status, response } = await call(host, name, input, by)
      const answered = `${name} ${request} answered ${status} ${response.payload.slice(0, 300)}`
      if (!statuses.includes(status)) t.fail(answered)
      const found = tracesIn(response.payload + JSON.stringify(response.headers), traces, request)
      if (found.length > 0) t.fail(answered, { found })
      t.pass(name)
    }
  }

  async function isUntouched(t: Test, after: string): Promise<void> {
    await app.deps.auth.background.close()
    const now = await stateOf(app, globex)
    if (JSON.stringify(now) !== JSON.stringify(before)) t.same(now, before, `the neighbour is as it was after ${after}`)
  }

  const isOperators = (name: string) => /^(operator|tenants)\./.test(name)

  t.test('if an administrator names what belongs to the neighbour', async (t) => {
    const caller = async () => ({ cookie: await freshCookie(app, acme) })
    for (const [name, { statuses }] of Object.entries(PROBES)) {
      await probe(t, name, { host: 'acme', caller, statuses })
      await isUntouched(t, name)
    }
  })

  t.test('if the operator calls it on a tenant’s host, with an administrator’s power in that tenant', async (t) => {
    const caller = () => ({ token: app.deps.operatorToken })
    for (const [name, { statuses }] of Object.entries(PROBES)) {
      // what belongs to a person does not belong to the operator
      await probe(t, name, { host: 'acme', caller, statuses: [...statuses, 403] })
      await isUntouched(t, name)
    }
  })

  t.test('with the neighbour’s session, tokens and codes, which are unknown here', async (t) => {
    const { cookie, ...tokens } = globex.secrets
    for (const [name, { isPublic, statuses }] of Object.entries(PROBES)) {
      const asNobody = isPublic ? statuses : [isOperators(name) ? 404 : 401]
      await probe(t, name, { host: 'acme', caller: () => ({ cookie }), statuses: asNobody })
      for (const token of Object.values(tokens)) {
        await probe(t, name, { host: 'acme', caller: () => ({ token }), statuses: [401] })
      }
    }
    await isUntouched(t, 'all')
  })

  t.test('with its own session and tokens on the neighbour’s host, where they are unknown', async (t) => {
    const { cookie, ...tokens } = acme.secrets
    for (const [name, { isPublic }] of Object.entries(PROBES)) {
      for (const token of Object.values(tokens)) {
        await probe(t, name, { host: 'globex', caller: () => ({ token }), statuses: [401] })
      }
      // procedures that everybody may call are no matter of tenants
      if (isPublic) continue
      await probe(t, name, { host: 'globex', caller: () => ({ cookie }), statuses: [isOperators(name) ? 404 : 401] })
    }
    await isUntouched(t, 'all')
  })

  t.test('on the base domain, with a tenant’s session', async (t) => {
    const { cookie, apiToken: token } = acme.secrets
    for (const [name, { onBase = isOperators(name) ? 401 : 404 }] of Object.entries(PROBES)) {
      await probe(t, name, { host: '', caller: () => ({ token }), statuses: [401] })
      await probe(t, name, { host: '', caller: () => ({ cookie }), statuses: [onBase] })
    }
    await isUntouched(t, 'all')
  })

  t.test('in a batch of which one call is the neighbour’s', async (t) => {
    const cookie = await freshCookie(app, acme)
    const input = { 0: { userId: acme.memberId }, 1: { userId: globex.memberId } }
    const query = encodeURIComponent(JSON.stringify(input))
    const answer = await app.inject('acme', {
      url: `/trpc/users.get,users.get?batch=1&input=${query}`,
      headers: { cookie }
    })
    t.equal(answer.statusCode, 207)
    t.match(answer.json(), [
      { result: { data: { user: { id: acme.memberId } } } },
      { error: { data: { httpStatus: 404 } } }
    ])
    t.same(tracesIn(answer.payload, traces, JSON.stringify(input)), [])
  })

  t.test('if both are read at the same time', async (t) => {
    const cookies = { acme: await freshCookie(app, acme), globex: await freshCookie(app, globex) }
    const ownTraces = { acme: await tracesOf(app, acme), globex: await tracesOf(app, globex) }
    const other = { acme: 'globex', globex: 'acme' } as const
    const hosts = Array.from({ length: 200 }, (_, index) => (index % 2 ? 'acme' : 'globex') as keyof typeof cookies)
    await Promise.all(
      hosts.map(async (host, index) => {
        const { memberId: userId } = host === 'acme' ? acme : globex
        const [name, asked] = index % 3 ? ['users.get', { userId }] : ['users.list', {}]
        const { status, response } = await app.query(host, name as string, asked, { cookie: cookies[host] })
        if (status !== 200) t.equal(status, 200)
        const found = tracesIn(response.payload, ownTraces[other[host]], '')
        if (found.length > 0) t.same(found, [], `${host} ${name}`)
      })
    )
  })
})

/** For each list with pages, the cursor after the neighbour's first row. */
async function cursorsOf({ app }: Neighbours, neighbour: Neighbour): Promise<Map<string, string>> {
  const admin = neighbour.as({ cookie: await freshCookie(app, neighbour) })
  const found = new Map<string, string>()
  for (const [name, { _def }] of Object.entries(procedures)) {
    if (_def.type !== 'query') continue
    const { data } = await admin.query(name, { limit: 1 })
    if (typeof data?.nextCursor === 'string') found.set(name, data.nextCursor)
  }
  const members = await admin.query('groups.members', { groupId: neighbour.groupId, limit: 1 })
  found.set('groups.members', members.data.nextCursor)
  return found
}
