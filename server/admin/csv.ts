// CSV as spreadsheets read it (RFC 4180), with cells that none of them takes for a formula.

export type CsvCell = string | null

export const toCsv = (head: readonly string[], lines: readonly (readonly CsvCell[])[]): string =>
  [head, ...lines].map((cells) => `${cells.map(csvCell).join(',')}\r\n`).join('')

function csvCell(value: CsvCell): string {
  if (value === null) return ''
  // a quote in front makes it text: names and addresses come from people, and `=HYPERLINK(…)` would run on opening
  const text = /^[=+\-@\t\r\n＝＋－＠]/.test(value) ? `'${value}` : value
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text
}
