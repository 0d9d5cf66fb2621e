// muster audit
import type { Command } from 'commander'
import { connectTenant, onTenant, parseCount } from '../connection.ts'
import { print, readAll, table, time } from '../output.ts'

export function auditCommands(program: Command): void {
  onTenant(program.command('audit'))
    .description('who did what to whom, newest first')
    .option('--action <action>', 'only this, such as user.deactivated')
    .option('--limit <count>', 'how many at most', parseCount, 100)
    .action(async (options: { tenant: string; action?: string; limit: number }, command: Command) => {
      const client = connectTenant(options.tenant)
      const filter = { action: options.action }
      const events = await readAll((cursor, limit) => client.audit.list.query({ filter, cursor, limit }), options.limit)
      print(command, events, ({ items }) =>
        table(items, {
          at: (item) => time(item.at),
          who: (item) => item.actorName,
          what: (item) => item.action,
          whom: (item) => item.targetName ?? item.targetId,
          from: (item) => item.ip
        })
      )
    })
}
