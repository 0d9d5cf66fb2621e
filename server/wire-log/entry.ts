// An exchange as it happened, and as it is stored.
import type { ActorKind } from '../../db/schema.ts'

/** What is known of an answered request. */
export interface Exchange {
  readonly tenantId: number
  /** Whether it went to a shadow, and changed nothing of the tenant. */
  readonly isShadow: boolean
  readonly requestId: string
  readonly at: Date
  readonly durationMs: number
  readonly method: string
  /** As received, starting at the root. */
  readonly url: string
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
  readonly ip: string | null
  readonly connectionId: string | null
  /** The name of the connection, or of another caller; null where unknown. */
  readonly name: string | null
  readonly kind: ActorKind | null
  readonly status: number
  /** Parsed JSON; undefined where there was none, or it could not be read. */
  readonly requestBody: unknown
  /** The text that it was parsed from, if known. */
  readonly requestText: string | undefined
  /** JSON text, or its bytes. */
  readonly responseBody: string | Buffer | undefined
  readonly leniences: readonly AppliedLenience[]
  /** Why the request was refused. */
  readonly error: { readonly reason: string; readonly scimType: string | undefined } | undefined
  /** Attributes that no answer includes; see secretNames. */
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
  /** Only those that affect the answer or identify the caller. */
  readonly headers: Readonly<Record<string, string>>
  readonly ip: string | null
  readonly connectionId: string | null
  readonly name: string | null
  readonly kind: ActorKind | null
  readonly status: number
  /** Absent where it went to the tenant itself. */
  readonly shadow?: true
  readonly request?: unknown
  /** The approximate length of the whole body in characters, where it was cut. */
  readonly requestCut?: number
  readonly response?: unknown
  readonly responseCut?: number
  readonly leniences?: readonly AppliedLenience[]
  readonly error?: { readonly reason: string; readonly scimType?: string }
  /** Users and groups that the exchange names. */
  readonly resourceIds: readonly string[]
}

const BEFORE_RESPONSE = ',"response":'

/**
 * @param line see encode.ts. In a line of an older version the answer may no longer be JSON, since secrets were removed
 *   wherever they occurred: it is returned as text
 */
export function parseEntry(line: string): WireEntry {
  const whole = tryToParse(line)
  if (whole) return whole
  for (let at = line.indexOf(BEFORE_RESPONSE); at !== -1; at = line.indexOf(BEFORE_RESPONSE, at + 1)) {
    const head = tryToParse(`${line.slice(0, at)}}`)
    if (head) return { ...head, response: line.slice(at + BEFORE_RESPONSE.length, -1) }
  }
  throw new Error('A line of the wire log is no JSON')
}

function tryToParse(text: string): WireEntry | undefined {
  try {
    return JSON.parse(text) as WireEntry
  } catch {
    return undefined
  }
}
