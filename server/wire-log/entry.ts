// One exchange as it is kept: one line of JSON, made while the request is answered, so that nothing of the request has
// to be remembered beside it; a garbage collector that meets it again later costs more than writing it.
import { promisify } from 'node:util'
import { constants as zlib, zstdCompress, zstdDecompress } from 'node:zlib'
import type { ActorKind } from '../../db/schema.ts'
import { redactAnswer, redactBody, redactUrl, withoutTokens } from './redact.ts'

/** What is known of a request that has been answered. */
export interface Exchange {
  readonly tenantId: number
  /** Whether a shadow was asked, and nothing of the tenant's changed. */
  readonly isShadow: boolean
  readonly requestId: string
  readonly at: Date
  readonly durationMs: number
  readonly method: string
  /** As received, from the root on. */
  readonly url: string
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
  readonly ip: string | null
  readonly connectionId: string | null
  /** Of the connection, or whoever else asked; null where nobody knows. */
  readonly name: string | null
  readonly kind: ActorKind | null
  readonly status: number
  /** Parsed JSON; undefined where there was none, or none that could be read. */
  readonly requestBody: unknown
  /** JSON text, or its bytes. */
  readonly responseBody: string | Buffer | undefined
  readonly leniences: readonly AppliedLenience[]
  /** Why it was refused. */
  readonly error: { readonly reason: string; readonly scimType: string | undefined } | undefined
  /** Attributes that no answer shows; see secretNames. */
  readonly secretNames: ReadonlySet<string>
}

export interface AppliedLenience {
  readonly lenience: string
  /** Paths of attributes. */
  readonly where: readonly string[]
}

/** An exchange as it is stored. Bodies are JSON values, or text where they were cut. */
export interface WireEntry {
  readonly requestId: string
  /** Milliseconds since 1970. */
  readonly at: number
  readonly durationMs: number
  readonly method: string
  readonly url: string
  /** Those alone that change what is answered, or tell who asks. */
  readonly headers: Readonly<Record<string, string>>
  readonly ip: string | null
  readonly connectionId: string | null
  readonly name: string | null
  readonly kind: ActorKind | null
  readonly status: number
  /** Left out where the tenant itself was asked. */
  readonly shadow?: true
  readonly request?: unknown
  /** About how many characters the whole body has, where it was cut. */
  readonly requestCut?: number
  readonly response?: unknown
  readonly responseCut?: number
  readonly leniences?: readonly AppliedLenience[]
  readonly error?: { readonly reason: string; readonly scimType?: string }
  /** Users and groups that the exchange names. */
  readonly resourceIds: readonly string[]
}

/** Characters (or bytes, where we have those) of a body that are kept. */
export const MAX_BODY_LENGTH = 65_536
/** The same of what was read alone: a page of a list says in its beginning what there is to learn from it. */
export const MAX_READ_LENGTH = 4_096
const MAX_URL_LENGTH = 8_192
const MAX_HEADER_LENGTH = 500
const MAX_IDS = 1_000
const KEPT_HEADERS = ['content-type', 'user-agent', 'if-match', 'if-none-match'] as const
const UUID = '[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}'
const ID = new RegExp(`(${UUID})`, 'g')
const LAST_ID = new RegExp(`/(${UUID})$`)
const RESOURCE_ID = new RegExp(`"id":"(${UUID})"`, 'g')

/** The line and numbers: whatever else would be kept until it is written would be copied by the collector until then. */
export interface EncodedEntry {
  /** JSON text, ended by a line break; begins with the ids, see requestIdOf and resourceIdsOf. */
  readonly line: string
  readonly atMs: number
  readonly status: number
  readonly connectionId: string | null
  /** How many resources the exchange names. */
  readonly resources: number
}

const BEFORE_REQUEST_ID = '{"requestId":"'
const BEFORE_RESOURCE_IDS = '","resourceIds":['
const ID_LENGTH = 36
/** With quotes and a comma. */
const ID_STEP = ID_LENGTH + 3

/** @param line as it was encoded, from `start` on */
export const requestIdOf = (line: Buffer, start: number): string => idAt(line, start + BEFORE_REQUEST_ID.length)

/** @param resources of the entry */
export function resourceIdsOf(line: Buffer, start: number, resources: number): string[] {
  const first = start + BEFORE_REQUEST_ID.length + ID_LENGTH + BEFORE_RESOURCE_IDS.length + 1
  return Array.from({ length: resources }, (_, index) => idAt(line, first + index * ID_STEP))
}

const idAt = (line: Buffer, at: number) => line.toString('latin1', at, at + ID_LENGTH)

const quote = (value: string | null): string => JSON.stringify(value)
/** What is a word or an id of ours needs no escaping. */
const ours = (value: string | null): string => (value === null ? 'null' : `"${value}"`)

