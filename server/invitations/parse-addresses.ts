// Reads what people paste into a field for addresses: lists from spreadsheets, mail programs and chats.
//
// Not a parser of header fields (RFC 5322 §3.4): those know no list separated by lines or blanks, and one unclosed
// quote swallows everything behind it, whereas here one bad address spoils no other.
import { addressKey, parseAddress } from '../provisioning/address.ts'

export interface PastedAddress {
  /** The address, or the text that is no address. */
  text: string
  /** The address in the form in which two are the same; undefined where `text` is no address. */
  key: string | undefined
}

/** Longer texts that are no address are cut for display. */
const MAX_SHOWN_LENGTH = 320
const SEPARATORS = new Set([',', ';', '，', '；', '、'])
const LINE_BREAKS = new Set(['\n', '\r', '\u2028', '\u2029'])
/** `Bcc: …`: nobody pastes that into a list of addresses; it is an injected header. */
const HEADER = /^\s*(?!mailto:)[\w-]+[ \t]*:/i
const HEADER_LENGTH = 80
const CONTROLS = /[\u0000-\u0008\u000e-\u001f\u007f-\u009f]/
/** Marks without a width, which web pages and word processors put beside an address. */
const INVISIBLE = /[\u200b-\u200f\u2060\ufeff]/g

/**
 * Separators are commas, semicolons, lines and, between addresses, blanks; `Ben <ben@x.test>`, `"Miller, Ben"
 * <ben@x.test>` and `mailto:` are understood. Reads only as far as it is asked, in linear time.
 * @returns at least one entry, in the order of the text; an address as often as it occurs
 */
export function* parseAddresses(text: string): Generator<PastedAddress> {
  let isEmpty = true
  for (const entry of splitEntries(text.replace(INVISIBLE, ''))) {
    isEmpty = false
    yield* readEntry(entry)
  }
  if (isEmpty) yield noAddress(text)
}

const noAddress = (text: string): PastedAddress => ({ text: text.trim().slice(0, MAX_SHOWN_LENGTH), key: undefined })

/** Cuts at separators outside of quotes. A line that looks like a header stays with the one before it. */
function* splitEntries(text: string): Generator<string> {
  let begin = 0
  let at = 0
  while (at < text.length) {
    const character = text[at]!
    const isLineBreak = LINE_BREAKS.has(character)
    const next = isLineBreak ? endOfLineBreaks(text, at) : at + 1
    if (SEPARATORS.has(character) || (isLineBreak && !HEADER.test(text.slice(next, next + HEADER_LENGTH)))) {
      yield* entryOf(text, begin, at)
      begin = next
    }
    at = character === '"' ? endOfQuote(text, at) + 1 : next
  }
  yield* entryOf(text, begin, text.length)
}

function* entryOf(text: string, begin: number, end: number): Generator<string> {
  const entry = text.slice(begin, end).trim()
  if (entry !== '') yield entry
}

function endOfLineBreaks(text: string, at: number): number {
  let end = at
  while (end < text.length && LINE_BREAKS.has(text[end]!)) end++
  return end
}

/** Where the quote that opens at `at` ends: at the next one on the same line; without one nothing is quoted. */
function endOfQuote(text: string, at: number): number {
  for (let end = at + 1; end < text.length && !LINE_BREAKS.has(text[end]!); end++) {
    if (text[end] === '"') return end
  }
  return at
}

/** One entry: what is in angle brackets, whatever is around it; without any, the cells that hold addresses. */
function readEntry(entry: string): PastedAddress[] {
  if (CONTROLS.test(entry) || HEADER.test(entry) || /[\r\n\u2028\u2029]/.test(entry)) return [noAddress(entry)]
  const bracketed = [...entry.matchAll(/<([^<>]*)>/g)].map(([, inner]) => inner!)
  if (bracketed.length > 0) return bracketed.map((inner) => readAddress(inner.trim() === '' ? entry : inner))
  // columns of a spreadsheet: those beside the addresses hold names
  const cells = entry.split('\t').filter((cell) => cell.includes('@'))
  return cells.length > 0 ? cells.flatMap(readCell) : [noAddress(entry)]
}

/** Addresses with blanks between; with any other word it is no address: `ben miller@x.test` is not `miller@x.test`. */
function readCell(cell: string): PastedAddress[] {
  const words = cell.trim().split(/\s+/)
  return words.every((word) => word.includes('@')) ? words.map(readAddress) : [noAddress(cell)]
}

function readAddress(text: string): PastedAddress {
  const bare = text.trim().replace(/^mailto:/i, '')
  const unquoted = /^(["'])(.+)\1$/.exec(bare)?.[2] ?? bare
  const address = parseAddress(unquoted)
  return address === undefined ? noAddress(text) : { text: address, key: addressKey(address) }
}
