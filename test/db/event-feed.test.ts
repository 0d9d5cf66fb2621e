import { setImmediate } from 'node:timers/promises'
import { sql } from 'kysely'
import { test } from 'tap'
import { insertAuditEvents, newEventId } from '../../db/audit.ts'
import { inTenant, type Trx } from '../../db/connect.ts'
import { type EventCursor, NO_ID, readFeed, readFeedEnd } from '../../db/event-feed.ts'
import { isOnCluster } from '../support/cluster.ts'
import { openDatabase } from '../support/database.ts'
import { EMPTY } from '../support/empty.ts'
import { actorOf } from '../support/groups.ts'
import { insertTenant, NOW } from '../support/tenants.ts'

const FEED_START: EventCursor = { node: null, xid: '0', id: NO_ID, floor: null }

test('the feed of events', async (t) => {
  const { db, owner } = await openDatabase(t)
  const tenantId = await insertTenant(owner, 'acme')
  const otherId = await insertTenant(owner, 'globex')
  const writeAt = (trx: Trx, now: Date, ...names: string[]) =>
    insertAuditEvents(
      trx,
      tenantId,
      actorOf('administrator'),
      now,
      names.map((action) => ({ action, targetType: 'user', targetId: null }))
    )
  const write = (trx: Trx, ...names: string[]) => writeAt(trx, NOW, ...names)
  const read = async (from: EventCursor, limit = 10, of = tenantId) => (await readFeed(db, of, from, limit)).events
  /** Reads on like a consumer until it has `count` events. Writers of other databases hold this feed up, too. */
  async function readOn(from: EventCursor, count: number): Promise<{ actions: string[]; cursor: EventCursor }> {
    const actions: string[] = []
    let place = from
    while (actions.length < count) {
      const { events, cursor } = await readFeed(db, tenantId, place, 2)
      actions.push(...events.map(({ action }) => action))
      place = cursor
      if (events.length === 0) await setImmediate()
    }
    return { actions, cursor: place }
  }

  t.test('gives every event once, page by page, in the order of transactions', async (t) => {
    await inTenant(db, tenantId, (trx) => write(trx, 'a.1', 'a.2', 'a.3'))
    await inTenant(db, tenantId, (trx) => write(trx, 'b.1', 'b.2'))
    const { actions, cursor } = await readOn(FEED_START, 5)
    t.same(actions, ['a.1', 'a.2', 'a.3', 'b.1', 'b.2'])
    t.same(await read(cursor), [], 'and nothing behind the last')
    t.same(await read(FEED_START, 10, otherId), [], 'nor in another tenant')
  })

  t.test('waits for a transaction that writes early and commits late, and misses none of its events', async (t) => {
    const start = await readFeedEnd(db, tenantId)
    const release = Promise.withResolvers<void>()
    const hasWritten = Promise.withResolvers<void>()
    const late = inTenant(db, tenantId, async (trx) => {
      await write(trx, 'late.1', 'late.2')
      hasWritten.resolve()
      await release.promise
    })
    await hasWritten.promise
    await inTenant(db, tenantId, (trx) => write(trx, 'early.1'))
    t.same(await read(start), [], 'what committed after it is held back')
    release.resolve()
    await late
    const after = await readOn(start, 3)
    t.same(after.actions, ['late.1', 'late.2', 'early.1'])
  })

  t.test('begins at its end for consumers who want only what is new', async (t) => {
    const end = await readFeedEnd(db, tenantId)
    t.same(await read(end), [])
    await inTenant(db, tenantId, (trx) => write(trx, 'new.1'))
    t.same((await readOn(end, 1)).actions, ['new.1'])
    const empty = await readFeedEnd(db, otherId)
    t.match(empty, { node: /^\d+\.$/, id: NO_ID, floor: null }, 'also where there is no event')
  })

  t.test('finds its place by ids if transactions are counted from the start again, and skips nothing', async (t) => {
    const longAgo = new Date(NOW.getTime() - 7_200_000)
    const minutesAgo = new Date(NOW.getTime() - 600_000)
    await inTenant(db, tenantId, (trx) => writeAt(trx, longAgo, 'old.1'))
    await inTenant(db, tenantId, (trx) => writeAt(trx, minutesAgo, 'recent.1'))
    const elsewhere: EventCursor = { node: '7.16384', xid: '99999999', id: newEventId(NOW), floor: null }
    await inTenant(db, tenantId, (trx) => write(trx, 'unread.1'))
    const { actions, cursor } = await readOn(elsewhere, 11)
    t.same(actions.slice(-2), ['recent.1', 'unread.1'], 'what may be unread comes, with what a margin before was')
    t.notOk(actions.includes('old.1'), 'and nothing older')
    t.same(await read(cursor), [])
    await inTenant(db, tenantId, (trx) => writeAt(trx, longAgo, 'older.1'))
    await inTenant(db, tenantId, (trx) => write(trx, 'next.1'))
    t.same((await readOn(cursor, 1)).actions, ['next.1'], 'from there on it counts as it did')
    const end = { ...(await readFeedEnd(db, tenantId)), node: '7.16384' }
    const nothing = await readFeed(db, otherId, { ...end, id: newEventId(NOW) }, 10)
    t.match(
      nothing,
      { events: EMPTY, cursor: { id: NO_ID, node: /^\d+\.$/ } },
      'with nothing to read it moves all the same'
    )
  })

  t.test('numbers events on a cluster by the node that has them', { skip: !isOnCluster }, async (t) => {
    /** Whether each event has the number of the transaction that wrote it on its node. */
    async function isNumberedThere(): Promise<boolean> {
      const { rows } = await sql<{ is: boolean }>`
        select bool_and(xid::text = xmin::text) as is from audit_events where tenant_id = ${tenantId}`.execute(owner)
      return rows[0]!.is
    }
    async function moveToAnotherNode(): Promise<void> {
      const { rows } = await sql<{ shard: string; name: string; port: number; isHere: boolean }>`
        select s.id as shard, n.nodename as name, n.nodeport as port, p.shardid is not null as "isHere"
        from (select get_shard_id_for_distribution_column('audit_events', ${tenantId}::int) as id) s
        cross join pg_dist_node n
        left join pg_dist_placement p on p.groupid = n.groupid and p.shardid = s.id
        where n.shouldhaveshards`.execute(owner)
      const [from, to] = [rows.find(({ isHere }) => isHere)!, rows.find(({ isHere }) => !isHere)!]
      const mode = 'block_writes'
      await sql`
        select citus_move_shard_placement(${from.shard}::bigint, ${from.name}, ${from.port}::int, ${to.name}, ${to.port}::int,
          ${mode}::citus.shard_transfer_mode)`.execute(owner)
    }

    await inTenant(db, tenantId, (trx) => write(trx, 'before.1', 'before.2'))
    t.ok(await isNumberedThere(), 'events are numbered by the node on which they lie')
    const newest = await owner.selectFrom('audit_events').select('id').orderBy('id', 'desc').executeTakeFirstOrThrow()
    const place = (await readOn({ ...(await readFeedEnd(db, tenantId)), xid: '0', floor: newest.id }, 1)).cursor
    for (const turn of ['there', 'back']) {
      await moveToAnotherNode()
      await inTenant(db, tenantId, (trx) => write(trx, `moved.${turn}`))
      t.ok(await isNumberedThere(), 'also when they were moved')
      t.not((await readFeedEnd(db, tenantId)).node, place.node, 'which a cursor knows')
      const again: string[] = []
      for (let cursor = place; !again.includes(`moved.${turn}`); ) {
        const { events, cursor: next } = await readFeed(db, tenantId, cursor, 3)
        again.push(...events.map(({ action }) => action))
        cursor = next
      }
      t.equal(again.at(-1), `moved.${turn}`, 'and what is new comes last')
    }
  })
})
