// The one file that reads the environment: names, defaults and checks of every setting.
import { existsSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { isLocal, plainConnections } from './config/encryption.ts'
import { Environment } from './config/environment.ts'

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
  readonly mail: {
    readonly smtpUrl: string | undefined
    readonly from: string
    /** Whether a server that offers no STARTTLS is refused. */
    readonly requiresTls: boolean
  }
  readonly google: { readonly clientId: string; readonly clientSecret: string; readonly issuer: string } | undefined
  /** Newest first: the first seals, all of them open. Undefined: generated beside the embedded database. */
  readonly secretKeys: readonly string[] | undefined
  readonly operatorToken: string | undefined
  readonly invitationTtlHours: number
  readonly bcryptCost: number
  /** What each SCIM token may send to each process, in the long run; 0 for no limit. */
  readonly scim: { readonly requestsPerSecond: number }
  /**
   * Whether an empty database gets the demo tenant, and mail that is not sent can be read in the browser: unless told
   * otherwise not where TLS is required throughout.
   */
  readonly isDemo: boolean
  /** What `/metrics` asks for; undefined: nothing. */
  readonly metricsToken: string | undefined
  /** Where passwords are looked up by the first characters of their hash, as at Have I Been Pwned; undefined: nowhere. */
  readonly breachedPasswordsUrl: string | undefined
  /** Of a tenant's file, as it is sent and unpacked. */
  readonly importMaxMb: number
  readonly events: EgressPolicy
  /** Where traces are sent; undefined: nowhere, and there are none. `ratio`: of the traces that begin here. */
  readonly tracing: { readonly endpoint: string; readonly serviceName: string; readonly ratio: number } | undefined
  readonly run: 'server' | 'worker' | 'all'
  readonly logLevel: string
}

/** Where webhooks may go. */
export interface EgressPolicy {
  readonly isPrivateAllowed: boolean
  readonly isHttpAllowed: boolean
  /** `a.example.com`, `*.example.org`; undefined: any. */
  readonly hosts: readonly string[] | undefined
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
  const read = new Environment(env)
  const database = readDatabase(read)
  const port = read.number('PORT', 3000, 0, 65_535)
  const baseDomain = readBaseDomain(read)
  const requiresTls = read.flag('REQUIRE_TLS')
  const isPrivateAllowed = read.flag('WEBHOOKS_TO_PRIVATE_ADDRESSES')

  const config: Config = {
    dataDir: resolve(read.text('DATA_DIR') ?? '.data'),
    database,
    http: {
      host: read.text('HOST') ?? '127.0.0.1',
      port,
      trustProxy: read.hops('TRUST_PROXY'),
      maxInFlight: read.number('MAX_REQUESTS_IN_FLIGHT', 1_000, 0, 1_000_000)
    },
    public: {
      baseDomain,
      scheme: read.choice('PUBLIC_SCHEME', ['http', 'https'], 'http'),
      port: read.number('PUBLIC_PORT', port, 0, 65_535)
    },
    mail: readMail(read, baseDomain, requiresTls),
    google: readGoogle(read),
    secretKeys: readSecretKeys(read, database.url !== undefined),
    operatorToken: read.secret('OPERATOR_TOKEN', MIN_SECRET_LENGTH),
    invitationTtlHours: read.number('INVITATION_TTL_HOURS', 168, 0.0001, 8760, false),
    bcryptCost: read.number('BCRYPT_COST', 12, 4, 16),
    scim: { requestsPerSecond: read.number('SCIM_REQUESTS_PER_SECOND', 100, 0, 100_000) },
    isDemo: read.flag('DEMO', !requiresTls),
    metricsToken: read.secret('METRICS_TOKEN', MIN_SECRET_LENGTH),
    breachedPasswordsUrl: read.url('BREACHED_PASSWORDS_URL', read.text('BREACHED_PASSWORDS_URL'), WEB),
    importMaxMb: read.number('IMPORT_MAX_MB', 4_000, 1, 1_000_000),
    events: {
      isPrivateAllowed,
      isHttpAllowed: isPrivateAllowed && !requiresTls,
      hosts: read.hosts('WEBHOOK_HOSTS')
    },
    tracing: readTracing(read),
    run: read.choice('RUN', ['all', 'server', 'worker'], 'all'),
    logLevel: read.choice('LOG_LEVEL', LOG_LEVELS, 'info')
  }
  if (requiresTls) for (const problem of plainConnections(config)) read.fail(problem, undefined)
  if (read.problems.length > 0) throw new ConfigError(read.problems)
  return deepFreeze(config)
}

