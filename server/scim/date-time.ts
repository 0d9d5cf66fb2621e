// dateTime values (RFC 7643 §2.3.5): xsd:dateTime as instants with millisecond precision.

/**
 * What counts as a dateTime: years 0001 to 9999, existing days, no leap second, an optional offset (default UTC).
 * PostgreSQL reads the same expression (filter/sql-scope.ts), so it uses only what both engines support.
 */
export const DATE_TIME_PATTERN = (() => {
  const year = '(?!0000)[0-9]{4}'
  const leapYear = '(?!0000)([0-9]{2}(0[48]|[2468][048]|[13579][26])|([02468][048]|[13579][26])00)'
  const date = `(${year}-((0[13578]|1[02])-31|(0[13-9]|1[0-2])-(29|30)|(0[1-9]|1[0-2])-(0[1-9]|1[0-9]|2[0-8]))|${leapYear}-02-29)`
  const time = '([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]([.][0-9]+)?'
  const offset = '(Z|[+-]((0[0-9]|1[0-3]):[0-5][0-9]|14:00))?'
  return `^${date}T${time}${offset}$`
})()

const DATE_TIME = new RegExp(DATE_TIME_PATTERN)
const PARTS = /^(.{19})([.]\d+)?(.*)$/

/** @returns milliseconds since 1970, further digits cut off; undefined for text that is no dateTime */
export function parseDateTime(text: string): number | undefined {
  if (!DATE_TIME.test(text)) return undefined
  const [, seconds = '', fraction = '', offset = ''] = PARTS.exec(text) ?? []
  return Date.parse(`${seconds}${fraction.slice(0, 4)}${offset || 'Z'}`)
}
