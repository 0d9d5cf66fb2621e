// The doctor's checks of the database: version, rights, migrations, queue, clock, and what SECRET_KEY sealed.
import { existsSync, readFileSync } from 'node:fs'
import { sql } from 'kysely'
import { type Db, inTenant } from '../../db/connect.ts'
import { listTenantIds } from '../../db/expired.ts'
import { listMigrations, SERVER_ROLE } from '../../db/migrate.ts'
import { readQueueFigures, secondsSinceWorker } from '../../db/queue-figures.ts'
import { JOB_NAMES } from '../../jobs/queue.ts'
import { type Config, secretPaths } from '../config.ts'
import { createSealer } from '../secrets.ts'
import { failed, type Outcome, ok, warning } from './finding.ts'

const OLDEST_VERSION = 15

export async function checkDatabase(db: Db): Promise<Outcome> {
  const { rows } = await sql<{ version: string; number: number }>`
    select current_setting('server_version') as version, current_setting('server_version_num')::int as number`.execute(
    db
  )
  const { version, number } = rows[0]!
  return number >= OLDEST_VERSION * 10_000
    ? ok(`PostgreSQL ${version}`)
    : failed(`PostgreSQL ${version}`, `Update PostgreSQL to ${OLDEST_VERSION} or newer`)
}

interface Rights {
  user: string
  is_above: boolean
  has_role: boolean
}

/** Whether row-level security binds the server's role. */
export async function checkRights(db: Db, config: Config): Promise<Outcome> {
  const { rows } = await sql<Rights>`
    select current_user as user, rolsuper or rolbypassrls as is_above,
      coalesce((select pg_has_role(current_user, r.oid, 'member') from pg_roles r where r.rolname = ${SERVER_ROLE}), false)
        as has_role
    from pg_roles where rolname = current_user`.execute(db)
  const { user, is_above, has_role } = rows[0]!
  if (has_role) return ok(`The server takes on the role ${SERVER_ROLE}, which owns nothing`)
  if (is_above && config.database.url) {
    return failed(
      `${user} passes row-level security by, and there is no role ${SERVER_ROLE} to take on`,
      'Run `muster db migrate` as this user, which makes the role, or connect as an ordinary user'
    )
  }
  return warning(
    `${user} could not make the role ${SERVER_ROLE}: the server runs as the owner of the tables, held by row-level security`,
    'Let the user of MIGRATE_DATABASE_URL create roles, so that the audit log cannot be changed by the server either'
  )
}

export async function checkMigrations(db: Db): Promise<Outcome> {
  const found = await listMigrations(db)
  const named = (state: string) => found.filter((migration) => migration.state === state).map(({ name }) => name)
  const [pending, later] = [named('pending'), named('later')]
  if (pending.length > 0) {
    return failed(`Not applied yet: ${pending.join(', ')}`, 'Run `muster db migrate`, or start this version once')
  }
  if (later.length > 0) {
    return warning(`The database is ahead of this version by ${later.join(', ')}`, 'Update this installation as well')
  }
  return ok(`All ${found.length} are applied`)
}

const WORKER_SILENT_SECONDS = 120
const OLD_JOB_SECONDS = 300

export async function checkQueue(db: Db): Promise<Outcome> {
  const [silent, figures] = await Promise.all([secondsSinceWorker(db), readQueueFigures(db, JOB_NAMES)])
  const waiting = figures.filter(({ state }) => state === 'created' || state === 'retry')
  const count = waiting.reduce((sum, figure) => sum + figure.count, 0)
  const oldest = Math.max(0, ...waiting.map(({ age_seconds: age }) => age ?? 0))
  const jobs = count === 1 ? '1 job waits' : `${count} jobs wait`
  if (silent === undefined || silent > WORKER_SILENT_SECONDS) {
    const since = silent === undefined ? 'ever' : `for ${inWords(silent)}`
    return failed(`No worker has been heard of ${since}; ${jobs}`, 'Start a process with RUN=worker or RUN=all')
  }
  if (oldest > OLD_JOB_SECONDS) {
    return failed(
      `A worker lives, but a job has waited for ${inWords(oldest)}; ${jobs}`,
      'Look into the worker’s log; start more workers where they cannot keep up'
    )
  }
  return ok(`A worker lives; ${jobs}`)
}

function inWords(seconds: number): string {
  if (seconds < 120) return `${Math.round(seconds)} s`
  return seconds < 7_200 ? `${Math.round(seconds / 60)} min` : `${Math.round(seconds / 3_600)} h`
}

const CLOCK_WARNING_MS = 2_000
const CLOCK_FAILED_MS = 30_000

/** Compares this machine's clock with the database's: tokens, cursors and limits rely on both. */
export async function checkClock(db: Db, now: () => number = Date.now): Promise<Outcome> {
  const before = now()
  const { rows } = await sql<{ ms: number }>`
    select (extract(epoch from clock_timestamp()) * 1000)::float as ms`.execute(db)
  const apartMs = Math.round(Math.abs(rows[0]!.ms - (before + now()) / 2))
  const mend = 'Keep both clocks by NTP'
  if (apartMs > CLOCK_FAILED_MS) return failed(`The database’s clock is ${apartMs / 1_000} s off from this one`, mend)
  if (apartMs > CLOCK_WARNING_MS) return warning(`The database’s clock is ${apartMs / 1_000} s off from this one`, mend)
  return ok('Agrees with the database’s')
}

const LOOKED_INTO = 200

/** Whether SECRET_KEY opens mails that wait to be sent; finds a key that was replaced instead of added to. */
export async function checkSecretKey(db: Db, config: Config): Promise<Outcome> {
  const file = secretPaths(config.dataDir).secretKey
  const keys = config.secretKeys ?? (existsSync(file) ? [readFileSync(file, 'utf8').trim()] : [])
  if (keys.length === 0) return failed(`There is no ${file}`, 'Set SECRET_KEY, or start the service, which makes one')
  const sealer = createSealer(keys)
  let [opened, closed] = [0, 0]
  // one statement per tenant; of very many tenants, some are enough
  for (const tenantId of (await listTenantIds(db)).slice(-LOOKED_INTO)) {
    for (const sealed of await readSealed(db, tenantId, LOOKED_INTO - opened - closed)) {
      if (sealer.open('mail', sealed) === undefined) closed++
      else opened++
    }
    if (opened + closed >= LOOKED_INTO) break
  }
  if (closed > 0) {
    return failed(
      `${closed} of ${opened + closed} waiting mails were sealed with another SECRET_KEY`,
      'Add the old key behind the new one: SECRET_KEY=new,old'
    )
  }
  const known = keys.length === 1 ? 'One key' : `${keys.length} keys, the first one seals`
  return ok(opened > 0 ? `${known}; opens what waits to be sent` : known)
}

const readSealed = async (db: Db, tenantId: number, limit: number): Promise<Buffer[]> => {
  const rows = await inTenant(db, tenantId, (trx) =>
    trx
      .selectFrom('mails')
      .select('token_sealed')
      .where('tenant_id', '=', tenantId)
      .where('state', '=', 'queued')
      .where('token_sealed', 'is not', null)
      .limit(limit)
      .execute()
  )
  return rows.map(({ token_sealed }) => token_sealed!)
}
