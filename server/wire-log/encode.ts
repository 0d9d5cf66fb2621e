// Encodes an exchange as one line of JSON while the request is answered, so that no object of the request must be kept:
// each one that the garbage collector meets again later costs more than writing the line.
import { ID_LENGTH, isIdAt } from '../../db/ids.ts'
import type { Exchange } from './entry.ts'
import { redactAnswer, redactBody, redactUrl, withoutTokens } from './redact.ts'

/** Characters kept of a body (or bytes, where the body is bytes). */
const MAX_BODY_LENGTH = 65_536
/** The same for the answer to a GET: the beginning of a page shows what there is to learn from it. */
const MAX_READ_LENGTH = 4_096
const MAX_URL_LENGTH = 8_192
const MAX_HEADER_LENGTH = 500
const MAX_IDS = 1_000
const KEPT_HEADERS = ['content-type', 'user-agent', 'if-match', 'if-none-match'] as const
/** A POST to one of these creates one resource. */
const COLLECTION = /\/(Users|Groups)$/

/** Only texts and numbers: the garbage collector would copy any other object kept until the line is written. */
export interface EncodedEntry {
  /** JSON up to the value of the answer's body, or the end; begins with the ids (requestIdAt, resourceIdAt). */
  readonly head: string
  /** The answer's body, which is the last member. Kept apart, since joining both texts would copy it once more. */
  readonly body: string
  readonly atMs: number
  readonly status: number
  readonly connectionId: string | null
  /** Number of resources that the exchange names. */
  readonly resources: number
}

const BEFORE_REQUEST_ID = '{"requestId":"'
const BEFORE_RESOURCE_IDS = '","resourceIds":['
/** Including quotes and comma. */
const ID_STEP = ID_LENGTH + 3

/** Where the request's id is, in a line that begins at `start`. */
export const requestIdAt = (start: number): number => start + BEFORE_REQUEST_ID.length

/** Where the id of the line's resource number `index` is. */
export const resourceIdAt = (start: number, index: number): number =>
  start + BEFORE_REQUEST_ID.length + ID_LENGTH + BEFORE_RESOURCE_IDS.length + 1 + index * ID_STEP

const quote = (value: string | null): string => JSON.stringify(value)
/** Our own words and ids need no escaping. */
const ours = (value: string | null): string => (value === null ? 'null' : `"${value}"`)

/** What is kept of an exchange, without passwords and tokens. Built by hand, since this runs for every request. */
export function encodeEntry(exchange: Exchange): EncodedEntry {
  const { requestId, requestBody, requestText, status, connectionId, leniences, error } = exchange
  const maxLength = exchange.method === 'GET' ? MAX_READ_LENGTH : MAX_BODY_LENGTH
  const response = responseOf(exchange, maxLength)
  const sent = requestBody === undefined ? undefined : keepable(requestBody, requestText, exchange.secretNames)
  const answered = response && (sent ? sent.clean(response.text) : response.text)
  const url = redactUrl(exchange.url).slice(0, MAX_URL_LENGTH)
  const ids = idsOf(exchange.method, url, sent?.text, answered)
  const atMs = exchange.at.getTime()
  const request = sent ? memberOf('request', sent.text, sent.text.length, MAX_BODY_LENGTH) : undefined
  const answer = answered ? memberOf('response', answered, response!.length, maxLength) : undefined
  const head =
    `${BEFORE_REQUEST_ID}${requestId}${BEFORE_RESOURCE_IDS}${ids.length === 0 ? '' : `"${ids.join('","')}"`}]` +
    `,"at":${timeText(atMs)},"durationMs":${hundredthsText(exchange.durationMs)},"method":"${exchange.method}"` +
    `,"url":${quote(url)}${askerOf(exchange)},"status":${status}` +
    (exchange.isShadow ? ',"shadow":true' : '') +
    (leniences.length > 0 ? `,"leniences":${JSON.stringify(leniences)}` : '') +
    (error ? `,"error":${JSON.stringify(error)}` : '') +
    (request ? request.name + request.value : '') +
    (answer ? answer.name : '')
  return {
    head: withoutTokens(head),
    body: answer ? withoutTokens(answer.value) : '',
    atMs,
    status,
    connectionId,
    resources: ids.length
  }
}

const lastTime = { ms: Number.NaN, text: '' }

/** Many exchanges share a millisecond, and V8 takes as long to write a large integer as the rest of the line. */
function timeText(ms: number): string {
  if (ms !== lastTime.ms) {
    lastTime.ms = ms
    lastTime.text = String(ms)
  }
  return lastTime.text
}

/** With two decimal places, built from small integers. */
function hundredthsText(value: number): string {
  const hundredths = Math.round(value * 100)
  const rest = hundredths % 100
  return `${Math.floor(hundredths / 100)}.${rest < 10 ? '0' : ''}${rest}`
}

/** A body as kept, and a function that removes its secrets from the answer. */
function keepable(
  body: unknown,
  sent: string | undefined,
  names: ReadonlySet<string>
): { text: string; clean(answer: string): string | undefined } {
  try {
    const { text, secrets } = redactBody(body, sent, names)
    return { text, clean: (answer) => redactAnswer(answer, secrets) }
  } catch (error) {
    if (!(error instanceof RangeError)) throw error
    // nested a hundred thousand levels deep: nobody has looked for secrets in it, and the answer may quote them
    return { text: quote('nested too deeply to be kept'), clean: () => undefined }
  }
}

