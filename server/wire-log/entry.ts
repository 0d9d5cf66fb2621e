// One exchange as it is kept: made from what was noted, one line of JSON, and read again.
import { promisify } from 'node:util'
import { constants as zlib, zstdCompress, zstdDecompress } from 'node:zlib'
import type { ActorKind } from '../../db/schema.ts'
import { redactAnswer, redactBody, redactUrl, withoutTokens } from './redact.ts'

/** What was noted while the request was answered; everything that costs time is done when it is written. */
export interface Exchange {
  readonly tenantId: number
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
  /** JSON text. */
  readonly responseBody: string | undefined
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
  readonly request?: unknown
  /** Characters of the whole body, where it was cut. */
  readonly requestCut?: number
  readonly response?: unknown
  readonly responseCut?: number
  readonly leniences?: readonly AppliedLenience[]
  readonly error?: { readonly reason: string; readonly scimType?: string }
  /** Users and groups that the exchange names. */
  readonly resourceIds: readonly string[]
}

/** Characters of a body that are kept. */
export const MAX_BODY_LENGTH = 65_536
const MAX_URL_LENGTH = 8_192
const MAX_HEADER_LENGTH = 500
const MAX_IDS = 1_000
const KEPT_HEADERS = ['content-type', 'user-agent', 'if-match', 'if-none-match'] as const
const ID = /[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/g
const OWN_ID = /"id":"([0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})"/g

export interface EncodedEntry {
  /** JSON text without a line break. */
  readonly line: string
  readonly resourceIds: readonly string[]
}

/** What is kept of an exchange, without passwords and tokens. */
export function encodeEntry(exchange: Exchange): EncodedEntry {
  const { requestBody } = exchange
  const sent = requestBody === undefined ? undefined : redactBody(requestBody, exchange.secretNames)
  const answered = exchange.responseBody && redactAnswer(exchange.responseBody, sent?.secrets ?? [])
  const url = redactUrl(exchange.url).slice(0, MAX_URL_LENGTH)
  const resourceIds = idsOf(url, sent?.text, answered)
  const facts = JSON.stringify({
    requestId: exchange.requestId,
    at: exchange.at.getTime(),
    durationMs: Math.round(exchange.durationMs * 100) / 100,
    method: exchange.method,
    url,
    headers: headersOf(exchange.headers),
    ip: exchange.ip,
    connectionId: exchange.connectionId,
    name: exchange.name,
    kind: exchange.kind,
    status: exchange.status,
    leniences: exchange.leniences.length > 0 ? exchange.leniences : undefined,
    error: exchange.error,
    resourceIds
  })
  const bodies = bodyMember('request', sent?.text) + bodyMember('response', answered)
  return { line: withoutTokens(`${facts.slice(0, -1)}${bodies}}`), resourceIds }
}

/** Bodies are JSON text already: they become members as they are, unless they are cut. */
function bodyMember(name: 'request' | 'response', text: string | undefined): string {
  if (!text) return ''
  if (text.length <= MAX_BODY_LENGTH && !text.includes('\n')) return `,"${name}":${text}`
  // half of a surrogate pair may be left at the end
  const kept = text.slice(0, MAX_BODY_LENGTH).toWellFormed()
  const cut = text.length > MAX_BODY_LENGTH ? `,"${name}Cut":${text.length}` : ''
  return `,"${name}":${JSON.stringify(kept)}${cut}`
}

/** Of the path, of all that the request names, and of the resources answered. */
function idsOf(url: string, request: string | undefined, response: string | undefined): string[] {
  const ids = new Set<string>()
  for (const [id] of url.matchAll(ID)) ids.add(id)
  for (const [id] of request?.matchAll(ID) ?? []) {
    if (ids.size >= MAX_IDS) break
    ids.add(id)
  }
  if (response && response.length <= MAX_BODY_LENGTH) {
    for (const [, id] of response.matchAll(OWN_ID)) {
      if (ids.size >= MAX_IDS) break
      ids.add(id!)
    }
  }
  return [...ids]
}

function headersOf(headers: Exchange['headers']): Record<string, string> {
  const kept: Record<string, string> = {}
  for (const name of KEPT_HEADERS) {
    const value = headers[name]
    if (value !== undefined) kept[name] = String(value).slice(0, MAX_HEADER_LENGTH)
  }
  return kept
}

const compress = promisify(zstdCompress)
const decompress = promisify(zstdDecompress)
/** Twice as fast as the usual level, and hardly larger for what repeats itself so much. */
const LEVEL = 1

export const packEntries = (lines: readonly string[]): Promise<Buffer> =>
  compress(Buffer.from(lines.join('\n')), { params: { [zlib.ZSTD_c_compressionLevel]: LEVEL } })

/** In the order in which they were packed. */
export async function unpackEntries(packed: Buffer): Promise<WireEntry[]> {
  const text = (await decompress(packed)).toString('utf8')
  return text.split('\n').map((line) => JSON.parse(line) as WireEntry)
}
