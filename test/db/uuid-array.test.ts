import { sql } from 'kysely'
import { test } from 'tap'
import { UuidArray } from '../../db/uuid-array.ts'
import { openDatabase } from '../support/database.ts'

test('PostgreSQL reads a list of uuids in binary, however long it becomes', async (t) => {
  const { db } = await openDatabase(t)
  const ids = Array.from({ length: 300 }, () => crypto.randomUUID())
  for (const count of [0, 1, 2, 300]) {
    const list = new UuidArray(2)
    const text = Buffer.from(`...${ids.join(',')}`)
    for (let index = 0; index < count; index++) list.add(text, 3 + index * 37)
    const { rows } = await sql<{ ids: string[] }>`select ${list.value}::uuid[] as ids`.execute(db)
    t.strictSame(rows[0]!.ids, ids.slice(0, count))
  }
})