/** The answer's body as text, cut early where possible, and its whole length. */
function responseOf({ responseBody }: Exchange, maxLength: number): { text: string; length: number } | undefined {
  if (responseBody === undefined) return undefined
  const { length } = responseBody
  if (typeof responseBody !== 'string') return { text: responseBody.toString('utf8', 0, maxLength), length }
  // not cut yet, so that the request's secrets are found in it whole
  return { text: responseBody, length }
}

/** A member of a line: the text before its value, and the value. */
interface Member {
  readonly name: string
  readonly value: string
}

/**
 * Bodies are JSON text already and become members unchanged, unless they are cut.
 * @param length of the whole body
 */
function memberOf(name: 'request' | 'response', text: string, length: number, maxLength: number): Member {
  if (length <= maxLength && !text.includes('\n')) return { name: `,"${name}":`, value: text }
  // a cut may leave half of a surrogate pair at the end
  const kept = text.slice(0, maxLength).toWellFormed()
  const cut = length > maxLength ? `,"${name}Cut":${length}` : ''
  return { name: `${cut},"${name}":`, value: JSON.stringify(kept) }
}

/** The ids in the path, in the answer where the path has none, and in the request. */
function idsOf(
  method: string,
  url: string,
  request: string | undefined,
  response: string | undefined
): readonly string[] {
  const query = url.indexOf('?')
  const path = query === -1 ? url : url.slice(0, query)
  const own = lastIdOf(path)
  const isMaking = method === 'POST' && COLLECTION.test(path)
  const isBulk = path.endsWith('/Bulk')
  // other requests name no further resource, at most a manager
  const mayName = request !== undefined && !(isMaking && path.endsWith('/Users'))
  const names = mayName && (request.includes('embers') || request.includes('"Operations"')) ? request : undefined
  if (own && !names) return [own]
  const ids = new Set<string>(own ? [own] : [])
  // the created resource comes first, since a request may name more than are kept
  if (isMaking) collectIds(response, AS_ID, ids, 1)
  if (isBulk) for (const mark of IN_LOCATIONS) collectIds(response, mark, ids)
  collectIds(names, ANYWHERE, ids)
  const isList = !own && !isMaking && !isBulk
  if (isList && response && response.length <= MAX_BODY_LENGTH) collectIds(response, AS_ID, ids)
  return [...ids]
}

/** The id that a path ends with. */
function lastIdOf(path: string): string | undefined {
  const start = path.length - ID_LENGTH
  return path[start - 1] === '/' && isIdAt(path, start) ? path.slice(start) : undefined
}

/** The text by which to find an id, and the id's offset from it. */
interface Mark {
  readonly text: string
  readonly offset: number
}
const before = (text: string): Mark => ({ text, offset: text.length })
const AS_ID = before('"id":"')
/** An answer to /Bulk repeats bulkIds, which may be UUIDs as well. */
const IN_LOCATIONS = [before('/Users/'), before('/Groups/')]
/** Finds an id by its first dash, which is rarer than the characters before it. */
const ANYWHERE: Mark = { text: '-', offset: -8 }

/** Adds the ids in a text, up to `most`. */
function collectIds(text: string | undefined, { text: mark, offset }: Mark, ids: Set<string>, most = MAX_IDS): void {
  if (text === undefined) return
  for (let at = text.indexOf(mark); at !== -1 && ids.size < most; ) {
    const start = at + offset
    const isFound = isIdAt(text, start)
    if (isFound) ids.add(text.slice(start, start + ID_LENGTH))
    at = text.indexOf(mark, at + (isFound ? ID_LENGTH : 1))
  }
}

type Asker = Pick<Exchange, 'ip' | 'connectionId' | 'name' | 'kind'>

const last: { asker: Asker | undefined; headers: readonly unknown[]; text: string } = {
  asker: undefined,
  headers: [],
  text: ''
}

/** Members about the caller and its headers, cached: an identity provider's consecutive requests share them. */
function askerOf({ headers, ip, connectionId, name, kind }: Exchange): string {
  const asker = { ip, connectionId, name, kind }
  if (!isSameAsker(asker, last.asker) || !KEPT_HEADERS.every((header, at) => headers[header] === last.headers[at])) {
    last.asker = asker
    // keeps only these, since the other headers include the token
    last.headers = KEPT_HEADERS.map((header) => headers[header])
    last.text =
      `,"headers":${headersText(headers)},"ip":${quote(ip)},"connectionId":${ours(connectionId)}` +
      `,"name":${quote(name)},"kind":${ours(kind)}`
  }
  return last.text
}

const isSameAsker = (one: Asker, other: Asker | undefined): boolean =>
  one.connectionId === other?.connectionId && one.ip === other.ip && one.name === other.name && one.kind === other.kind

function headersText(headers: Exchange['headers']): string {
  let text = ''
  for (const name of KEPT_HEADERS) {
    const value = headers[name]
    if (value !== undefined) text += `${text && ','}"${name}":${quote(String(value).slice(0, MAX_HEADER_LENGTH))}`
  }
  return `{${text}}`
}
