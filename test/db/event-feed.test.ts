import { setImmediate } from 'node:timers/promises'
import { test } from 'tap'
import { insertAuditEvents } from '../../db/audit.ts'
import { inTenant, type Trx } from '../../db/connect.ts'
import { type EventCursor, readEventsAfter, readFeedEnd } from '../../db/event-feed.ts'
import { openDatabase } from '../support/database.ts'
import { actorOf, insertTenant, NOW } from '../support/groups.ts'

const FEED_START: EventCursor = { xid: '0', id: '00000000-0000-0000-0000-000000000000' }

test('the feed of events', async (t) => {
  const { db, owner } = await openDatabase(t)
  const tenantId = await insertTenant(owner, 'acme')
  const otherId = await insertTenant(owner, 'globex')
  const write = (trx: Trx, ...names: string[]) =>
    insertAuditEvents(
      trx,
      tenantId,
      actorOf('administrator'),
      NOW,
      names.map((action) => ({ action, targetType: 'user', targetId: null }))
    )
  /** Reads on, as a consumer does, until it has `count` events: writers of other databases here hold the feed up too. */
  async function readOn(from: EventCursor, count: number): Promise<{ actions: string[]; cursor: EventCursor }> {
    const actions: string[] = []
    let cursor = from
    while (actions.length < count) {
      const page = await readEventsAfter(db, tenantId, cursor, 2)
      actions.push(...page.map(({ action }) => action))
      cursor = page.at(-1) ?? cursor
      if (page.length === 0) await setImmediate()
    }
    return { actions, cursor }
  }

  t.test('gives every event once, page by page, in the order of the transactions', async (t) => {
    await inTenant(db, tenantId, (trx) => write(trx, 'a.1', 'a.2', 'a.3'))
    await inTenant(db, tenantId, (trx) => write(trx, 'b.1', 'b.2'))
    const { actions, cursor } = await readOn(FEED_START, 5)
    t.same(actions, ['a.1', 'a.2', 'a.3', 'b.1', 'b.2'])
    t.same(await readEventsAfter(db, tenantId, cursor, 10), [], 'and nothing behind the last')
    t.same(await readEventsAfter(db, otherId, FEED_START, 10), [], 'nor in another tenant')
  })

  t.test('waits for a transaction that wrote early and commits late, and misses none of its events', async (t) => {
    const start = await readFeedEnd(db)
    const release = Promise.withResolvers<void>()
    const hasWritten = Promise.withResolvers<void>()
    const late = inTenant(db, tenantId, async (trx) => {
      await write(trx, 'late.1', 'late.2')
      hasWritten.resolve()
      await release.promise
    })
    await hasWritten.promise
    await inTenant(db, tenantId, (trx) => write(trx, 'early.1'))
    t.same(await readEventsAfter(db, tenantId, start, 10), [], 'what committed after it is held back')
    release.resolve()
    await late
    const after = await readOn(start, 3)
    t.same(after.actions, ['late.1', 'late.2', 'early.1'])
  })

  t.test('begins at its end for who wants only what is new', async (t) => {
    const end = await readFeedEnd(db)
    t.same(await readEventsAfter(db, tenantId, end, 10), [])
    await inTenant(db, tenantId, (trx) => write(trx, 'new.1'))
    t.same((await readOn(end, 1)).actions, ['new.1'])
  })
})
