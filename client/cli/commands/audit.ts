// muster audit, muster audit export
import { PassThrough } from 'node:stream'
import { type Command, Option } from 'commander'
import { fetchPatiently } from '../../transport-node.ts'
import { connectTenant, onTenant, parseCount, parseTime, tenantRequest, UsageError } from '../connection.ts'
import { done, print, readAll, table, time, wantsJson } from '../output.ts'
import { requireAnswer, saveAnswer } from '../stream.ts'

export function auditCommands(program: Command): void {
  const audit = onTenant(program.command('audit'))
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

  audit
    .command('export')
    .description('write the whole log, newest first, to standard output or a file')
    .addOption(new Option('--format <format>', 'how').choices(['csv', 'jsonl']).default('csv'))
    .option('--from <date>', 'at or after', parseTime)
    .option('--to <date>', 'before', parseTime)
    .option('-o, --output <file>', 'where to write it; the file is there when it is whole')
    .action(async (options: ExportOptions, command: Command) => {
      // options of `audit` work before and after `export`
      const { tenant, action } = command.optsWithGlobals<{ tenant: string; action?: string }>()
      if (wantsJson(command) && !options.output) throw new UsageError('--json tells what was written: give an --output')
      const filter = { action, from: options.from, to: options.to }
      const query = new URLSearchParams(Object.entries(filter).filter((entry): entry is [string, string] => !!entry[1]))
      const { url, headers } = tenantRequest(tenant, `/audit.${options.format}?${query}`)
      const response = await requireAnswer(await fetchPatiently()(url, { headers }))
      await saveAnswer(response, options.output, new PassThrough())
      if (!options.output) return
      print(command, { file: options.output }, ({ file }) => done(`The audit log is in ${file}.`))
    })
}

interface ExportOptions {
  format: 'csv' | 'jsonl'
  from?: string
  to?: string
  output?: string
}
