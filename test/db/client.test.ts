// Connections and the statements that stay prepared on them.
import { sql } from 'kysely'
import { test } from 'tap'
import { isUnavailable } from '../../db/failures.ts'
import { openDatabase } from '../support/database.ts'
import { insertTenant } from '../support/tenants.ts'

test('a column that a newer version adds costs each connection one request, which can be repeated', async (t) => {
  const { db, owner } = await openDatabase(t)
  const id = await insertTenant(owner, 'acme')
  const find = () => db.selectFrom('tenants').selectAll().where('id', '=', id).executeTakeFirst()
  t.match(await find(), { subdomain: 'acme' })
  await sql`alter table tenants add column added text`.execute(owner)
  const error = await find().catch((thrown: unknown) => thrown)
  t.match(error, { code: '0A000' })
  t.ok(isUnavailable(error))
  t.match(await find(), { subdomain: 'acme', added: null })
})
