// Times as PostgreSQL writes them, for rows that were not parsed (readFieldsInTenant).
import pg from 'pg'

const parseTimestamptz = pg.types.getTypeParser(pg.types.builtins.TIMESTAMPTZ) as unknown as (text: string) => Date

/** @param text a timestamptz, in the connection's time zone */
export const readTime = (text: string): Date => parseTimestamptz(text)

/** `2026-01-01 12:00:00.1234+00` as toISOString() writes it: digits after the milliseconds are cut off. */
export function toIsoTime(text: string): string {
  if (!UTC.test(text)) return readTime(text).toISOString()
  const milliseconds = text.slice(20, -3).slice(0, 3).padEnd(3, '0')
  return `${text.slice(0, 10)}T${text.slice(11, 19)}.${milliseconds}Z`
}

const UTC = /^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(\.\d+)?\+00$/

export const ISO_TIME_LENGTH = '2026-01-01T12:00:00.123Z'.length

/**
 * Writes such a text to a buffer in the form of toIsoTime().
 * @returns false, without writing anything, if the text has another form
 */
export function copyIsoTime(from: Buffer, start: number, end: number, to: Buffer, at: number): boolean {
  const zone = end - 3
  const fraction = start + 19
  const isUtc = from[zone] === PLUS && from[zone + 1] === ZERO && from[zone + 2] === ZERO
  if (!isUtc || from[start + 4] !== MINUS || from[start + 10] !== SPACE) return false
  if (fraction !== zone && from[fraction] !== DOT) return false
  for (let index = 0; index < 19; index++) to[at + index] = from[start + index]!
  to[at + 10] = T
  to[at + 19] = DOT
  for (let digit = 1; digit <= 3; digit++)
    to[at + 19 + digit] = fraction + digit < zone ? from[fraction + digit]! : ZERO
  to[at + 23] = Z
  return true
}

const [PLUS, ZERO, MINUS, SPACE, DOT, T, Z] = Buffer.from('+0- .TZ') as unknown as readonly [
  number,
  number,
  number,
  number,
  number,
  number,
  number
]
