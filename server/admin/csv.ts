// CSV as spreadsheets read it (RFC 4180), with cells that none of them takes for a formula.
import { stringify } from 'csv-stringify/sync'

type CsvCell = string | null

/** Ends each line. Names and addresses come from people: unescaped, a cell such as `=HYPERLINK(…)` would run. */
export const toCsv = (lines: readonly (readonly CsvCell[])[]): string =>
  stringify(lines as CsvCell[][], { escape_formulas: true, record_delimiter: 'windows', quoted_match: /[\r\n]/ })
