// The one file that reads the environment: names, defaults and checks of every setting.
import { existsSync } from 'node:fs'
import { join, resolve } from 'node:path'

export interface Config {
  /** Where the embedded PostgreSQL and generated secrets live. */
  readonly dataDir: string
  readonly database: {
    /** Undefined: the project runs its own PostgreSQL. */
    readonly url: string | undefined
    /** Set where `url` is a pooler's: for what needs a connection of its own (LISTEN, the queue, migrations). */
    readonly directUrl: string | undefined
    /** Whether statements are prepared under a name on the connections of `url`. */
    readonly preparedStatements: boolean
    /** The owner of the tables, when it is another role than the server's. */
    readonly migrateUrl: string | undefined
    readonly poolSize: number
  }
  readonly http: {
    readonly host: string
    readonly port: number
    /** How many proxies stand before us, each of which adds whom it was asked by; 0: X-Forwarded-* is not believed. */
    readonly trustProxy: number
    /** Requests that a process works on at once, and again as many that wait for the database; 0 for no limit. */
    readonly maxInFlight: number
  }
  /** Where the world sees us. `port` is left out of links when it is the scheme's own. */
  readonly public: {
    readonly baseDomain: string
    readonly scheme: 'http' | 'https'
    readonly port: number
  }
  readonly mail: { readonly smtpUrl: string | undefined; readonly from: string }
  readonly google: { readonly clientId: string; readonly clientSecret: string; readonly issuer: string } | undefined
  /** Newest first: the first seals, all of them open. Undefined: generated beside the embedded database. */
  readonly secretKeys: readonly string[] | undefined
  readonly operatorToken: string | undefined
  readonly invitationTtlHours: number
  readonly bcryptCost: number
  /** What each SCIM token may send to each process, in the long run; 0 for no limit. */
  readonly scim: { readonly requestsPerSecond: number }
  /** Whether webhooks may go to private addresses, and by http. */
  /** Of a tenant's file, as it is sent and unpacked. */
  readonly importMaxMb: number
  readonly events: { readonly isPrivateAllowed: boolean }
  /** Where traces are sent; undefined: nowhere, and there are none. `ratio`: of the traces that begin here. */
  readonly tracing: { readonly endpoint: string; readonly serviceName: string; readonly ratio: number } | undefined
  readonly run: 'server' | 'worker' | 'all'
  readonly logLevel: string
}

/** A body may be this long on every path; SCIM publishes it (ServiceProviderConfig, bulk.maxPayloadSize). */
export const MAX_BODY_BYTES = 2 * 1024 * 1024
const LOG_LEVELS = ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent']
const MIN_SECRET_LENGTH = 32
export const GOOGLE_ISSUER = 'https://accounts.google.com'

/** Every problem of the settings, in one message: `PORT must be …; SMTP_URL must be …`. */
export class ConfigError extends Error {
  constructor(problems: string[]) {
    super(problems.join('; '))
    this.name = 'ConfigError'
  }
}

/**
 * Reads the settings that `.env.example` documents. An empty value counts as not set.
 * @param env usually `process.env`
 * @throws ConfigError naming every bad setting
 */
