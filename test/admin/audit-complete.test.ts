// Every procedure that changes something and every SCIM write leaves an audit event, which says what was done and by
// whom, in the transaction that did it. A new procedure fails here until it has a case in audit-procedures.ts.
import { sql } from 'kysely'
import { type Test, test } from 'tap'
import type { ActorKind } from '../../db/schema.ts'
import { appRouter } from '../../server/admin/router.ts'
import { ROUTES } from '../../server/scim/routes.ts'
import { startInviting } from '../invitations/acme.ts'
import { isOnCluster } from '../support/cluster.ts'
import { scimClient } from '../support/scim.ts'
import type { AuditCase, World } from './audit-case.ts'
import { PROCEDURES } from './audit-procedures.ts'
import { OF_A_PERSON, SCIM_WRITES } from './audit-scim.ts'

/** These answer that they are not implemented (RFC 7644 §3.11). */
const CHANGES_NOTHING = ['POST /Me', 'DELETE /Me']
/** These take back all that they do; test/scim/acceptance and test/admin/wire-log compare every table. */
const TRIALS = ['scimAcceptance.run', 'wireLog.replay']

/**
 * Tables that change without an event: they hold counts and times of use, or what was refused or sent, or they follow
 * from rows that have an event.
 */
const NOT_AUDITED = [
  'scim_errors',
  'scim_tokens',
  'scim_token_uses',
  'api_tokens',
  'sessions',
  'wire_log',
  'event_deliveries',
  // the shadow that is going live
  'scim_shadows'
]

test('the audit log is complete', async (t) => {
  const acme = await startInviting(t)
  const scim = await scimClient(acme, { id: acme.acmeId, subdomain: 'acme' })
  const world: World = { ...acme, scim }
  const { rows: tables } = await sql<{ name: string }>`
    select c.relname as name from pg_class c join pg_attribute a on a.attrelid = c.oid and a.attname = 'tenant_id'
    where c.relnamespace = 'public'::regnamespace and c.relkind = 'r'
      and c.relname <> 'audit_events' and c.relname <> all(${NOT_AUDITED})`.execute(acme.owner)

  /** Tables that were changed since `since` by transactions that wrote no event. */
  async function unaudited(since: string): Promise<string[]> {
    const changed = tables.map(
      ({ name }) => sql`select xmin::text::bigint as xid, ${name} as name from ${sql.table(name)}`
    )
    const { rows } = await sql<{ name: string }>`
      select distinct name from (${sql.join(changed, sql` union all `)}) r
      where xid >= ${since}::bigint and xid not in (select (xid::text::bigint % 4294967296) from audit_events)`.execute(
      acme.owner
    )
    return rows.map(({ name }) => name)
  }

  async function check(t: Test, { actions, by, prepare, run }: AuditCase, usually: ActorKind): Promise<void> {
    const prepared = await prepare?.(world)
    await acme.settle()
    const { rows } = await sql<{ xid: string; id: string }>`
      select pg_current_xact_id()::text as xid, coalesce(max(id::text), '') as id from audit_events`.execute(acme.owner)
    const { xid, id } = rows[0]!
    const answer = await run(world, prepared)
    t.ok(answer.status < 300, `it works: ${answer.status} ${JSON.stringify('error' in answer ? answer.error : '')}`)
    await acme.settle()
    const { rows: events } = await sql<{ action: string; actor_kind: ActorKind; target_type: string }>`
      select action, actor_kind, target_type from audit_events where id::text > ${id} order by id`.execute(acme.owner)
    for (const action of new Set(actions)) {
      const count = actions.filter((one) => one === action).length
      t.equal(events.filter((event) => event.action === action).length, count, action)
    }
    t.same([...new Set(events.map(({ actor_kind }) => actor_kind))], actions.length > 0 ? [by ?? usually] : [])
    // on a cluster each node numbers its own transactions, and addresses lie on other nodes than events
    if (!isOnCluster) t.same(await unaudited(xid), [], 'no transaction changed anything without an event')
  }

  t.test('has an event of every procedure that changes something', async (t) => {
    const mutations = Object.entries(appRouter._def.procedures)
      .filter(([, procedure]) => (procedure as unknown as { _def: { type: string } })._def.type === 'mutation')
      .map(([name]) => name)
    t.same(mutations.toSorted(), [...Object.keys(PROCEDURES), ...TRIALS].toSorted(), 'each is listed')
    for (const name of mutations) {
      const listed = PROCEDURES[name]
      if (listed) await t.test(name, (t) => check(t, listed, 'user'))
    }
  })

  t.test('has an event of every write of an identity provider', async (t) => {
    const writes = ROUTES.filter(([method, path]) => method !== 'GET' && !path.endsWith('/.search')).map(
      ([method, path]) => `${method} ${path}`
    )
    const listed = { ...SCIM_WRITES, ...OF_A_PERSON }
    t.same(writes.toSorted(), [...Object.keys(listed), ...CHANGES_NOTHING].toSorted(), 'each is listed')
    for (const [name, one] of Object.entries(listed)) await t.test(name, (t) => check(t, one, 'scimToken'))
  })
})
