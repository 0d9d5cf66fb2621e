// `muster doctor`: checks everything that the service needs, and says what to fix. It changes nothing.
import { connect, type Db } from '../../db/connect.ts'
import { findEmbedded } from '../../db/embedded.ts'
import { requireHeldUser } from '../../db/rights.ts'
import { plainConnections } from '../config/encryption.ts'
import { type Config, ConfigError, loadConfig, readEnvironment } from '../config.ts'
import {
  checkClock,
  checkDatabase,
  checkMigrations,
  checkQueue,
  checkRights,
  checkSecretKey
} from './doctor-database.ts'
import { checkDns, checkMail } from './doctor-network.ts'
import { type Finding, failed, type Outcome, ok, warning } from './finding.ts'

export type { Finding }

/** @returns one finding per check, in order of importance; a failing check does not throw */
export async function examine(env = readEnvironment()): Promise<Finding[]> {
  let config: Config
  try {
    config = loadConfig(env)
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    return [{ check: 'settings', ...failed(error.message, 'Correct the settings that .env.example describes') }]
  }
  const network = [run('mail', () => checkMail(config)), run('dns', () => checkDns(config.public.baseDomain))]
  const database = await examineDatabase(config)
  return [{ check: 'settings', ...checkSettings(config) }, ...database, ...(await Promise.all(network))]
}

function checkSettings(config: Config): Outcome {
  if (config.database.url && !config.operatorToken) {
    return warning('OPERATOR_TOKEN is not set, so the operator’s API is closed', 'Set OPERATOR_TOKEN to use it')
  }
  if (config.public.baseDomain !== 'localhost' && config.public.scheme === 'http') {
    return warning('Links and cookies go over http', 'Set PUBLIC_SCHEME=https, and PUBLIC_PORT where it is not 443')
  }
  const plain = config.public.scheme === 'https' ? plainConnections(config) : []
  if (plain.length > 0) {
    return warning(`Not every connection is encrypted: ${plain.join('; ')}`, 'Correct them, and set REQUIRE_TLS=true')
  }
  return ok('All settings can be used')
}

async function examineDatabase(config: Config): Promise<Finding[]> {
  const url = config.database.url ?? findEmbedded(config.dataDir)
  if (!url) {
    const found = `No process serves the embedded database in ${config.dataDir}`
    return [
      { check: 'database', ...failed(found, 'Start the service with npm start, or set DATABASE_URL or DATA_DIR') }
    ]
  }
  const { directUrl = url, migrateUrl = directUrl } = config.database
  return withDatabase(directUrl, async (db) => {
    const reached = await run('database', () => checkDatabase(db))
    if (reached.state === 'failed') return [reached]
    const migrations = await run('migrations', () => withDatabase(migrateUrl, checkMigrations))
    const always = [
      reached,
      await run('rights', () => checkRights(db, config)),
      migrations,
      await run('clock', () => checkClock(db)),
      ...(directUrl === url ? [] : [await run('pooler', () => checkPooler(config, url))])
    ]
    // without tables there is nothing more to check
    if (migrations.state === 'failed') return always
    return [
      ...always,
      await run('queue', () => checkQueue(db)),
      await run('secret key', () => checkSecretKey(db, config))
    ]
  })
}

/** Whether the pooler lets the server in, as a user bound by row-level security. */
async function checkPooler({ database: { preparedStatements: prepares } }: Config, url: string): Promise<Outcome> {
  const db = connect({ url, poolSize: 1, isPooled: true, prepares, applicationName: 'muster doctor' })
  try {
    await requireHeldUser(db)
    return ok(`The pooler answers; statements are ${prepares ? '' : 'not '}prepared`)
  } finally {
    await db.destroy()
  }
}

async function withDatabase<T>(url: string, work: (db: Db) => Promise<T>): Promise<T> {
  const db = connect({ url, poolSize: 2, statementTimeoutMs: 10_000, applicationName: 'muster doctor' })
  try {
    return await work(db)
  } finally {
    await db.destroy()
  }
}

/** An error in a check becomes its finding. */
async function run(check: string, work: () => Promise<Outcome>): Promise<Finding> {
  try {
    return { check, ...(await work()) }
  } catch (error) {
    const { message, code } = error as Error & { code?: string }
    return { check, ...failed(message || code || String(error), REMEDIES[check] ?? 'See the service’s log') }
  }
}

const REMEDIES: Record<string, string> = {
  database:
    'Check DATABASE_URL (host, port, user, password, database), and that PostgreSQL runs and lets this machine in',
  pooler: 'Check DATABASE_URL, which is the pooler’s where DATABASE_DIRECT_URL is set, and its user’s rights',
  migrations: 'Check MIGRATE_DATABASE_URL; then run `muster db migrate`',
  queue: 'Run `muster db migrate`',
  mail: 'Check SMTP_URL: host, port, user and password, and whether a firewall is in between',
  dns: 'Point BASE_DOMAIN and *.BASE_DOMAIN to this service'
}
