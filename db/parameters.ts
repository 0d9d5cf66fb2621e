// Values as the text that PostgreSQL reads: faster than pg's own conversion, and only for the types used here.

/** A value as it is sent: text, or raw bytes. */
export type Parameter = string | Buffer | null

/** @param value null, bytes, text, a number, a boolean, a time, or an array of these except bytes */
export function toParameter(value: unknown): Parameter {
  if (Buffer.isBuffer(value)) return value
  return toText(value)
}

function toText(value: unknown): string | null {
  if (value === null || value === undefined) return null
  if (typeof value === 'string') return value
  if (value instanceof Date) return value.toISOString()
  return Array.isArray(value) ? `{${value.map(toElement).join(',')}}` : String(value)
}

function toElement(value: unknown): string {
  const text = toText(value)
  if (text === null) return 'NULL'
  return typeof value === 'string' ? `"${NEEDS_ESCAPE.test(text) ? text.replace(ESCAPED, '\\$&') : text}"` : text
}

const NEEDS_ESCAPE = /["\\]/
const ESCAPED = /["\\]/g
