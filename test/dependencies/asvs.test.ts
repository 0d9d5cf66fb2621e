// docs/asvs.md names existing tests and sources, and its counts are right.
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'tap'

const ROOT = join(import.meta.dirname, '../..')
/** Requirements of levels 1 and 2 in ASVS 5.0.0. */
const REQUIREMENTS = 253
const STATUSES = ['met', 'not applicable', 'not yet'] as const

test('the table of ASVS requirements', async (t) => {
  const text = readFileSync(join(ROOT, 'docs/asvs.md'), 'utf8')
  const rows = [...text.matchAll(/^\| (V[^|]+) \| ([^|]+) \| ([^|]*) \| ([^|]*) \|$/gm)].map(
    ([, ids, status, how, by]) => ({
      ids: ids!.split(', '),
      status: status!.trim(),
      how: how!.trim(),
      files: [...by!.matchAll(/`([^`]+)`/g)].map(([, file]) => file!)
    })
  )
  const ids = rows.flatMap((row) => row.ids)

  t.test('has each requirement once, in order', async (t) => {
    t.equal(ids.length, REQUIREMENTS)
    t.equal(new Set(ids).size, REQUIREMENTS)
    for (const id of ids) t.match(id, /^V\d{1,2}\.\d{1,2}\.\d{1,2}$/)
    const sorted = [...ids].sort((one, other) => one.localeCompare(other, 'en', { numeric: true }))
    t.same(ids, sorted)
  })

  t.test('has the counts that it states', async (t) => {
    const counts = STATUSES.map(
      (status) => rows.filter((row) => row.status === status).flatMap((row) => row.ids).length
    )
    t.equal(
      counts.reduce((sum, count) => sum + count),
      REQUIREMENTS,
      'there is no other status'
    )
    const [met, inapplicable, missing] = counts
    t.match(text, `**${met} met, ${inapplicable} not applicable, ${missing} not yet**, of ${REQUIREMENTS}.`)
  })

  t.test('names existing files, and says how or where each requirement is met', async (t) => {
    for (const { ids: of, status, how, files } of rows) {
      for (const file of files) t.ok(existsSync(join(ROOT, file)), `${of}: ${file}`)
      t.ok(status === 'met' ? how || files.length > 0 : how, `${of}`)
    }
  })
})
