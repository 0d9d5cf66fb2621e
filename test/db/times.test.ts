import { test } from 'tap'
import { copyIsoTime, ISO_TIME_LENGTH, toIsoTime } from '../../db/times.ts'

/** Times of a session whose time zone is UTC, as it usually is. */
const IN_UTC = [
  ['2026-01-01 12:00:00+00', '2026-01-01T12:00:00.000Z'],
  ['2026-01-01 12:00:00.1+00', '2026-01-01T12:00:00.100Z'],
  ['2026-01-01 12:00:00.12+00', '2026-01-01T12:00:00.120Z'],
  ['2026-01-01 12:00:00.123+00', '2026-01-01T12:00:00.123Z'],
  ['2026-01-01 12:00:00.123999+00', '2026-01-01T12:00:00.123Z']
] as const
const ELSEWHERE = [
  ['2026-01-01 12:00:00.5+02', '2026-01-01T10:00:00.500Z'],
  ['2026-06-01 12:00:00-03:30', '2026-06-01T15:30:00.000Z'],
  ['2026-06-01 12:00:00-03', '2026-06-01T15:00:00.000Z']
] as const

test('a time is formatted as PostgreSQL writes it', async (t) => {
  for (const [text, iso] of [...IN_UTC, ...ELSEWHERE]) t.equal(toIsoTime(text), iso, text)
})

test('a time is copied from bytes', async (t) => {
  const copy = (text: string) => {
    const to = Buffer.alloc(ISO_TIME_LENGTH + 4, '#')
    return copyIsoTime(Buffer.from(`«${text}»`), 2, 2 + Buffer.byteLength(text), to, 2) && to.toString()
  }
  for (const [text, iso] of IN_UTC) t.equal(copy(text), `##${iso}##`, text)
  for (const [text] of [...ELSEWHERE, ['12026-01-01 12:00:00+00'], ['0026-01-01 12:00:00+00 BC']]) {
    t.equal(copy(text!), false, text)
  }
})
