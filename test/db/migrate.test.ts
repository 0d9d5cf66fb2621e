import { test } from 'tap'
import { migrate, SERVER_ROLE } from '../../db/migrate.ts'
import { createDatabase } from '../support/database.ts'

test('processes that start together all find the database ready', async (t) => {
  const url = await createDatabase(t)
  const results = await Promise.all(Array.from({ length: 6 }, () => migrate(url)))
  t.same(
    results.map(({ serverRole }) => serverRole),
    results.map(() => SERVER_ROLE)
  )
})