/** What is kept of an exchange, without passwords and tokens. Put together by hand: it is done for every request. */
export function encodeEntry(exchange: Exchange): EncodedEntry {
  const { requestId, requestBody, status, connectionId, leniences, error } = exchange
  const maxLength = exchange.method === 'GET' ? MAX_READ_LENGTH : MAX_BODY_LENGTH
  const response = responseOf(exchange, maxLength)
  const sent = requestBody === undefined ? undefined : keepable(requestBody, exchange.secretNames)
  const answered = response && (sent ? sent.clean(response.text) : response.text)
  const url = redactUrl(exchange.url).slice(0, MAX_URL_LENGTH)
  const resourceIds = idsOf(url, sent?.text, answered)
  const atMs = exchange.at.getTime()
  const durationMs = Math.round(exchange.durationMs * 100) / 100
  const line =
    `${BEFORE_REQUEST_ID}${requestId}${BEFORE_RESOURCE_IDS}${resourceIds.map(ours).join(',')}]` +
    `,"at":${atMs},"durationMs":${durationMs},"method":"${exchange.method}"` +
    `,"url":${quote(url)},"headers":${headersText(exchange.headers)},"ip":${quote(exchange.ip)}` +
    `,"connectionId":${ours(connectionId)},"name":${quote(exchange.name)},"kind":${ours(exchange.kind)}` +
    `,"status":${status}` +
    (exchange.isShadow ? ',"shadow":true' : '') +
    (leniences.length > 0 ? `,"leniences":${JSON.stringify(leniences)}` : '') +
    (error ? `,"error":${JSON.stringify(error)}` : '') +
    bodyMember('request', sent?.text, sent?.text.length, MAX_BODY_LENGTH) +
    bodyMember('response', answered, response?.length, maxLength) +
    '}\n'
  return { line: withoutTokens(line), atMs, status, connectionId, resources: resourceIds.length }
}

/** A body as it is kept, and what takes its secrets out of the answer. */
function keepable(
  body: unknown,
  names: ReadonlySet<string>
): { text: string; clean(answer: string): string | undefined } {
  try {
    const { text, secrets } = redactBody(body, names)
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

/**
 * Bodies are JSON text already: they become members as they are, unless they are cut.
 * @param length of the whole
 */
function bodyMember(name: 'request' | 'response', text: string | undefined, length = 0, maxLength: number): string {
  if (!text) return ''
  if (length <= maxLength && !text.includes('\n')) return `,"${name}":${text}`
  // half of a surrogate pair may be left at the end
  const kept = text.slice(0, maxLength).toWellFormed()
  const cut = length > maxLength ? `,"${name}Cut":${length}` : ''
  return `,"${name}":${JSON.stringify(kept)}${cut}`
}

/** Of the path, of the members that the request names, and of the resources answered where the path names none. */
function idsOf(url: string, request: string | undefined, response: string | undefined): string[] {
  const ids = new Set<string>()
  const [path] = url.split('?', 1)
  const own = LAST_ID.exec(path!)?.[1]
  if (own) ids.add(own)
  // other requests name nobody else, or a manager at most
  if (request && (request.includes('embers') || request.includes('"Operations"'))) collectIds(request, ID, ids)
  if (!own && response && response.length <= MAX_BODY_LENGTH) collectIds(response, RESOURCE_ID, ids)
  return [...ids]
}

function collectIds(text: string, pattern: RegExp, ids: Set<string>): void {
  for (const match of text.matchAll(pattern)) {
    if (ids.size >= MAX_IDS) return
    ids.add(match[1]!)
  }
}

function headersText(headers: Exchange['headers']): string {
  let text = ''
  for (const name of KEPT_HEADERS) {
    const value = headers[name]
    if (value !== undefined) text += `${text && ','}"${name}":${quote(String(value).slice(0, MAX_HEADER_LENGTH))}`
  }
  return `{${text}}`
}

const compress = promisify(zstdCompress)
const decompress = promisify(zstdDecompress)
/** Faster than the usual level, and hardly larger for what repeats itself so much. */
const LEVEL = 1
/** Mostly enough for the whole: each chunk is a walk to another thread and back. */
const CHUNK_BYTES = 65_536

/** @param lines in UTF-8; left alone until they are packed */
export const packLines = (lines: Buffer): Promise<Buffer> =>
  compress(lines, { params: { [zlib.ZSTD_c_compressionLevel]: LEVEL }, chunkSize: CHUNK_BYTES })

/** One line for each entry, in the order in which they were packed. */
export async function unpackLines(packed: Buffer): Promise<string[]> {
  // the last line is ended, too
  return (await decompress(packed)).toString('utf8').split('\n').slice(0, -1)
}

export const parseEntry = (line: string): WireEntry => JSON.parse(line) as WireEntry
