import { randomUUID } from 'node:crypto'
import { test } from 'tap'
import { isId, isIdAt, newId } from '../../db/ids.ts'

test('an id is a uuid as PostgreSQL writes it', (t) => {
  const id = newId(Date.now())
  t.ok(isId(id))
  t.ok(isId(randomUUID()), 'of whatever version')
  const wrong = [
    '',
    id.toUpperCase(),
    id.slice(1),
    `${id}0`,
    ` ${id.slice(1)}`,
    id.replaceAll('-', ''),
    id.replace('-', '0'),
    `${id.slice(0, 35)}g`,
    `${id.slice(0, 35)}é`,
    `${id.slice(0, 35)}-`,
    `{${id.slice(1, 35)}}`
  ]
  for (const text of wrong) t.notOk(isId(text), text)
  t.end()
})

test('ids are found within a text', (t) => {
  const id = newId(Date.now())
  const text = `/Users/${id}/x`
  t.ok(isIdAt(text, 7))
  for (const start of [-1, 6, 8, text.length - 35, text.length]) t.notOk(isIdAt(text, start), String(start))
  t.end()
})
