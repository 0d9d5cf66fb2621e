import { sql } from 'kysely'
import type pg from 'pg'
import { test } from 'tap'
import { connect, type Db, driverOf, inTenant, readInTenant } from '../../db/connect.ts'
import { SERVER_ROLE } from '../../db/migrate.ts'
import { prepareWrite } from '../../db/prepared.ts'
import { inSandbox, SandboxEnded } from '../../db/sandbox.ts'
import { readAsTenants } from '../../db/tenant-query.ts'
import { openDatabase } from '../support/database.ts'
import { insertTenant } from '../support/tenants.ts'

const insertPrepared = prepareWrite<{ urn: string }, { urn: string }>(
  (given) => sql`
    insert into scim_schemas (tenant_id, urn, resource_type, definition, created_at)
    values (${given.tenantId}::int, ${given.urn}, 'User', '{}', '2027-01-01') returning urn`
)
const insert = (db: Db, tenantId: number, urn: string) =>
  inTenant(db, tenantId, (trx) =>
    trx
      .insertInto('scim_schemas')
      .values({ tenant_id: tenantId, urn, resource_type: 'User', definition: '{}', created_at: new Date() })
      .execute()
  )
const urns = async (db: Db, tenantId: number) => {
  const rows = await readInTenant<{ urn: string }>(
    db,
    tenantId,
    sql<{ urn: string }>`select urn from scim_schemas where tenant_id = ${tenantId} order by urn collate "C"`
  )
  return rows.map(({ urn }) => urn)
}
const LIMITS = { timeMs: 20_000 }

