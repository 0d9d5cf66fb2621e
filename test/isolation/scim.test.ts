// No SCIM route and no other route reaches another tenant. The tests walk through the route tables.
import type { InjectOptions } from 'fastify'
import { type Test, test } from 'tap'
import { systemActor } from '../../server/provisioning/actor.ts'
import { createScimToken } from '../../server/provisioning/scim-tokens.ts'
import { openShadow } from '../../server/provisioning/shadow/shadow.ts'
import { ROUTES } from '../../server/scim/routes.ts'
import { clientOf, type Scim, type ScimReply } from '../support/scim.ts'
import { freshCookie, startNeighbours, stateOf, tracesIn, tracesOf } from './neighbours.ts'
import { ASKS, type Ask } from './scim-routes.ts'

test('no SCIM route reaches another tenant', async (t) => {
  const { app, acme, globex } = await startNeighbours(t)
  const routes = ROUTES.map(([method, path]) => `${method} ${path}`)
  const cursorOf = async (path: string) => (await globex.scim.get(`${path}?cursor&count=1`)).body.nextCursor as string
  const cursors = { users: await cursorOf('/Users'), groups: await cursorOf('/Groups') }
  const traces = await tracesOf(app, globex)
  const before = await stateOf(app, globex)

  const asksOf = (route: string): { method: string; asks: Ask[] } => {
    const [method] = route.split(' ') as [string]
    return { method, asks: ASKS[route]!(globex, acme, cursors) }
  }

  t.test('and each has an entry in scim-routes.ts', async (t) => {
    t.same(Object.keys(ASKS).sort(), [...routes].sort(), 'scim-routes.ts has an entry for each')
    t.ok(cursors.users && cursors.groups, 'and there is a cursor of the neighbour to be tried')
    for (const route of routes) t.ok(asksOf(route).asks.length > 0, `${route} is asked something`)
  })

  function look(t: Test, what: string, { url, body }: Ask, reply: ScimReply, statuses: readonly number[]): void {
    const request = `${what} ${url} ${JSON.stringify(body)}`
    const answered = `${request} answered ${reply.status} ${reply.text.slice(0, 300)}`
    if (!statuses.includes(reply.status)) t.fail(answered)
    const found = tracesIn(reply.text + JSON.stringify(reply.headers), traces, `${request} ${decodeURIComponent(url)}`)
    if (found.length > 0) t.fail(answered, { found })
    t.pass(what)
  }

  async function isUntouched(t: Test, after: string): Promise<void> {
    const now = await stateOf(app, globex)
    if (JSON.stringify(now) !== JSON.stringify(before)) t.same(now, before, `the neighbour is as it was after ${after}`)
  }

  t.test('with a token that may do everything in its own, and the neighbour’s ids', async (t) => {
    for (const route of routes) {
      const { method, asks } = asksOf(route)
      for (const ask of asks) {
        const reply = await acme.scim.ask(method, ask.url, ask.body)
        look(t, method, ask, reply, ask.statuses)
        // the new user contains what was sent about the neighbour, so it must not be found below
        if (reply.status === 201) await acme.scim.delete(`/Users/${reply.body.id}`)
        if (ask.findsNothing) t.equal(reply.body.totalResults, 0, ask.url)
        if (route === 'POST /Bulk') {
          const statuses = reply.body.Operations.map(({ status }: { status: string }) => status)
          t.ok(statuses.length > 0)
          for (const status of statuses) t.ok(['400', '404', '409'].includes(status), `an operation: ${status}`)
        }
      }
      await isUntouched(t, route)
    }
  })

  t.test('with a token in shadow mode, which does not change its own tenant either', async (t) => {
    const made = await createScimToken(app.deps, acme.tenant, systemActor, {
      name: 'shadow',
      highestRole: 'administrator',
      isApart: true
    })
    await openShadow(app.deps, acme.tenant.id, systemActor, made.scimToken.connection_id)
    const own = await stateOf(app, acme)
    const shadow = clientOf(app, acme.tenant, made.token)
    for (const route of routes) {
      const { method, asks } = asksOf(route)
      for (const ask of asks) {
        const reply = await shadow.ask(method, ask.url, ask.body)
        // a shadow does not know the neighbour’s addresses: it makes people who have them without claiming them
        look(t, method, ask, reply, [...ask.statuses, 201])
        if (reply.status === 201) await shadow.delete(`/Users/${reply.body.id}`)
      }
      await isUntouched(t, route)
    }
    // uses of tokens and refusals are recorded
    const known = ({ scim_errors: _, scim_tokens: __, scim_token_uses: ___, ...rest }: Record<string, string>) => rest
    t.same(known(await stateOf(app, acme)), known(own))
  })

  t.test(
    'with the neighbour’s tokens, sessions and codes, which are answered 401 even where anybody may read',
    async (t) => {
      for (const secret of Object.values(globex.secrets)) {
        const client = clientOf(app, acme.tenant, secret)
        for (const route of routes) {
          const { method, asks } = asksOf(route)
          for (const ask of asks) look(t, method, ask, await client.ask(method, ask.url, ask.body), [401])
        }
      }
      await isUntouched(t, 'all')
    }
  )

  t.test('with its own tokens on the neighbour’s host', async (t) => {
    for (const secret of Object.values(acme.secrets)) {
      const client: Scim = clientOf(app, globex.tenant, secret)
      for (const route of routes) {
        const { method, asks } = asksOf(route)
        for (const ask of asks) look(t, method, ask, await client.ask(method, ask.url, ask.body), [401])
      }
    }
    await isUntouched(t, 'all')
  })

  t.test('with the API token of a member, whose /Me is only their own user', async (t) => {
    const member = clientOf(app, acme.tenant, acme.secrets.apiToken)
    t.equal((await member.get('/Me')).body.id, acme.memberId)
    for (const route of routes) {
      const { method, asks } = asksOf(route)
      if (route.endsWith('/Me')) continue
      for (const ask of asks) look(t, method, ask, await member.ask(method, ask.url, ask.body), [403, 200])
    }
    await isUntouched(t, 'all')
  })

  t.test('with a host header that names the neighbour beside the one that was called', async (t) => {
    const headers = {
      authorization: `Bearer ${acme.secrets.scimToken}`,
      'x-forwarded-host': 'globex.muster.test',
      forwarded: 'host=globex.muster.test',
      'x-host': 'globex.muster.test'
    }
    const answer = await app.inject('acme', { url: `/scim/v2/Users/${globex.memberId}`, headers })
    t.equal(answer.statusCode, 404)
    const list = await app.inject('acme', { url: '/scim/v2/Users', headers })
    t.same(tracesIn(list.payload, traces, ''), [])
  })
})

