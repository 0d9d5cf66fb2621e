// What is known of an exchange, and what is kept of it.
import type { ActorKind } from '../../db/schema.ts'

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
  /** What that was parsed from, where that is known. */
  readonly requestText: string | undefined
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

const BEFORE_RESPONSE = ',"response":'

/**
 * @param line see encode.ts; one of an older version may hold an answer that is no JSON any more, since secrets were taken
 *   out of it wherever they stood: it is given as text
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
