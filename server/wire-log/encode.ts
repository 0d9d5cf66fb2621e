// One exchange as it is kept: one line of JSON, made while the request is answered, so that nothing of the request has
// to be remembered beside it; a garbage collector that meets it again later costs more than writing it.
import { ID_LENGTH, isIdAt } from '../../db/ids.ts'
import type { Exchange } from './entry.ts'
import { redactAnswer, redactBody, redactUrl, withoutTokens } from './redact.ts'

/** Characters (or bytes, where we have those) of a body that are kept. */
const MAX_BODY_LENGTH = 65_536
/** The same of what was read alone: a page of a list says in its beginning what there is to learn from it. */
const MAX_READ_LENGTH = 4_096
const MAX_URL_LENGTH = 8_192
const MAX_HEADER_LENGTH = 500
const MAX_IDS = 1_000
const KEPT_HEADERS = ['content-type', 'user-agent', 'if-match', 'if-none-match'] as const
/** A POST to one of them makes one resource. */
const COLLECTION = /\/(Users|Groups)$/

/** Texts and numbers: whatever else would be kept until it is written would be copied by the collector until then. */
export interface EncodedEntry {
  /** JSON up to the value of the answer's body, or to the end; begins with the ids, see requestIdAt and resourceIdAt. */
  readonly head: string
  /** The answer's body, the last member: beside the rest, since a text of both would be one more copy of it. */
  readonly body: string
  readonly atMs: number
  readonly status: number
  readonly connectionId: string | null
  /** How many resources the exchange names. */
  readonly resources: number
}

const BEFORE_REQUEST_ID = '{"requestId":"'
const BEFORE_RESOURCE_IDS = '","resourceIds":['
/** With quotes and a comma. */
const ID_STEP = ID_LENGTH + 3

/** Where the id of the request stands in a line that begins at `start`. */
export const requestIdAt = (start: number): number => start + BEFORE_REQUEST_ID.length

/** Where the id of a resource stands, of those that the line names. */
export const resourceIdAt = (start: number, index: number): number =>
  start + BEFORE_REQUEST_ID.length + ID_LENGTH + BEFORE_RESOURCE_IDS.length + 1 + index * ID_STEP

const quote = (value: string | null): string => JSON.stringify(value)
/** What is a word or an id of ours needs no escaping. */
const ours = (value: string | null): string => (value === null ? 'null' : `"${value}"`)

/** What is kept of an exchange, without passwords and tokens. Put together by hand: it is done for every request. */
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

/** Thousands come in one millisecond's neighbourhood, and to write what is no small integer takes V8 as long as a line. */
function timeText(ms: number): string {
  if (ms !== lastTime.ms) {
    lastTime.ms = ms
    lastTime.text = String(ms)
  }
  return lastTime.text
}

/** With two decimal places, put together from small integers. */
function hundredthsText(value: number): string {
  const hundredths = Math.round(value * 100)
  const rest = hundredths % 100
  return `${Math.floor(hundredths / 100)}.${rest < 10 ? '0' : ''}${rest}`
}

/** A body as it is kept, and what takes its secrets out of the answer. */
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
    // nested a hundred thousand times: nobody has looked for secrets in it, which the answer may quote
    return { text: quote('nested too deeply to be kept'), clean: () => undefined }
  }
}

/** As text, of which the rest is not needed where it will be cut, and how long it is as a whole. */
function responseOf({ responseBody }: Exchange, maxLength: number): { text: string; length: number } | undefined {
  if (responseBody === undefined) return undefined
  const { length } = responseBody
  if (typeof responseBody !== 'string') return { text: responseBody.toString('utf8', 0, maxLength), length }
  // a secret of the request's is taken out before it is cut
  return { text: responseBody, length }
}

/** A member of a line: what comes before its value, and that. */
interface Member {
  readonly name: string
  readonly value: string
}

/**
 * Bodies are JSON text already: they become members as they are, unless they are cut.
 * @param length of the whole
 */
function memberOf(name: 'request' | 'response', text: string, length: number, maxLength: number): Member {
  if (length <= maxLength && !text.includes('\n')) return { name: `,"${name}":`, value: text }
  // half of a surrogate pair may be left at the end
  const kept = text.slice(0, maxLength).toWellFormed()
  const cut = length > maxLength ? `,"${name}Cut":${length}` : ''
  return { name: `${cut},"${name}":`, value: JSON.stringify(kept) }
}

/** Of the path, of what was answered where the path names nobody, and of whom the request names. */
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
  // other requests name nobody else, or a manager at most
  const mayName = request !== undefined && !(isMaking && path.endsWith('/Users'))
  const names = mayName && (request.includes('embers') || request.includes('"Operations"')) ? request : undefined
  if (own && !names) return [own]
  const ids = new Set<string>(own ? [own] : [])
  // what was made comes first: a request can name more than are kept
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

/** What an id is found by, and how far from its beginning the id begins. */
interface Mark {
  readonly text: string
  readonly offset: number
}
const before = (text: string): Mark => ({ text, offset: text.length })
const AS_ID = before('"id":"')
/** An answer to /Bulk repeats bulkIds, which may be uuids, too. */
const IN_LOCATIONS = [before('/Users/'), before('/Groups/')]
/** By its first dash, which is rare beside what else an id begins with. */
const ANYWHERE: Mark = { text: '-', offset: -8 }

/** Adds the ids that a text holds, until there are so many. */
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

/** Members of who asked, with what. An identity provider's requests come one after the other and are alike in it. */
function askerOf({ headers, ip, connectionId, name, kind }: Exchange): string {
  const asker = { ip, connectionId, name, kind }
  if (!isSameAsker(asker, last.asker) || !KEPT_HEADERS.every((header, at) => headers[header] === last.headers[at])) {
    last.asker = asker
    // the rest of them holds a token
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
