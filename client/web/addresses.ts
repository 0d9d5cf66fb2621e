// Splits pasted text into addresses. The service decides; this marks what cannot be an address before sending.

export interface PastedAddress {
  /** As sent: the address alone where one was found, else the piece as pasted. */
  email: string
  isValid: boolean
  /** From a CSV column of that name. */
  role?: string
}

const LOCAL_PART = /^[a-z0-9!#$%&'*+/=?^_`{|}~-]+(\.[a-z0-9!#$%&'*+/=?^_`{|}~-]+)*$/i
const DOMAIN = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*$/i

/** Whether `text` can be an e-mail address (RFC 5321's dot-string; the domain may be in any script). */
export function isAddress(text: string): boolean {
  const at = text.lastIndexOf('@')
  if (at < 1 || text.length > 254) return false
  const domain = asciiDomain(text.slice(at + 1))
  return at <= 64 && domain.length <= 253 && LOCAL_PART.test(text.slice(0, at)) && DOMAIN.test(domain)
}

function asciiDomain(domain: string): string {
  if (/^[\x00-\x7f]*$/.test(domain)) return domain
  return URL.canParse(`http://${domain}`) ? new URL(`http://${domain}`).hostname : ''
}

/**
 * Commas, semicolons, white space and new lines separate addresses; `Name <a@b>` and `"Doe, Jane" <jane@b>` yield only
 * the address. Duplicates in any letter case collapse into the first.
 * @returns `'Ada <ada@a.test>; bob@b.test, nonsense'` -> ada@a.test, bob@b.test, and `nonsense` marked as not valid
 */
export function splitAddresses(text: string): PastedAddress[] {
  return withoutDuplicates(splitPieces(text).flatMap(readPiece))
}

/** Commas, semicolons and new lines separate pieces, except within quotes. */
const splitPieces = (text: string) =>
  text.replace(INVISIBLE, '').match(/(?:"[^"\r\n]*"|[^,;，；、\r\n\u2028\u2029"]|")+/g) ?? []
/** Zero-width characters, which web pages and word processors put next to addresses. */
const INVISIBLE = /[\u200b-\u200f\u2060\ufeff]/g

/** Text before an address in angle brackets is a name, unless it is an address itself. */
function readPiece(piece: string): PastedAddress[] {
  const parts = [...piece.matchAll(/([^<>]*)<([^<>]*)>/g)]
  if (parts.length === 0) return wordsOf(piece).map(toAddress)
  const bracketed = parts.flatMap(([, name, inner]) => [
    ...wordsOf(name!).filter(isAddress).map(toAddress),
    toAddress(inner!.trim())
  ])
  return [...bracketed, ...wordsOf(piece.slice(piece.lastIndexOf('>') + 1)).map(toAddress)]
}

const wordsOf = (text: string) =>
  text
    .split(/\s+/)
    .map((word) => word.replace(/^mailto:|^["'(]+|["')]+$/gi, ''))
    .filter(Boolean)

const toAddress = (email: string): PastedAddress => ({ email, isValid: isAddress(email) })

export function withoutDuplicates<T extends { email: string }>(addresses: T[]): T[] {
  const seen = new Set<string>()
  return addresses.filter(({ email }) => {
    const key = email.toLowerCase()
    if (seen.has(key)) return false
    seen.add(key)
    return true
  })
}

/**
 * The addresses of a CSV file: those in its column `email` (`e-mail`, `mail`, `address`), with the role from its column
 * `role`. Without such a header, every address found anywhere in it.
 */
export function readCsv(text: string): PastedAddress[] {
  const rows = parseCsv(text.replace(/^\uFEFF/, ''))
  const header = rows[0]?.map((cell) => cell.trim().toLowerCase()) ?? []
  const emailColumn = header.findIndex((name) => /^(e-?mail|mail|address)( ?address)?$/.test(name))
  if (emailColumn < 0) {
    const cells = rows.flat().flatMap(readPiece)
    return withoutDuplicates(cells.filter(({ isValid }) => isValid))
  }
  const roleColumn = header.indexOf('role')
  const found = rows.slice(1).flatMap((row) => {
    const role = row[roleColumn]?.trim().toLowerCase()
    return readPiece(row[emailColumn] ?? '').map((address) => (role ? { ...address, role } : address))
  })
  return withoutDuplicates(found)
}

/** RFC 4180, with commas, semicolons or tabs between cells: whichever is most frequent in the first line. */
function parseCsv(text: string): string[][] {
  const firstLine = text.split(/\r?\n/, 1)[0] ?? ''
  const count = (separator: string) => firstLine.split(separator).length
  const separator = [',', ';', '\t'].reduce((best, other) => (count(other) > count(best) ? other : best))
  const rows: string[][] = [[]]
  let cell = ''
  let isQuoted = false
  for (let i = 0; i < text.length; i++) {
    const char = text[i]!
    if (isQuoted) {
      if (char !== '"') cell += char
      else if (text[i + 1] === '"') cell += text[++i]
      else isQuoted = false
    } else if (char === '"' && cell === '') {
      isQuoted = true
    } else if (char === separator || char === '\n') {
      rows.at(-1)!.push(cell.replace(/\r$/, ''))
      cell = ''
      if (char === '\n') rows.push([])
    } else {
      cell += char
    }
  }
  rows.at(-1)!.push(cell)
  return rows
}
