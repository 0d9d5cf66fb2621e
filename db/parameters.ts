// Values as text, as PostgreSQL reads them: what `pg` does for any value, for those that statements here take, and quicker.

/** A value as it is sent: text, or bytes as they are. */
export type Parameter = string | Buffer | null

/** @param value null, bytes, text, a number, a boolean, a time, or an array of those but bytes */
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
