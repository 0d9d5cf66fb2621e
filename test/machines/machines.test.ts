// Three servers and two workers on one database, behind a proxy that sends each request to the next server. What one of
// them does holds on all of them, and what must be done once is done once.
// of them does holds on all of them, and what has to be done once is done once.
import { setTimeout } from 'node:timers/promises'
import { sql } from 'kysely'
import { test } from 'tap'
import { createClient, reasonOf } from '../../client/index.ts'
import { fetchOf } from '../../client/transport-node.ts'
import { connect } from '../../db/connect.ts'
import { OPERATOR_TOKEN, SECRET_KEY } from '../support/app.ts'
import { person } from '../support/browserless.ts'
import { createDatabase } from '../support/database.ts'
import { startProcess } from '../support/process.ts'
import { startRoundRobin } from '../support/round-robin.ts'
import { startSmtpServer } from '../support/smtp-server.ts'
import { USER } from '../support/urns.ts'

const SERVERS = 3
const WORKERS = 2
const PASSWORD = 'Correct-horse-battery-7'
/** How soon a revocation must hold everywhere. */
const HEARD_MS = 1_000

test('three servers and two workers', { timeout: 110_000 }, async (t) => {
  const url = await createDatabase(t)
  const owner = connect({ url, poolSize: 1 })
  t.teardown(() => owner.destroy())
  const smtp = await startSmtpServer(t)
  const proxy = await startRoundRobin(t)
  const settings = {
    DATABASE_URL: url,
    SECRET_KEY,
    OPERATOR_TOKEN,
    PUBLIC_PORT: String(proxy.port),
    SMTP_URL: smtp.url,
    MAIL_FROM: 'Muster <muster@muster.test>',
    LOG_LEVEL: 'warn'
  }
  const start = (count: number, env: Record<string, string>) =>
    Promise.all(Array.from({ length: count }, () => startProcess(t, { ...settings, ...env })))
  const servers = await start(SERVERS, { RUN: 'server' })
  const workers = await start(WORKERS, { RUN: 'worker', LOG_LEVEL: 'info' })
  proxy.targets = servers.map(({ port }) => port)

  const host = `http://fleet.localhost:${proxy.port}`
  const operator = createClient({ url: `http://localhost:${proxy.port}`, token: OPERATOR_TOKEN })
  const admin = createClient({ url: host, token: OPERATOR_TOKEN })
  const everywhere = <T>(ask: () => Promise<T>) => Promise.all(Array.from({ length: 2 * SERVERS }, () => ask()))
  const scim = async (token: string, path: string, init: RequestInit = {}) => {
    const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/scim+json' }
    return fetchOf()(`${host}/scim/v2${path}`, { ...init, headers })
  }
  const linkToken = async (address: string, count = 1) =>
    /token=([\w-]{43})/.exec((await smtp.mailsTo(address, count))[count - 1]!.parsed.text ?? '')![1]!

  await operator.tenants.create.mutate({ subdomain: 'fleet', name: 'Fleet', admin: 'ada@fleet.test' })

  const ada = person(host)
  await t.test(
    'an invitation made on one is shown by another and accepted on a third; the session holds on all',
    async (t) => {
      const token = await linkToken('ada@fleet.test')
      t.match(await ada.client.invitations.preview.query({ token }), { email: 'ada@fleet.test' })
      await ada.client.invitations.accept.mutate({ token, password: PASSWORD, profile: { displayName: 'Ada' } })
      const names = await everywhere(async () => (await ada.client.auth.me.query()).user?.displayName)
      t.same(new Set(names), new Set(['Ada']))
      t.ok(
        servers.every(({ port }) => (proxy.sent.get(port) ?? 0) > 0),
        'every server was asked'
      )
    }
  )

  await t.test('end a session on all within a second', async (t) => {
    const twin = person(host)
    await twin.client.auth.signIn.mutate({ email: 'ada@fleet.test', password: PASSWORD })
    await everywhere(() => twin.client.auth.me.query())
    const cookie = twin.cookie()
    const ask = async () => (await fetchOf()(`${host}/trpc/users.list`, { headers: { cookie } })).status
    t.same(new Set(await everywhere(ask)), new Set([200]))
    await twin.client.auth.signOut.mutate()
    await setTimeout(HEARD_MS)
    t.same(new Set(await everywhere(ask)), new Set([401]))
  })

  const { token: scimToken, scimToken: made } = await admin.scimTokens.create.mutate({ name: 'okta' })
  await t.test('refuse a revoked token on all within a second', async (t) => {
    const { token, scimToken: doomed } = await admin.scimTokens.create.mutate({ name: 'doomed' })
    const ask = async () => (await scim(token, '/Users?count=1')).status
    t.same(new Set(await everywhere(ask)), new Set([200]), 'every server knows it by now')
    await admin.scimTokens.revoke.mutate({ scimTokenId: doomed.id })
    await setTimeout(HEARD_MS)
    t.same(new Set(await everywhere(ask)), new Set([401]))
    t.equal((await scim(scimToken, '/Users?count=1')).status, 200, 'the other token still works')
    t.ok(made.id)
  })

  await t.test('list users that were made through all of them by cursor, each once', async (t) => {
    const names = Array.from({ length: 30 }, (_, index) => `user${String(index).padStart(2, '0')}@fleet.test`)
    const answers = await Promise.all(
      [...names, ...names].map((userName) =>
        scim(scimToken, '/Users', {
          method: 'POST',
          body: JSON.stringify({ schemas: [USER], userName })
        })
      )
    )
    t.same(
      answers.map(({ status }) => status).sort(),
      [...names.map(() => 201), ...names.map(() => 409)],
      'whoever is asked for twice is made once'
    )
    const listed: string[] = []
    let cursor: string | undefined = ''
    for (let page = 0; cursor !== undefined; page++) {
      const answer = await scim(scimToken, `/Users?count=7&cursor=${encodeURIComponent(cursor)}`)
      const body = (await answer.json()) as { Resources: { userName: string }[]; nextCursor?: string }
      listed.push(...body.Resources.map(({ userName }) => userName))
      cursor = body.nextCursor
      t.ok(page < 20)
    }
    t.same(listed.filter((name) => name.startsWith('user')).sort(), names)
    const pages: string[] = []
    let next: string | null | undefined
    do {
      const page: Awaited<ReturnType<typeof admin.users.list.query>> = await admin.users.list.query({
        limit: 7,
        ...(next && { cursor: next })
      })
      pages.push(...page.items.map(({ email }) => email ?? ''))
      next = page.nextCursor
    } while (next)
    t.same(pages.filter((email) => email.startsWith('user')).sort(), names, 'the admin’s lists as well')
  })

  await t.test('send each mail once, whichever worker sends it', async (t) => {
    const invites = Array.from({ length: 120 }, (_, index) => ({ email: `guest${index}@fleet.test` }))
    const calls = await Promise.all(
      [0, 1, 2].map((turn) =>
        // the same addresses on every server at the same time
        admin.invitations.create.mutate({ invites: [...invites.slice(turn * 40), ...invites.slice(0, turn * 40)] })
      )
    )
    const invited = calls.reduce((sum, { counts }) => sum + (counts['invited'] ?? 0), 0)
    t.equal(invited, invites.length, 'each address is invited once')
    await Promise.all(invites.map(({ email }) => smtp.mailsTo(email)))
    for (;;) {
      const { rows } = await sql<{ queued: number }>`
        select count(*)::int as queued from mails where state = 'queued'`.execute(owner)
      if (rows[0]!.queued === 0) break
      await setTimeout(20)
    }
    const ids = smtp.mails.map(({ parsed }) => parsed.messageId)
    t.equal(new Set(ids).size, ids.length)
    t.equal(ids.length, invites.length + 1)
  })

  await t.test('count failed sign-ins together', async (t) => {
    const eve = person(host)
    const reasons: (string | undefined)[] = []
    for (let attempt = 0; attempt < 12; attempt++) {
      const refused = eve.client.auth.signIn.mutate({ email: 'user01@fleet.test', password: 'wrong' })
      reasons.push(await refused.then(() => 'signed in', reasonOf))
    }
    t.same(
      reasons.slice(0, 10),
      Array.from({ length: 10 }, () => 'invalidCredentials')
    )
    t.same(new Set(reasons.slice(10)), new Set(['rateLimited']), 'no server begins anew')
  })

  await t.test('go on if one of them is stopped', async (t) => {
    const [gone, ...rest] = servers
    proxy.targets = rest.map(({ port }) => port)
    t.equal(await gone!.stop(), 0)
    t.same(new Set(await everywhere(async () => (await scim(scimToken, '/Users?count=1')).status)), new Set([200]))
    t.equal((await ada.client.auth.me.query()).user?.displayName, 'Ada')
    t.same(
      await Promise.all(workers.map((worker) => worker.stop())),
      workers.map(() => 0)
    )
  })
})
