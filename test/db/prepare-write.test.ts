import { sql } from 'kysely'
import { test } from 'tap'
import { connect } from '../../db/connect.ts'
import { violatedConstraint } from '../../db/failures.ts'
import { SERVER_ROLE } from '../../db/migrate.ts'
import { prepareWrite } from '../../db/prepared.ts'
import { openDatabase } from '../support/database.ts'
import { insertTenant } from '../support/tenants.ts'

const insertSchema = prepareWrite<{ urn: string }, { urn: string; times: number }>(
  (given) => sql`
    insert into scim_schemas (tenant_id, urn, resource_type, definition, created_at)
    select ${given.tenantId}::int, ${given.urn}::text, 'User', '{}', '2027-01-01' from generate_series(1, ${given.times}::int)
    returning urn`
)

test('a write of one statement', async (t) => {
  const { url, owner } = await openDatabase(t)
  // one connection: what a statement leaves behind would reach the next one
  const db = connect({ url, role: SERVER_ROLE, poolSize: 1 })
  t.teardown(() => db.destroy())
  const acme = await insertTenant(owner, 'acme')
  const globex = await insertTenant(owner, 'globex')
  const stored = async () =>
    (await owner.selectFrom('scim_schemas').select(['tenant_id', 'urn']).orderBy('tenant_id').execute()).map(
      ({ tenant_id, urn }) => `${tenant_id} ${urn}`
    )

  t.test('is committed, with the values of its call', async (t) => {
    t.strictSame(await insertSchema(db, acme, { urn: 'urn:a', times: 1 }), [{ urn: 'urn:a' }])
    t.strictSame(await insertSchema(db, globex, { urn: 'urn:b', times: 1 }), [{ urn: 'urn:b' }])
    t.strictSame(await stored(), [`${acme} urn:a`, `${globex} urn:b`])
  })

  t.test('changes nothing if it fails, and leaves the connection as it was', async (t) => {
    const error = await insertSchema(db, acme, { urn: 'urn:c', times: 2 }).catch((caught) => caught)
    t.equal(violatedConstraint(error), 'scim_schemas_pkey')
    t.strictSame(await stored(), [`${acme} urn:a`, `${globex} urn:b`])
    await insertSchema(db, acme, { urn: 'urn:d', times: 1 })
    t.ok((await stored()).includes(`${acme} urn:d`))
  })

  t.test('leaves no tenant set on the connection', async (t) => {
    const { rows } = await sql<{ count: number }>`select count(*)::int as count from scim_schemas`.execute(db)
    t.strictSame(rows, [{ count: 0 }])
  })
})
