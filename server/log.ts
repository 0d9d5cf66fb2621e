// The log: JSON lines for machines, readable text on a terminal, one line per request.
import { type FastifyBaseLogger, type FastifyReply, type FastifyRequest, LogController } from 'fastify'
import { pino, symbols } from 'pino'

/** An error of PostgreSQL, undici or nodemailer: its other members are not logged. */
interface LoggedError extends Error {
  type?: string
  code?: string
  constraint?: string
  table?: string
  column?: string
}

/** Names of members with credentials, redacted in the first two levels of what is logged. */
const SECRETS = ['password', 'secret', 'token']

/** How many nested causes are logged. */
const MAX_CAUSES = 5

/**
 * What is logged of an error. `detail` is left out: PostgreSQL puts the whole row there (`Failing row contains …`),
 * which may hold a password hash. Names of tables and constraints tell as much.
 */
function describeError(error: unknown, depth = 0): unknown {
  if (!(error instanceof Error)) return typeof error
  const { type, name, message, stack, code, constraint, table, column, cause } = error as LoggedError
  const inner = cause === undefined || depth >= MAX_CAUSES ? undefined : describeError(cause, depth + 1)
  return { type: type ?? name, message, stack, code, constraint, table, column, cause: inner }
}

/**
 * Structured logs, readable on a terminal. Secrets never reach them, not even in headers. Lines are written in bulk, at
 * the latest after 100 ms and when the process exits: a system call per line would cost a busy server a sixth of its
 * time.
 */
export function createLogger(level: string): FastifyBaseLogger {
  const options = {
    level,
    redact: {
      paths: ['req.headers', 'res.headers["set-cookie"]', ...SECRETS, ...SECRETS.map((name) => `*.${name}`)],
      censor: '[redacted]'
    },
    serializers: {
      err: describeError,
      req: (request: { id: string; method: string; url: string; host?: string; ip?: string }) => ({
        id: request.id,
        method: request.method,
        // queries carry tokens (/accept?token=…) and e-mail addresses (filters)
        path: request.url.split('?', 1)[0],
        host: request.host,
        ip: request.ip
      })
    }
  }
  const readable = { target: 'pino-pretty', options: { ignore: 'pid,hostname', translateTime: 'SYS:HH:MM:ss' } }
  const logger = process.stdout.isTTY ? pino({ ...options, transport: readable }) : pino(options, collectLines())
  return logger as unknown as FastifyBaseLogger
}

/**
 * Logs a rejection that nobody awaited, which is a mistake in the code of one request. By default Node would end the
 * process, and with it everybody else's requests.
 */
export function outliveStrayRejections(log: FastifyBaseLogger): void {
  process.on('unhandledRejection', (error) => log.error({ err: error }, 'nobody waited for what was rejected'))
}

/** Characters that trigger a write. */
const MAX_COLLECTED = 32_768
const MAX_COLLECTED_MS = 100

/** Collects lines and writes them to standard output in bulk. */
function collectLines(): { write(line: string): void } {
  let lines = ''
  let timer: NodeJS.Timeout | undefined
  function flush(): void {
    clearTimeout(timer)
    timer = undefined
    if (lines !== '') output.write(lines)
    lines = ''
  }
  process.on('exit', flush)
  // a thread would cost more than so few writes, and might be in the middle of one when the process exits
  const output = pino.destination({ sync: true, maxWrite: 2 * MAX_COLLECTED })
  return {
    write(line) {
      lines += line
      if (lines.length >= MAX_COLLECTED) flush()
      else timer ??= setTimeout(flush, MAX_COLLECTED_MS).unref()
    }
  }
}

/** One line per request, once it is answered: what it was, the status, the milliseconds. */
export class RequestLog extends LogController {
  override incomingRequest(): void {
    // the line for the answer says it
  }

  override requestCompleted(error: Error | null | undefined, request: FastifyRequest, reply: FastifyReply): void {
    if (error) {
      reply.log.error({ req: request, res: reply, responseTime: reply.elapsedTime, err: error }, 'request errored')
      return
    }
    const log = reply.log as unknown as PinoInternals
    if (log.isLevelEnabled('info')) log[symbols.streamSym].write(requestLine(log, request, reply))
  }
}

/** The internals of pino used where its public way would cost more than the request: redaction visits every object. */
interface PinoInternals {
  isLevelEnabled(level: string): boolean
  readonly [symbols.streamSym]: { write(line: string): void }
  /** `,"pid":1,"hostname":"x","reqId":"…"` */
  readonly [symbols.chindingsSym]: string
  readonly [symbols.serializersSym]: { req(request: FastifyRequest): unknown }
}

type Logging = (...args: unknown[]) => void
type Level = 'fatal' | 'error' | 'warn' | 'info' | 'debug' | 'trace'
type Bindings = Readonly<Record<string, string>>

/**
 * The log of one request. A child logger of pino costs more than the request's one line, and most requests log nothing
 * else, so the child is created for the first other line.
 */
class LogOfRequest implements PinoInternals {
  private readonly parent: FastifyBaseLogger & PinoInternals
  private readonly bindings: Bindings
  private made: FastifyBaseLogger | undefined

  constructor(parent: FastifyBaseLogger, bindings: Bindings) {
    this.parent = parent as FastifyBaseLogger & PinoInternals
    this.bindings = bindings
    this.made = undefined
  }

  private get own(): FastifyBaseLogger & Record<Level, Logging> {
    this.made ??= this.parent.child(this.bindings)
    return this.made as FastifyBaseLogger & Record<Level, Logging>
  }

  get level(): string {
    return this.parent.level
  }

  isLevelEnabled(level: string): boolean {
    return this.parent.isLevelEnabled(level)
  }

  get [symbols.streamSym]() {
    return this.parent[symbols.streamSym]
  }

  get [symbols.serializersSym]() {
    return this.parent[symbols.serializersSym]
  }

  get [symbols.chindingsSym](): string {
    let text = this.parent[symbols.chindingsSym]
    for (const name in this.bindings) text += `,"${name}":${JSON.stringify(this.bindings[name])}`
    return text
  }

  child(...args: Parameters<FastifyBaseLogger['child']>): FastifyBaseLogger {
    return this.own.child(...args)
  }

  fatal(...args: unknown[]): void {
    this.own.fatal(...args)
  }

  error(...args: unknown[]): void {
    this.own.error(...args)
  }

  warn(...args: unknown[]): void {
    this.own.warn(...args)
  }

  info(...args: unknown[]): void {
    this.own.info(...args)
  }

  debug(...args: unknown[]): void {
    this.own.debug(...args)
  }

  trace(...args: unknown[]): void {
    this.own.trace(...args)
  }
}

/** @param options what a route asks for, such as its own log level */
export const logOfRequest = (parent: FastifyBaseLogger, bindings: Bindings, options: object): FastifyBaseLogger =>
  Object.keys(options).length > 0
    ? parent.child(bindings, options)
    : (new LogOfRequest(parent, bindings) as unknown as FastifyBaseLogger)

/** The line in pino's format. Its parts are known, and none contains a secret. */
function requestLine(log: PinoInternals, request: FastifyRequest, reply: FastifyReply): string {
  const req = JSON.stringify(log[symbols.serializersSym].req(request))
  // microseconds are enough, and writing all digits of a number takes V8 as long as the rest of the line
  const micros = Math.round(reply.elapsedTime * 1_000)
  return (
    `{"level":30,"time":${Date.now()}${log[symbols.chindingsSym]},"req":${req},"res":{"statusCode":${reply.statusCode}}` +
    `,"responseTime":${micros / 1_000},"msg":"request completed"}\n`
  )
}
