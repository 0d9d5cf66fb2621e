// muster db …: works directly on the database, so it runs where the service's settings are, with or without a server.
import type { Command } from 'commander'
import pc from 'picocolors'
import { ExitStatus, withJson } from '../connection.ts'
import { done, print, table, time } from '../output.ts'

/** Lets a script tell "not yet" from "failed". */
const PENDING_STATUS = 3

export function databaseCommands(program: Command): void {
  const database = program.command('db').description('the database of DATABASE_URL')

  withJson(database.command('migrate'))
    .description('bring the database to the shape of this version; a server does so at its start, too')
    .action(async (_options: unknown, command: Command) => {
      const { migrateDatabase } = await import('../../../server/operate/database.ts')
      const { applied } = await migrateDatabase()
      print(command, { applied }, () =>
        applied.length === 0 ? done('There was nothing to do.') : applied.map((name) => done(name)).join('\n')
      )
    })

  withJson(database.command('status'))
    .description(`list what has run and what has not; exit status ${PENDING_STATUS} where something has not`)
    .action(async (_options: unknown, command: Command) => {
      const { readDatabaseStatus } = await import('../../../server/operate/database.ts')
      const status = await readDatabaseStatus()
      print(command, status, ({ migrations }) =>
        table(migrations, {
          migration: (item) => item.name,
          state: (item) => (item.state === 'pending' ? pc.yellow('pending') : item.state),
          when: (item) => time(item.executedAt?.toISOString())
        })
      )
      if (!status.isUpToDate) throw new ExitStatus(PENDING_STATUS)
    })
}