const WEB = ['http:', 'https:']

const postgresUrl = (read: Environment, name: string) => read.url(name, read.secret(name), ['postgres:', 'postgresql:'])

function readDatabase(read: Environment): Config['database'] {
  const url = postgresUrl(read, 'DATABASE_URL')
  const directUrl = postgresUrl(read, 'DATABASE_DIRECT_URL')
  if (directUrl && !url) read.fail('DATABASE_URL is missing: DATABASE_DIRECT_URL stands beside it', undefined)
  return {
    url,
    directUrl,
    preparedStatements: read.flag('DATABASE_PREPARED_STATEMENTS', directUrl === undefined),
    migrateUrl: postgresUrl(read, 'MIGRATE_DATABASE_URL'),
    poolSize: read.number('DATABASE_POOL_SIZE', 16, 2, 500)
  }
}

function readBaseDomain(read: Environment): string {
  const baseDomain = read.text('BASE_DOMAIN')?.toLowerCase() ?? 'localhost'
  if (/^([a-z0-9]([a-z0-9-]*[a-z0-9])?)(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*$/.test(baseDomain)) return baseDomain
  return read.fail(`BASE_DOMAIN must be a host name such as example.com, not "${baseDomain}"`, baseDomain)
}

function readMail(read: Environment, baseDomain: string, requiresTls: boolean): Config['mail'] {
  const from = read.text('MAIL_FROM')
  if (from !== undefined && !/^([^<>\r\n]*<[^<>@\s]+@[^<>@\s]+>|[^<>@\s]+@[^<>@\s]+)$/.test(from)) {
    read.fail(`MAIL_FROM must be an address such as Muster <muster@example.com>, not "${from}"`, undefined)
  }
  const smtpUrl = read.url('SMTP_URL', read.secret('SMTP_URL'), ['smtp:', 'smtps:'])
  if (smtpUrl && !from) read.fail('MAIL_FROM is missing: SMTP_URL needs a sender', undefined)
  return {
    smtpUrl,
    // a mail catcher on this machine has none
    requiresTls: requiresTls && !(smtpUrl && isLocal(new URL(smtpUrl))),
    from: from ?? `Muster <muster@${baseDomain}>`
  }
}

function readSecretKeys(read: Environment, isNeeded: boolean): readonly string[] | undefined {
  const keys = read
    .secret('SECRET_KEY')
    ?.split(',')
    .map((key) => key.trim())
    .filter(Boolean)
  for (const key of keys ?? []) read.requireLength('SECRET_KEY', key, MIN_SECRET_LENGTH)
  if (isNeeded && !keys) read.fail('SECRET_KEY is missing: DATABASE_URL needs one', undefined)
  if (keys?.length === 0) read.fail('SECRET_KEY is missing: there is nothing between its commas', undefined)
  return keys
}

function readGoogle(read: Environment): Config['google'] {
  const clientId = read.text('GOOGLE_CLIENT_ID')
  const clientSecret = read.secret('GOOGLE_CLIENT_SECRET')
  const issuer = read.url('GOOGLE_ISSUER', read.text('GOOGLE_ISSUER'), WEB) ?? GOOGLE_ISSUER
  if (clientId && clientSecret) return { clientId, clientSecret, issuer }
  if (!clientId && !clientSecret) return undefined
  const missing = clientId ? 'GOOGLE_CLIENT_SECRET' : 'GOOGLE_CLIENT_ID'
  return read.fail(`${missing} is missing: both are needed for Google`, undefined)
}

function readTracing(read: Environment): Config['tracing'] {
  const endpoint = read.url('OTEL_EXPORTER_OTLP_ENDPOINT', read.text('OTEL_EXPORTER_OTLP_ENDPOINT'), WEB)
  const ratio = read.number('OTEL_TRACES_SAMPLER_ARG', 1, 0, 1, false)
  return endpoint ? { endpoint, serviceName: read.text('OTEL_SERVICE_NAME') ?? 'muster', ratio } : undefined
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
  const read = new Environment(env)
  const url = ['MIGRATE_DATABASE_URL', 'DATABASE_DIRECT_URL', 'DATABASE_URL']
    .map((name) => postgresUrl(read, name))
    .find((each) => each !== undefined)
  if (read.problems.length > 0) throw new ConfigError(read.problems)
  return url
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