test('no other route reaches another tenant', async (t) => {
  const google = {
    GOOGLE_CLIENT_ID: 'client',
    GOOGLE_CLIENT_SECRET: 'secret',
    GOOGLE_ISSUER: 'https://accounts.google.com'
  }
  const { app, acme, globex } = await startNeighbours(t, google)
  const routes = otherRoutes(app.app.printRoutes({ commonPrefix: false }))
  t.ok(routes.some(({ path }) => path === '/auth/link') && routes.some(({ path }) => path === '/auth/google/finish'))
  const traces = await tracesOf(app, globex)
  const before = await stateOf(app, globex)
  const ids = [globex.memberId, globex.groupId, globex.connectionId, globex.invitationId, globex.scimTokenId]
  const { secrets } = globex
  const queries = [
    '',
    `?code=${secrets.code}&token=${secrets.invitationToken}&invitation=${secrets.invitationToken}&state=x`,
    `?code=${secrets.resetToken}&token=${secrets.resetToken}&ticket=${secrets.code}`
  ]
  for (const { path, methods } of routes) {
    const urls = path.includes(':') || path.includes('*') ? ids.map((id) => path.replace(/:\w+|\*/, id)) : [path]
    for (const method of methods) {
      for (const url of urls.flatMap((each) => queries.map((query) => each + query))) {
        for (const headers of [
          { cookie: await freshCookie(app, acme) },
          { cookie: secrets.cookie },
          { authorization: `Bearer ${secrets.apiToken}` },
          {}
        ]) {
          const answer = await app.inject('acme', { method: method as InjectOptions['method'], url, headers })
          const what = `${method} ${url} answered ${answer.statusCode}`
          if (answer.statusCode >= 500) t.fail(what)
          const found = tracesIn(answer.payload + JSON.stringify(answer.headers), traces, url + JSON.stringify(headers))
          if (found.length > 0) t.fail(what, { found })
          const { cookies } = answer
          if (cookies.some(({ name, value }) => name === 'muster_session' && value)) t.fail(`${what} and signed in`)
        }
      }
    }
    t.same(await stateOf(app, globex), before, `the neighbour is as it was after ${path}`)
  }
})

/** Reads Fastify's printed tree: each level is indented by four columns and holds the rest of a path. */
function otherRoutes(tree: string): { path: string; methods: string[] }[] {
  const parts: string[] = []
  const routes: { path: string; methods: string[] }[] = []
  for (const line of tree.split('\n').filter(Boolean)) {
    const [, indent, part, methods] = /^([│ ]*)[└├]── (.*?)(?: \(([A-Z, ]+)\))?$/.exec(line)!
    const depth = indent!.length / 4
    parts.splice(depth, parts.length, part!)
    if (methods) routes.push({ path: parts.join(''), methods: methods.split(', ') })
  }
  return routes.filter(({ path }) => !path.startsWith('/scim/v2') && !path.startsWith('/trpc'))
}
