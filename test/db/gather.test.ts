import { sql } from 'kysely'
import pg from 'pg'
import { test } from 'tap'
import { connect, type Db, inTenant } from '../../db/connect.ts'
import { gatheredLookup } from '../../db/gather.ts'
import { SERVER_ROLE } from '../../db/migrate.ts'
import { inSandbox } from '../../db/sandbox.ts'
import { openDatabase } from '../support/database.ts'
import { lockIsAwaited } from '../support/locks.ts'
import { countStatements } from '../support/statements.ts'
import { insertTenant } from '../support/tenants.ts'

const definitionOf = gatheredLookup<string, { type: string }>(
  (p) => sql`select urn, definition from scim_schemas
    where tenant_id = ${p.tenantId} and urn = any(array(select unnest(${p.keys}::text[]))) and resource_type = ${p.type}`,
  ([, definition]) => definition!
)
/** Names no tenant, unlike our statements, so that only row-level security limits it. */
const anyDefinition = gatheredLookup<string, Record<string, never>>(
  (p) => sql`select urn, definition from scim_schemas where urn = any(array(select unnest(${p.keys}::text[])))`,
  ([, definition]) => definition!
)
/** Fails if a key is not a number. */
const number = gatheredLookup<string, Record<string, never>>(
  (p) => sql`select key, key::int from unnest(${p.keys}::text[]) as key`,
  ([, value]) => value!
)
const LOCK = 4711
/** Waits while somebody holds the lock. */
const slowDefinition = gatheredLookup<string, Record<string, never>>(
  (p) => sql`select urn, definition, pg_advisory_xact_lock_shared(${sql.lit(LOCK)}) from scim_schemas
    where tenant_id = ${p.tenantId} and urn = any(array(select unnest(${p.keys}::text[])))`,
  ([, definition]) => definition!
)
const user = { type: 'User' }

