// Look-ups of one row that share an exchange return values of the declared types, from their own tenant only.
import { sql } from 'kysely'
import { test } from 'tap'
import { connect } from '../../db/connect.ts'
import { SERVER_ROLE } from '../../db/migrate.ts'
import { prepareLookup } from '../../db/prepared.ts'
import { openDatabase } from '../support/database.ts'
import { connectionActor } from '../support/groups.ts'
import { insertTenant, NOW } from '../support/tenants.ts'

interface Found {
  name: string
  created_at: Date
  last_used_at: Date | null
}

test('look-ups of one row', async (t) => {
  const { url, owner } = await openDatabase(t)
  const db = connect({ url, role: SERVER_ROLE, poolSize: 1 })
  t.teardown(() => db.destroy())
  const acme = await insertTenant(owner, 'acme')
  const globex = await insertTenant(owner, 'globex')
  await connectionActor(owner, acme, 'Okta')
  await connectionActor(owner, globex, 'Entra')
  const find = prepareLookup<Found>(
    (on, p) =>
      on
        .selectFrom('scim_connections')
        .select(['name', 'created_at', sql<Date | null>`null::timestamptz`.as('last_used_at')])
        .where('name', '=', p['name'] as string),
    ['created_at', 'last_used_at']
  )
  const lookups = [
    find(db, acme, { name: 'Okta' }),
    find(db, globex, { name: 'Okta' }),
    find(db, globex, { name: 'Entra' }),
    find(db, acme, { name: 'nobody' })
  ]
  const row = { created_at: NOW, last_used_at: null }
  t.same(await Promise.all(lookups), [{ name: 'Okta', ...row }, undefined, { name: 'Entra', ...row }, undefined])
})
