// Times as PostgreSQL writes them, for rows that nobody parsed (readFieldsInTenant).
import pg from 'pg'

const parseTimestamptz = pg.types.getTypeParser(pg.types.builtins.TIMESTAMPTZ) as unknown as (text: string) => Date

/** A timestamptz in whatever time zone the connection has. */
export const readTime = (text: string): Date => parseTimestamptz(text)

/** `2026-01-01 12:00:00.1234+00` as toISOString() writes it: digits behind the millisecond are cut off. */
export function toIsoTime(text: string): string {
  if (!UTC.test(text)) return readTime(text).toISOString()
  const milliseconds = text.slice(20, -3).slice(0, 3).padEnd(3, '0')
  return `${text.slice(0, 10)}T${text.slice(11, 19)}.${milliseconds}Z`
}

const UTC = /^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(\.\d+)?\+00$/