test('a sandbox', async (t) => {
  const { url, db: other, owner } = await openDatabase(t)
  // one connection: what a statement leaves behind would reach the next one
  const db = connect({ url, role: SERVER_ROLE, poolSize: 1 })
  t.teardown(() => db.destroy())
  const acme = await insertTenant(owner, 'acme')
  const globex = await insertTenant(owner, 'globex')
  await insert(other, acme, 'urn:kept')

  t.test('sees its own changes, which nobody else sees and which do not last', async (t) => {
    const seen = await inSandbox(db, LIMITS, async (sandboxed) => {
      await insert(sandboxed, acme, 'urn:a')
      t.strictSame(await insertPrepared(sandboxed, acme, { urn: 'urn:b' }), [{ urn: 'urn:b' }])
      await insert(sandboxed, globex, 'urn:c')
      t.strictSame(await urns(other, acme), ['urn:kept'], 'others see nothing of it')
      return { acme: await urns(sandboxed, acme), globex: await urns(sandboxed, globex) }
    })
    t.strictSame(seen, { acme: ['urn:a', 'urn:b', 'urn:kept'], globex: ['urn:c'] })
    t.strictSame(await urns(db, acme), ['urn:kept'])
    t.strictSame(await urns(db, globex), [])
  })

  t.test('rolls back a transaction that fails, and continues', async (t) => {
    const seen = await inSandbox(db, LIMITS, async (sandboxed) => {
      await insert(sandboxed, acme, 'urn:a')
      const failing = inTenant(sandboxed, acme, async (trx) => {
        await sql`update scim_schemas set urn = urn || ':changed' where tenant_id = ${acme}`.execute(trx)
        throw new Error('given up')
      })
      await t.rejects(failing, { message: 'given up' })
      await t.rejects(insert(sandboxed, acme, 'urn:a'), { code: '23505' }, 'a statement that fails')
      await t.rejects(insertPrepared(sandboxed, acme, { urn: 'urn:a' }), { code: '23505' }, 'a prepared one')
      await t.rejects(sql`select 1/0`.execute(sandboxed), { code: '22012' }, 'one of no transaction')
      return urns(sandboxed, acme)
    })
    t.strictSame(seen, ['urn:a', 'urn:kept'])
  })

  t.test('runs one after the other what would run at the same time', async (t) => {
    await inSandbox(db, LIMITS, async (sandboxed) => {
      const order: string[] = []
      const transaction = (name: string) =>
        inTenant(sandboxed, acme, async (trx) => {
          order.push(name)
          await Promise.all([sql`select 1`.execute(trx), sql`select pg_sleep(0.01)`.execute(trx)])
          order.push(name)
        })
      await Promise.all([
        transaction('one'),
        transaction('two'),
        insert(sandboxed, acme, 'urn:a'),
        transaction('three')
      ])
      t.strictSame(order, ['one', 'one', 'two', 'two', 'three', 'three'])
    })
  })

  t.test('sees no tenant outside of a tenant’s transaction', async (t) => {
    const seen = await inSandbox(db, LIMITS, async (sandboxed) => {
      await insert(sandboxed, acme, 'urn:a')
      await insert(sandboxed, acme, 'urn:a').catch(() => {})
      return sandboxed.selectFrom('scim_schemas').selectAll().execute()
    })
    t.strictSame(seen, [])
  })

  t.test('ends if its work fails', async (t) => {
    const failing = inSandbox(db, LIMITS, async (sandboxed) => {
      await insert(sandboxed, acme, 'urn:a')
      throw new Error('no more')
    })
    await t.rejects(failing, { message: 'no more' })
    t.strictSame(await urns(db, acme), ['urn:kept'])
  })

  t.test('gives up rather than wait for a lock, even if its work ignores the error', async (t) => {
    await inTenant(other, acme, async (trx) => {
      await sql`select from scim_schemas where tenant_id = ${acme} for update`.execute(trx)
      const waiting = inSandbox(db, { ...LIMITS, lockMs: 20 }, (sandboxed) =>
        inTenant(sandboxed, acme, (own) =>
          own.deleteFrom('scim_schemas').where('tenant_id', '=', acme).execute()
        ).catch(() => 'never mind')
      )
      await t.rejects(waiting, new SandboxEnded('lock'))
    })
    t.strictSame(await urns(db, acme), ['urn:kept'])
  })

  t.test('ends when its time is over, and nothing of it continues', async (t) => {
    let late: Promise<unknown> | undefined
    const slow = inSandbox(db, { timeMs: 100 }, async (sandboxed) => {
      await insert(sandboxed, acme, 'urn:a')
      late = new Promise((resolve) => setTimeout(resolve, 150)).then(() => insert(sandboxed, acme, 'urn:late'))
      late.catch(() => {})
      return new Promise<never>(() => {})
    })
    await t.rejects(slow, new SandboxEnded('time'))
    await t.rejects(late!, SandboxEnded)
    const sleeping = inSandbox(db, { timeMs: 100 }, (sandboxed) => sql`select pg_sleep(30)`.execute(sandboxed))
    await t.rejects(sleeping, new SandboxEnded('time'), 'a statement is cancelled')
    t.strictSame(await urns(db, acme), ['urn:kept'])
  })

  t.test('leaves the database handle unusable when it is over', async (t) => {
    let kept: Db | undefined
    await inSandbox(db, LIMITS, async (sandboxed) => {
      kept = sandboxed
    })
    await t.rejects(insert(kept!, acme, 'urn:late'), new SandboxEnded('done'))
  })

  t.test('lends a connection for reads that is useless afterwards', async (t) => {
    let lent: pg.PoolClient | undefined
    await inSandbox(db, LIMITS, async (sandboxed) => {
      lent = await driverOf(sandboxed).connect()
      await lent.query('select 1')
    })
    await t.rejects(lent!.query('select 1'), new SandboxEnded('done'))
  })
})

test('a sandbox on Citus that ends during reads does not disturb the next one', async (t) => {
  const { url, owner } = await openDatabase(t)
  // only Citus' manner of reading: a transaction block for each read, one after the other
  const db = connect({ url, role: SERVER_ROLE, poolSize: 1, isCitus: true })
  t.teardown(() => db.destroy())
  const acme = await insertTenant(owner, 'acme')
  const globex = await insertTenant(owner, 'globex')
  const failures: Error[] = []
  const statement = { name: 'slow_read', text: 'select pg_sleep($1)::text', values: ['0.01'] }
  const reads = Array.from({ length: 20 }, () => ({
    tenantId: acme,
    statement,
    take() {},
    done() {},
    failed: (error: Error) => failures.push(error)
  }))
  let exchange: Promise<unknown> | undefined
  await inSandbox(db, LIMITS, async (sandboxed) => {
    exchange = readAsTenants(await driverOf(sandboxed).connect(), reads)
  })
  const seen = await inTenant(db, globex, async (trx) => {
    const tenants: string[] = []
    for (let time = 0; time < 20; time++) {
      const { rows } = await sql<{ tenant: string }>`
        select current_setting('app.tenant') as tenant, pg_sleep(0.01)`.execute(trx)
      tenants.push(rows[0]!.tenant)
    }
    return tenants
  })
  await exchange
  t.strictSame(new Set(seen), new Set([String(globex)]))
  t.ok(failures.length > 0)
  for (const failure of failures) t.match(failure, new SandboxEnded('done'))
})
