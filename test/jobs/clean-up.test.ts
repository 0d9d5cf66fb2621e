import { sql } from 'kysely'
import { test } from 'tap'
import { cleanUp } from '../../jobs/handlers/clean-up.ts'
import { hashToken, randomToken } from '../../server/secrets.ts'
import { startMailing } from './acme.ts'

const DAY_MS = 24 * 3_600_000

test('clean-up', async (t) => {
  const acme = await startMailing(t)
  const { signal } = new AbortController()
  const now = acme.clock.now()
  const daysAgo = (days: number) => new Date(now.getTime() - days * DAY_MS)

  /** Makes everything that expires, with that time, in both tenants. */
  async function insertEnding(expiresAt: Date): Promise<void> {
    for (const [tenantId, userId] of [
      [acme.acmeId, acme.ids.ada],
      [acme.globexId, acme.ids.grace]
    ] as const) {
      const theirs = { tenant_id: tenantId, user_id: userId }
      const token = { token_hash: hashToken(randomToken()), created_at: daysAgo(30), expires_at: expiresAt }
      await acme.owner
        .insertInto('sessions')
        .values({
          ...theirs,
          ...token,
          id: crypto.randomUUID(),
          method: 'password',
          ip: null,
          user_agent: null,
          last_seen_at: now
        })
        .execute()
      await acme.owner
        .insertInto('api_tokens')
        .values({
          ...theirs,
          ...token,
          id: crypto.randomUUID(),
          name: 'backend',
          role: 'responder',
          last_used_at: null
        })
        .execute()
      await acme.owner
        .insertInto('one_time_codes')
        .values({
          ...theirs,
          code_hash: hashToken(randomToken()),
          purpose: 'link',
          browser_hash: null,
          expires_at: expiresAt
        })
        .execute()
      await acme.owner
        .insertInto('password_resets')
        .values({ ...theirs, ...token, used_at: null })
        .execute()
    }
    await acme.owner
      .insertInto('rate_limits')
      .values({ key: randomToken(), points: 1, expire: String(expiresAt.getTime()) })
      .execute()
  }
  const counts = async () => {
    const { rows } = await sql<Record<string, number>>`select
      (select count(*)::int from sessions where created_at = ${daysAgo(30)}) as sessions,
      (select count(*)::int from api_tokens) as "apiTokens",
      (select count(*)::int from one_time_codes) as codes,
      (select count(*)::int from password_resets) as resets,
      (select count(*)::int from rate_limits where key not like '%:%') as limits`.execute(acme.owner)
    return rows[0]
  }

  t.test('deletes what has expired in every tenant; links and tokens after a week', async (t) => {
    await insertEnding(daysAgo(-1))
    await insertEnding(daysAgo(1))
    await insertEnding(daysAgo(8))
    await acme.owner
      .insertInto('api_tokens')
      .values({
        tenant_id: acme.acmeId,
        id: crypto.randomUUID(),
        token_hash: hashToken('x'),
        user_id: acme.ids.ada,
        name: 'for ever',
        role: 'responder',
        created_at: now,
        expires_at: null,
        last_used_at: null
      })
      .execute()
    t.same(await counts(), { sessions: 6, apiTokens: 7, codes: 6, resets: 6, limits: 3 })
    const deleted = await cleanUp(acme.deps, signal)
    t.same(await counts(), { sessions: 2, apiTokens: 5, codes: 2, resets: 4, limits: 1 })
    t.equal(deleted, 4 + 2 + 4 + 2 + 2)
    t.equal(await cleanUp(acme.deps, signal), 0, 'and nothing more the next time')
  })

  t.test('deletes the wire log after the number of days that the tenant sets', async (t) => {
    const insertBatch = (tenantId: number, id: string, at: Date) =>
      acme.owner
        .insertInto('wire_log')
        .values({
          tenant_id: tenantId,
          id: `00000000-0000-7000-8000-00000000000${id}`,
          from_at: at,
          to_at: at,
          exchanges: 1,
          dropped: 0,
          statuses: [200],
          connection_ids: [],
          resource_ids: [],
          request_ids: [],
          entries: Buffer.from('')
        })
        .execute()
    const setDays = (days: number) =>
      sql`update tenants set settings = jsonb_build_object('wireLogDays', ${days}::int) where id = ${acme.globexId}
        `.execute(acme.owner)
    const kept = async () =>
      (await acme.owner.selectFrom('wire_log').select(['tenant_id', 'id']).orderBy('id').execute()).map(
        ({ tenant_id, id }) => `${tenant_id === acme.acmeId ? 'acme' : 'globex'} ${id.at(-1)}`
      )
    await insertBatch(acme.acmeId, '1', daysAgo(29))
    await insertBatch(acme.acmeId, '2', daysAgo(31))
    await insertBatch(acme.globexId, '3', daysAgo(6))
    await insertBatch(acme.globexId, '4', daysAgo(8))
    await setDays(7)
    t.equal(await cleanUp(acme.deps, signal), 2)
    t.strictSame(await kept(), ['acme 1', 'globex 3'])
    await setDays(0)
    t.equal(await cleanUp(acme.deps, signal), 1)
    t.strictSame(await kept(), ['acme 1'], 'and at once where it is off')
  })

  t.test('deletes deliveries of events a month after they ended', async (t) => {
    const cursor = { cursor_xid: '1', cursor_id: crypto.randomUUID() }
    const streamId = crypto.randomUUID()
    await acme.owner
      .insertInto('event_streams')
      .values({
        ...cursor,
        tenant_id: acme.acmeId,
        id: streamId,
        kind: 'webhook',
        name: 'backend',
        url: 'https://hooks.acme.test/',
        event_types: [],
        state: 'paused',
        created_at: now,
        updated_at: now
      })
      .execute()
    const insert = (state: 'queued' | 'delivered' | 'dead', days: number) =>
      acme.owner
        .insertInto('event_deliveries')
        .values({
          tenant_id: acme.acmeId,
          id: crypto.randomUUID(),
          stream_id: streamId,
          event_id: crypto.randomUUID(),
          state,
          queued_at: daysAgo(days)
        })
        .execute()
    for (const state of ['queued', 'delivered', 'dead'] as const) {
      await insert(state, 29)
      await insert(state, 31)
    }
    t.equal(await cleanUp(acme.deps, signal), 2)
    const rows = await acme.owner.selectFrom('event_deliveries').select('state').orderBy('state').execute()
    t.same(
      rows.map(({ state }) => state),
      ['dead', 'delivered', 'queued', 'queued'],
      'what is on its way stays'
    )
  })

  t.test('continues with other tenants if one fails, and says so', async (t) => {
    await insertEnding(daysAgo(8))
    const before = (await counts())!
    // its settings are invalid
    const setDays = (days: string) =>
      sql`update tenants set settings = jsonb_build_object('wireLogDays', ${days}::text) where id = ${acme.acmeId}
        `.execute(acme.owner)
    await setDays('many')
    await t.rejects(cleanUp(acme.deps, signal), { message: 'clean-up failed for 1 of the tenants' })
    t.equal((await counts())!.sessions, before.sessions! - 1, 'the other one’s')
    await setDays('30')
    await cleanUp(acme.deps, signal)
    t.equal((await counts())!.sessions, before.sessions! - 2)
  })

  t.test('runs every hour', async (t) => {
    const { rows } = await sql`select name, cron from pgboss.schedule order by name`.execute(acme.owner)
    t.same(rows, [
      { name: 'clean-up', cron: '17 * * * *' },
      { name: 'retention', cron: '23 3 * * *' },
      { name: 'warn-ending-tokens', cron: '37 * * * *' }
    ])
    await insertEnding(daysAgo(8))
    await acme.deps.queue.enqueue(acme.owner, 'clean-up', [{}])
    // the next run is when the worker looks, which it does at once after its start
    await acme.work()
    for (;;) {
      const { codes } = (await counts())!
      if (codes === 2) break
      await new Promise((done) => setTimeout(done, 20))
    }
    t.pass('and by a worker')
  })
})
