// muster wire-log …
import { type Command, InvalidArgumentError } from 'commander'
import pc from 'picocolors'
import type { Outputs } from '../../index.ts'
import { connectTenant, onTenant, parseCount, parseTime } from '../connection.ts'
import { print, readAll, table, time } from '../output.ts'
import { findUserId } from './users.ts'

type Status = 'refused' | 'answered' | number
type Entry = Outputs['wireLog']['get']['entry']
type Replay = Outputs['wireLog']['replay']

interface ListOptions {
  tenant: string
  connection?: string
  user?: string
  search?: string
  status?: Status
  from?: string
  to?: string
  limit: number
}

export function wireLogCommands(program: Command): void {
  const wireLog = program.command('wire-log').description('what identity providers sent and got')

  onTenant(wireLog.command('list'))
    .description('list exchanges, newest first')
    .option('--connection <connectionId>', 'only of this connection')
    .option('--user <user>', 'only those that name this person, by id or address')
    .option('--search <text>', 'part of the path, of a body or of a name')
    .option('--status <status>', 'only this status, or `refused` or `answered`', parseStatus)
    .option('--from <time>', 'at or after', parseTime)
    .option('--to <time>', 'before', parseTime)
    .option('--limit <count>', 'how many at most', parseCount, 50)
    .action(async (options: ListOptions, command: Command) => {
      const client = connectTenant(options.tenant)
      const { connection: connectionId, search, status, from, to } = options
      const userId = options.user === undefined ? undefined : await findUserId(client, options.user)
      const filter = { connectionId, userId, search, status, from, to }
      const entries = await readAll(
        (cursor, limit) => client.wireLog.list.query({ ...filter, cursor, limit }),
        options.limit
      )
      print(command, entries, ({ items }) =>
        table(items, {
          id: (item) => item.id,
          at: (item) => time(item.at),
          who: (item) => item.name,
          request: (item) => `${item.method} ${shortened(item.path)}`,
          status: (item) => statusText(item.status),
          reason: (item) => item.reason,
          ms: (item) => item.durationMs
        })
      )
    })

  onTenant(wireLog.command('show <id>'))
    .description('show one exchange, with what a refusal means')
    .action(async (id: string, options: { tenant: string }, command: Command) => {
      const answer = await connectTenant(options.tenant).wireLog.get.query({ id })
      print(command, answer, ({ entry }) => entryText(entry))
    })

  onTenant(wireLog.command('replay <id>'))
    .description('send a request again as a dry run: what would be answered now, and what would change')
    .action(async (id: string, options: { tenant: string }, command: Command) => {
      const answer = await connectTenant(options.tenant).wireLog.replay.mutate({ id })
      print(command, answer, replayText)
    })
}

function parseStatus(text: string): Status {
  if (text === 'refused' || text === 'answered') return text
  const status = Number(text)
  if (Number.isInteger(status) && status >= 100 && status <= 599) return status
  throw new InvalidArgumentError('It must be a status such as 409, or `refused` or `answered`.')
}

const MAX_PATH = 80
const shortened = (path: string) => (path.length > MAX_PATH ? `${path.slice(0, MAX_PATH)}…` : path)
const statusText = (status: number) => (status >= 400 ? pc.red(String(status)) : String(status))

const fact = (name: string, value: string) => `${pc.dim(name.padEnd(10))} ${value}`
const section = (name: string, body: Entry['request']) =>
  body ? ['', pc.bold(name), body.text, ...(body.cutFrom ? [pc.dim(`(cut, of ${body.cutFrom} characters)`)] : [])] : []
const explanationLines = (explanation: Entry['explanation']) =>
  explanation ? [fact('means', explanation.means), fact('change', explanation.change)] : []

const entryText = (entry: Entry): string =>
  [
    `${pc.bold(`${entry.method} ${entry.path}`)} ${statusText(entry.status)}`,
    fact('at', `${time(entry.at)}, ${entry.durationMs} ms`),
    fact('from', [entry.name, entry.ip].filter(Boolean).join(', ') || 'unknown'),
    fact('request', entry.requestId),
    ...entry.leniences.map(({ means, where }) => fact('lenience', `${means} (${where.join(', ')})`)),
    ...explanationLines(entry.explanation),
    ...section('Sent', entry.request),
    ...section('Answered', entry.response),
    '',
    pc.bold('Again'),
    entry.curl
  ].join('\n')

const replayText = ({ before, now, changes, mails }: Replay): string =>
  [
    `It was answered ${statusText(before.status)}; now it would be ${statusText(now.status)}.`,
    ...explanationLines(now.explanation),
    changes.length === 0 ? 'It would change nothing.' : `It would change ${changes.length}:`,
    ...changes.map(
      ({ action, targetName, targetId, before: was, after }) =>
        `  ${action} ${pc.bold(targetName ?? targetId ?? '')} ${pc.dim(`${JSON.stringify(was ?? {})} → ${JSON.stringify(after ?? {})}`)}`
    ),
    ...(mails > 0 ? [`It would send ${mails} ${mails === 1 ? 'mail' : 'mails'}.`] : []),
    pc.dim('Nothing was changed.')
  ].join('\n')
