// The only file that reads the environment: names, defaults and checks of every setting.
import { existsSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { isLocal, plainConnections } from './config/encryption.ts'
import { Environment } from './config/environment.ts'

export interface Config {
  /** Where the embedded PostgreSQL and generated secrets live. */
  readonly dataDir: string
  readonly database: {
    /** Undefined for the embedded PostgreSQL. */
    readonly url: string | undefined
    /** Set where `url` is a pooler's: for what needs a dedicated connection (LISTEN, the queue, migrations). */
    readonly directUrl: string | undefined
    /** Whether connections of `url` use named prepared statements. */
    readonly preparedStatements: boolean
    /** Connects as the owner of the tables, where that is another role than the server's. */
    readonly migrateUrl: string | undefined
    readonly poolSize: number
  }
  readonly http: {
    readonly host: string
    readonly port: number
    /** Number of proxies in front of us, each of which adds its client's address; 0: X-Forwarded-* is not trusted. */
    readonly trustProxy: number
    /** Requests that a process handles at once, and as many again that wait for the database; 0 for no limit. */
    readonly maxInFlight: number
  }
  /** How the public reaches us. Links omit `port` where it is the scheme's default. */
  readonly public: {
    readonly baseDomain: string
    readonly scheme: 'http' | 'https'
    readonly port: number
  }
  readonly mail: {
    readonly smtpUrl: string | undefined
    readonly from: string
    /** Whether to refuse a mail server that offers no STARTTLS. */
    readonly requiresTls: boolean
  }
  readonly google: { readonly clientId: string; readonly clientSecret: string; readonly issuer: string } | undefined
  /** Newest first: the first key seals, all of them open. Undefined: generated next to the embedded database. */
  readonly secretKeys: readonly string[] | undefined
  readonly operatorToken: string | undefined
  readonly invitationTtlHours: number
  readonly bcryptCost: number
  /** Sustained requests a second that each SCIM token may send to each process; 0 for no limit. */
  readonly scim: { readonly requestsPerSecond: number }
  /**
   * Whether an empty database gets the demo tenant, and unsent mail can be read in the browser. Off by default where
   * TLS is required throughout.
   */
  readonly isDemo: boolean
  /** The token that `/metrics` requires; undefined for none. */
  readonly metricsToken: string | undefined
  /** Where the first characters of a password's hash are looked up, such as Have I Been Pwned; undefined: nowhere. */
  readonly breachedPasswordsUrl: string | undefined
  /** Limit on a tenant's file, both as sent and unpacked. */
  readonly importMaxMb: number
  readonly events: EgressPolicy
  /** Where traces are sent; undefined turns tracing off. `ratio`: the share of traces begun here that is kept. */
  readonly tracing: { readonly endpoint: string; readonly serviceName: string; readonly ratio: number } | undefined
  readonly run: 'server' | 'worker' | 'all'
  readonly logLevel: string
}

/** Where webhooks may be sent. */
export interface EgressPolicy {
  readonly isPrivateAllowed: boolean
  readonly isHttpAllowed: boolean
  /** `a.example.com`, `*.example.org`; undefined: any. */
  readonly hosts: readonly string[] | undefined
}

/** The largest body on any path; SCIM publishes it (ServiceProviderConfig, bulk.maxPayloadSize). */
export const MAX_BODY_BYTES = 2 * 1024 * 1024
const LOG_LEVELS = ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent']
const MIN_SECRET_LENGTH = 32
export const GOOGLE_ISSUER = 'https://accounts.google.com'

/** Every problem with the settings, in one message: `PORT must be …; SMTP_URL must be …`. */
export class ConfigError extends Error {
  constructor(problems: string[]) {
    super(problems.join('; '))
    this.name = 'ConfigError'
  }
}

/**
 * Reads the settings documented in `.env.example`. An empty value counts as not set.
 * @param env usually `process.env`
 * @throws ConfigError naming every invalid setting
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
    // a mail catcher on this machine offers no TLS
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

/** The environment, extended by the file `.env`. */
export function readEnvironment(): Record<string, string | undefined> {
  if (existsSync('.env')) process.loadEnvFile('.env')
  return process.env
}

/**
 * The URL of the tables' owner, for commands that use only the database and need no other setting.
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

/** Where the secrets of an embedded installation are stored, each in a file of mode 0600. */
export const secretPaths = (dataDir: string) => ({
  secretKey: join(dataDir, 'secret-key'),
  operatorToken: join(dataDir, 'operator-token')
})

/** `https://acme.example.com`, with the port unless it is the scheme's; without a subdomain, the base domain. */
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
