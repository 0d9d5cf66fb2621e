// The client of each connection: which statements are prepared under which names, and what is sent in one write.
import { createHash } from 'node:crypto'
import type { Writable } from 'node:stream'
import pg from 'pg'
import { isOutdatedPlan } from './failures.ts'
import { handOverRows } from './sent-rows.ts'
import type { ClientManners } from './tenant-query.ts'
import { type TraceStatement, traced } from './trace.ts'

/** Statement texts kept prepared per connection; further ones (rare filters) are parsed each time. */
const PREPARED_LIMIT = 400

// json goes to clients as it is stored, so parsing it here would be wasted time.
const JSON_OID = 114
export const types = {
  getTypeParser(oid: number, format?: 'text' | 'binary') {
    if (oid === JSON_OID) return (text: string) => text
    return pg.types.getTypeParser(oid, format)
  }
} as pg.CustomTypesConfig

const preparedNames = new Map<string, string>()

/** The name under which a statement's text is prepared, or undefined once there are too many of them. */
export const preparedName = (text: string): string | undefined =>
  preparedNames.has(text) || preparedNames.size < PREPARED_LIMIT ? statementName(text) : undefined

/** The name of a statement that is always prepared. */
export function statementName(text: string): string {
  const known = preparedNames.get(text)
  if (known) return known
  const name = createHash('sha256').update(text).digest('base64url').slice(0, 24)
  preparedNames.set(text, name)
  return name
}

/** The internals of pg's client that are used here; its types leave them out. */
interface ClientInternals {
  readonly connection: Parameters<typeof handOverRows>[0] & { readonly stream: Writable }
  _getActiveQuery(): unknown
}

abstract class MusterClient extends pg.Client {
  abstract readonly manners: ClientManners

  constructor(config?: string | pg.ClientConfig) {
    super(config)
    const internals = this as unknown as ClientInternals
    handOverRows(internals.connection, () => internals._getActiveQuery())
  }

  // biome-ignore lint/suspicious/noExplicitAny: pg's query has a dozen overloads; only Kysely's form is touched
  override query(...args: any[]): any {
    const [text, values] = args
    this.writeTogether()
    if (typeof text !== 'string' || !Array.isArray(values) || values.length === 0) {
      // @ts-expect-error passes every other form through
      return super.query(...args)
    }
    const name = this.manners.prepares ? preparedName(text) : undefined
    const answer = super.query({ name, text, values } as pg.QueryConfig)
    if (name) answer.catch((error) => this.endIfOutdated(error))
    return answer
  }

  /** Closes the connection once a newer version's migration has changed what one of its prepared statements returns. */
  private endIfOutdated(error: unknown): void {
    if (isOutdatedPlan(error)) void this.end()
  }

  /** Sends all queries of one tick in one write: each write is a system call, which costs more than the statement. */
  private writeTogether(): void {
    const { stream } = (this as unknown as ClientInternals).connection
    stream.cork()
    process.nextTick(() => stream.uncork())
  }
}

/** @param trace receives the statements that Kysely sends */
export function clientWith(manners: ClientManners, trace: TraceStatement | undefined): typeof pg.Client {
  class Client extends MusterClient {
    readonly manners = manners
  }
  if (!trace) return Client as unknown as typeof pg.Client
  return class TracingClient extends Client {
    // biome-ignore lint/suspicious/noExplicitAny: as above
    override query(...args: any[]): any {
      return typeof args[0] === 'string' ? traced(trace, args[0], () => super.query(...args)) : super.query(...args)
    }
  } as unknown as typeof pg.Client
}
