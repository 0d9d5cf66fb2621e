// `muster db`: migrates a database to this version and reports its state. Needs no running server.
import { connect } from '../../db/connect.ts'
import { listMigrations, type MigrationState, migrate } from '../../db/migrate.ts'
import { prepareQueue } from '../../jobs/queue.ts'
import { ConfigError, loadOwnerUrl, readEnvironment } from '../config.ts'

/**
 * Runs pending migrations; concurrent runs wait for each other.
 * @throws ConfigError where there is no DATABASE_URL; Error where the database cannot be reached
 */
export async function migrateDatabase(): Promise<{ applied: string[] }> {
  const url = ownerUrl()
  const { applied } = await migrate(url, (_, isCitus) => prepareQueue(url, isCitus))
  return { applied }
}

interface DatabaseStatus {
  isUpToDate: boolean
  migrations: MigrationState[]
}

/** Only reads. @throws as migrateDatabase */
export async function readDatabaseStatus(): Promise<DatabaseStatus> {
  const db = connect({ url: ownerUrl(), poolSize: 1, applicationName: 'muster db status' })
  try {
    const found = await listMigrations(db)
    return { isUpToDate: found.every(({ state }) => state !== 'pending'), migrations: found }
  } finally {
    await db.destroy()
  }
}

function ownerUrl(): string {
  const url = loadOwnerUrl(readEnvironment())
  if (url) return url
  throw new ConfigError(['DATABASE_URL is not set: the embedded database is brought up to date at each start'])
}
