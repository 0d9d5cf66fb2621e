import { sql } from 'kysely'
import { test } from 'tap'
import { connect, readFieldsInTenant } from '../../db/connect.ts'
import { SERVER_ROLE } from '../../db/migrate.ts'
import { openDatabase } from '../support/database.ts'
import { insertTenant } from '../support/tenants.ts'

test('reads that arrive at the same time', async (t) => {
  const { url, owner } = await openDatabase(t)
  const db = connect({ url, role: SERVER_ROLE, poolSize: 2 })
  t.teardown(() => db.destroy())
  const tenants = [await insertTenant(owner, 'acme'), await insertTenant(owner, 'beta')]
  const quotient = (tenantId: number, divisor: number) =>
    readFieldsInTenant(db, tenantId, sql`select 12 / ${divisor}::int, current_setting('app.tenant')`)

  t.test('see only their own tenant, and fail alone', async (t) => {
    const divisors = Array.from({ length: 40 }, (_, index) => index % 5)
    const answers = await Promise.allSettled(divisors.map((divisor, index) => quotient(tenants[index % 2]!, divisor)))
    t.same(
      answers.map((answer) => (answer.status === 'fulfilled' ? answer.value : answer.reason.code)),
      divisors.map((divisor, index) => (divisor ? [[String(12 / divisor), String(tenants[index % 2])]] : '22012'))
    )
  })

  t.test('go alone if they took long', async (t) => {
    const sleep = (seconds: number) =>
      readFieldsInTenant(db, tenants[0]!, sql`select pg_sleep(${seconds}), pg_backend_pid()`)
    for (let i = 0; i < 5; i++) await sleep(0.05)
    const answers = await Promise.all([sleep(0.05), sleep(0.05)])
    const [first, second] = answers.map(([row]) => row![1])
    t.not(first, second, 'on a connection each')
  })
})