export function loadConfig(env: Record<string, string | undefined>): Config {
  const problems: string[] = []
  const read = (name: string) => env[name]?.trim() || undefined
  const fail = <T>(problem: string, fallback: T): T => {
    problems.push(problem)
    return fallback
  }

  function number(name: string, fallback: number, min: number, max: number, isWhole = true): number {
    const text = read(name)
    if (text === undefined) return fallback
    const value = Number(text)
    if (!Number.isFinite(value) || value < min || value > max || (isWhole && !Number.isInteger(value))) {
      return fail(`${name} must be a ${isWhole ? 'whole ' : ''}number from ${min} to ${max}, not "${text}"`, fallback)
    }
    return value
  }
  function choice<T extends string>(name: string, values: readonly T[], fallback: T): T {
    const text = read(name)
    if (text === undefined) return fallback
    if (!(values as readonly string[]).includes(text)) {
      return fail(`${name} must be one of ${values.join(', ')}, not "${text}"`, fallback)
    }
    return text as T
  }
  function url(name: string, protocols: string[]): string | undefined {
    const text = read(name)
    if (text === undefined) return undefined
    // the value may hold a password, so it is not repeated
    if (!URL.canParse(text) || !protocols.includes(new URL(text).protocol)) {
      return fail(`${name} must be a URL that starts with ${protocols.map((p) => `${p}//`).join(' or ')}`, undefined)
    }
    return text
  }
  function flag(name: string, fallback = false, choices = 'true or false'): boolean {
    const text = read(name)?.toLowerCase()
    if (text === undefined) return fallback
    if (['1', 'true', 'on', 'yes'].includes(text)) return true
    if (['0', 'false', 'off', 'no'].includes(text)) return false
    return fail(`${name} must be ${choices}, not "${text}"`, false)
  }

  /** `true` is one: what stands before the last entry of X-Forwarded-For is the client's own word. */
  function hops(name: string): number {
    const text = read(name)
    if (text !== undefined && /^\d+$/.test(text)) return number(name, 0, 0, 10)
    return Number(flag(name, false, 'true or false, or how many proxies there are in a row'))
  }

  const databaseUrl = url('DATABASE_URL', ['postgres:', 'postgresql:'])
  const directUrl = url('DATABASE_DIRECT_URL', ['postgres:', 'postgresql:'])
  if (directUrl && !databaseUrl) fail('DATABASE_URL is missing: DATABASE_DIRECT_URL stands beside it', undefined)
  const migrateUrl = url('MIGRATE_DATABASE_URL', ['postgres:', 'postgresql:'])
  const port = number('PORT', 3000, 0, 65_535)
  const baseDomain = read('BASE_DOMAIN')?.toLowerCase() ?? 'localhost'
  if (!/^([a-z0-9]([a-z0-9-]*[a-z0-9])?)(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*$/.test(baseDomain)) {
    fail(`BASE_DOMAIN must be a host name such as example.com, not "${baseDomain}"`, undefined)
  }
  const from = read('MAIL_FROM')
  if (from !== undefined && !/^([^<>\r\n]*<[^<>@\s]+@[^<>@\s]+>|[^<>@\s]+@[^<>@\s]+)$/.test(from)) {
    fail(`MAIL_FROM must be an address such as Muster <muster@example.com>, not "${from}"`, undefined)
  }
  const smtpUrl = url('SMTP_URL', ['smtp:', 'smtps:'])
  if (smtpUrl && !from) fail('MAIL_FROM is missing: SMTP_URL needs a sender', undefined)

  const secretKeys = read('SECRET_KEY')
    ?.split(',')
    .map((key) => key.trim())
    .filter(Boolean)
  for (const key of secretKeys ?? []) {
    if (key.length < MIN_SECRET_LENGTH) {
      fail(`SECRET_KEY has ${key.length} characters, needs ${MIN_SECRET_LENGTH}`, undefined)
    }
  }
  if (databaseUrl && !secretKeys) fail('SECRET_KEY is missing: DATABASE_URL needs one', undefined)
  const operatorToken = read('OPERATOR_TOKEN')
  if (operatorToken && operatorToken.length < MIN_SECRET_LENGTH) {
    fail(`OPERATOR_TOKEN has ${operatorToken.length} characters, needs ${MIN_SECRET_LENGTH}`, undefined)
  }

  const clientId = read('GOOGLE_CLIENT_ID')
  const clientSecret = read('GOOGLE_CLIENT_SECRET')
  const issuer = url('GOOGLE_ISSUER', ['http:', 'https:']) ?? GOOGLE_ISSUER
  if (Boolean(clientId) !== Boolean(clientSecret)) {
    fail(`${clientId ? 'GOOGLE_CLIENT_SECRET' : 'GOOGLE_CLIENT_ID'} is missing: both are needed for Google`, undefined)
  }

  const endpoint = url('OTEL_EXPORTER_OTLP_ENDPOINT', ['http:', 'https:'])
  const ratio = number('OTEL_TRACES_SAMPLER_ARG', 1, 0, 1, false)

  const config: Config = {
    dataDir: resolve(read('DATA_DIR') ?? '.data'),
    database: {
      url: databaseUrl,
      directUrl,
      preparedStatements: flag('DATABASE_PREPARED_STATEMENTS', directUrl === undefined),
      migrateUrl,
      poolSize: number('DATABASE_POOL_SIZE', 16, 2, 500)
    },
    http: {
      host: read('HOST') ?? '127.0.0.1',
      port,
      trustProxy: hops('TRUST_PROXY'),
      maxInFlight: number('MAX_REQUESTS_IN_FLIGHT', 1_000, 0, 1_000_000)
    },
    public: {
      baseDomain,
      scheme: choice('PUBLIC_SCHEME', ['http', 'https'], 'http'),
      port: number('PUBLIC_PORT', port, 0, 65_535)
    },
    mail: { smtpUrl, from: from ?? `Muster <muster@${baseDomain}>` },
    google: clientId && clientSecret ? { clientId, clientSecret, issuer } : undefined,
    secretKeys,
    operatorToken,
    invitationTtlHours: number('INVITATION_TTL_HOURS', 168, 0.0001, 8760, false),
    bcryptCost: number('BCRYPT_COST', 12, 4, 16),
    scim: { requestsPerSecond: number('SCIM_REQUESTS_PER_SECOND', 100, 0, 100_000) },
    importMaxMb: number('IMPORT_MAX_MB', 4_000, 1, 1_000_000),
    events: { isPrivateAllowed: flag('WEBHOOKS_TO_PRIVATE_ADDRESSES') },
    tracing: endpoint ? { endpoint, serviceName: read('OTEL_SERVICE_NAME') ?? 'muster', ratio } : undefined,
    run: choice('RUN', ['all', 'server', 'worker'], 'all'),
    logLevel: choice('LOG_LEVEL', LOG_LEVELS, 'info')
  }
  if (problems.length > 0) throw new ConfigError(problems)
  return deepFreeze(config)
}

/** The environment, with what the file `.env` adds to it. */
export function readEnvironment(): Record<string, string | undefined> {
  if (existsSync('.env')) process.loadEnvFile('.env')
  return process.env
}

/**
 * The URL of the tables' owner, for what works on the database alone and needs no other setting.
 * @returns undefined where the embedded database is used
 * @throws ConfigError
 */
export function loadOwnerUrl(env: Record<string, string | undefined>): string | undefined {
  const names = ['MIGRATE_DATABASE_URL', 'DATABASE_DIRECT_URL', 'DATABASE_URL']
  const name = names.find((each) => env[each]?.trim()) ?? 'DATABASE_URL'
  const text = env[name]?.trim()
  if (!text) return undefined
  if (URL.canParse(text) && ['postgres:', 'postgresql:'].includes(new URL(text).protocol)) return text
  throw new ConfigError([`${name} must be a URL that starts with postgres:// or postgresql://`])
}

/** Where the secrets of an embedded installation are kept, each in a file of mode 0600. */
export const secretPaths = (dataDir: string) => ({
  secretKey: join(dataDir, 'secret-key'),
  operatorToken: join(dataDir, 'operator-token')
})

/** `https://acme.example.com`, with the port where it is not the scheme's own; no subdomain gives the base domain. */
export function publicUrl(config: Pick<Config, 'public'>, subdomain?: string): string {
  const { scheme, baseDomain, port } = config.public
  const isDefault = port === (scheme === 'https' ? 443 : 80)
  return `${scheme}://${subdomain ? `${subdomain}.` : ''}${baseDomain}${isDefault ? '' : `:${port}`}`
}

function deepFreeze<T extends object>(value: T): T {
  for (const inner of Object.values(value)) {
    if (inner && typeof inner === 'object') deepFreeze(inner)
  }
  return Object.freeze(value)
}