test('look-ups that arrive at the same time', async (t) => {
  const { url, owner } = await openDatabase(t)
  const open = (poolSize: number): Db => {
    const db = connect({ url, role: SERVER_ROLE, poolSize })
    t.teardown(() => db.destroy())
    return db
  }
  // one connection: what a look-up leaves behind would reach the next one
  const db = open(1)
  const acme = await insertTenant(owner, 'acme')
  const globex = await insertTenant(owner, 'globex')
  const put = (tenantId: number, urn: string, definition: string) =>
    sql`
    insert into scim_schemas (tenant_id, urn, resource_type, definition, created_at)
    values (${tenantId}, ${urn}, 'User', ${JSON.stringify(definition)}, '2027-01-01')
    on conflict (tenant_id, urn) do update set definition = excluded.definition`.execute(owner)
  await put(acme, 'urn:a', 'acme a')
  await put(acme, 'urn:b', 'acme b')
  await put(globex, 'urn:a', 'globex a')

  /** Holds the lock until the returned function is called. */
  async function holdLock(): Promise<() => Promise<void>> {
    const client = new pg.Client({ connectionString: url })
    await client.connect()
    await client.query(`select pg_advisory_lock(${LOCK})`)
    return () => client.end()
  }

  t.test('find their own rows, or none', async (t) => {
    const found = await Promise.all([
      definitionOf(db, acme, user, 'urn:b'),
      definitionOf(db, acme, user, 'urn:a'),
      definitionOf(db, acme, user, 'urn:c'),
      definitionOf(db, acme, user, 'urn:a'),
      definitionOf(db, acme, { type: 'Group' }, 'urn:a')
    ])
    t.strictSame(found, ['"acme b"', '"acme a"', undefined, '"acme a"', undefined])
  })

  t.test('share one exchange, even for several tenants', async (t) => {
    let found: unknown
    const sent = await countStatements(async () => {
      found = await Promise.all([
        definitionOf(db, acme, user, 'urn:a'),
        definitionOf(db, globex, user, 'urn:a'),
        definitionOf(db, acme, user, 'urn:b')
      ])
    })
    t.strictSame(found, ['"acme a"', '"globex a"', '"acme b"'])
    t.equal(sent, 1)
  })

  t.test('see only their own tenant, by row-level security, too', async (t) => {
    const tenants = [acme, globex, acme, globex, globex, acme]
    const found = await Promise.all(
      tenants.flatMap((tenant) => [anyDefinition(db, tenant, {}, 'urn:b'), definitionOf(db, tenant, user, 'urn:b')])
    )
    const wanted = tenants.flatMap((tenant) => (tenant === acme ? ['"acme b"', '"acme b"'] : [undefined, undefined]))
    t.strictSame(found, wanted)
    const { rows } = await sql<{ count: number }>`select count(*)::int as count from scim_schemas`.execute(db)
    t.strictSame(rows, [{ count: 0 }], 'and leave no tenant behind on the connection')
  })

  t.test('find keys of any characters', async (t) => {
    const keys = ['null', 'NULL', '', '"', '\\', '{a,b}', "'; drop table users; --", ' ', 'ß,ς\n']
    for (const key of keys) await put(acme, key, `of ${key}`)
    const found = await Promise.all(keys.map((key) => definitionOf(db, acme, user, key)))
    t.strictSame(
      found,
      keys.map((key) => JSON.stringify(`of ${key}`))
    )
  })

  t.test('fail alone', async (t) => {
    const results = await Promise.allSettled([
      definitionOf(db, acme, user, 'urn:a'),
      number(db, acme, {}, '1'),
      number(db, acme, {}, 'one'),
      number(db, globex, {}, '2'),
      definitionOf(db, globex, user, 'urn:a')
    ])
    t.match(results, [
      { value: '"acme a"' },
      { reason: { code: '22P02' } },
      { reason: { code: '22P02' } },
      { value: '2' },
      { value: '"globex a"' }
    ])
  })

  t.test('say each time why a statement cannot be prepared', async (t) => {
    const broken = gatheredLookup(
      (p) => sql`select nowhere from scim_schemas where urn = any(${p.keys}::text[])`,
      String
    )
    for (let time = 0; time < 2; time++) {
      const [failed, found] = await Promise.allSettled([
        broken(db, acme, {}, 'urn:a'),
        definitionOf(db, acme, user, 'urn:a')
      ])
      t.match(failed, { reason: { code: '42703' } })
      t.match(found, { value: '"acme a"' })
    }
  })

  t.test('have a limit in one exchange', async (t) => {
    let found: (string | undefined)[] = []
    const sent = await countStatements(async () => {
      found = await Promise.all(Array.from({ length: 150 }, (_, index) => number(db, acme, {}, String(index))))
    })
    t.strictSame(
      found,
      Array.from({ length: 150 }, (_, index) => String(index))
    )
    // twice the limit at once, and the rest when the first exchange returns
    t.ok(sent >= 3 && sent <= 10, `${sent} exchanges`)
  })

  t.test('see what was written before they began, whatever is under way', async (t) => {
    const wide = open(4)
    const letGo = await holdLock()
    const before = slowDefinition(wide, acme, {}, 'urn:b')
    await lockIsAwaited(owner)
    await put(acme, 'urn:b', 'acme b, changed')
    const after = slowDefinition(wide, acme, {}, 'urn:b')
    await lockIsAwaited(owner, 2)
    await put(acme, 'urn:b', 'acme b, changed again')
    // as many exchanges are under way as allowed, so this look-up waits
    const last = slowDefinition(wide, acme, {}, 'urn:b')
    await letGo()
    t.equal(await before, '"acme b"')
    t.equal(await after, '"acme b, changed"')
    t.equal(await last, '"acme b, changed again"')
  })

  t.test('fail together if the connection is lost, and the next ones work', async (t) => {
    const letGo = await holdLock()
    const lost = Promise.allSettled([
      slowDefinition(db, acme, {}, 'urn:a'),
      slowDefinition(db, acme, {}, 'urn:b'),
      slowDefinition(db, globex, {}, 'urn:a')
    ])
    await lockIsAwaited(owner)
    await sql`select pg_terminate_backend(pid) from pg_stat_activity
      where datname = current_database() and wait_event_type = 'Lock'`.execute(owner)
    t.match(await lost, [{ reason: { code: '57P01' } }, { reason: { code: '57P01' } }, { reason: { code: '57P01' } }])
    await letGo()
    t.equal(await slowDefinition(db, globex, {}, 'urn:a'), '"globex a"')
  })

  t.test('see a sandbox’s changes only within it', async (t) => {
    const find = (from: Db) =>
      Promise.all([definitionOf(from, acme, user, 'urn:s'), definitionOf(from, globex, user, 'urn:a')])
    const found = await inSandbox(db, { timeMs: 20_000 }, async (sandboxed) => {
      await inTenant(sandboxed, acme, (trx) =>
        sql`insert into scim_schemas (tenant_id, urn, resource_type, definition, created_at)
          values (${acme}, 'urn:s', 'User', '"in a sandbox"', '2027-01-01')`.execute(trx)
      )
      const failed = number(sandboxed, acme, {}, 'one')
      t.match(await Promise.allSettled([failed]), [{ reason: { code: '22P02' } }])
      return find(sandboxed)
    })
    t.strictSame(found, ['"in a sandbox"', '"globex a"'])
    t.strictSame(await find(db), [undefined, '"globex a"'])
  })

  t.test('fail if there is no connection', async (t) => {
    const nowhere = connect({ url: 'postgres://localhost:1/nowhere' })
    t.teardown(() => nowhere.destroy())
    const results = await Promise.allSettled([
      definitionOf(nowhere, acme, user, 'urn:a'),
      definitionOf(nowhere, globex, user, 'urn:a')
    ])
    t.match(results, [{ reason: { code: 'ECONNREFUSED' } }, { reason: { code: 'ECONNREFUSED' } }])
  })
})
