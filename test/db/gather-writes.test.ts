// Writes of several tenants that arrive at the same time share a transaction, in which each tenant sees only its rows,
// fails alone and waits alone.
import { type CompiledQuery, type RawBuilder, sql } from 'kysely'
import { test } from 'tap'
import { connect, type Db } from '../../db/connect.ts'
import { violatedConstraint } from '../../db/failures.ts'
import { SERVER_ROLE } from '../../db/migrate.ts'
import { isOutdated, requireCurrent, writeTogether } from '../../db/prepared.ts'
import type { Fields } from '../../db/tenant-query.ts'
import { openDatabase } from '../support/database.ts'
import { lockIsAwaited } from '../support/locks.ts'
import { insertTenant } from '../support/tenants.ts'

const COUNT = 6

test('writes that arrive at the same time', async (t) => {
  const { url, owner } = await openDatabase(t)
  const open = (poolSize: number, isCitus = false): Db => {
    const opened = connect({ url, role: SERVER_ROLE, poolSize, isCitus })
    t.teardown(() => opened.destroy())
    return opened
  }
  const db = open(4)
  const tenants: number[] = []
  for (let number = 0; number < COUNT; number++) tenants.push(await insertTenant(owner, `tenant${number}`))
  const [acme, globex] = tenants as [number, number]
  const names = async (urn: string) =>
    (
      await owner.selectFrom('scim_schemas').select('tenant_id').where('urn', '=', urn).orderBy('tenant_id').execute()
    ).map(({ tenant_id }) => tenant_id)
  const write = (on: Db, tenantId: number, ...statements: RawBuilder<unknown>[]) =>
    writeTogether(
      on,
      tenantId,
      statements.map((statement): CompiledQuery => statement.compile(on))
    )
  const insert = (tenantId: number, urn: string) => sql`
    insert into scim_schemas (tenant_id, urn, resource_type, definition, created_at)
    values (${tenantId}, ${urn}, 'User', '{}', now())
    returning pg_current_xact_id()::text, extract(epoch from clock_timestamp())`
  const transactionsOf = (answers: readonly Fields[][][]) => new Set(answers.map(([rows]) => rows![0]![0]))
  const kindOf = (error: unknown) => (isOutdated(error) ? 'outdated' : violatedConstraint(error))
  const outcomesOf = async (writes: readonly Promise<unknown>[]) =>
    (await Promise.allSettled(writes)).map((one) => (one.status === 'fulfilled' ? 'done' : kindOf(one.reason)))

  t.test('share a transaction, one after the other, each with its own rows', async (t) => {
    const reversed = await Promise.all(
      [...tenants]
        .reverse()
        .map((id) => write(db, id, insert(id, 'a'), sql`select count(*) from scim_schemas where ${1}::int = 1`))
    )
    const answers = reversed.toReversed()
    t.equal(transactionsOf(answers).size, 1)
    const times = answers.map(([rows]) => Number(rows![0]![1]))
    t.same(times, times.toSorted(), 'in the order of the tenants, which is that of their locks')
    t.same(
      answers.map(([, count]) => count),
      tenants.map(() => [['1']])
    )
    t.same(await names('a'), tenants)
  })

  t.test('have transactions of their own on Citus', async (t) => {
    const onCitus = open(4, true)
    const answers = await Promise.all(tenants.map((id) => write(onCitus, id, insert(id, 'citus'))))
    t.equal(transactionsOf(answers).size, COUNT)
  })

  t.test('fail alone', async (t) => {
    const outcomes = await outcomesOf(
      tenants.map((id, index) => {
        if (index === 2) return write(db, id, insert(id, 'b'), insert(id, 'a'))
        if (index === 4) return write(db, id, insert(id, 'b'), requireCurrent(sql`${1}::int = 2`))
        return write(db, id, insert(id, 'b'))
      })
    )
    t.same(outcomes, ['done', 'done', 'scim_schemas_pkey', 'done', 'outdated', 'done'])
    t.same(
      await names('b'),
      tenants.filter((_, index) => index !== 2 && index !== 4)
    )
  })

  t.test('write no other tenant’s rows', async (t) => {
    const strange = write(db, acme, insert(globex, 'strange'))
    const own = write(db, globex, insert(globex, 'own'))
    await t.rejects(strange, /row-level security/)
    await own
    t.same(await names('strange'), [])
    t.same(await names('own'), [globex])
  })

  t.test('wait for a lock alone', async (t) => {
    const locked = tenants[3]!
    const change = (id: number) =>
      sql`update scim_schemas set definition = '{"b":1}' where tenant_id = ${id} and urn = 'a'`
    const done: number[] = []
    let all: Promise<unknown>[] = []
    await owner.transaction().execute(async (trx) => {
      await change(locked).execute(trx)
      all = tenants.map((id) => write(db, id, change(id)).then(() => done.push(id)))
      await Promise.all(all.filter((_, index) => index !== 3))
      t.same(
        [...done].sort((a, b) => a - b),
        tenants.filter((id) => id !== locked)
      )
      await lockIsAwaited(owner)
    })
    await Promise.all(all)
    t.equal(done.at(-1), locked)
    const { rows } = await sql`show lock_timeout`.execute(open(1))
    t.same(rows, [{ lock_timeout: '0' }])
  })

  t.test('lose nothing when many batches follow each other', async (t) => {
    const pools = [db, open(4)]
    const bump = (id: number) => sql`update tenants set name = name || '.' where id = ${id}`
    await sql`update tenants set name = ''`.execute(owner)
    const rounds = await Promise.all(
      pools.flatMap((pool, index) =>
        Array.from({ length: 40 }, () =>
          outcomesOf((index === 0 ? tenants : [...tenants].reverse()).map((id) => write(pool, id, bump(id))))
        )
      )
    )
    t.same(new Set(rounds.flat()), new Set(['done']))
    const { rows } = await sql<{ name: string }>`select distinct name from tenants`.execute(owner)
    t.same(rows, [{ name: '.'.repeat(80) }])
  })
})
