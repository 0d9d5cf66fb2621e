// Migrates a database to the current schema. The queue's own schema is created by jobs/queue.ts.
import { setTimeout } from 'node:timers/promises'
import { type Kysely, sql } from 'kysely'
import { type Migration, Migrator } from 'kysely/migration'
import { connect, type Db } from './connect.ts'
import { distribute, hasCitus } from './distribute.ts'
import { migrations } from './migrations/index.ts'

/** The role that the server runs as: it owns nothing and cannot change audit events. */
export const SERVER_ROLE = 'muster_server'

interface MigrationResult {
  applied: string[]
  /** The role that the server should assume; undefined where we were not allowed to create it. */
  serverRole: string | undefined
  /** Whether the tables are distributed by Citus. */
  isCitus: boolean
}

/**
 * Runs the pending migrations under Kysely's advisory lock, so that processes that start together take turns. Then
 * distributes new tables where Citus is installed.
 * @param url of a role that may create tables; it will own everything that is created
 * @param afterwards gets the same Db, before the grants (the queue creates its schema there)
 * @throws the migration's own error, with nothing of that migration applied
 */
export async function migrate(
  url: string,
  afterwards?: (db: Db, isCitus: boolean) => Promise<void>
): Promise<MigrationResult> {
  const db = connect({
    url,
    poolSize: 2,
    statementTimeoutMs: 0,
    applicationName: 'muster migrate',
    settings: [ONE_NODE_AFTER_THE_OTHER]
  })
  try {
    const { error, results } = await createMigrator(db).migrateToLatest()
    if (error) throw error
    const isCitus = await hasCitus(db)
    if (isCitus) await distribute(db)
    await afterwards?.(db, isCitus)
    return {
      isCitus,
      applied: (results ?? []).map((result) => result.migrationName),
      serverRole: await oneAtATime(db, isCitus, (db) => retryConcurrentGrants(() => grantToServerRole(db, isCitus)))
    }
  } finally {
    await db.destroy()
  }
}

/**
 * Without it Citus refuses a transaction that changes first a distributed table and then `tenants`, a table that is on
 * every node. PostgreSQL without Citus accepts it as a custom setting.
 */
const ONE_NODE_AFTER_THE_OTHER = 'citus.multi_shard_modify_mode=sequential'

export interface MigrationState {
  name: string
  /** `later`: run by a newer version of the program; this version runs beside it. */
  state: 'applied' | 'pending' | 'later'
  executedAt: Date | null
}

/** Every migration and when it ran, in order; for `muster db status`. Changes nothing, not even an empty database. */
export async function listMigrations(db: Db): Promise<MigrationState[]> {
  const ran = await listExecuted(db)
  const names = [...new Set([...Object.keys(migrations), ...ran.keys()])].sort()
  return names.map((name) => {
    const executedAt = ran.get(name) ?? null
    return { name, executedAt, state: !(name in migrations) ? 'later' : executedAt ? 'applied' : 'pending' }
  })
}

async function listExecuted(db: Db): Promise<Map<string, Date>> {
  const { rows: tables } = await sql`select 1 where to_regclass('kysely_migration') is not null`.execute(db)
  if (tables.length === 0) return new Map()
  const { rows } = await sql<{ name: string; timestamp: string }>`select name, timestamp from kysely_migration`.execute(
    db
  )
  return new Map(rows.map(({ name, timestamp }) => [name, new Date(timestamp)]))
}

const createMigrator = (db: Db) =>
  new Migrator({ db: db as unknown as Kysely<unknown>, provider: { getMigrations: () => withLaterOnes(db) } })

/**
 * Our migrations, and empty ones for those that a newer version has run. Migrations only add, so this version can run
 * and start beside the newer one; without the empty ones Kysely would report the database as corrupted.
 */
async function withLaterOnes(db: Db): Promise<Record<string, Migration>> {
  const newest = Object.keys(migrations).sort().at(-1)!
  const later = [...(await listExecuted(db)).keys()].filter((name) => name > newest)
  return { ...migrations, ...Object.fromEntries(later.map((name) => [name, ALREADY_RAN])) }
}

const ALREADY_RAN: Migration = { up: async () => {} }

const GRANT_LOCK = 4_726_002

/** On a Citus cluster each grant runs on every node: too many would fail as concurrent updates, so a lock is taken. */
function oneAtATime<T>(db: Db, isCitus: boolean, grant: (db: Db) => Promise<T>): Promise<T> {
  if (!isCitus) return grant(db)
  return db.connection().execute(async (connection) => {
    await sql`select pg_advisory_lock(${GRANT_LOCK})`.execute(connection)
    try {
      return await grant(connection)
    } finally {
      await sql`select pg_advisory_unlock(${GRANT_LOCK})`.execute(connection)
    }
  })
}

/** If processes that start together grant the same rights at once, PostgreSQL refuses one: it tries up to 10 times. */
async function retryConcurrentGrants<T>(grant: () => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await grant()
    } catch (error) {
      if (attempt === 10 || !/tuple concurrently (updated|deleted)/.test((error as Error).message)) throw error
      await setTimeout(20 * attempt)
    }
  }
}

/** Idempotent. Runs at each start, so new tables get their grants too. */
async function grantToServerRole(db: Db, isCitus: boolean): Promise<string | undefined> {
  try {
    await sql
      .raw(`
        do $$ begin
          if not exists (select from pg_roles where rolname = '${SERVER_ROLE}') then
            create role ${SERVER_ROLE} nologin;
          end if;
        exception when duplicate_object or unique_violation then null;
        end $$`)
      .execute(db)
    // the coordinator logs in to the nodes as the current role
    if (isCitus) await sql.raw(`alter role ${SERVER_ROLE} login`).execute(db)
    await sql.raw(`grant ${SERVER_ROLE} to current_user`).execute(db)
  } catch (error) {
    // without the right to create roles the server runs as the URL's user: row-level security is forced, also on owners
    if ((error as { code?: string }).code === '42501') return undefined
    throw error
  }
  // earlier versions granted these for a moment at each start, and left them if they were killed in that moment
  await sql.raw(`revoke update, delete, truncate on ${APPEND_ONLY} from ${SERVER_ROLE}`).execute(db)
  for (const schema of ['public', 'pgboss']) {
    const tables = await listChangeableTables(db, schema)
    if (tables.length === 0) continue
    await sql
      .raw(`
        grant usage on schema ${schema} to ${SERVER_ROLE};
        grant select, insert, update, delete on ${tables.join(', ')} to ${SERVER_ROLE};
        grant usage, select, update on all sequences in schema ${schema} to ${SERVER_ROLE};
        grant execute on all functions in schema ${schema} to ${SERVER_ROLE};`)
      .execute(db)
  }
  await sql.raw(`grant select, insert on ${APPEND_ONLY} to ${SERVER_ROLE}`).execute(db)
  return SERVER_ROLE
}

const APPEND_ONLY = 'public.audit_events'

/**
 * For grants by name. ON ALL TABLES would include the append-only table, which could be changed until the revoke.
 * @returns the quoted names of all tables and views but the append-only one; none where there is no such schema
 */
async function listChangeableTables(db: Db, schema: string): Promise<string[]> {
  const { rows } = await sql<{ name: string }>`
    select format('%I.%I', n.nspname, c.relname) as name
    from pg_class c join pg_namespace n on n.oid = c.relnamespace
    where n.nspname = ${schema} and c.relkind in ('r', 'p', 'v', 'm', 'f')
      and c.oid <> ${APPEND_ONLY}::regclass`.execute(db)
  return rows.map(({ name }) => name)
}
