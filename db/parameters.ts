// Values as text, as PostgreSQL reads them: what `pg` does for any value, for those that statements here take, and quicker.

/** @param value null, text, a number, a boolean, a time, or an array of those */
export function toParameter(value: unknown): string | null {
  if (value === null || value === undefined) return null
  if (typeof value === 'string') return value
  if (value instanceof Date) return value.toISOString()
  return Array.isArray(value) ? `{${value.map(toElement).join(',')}}` : String(value)
}

function toElement(value: unknown): string {
  const text = toParameter(value)
  if (text === null) return 'NULL'
  return typeof value === 'string' ? `"${NEEDS_ESCAPE.test(text) ? text.replace(ESCAPED, '\\$&') : text}"` : text
}

const NEEDS_ESCAPE = /["\\]/
const ESCAPED = /["\\]/g
