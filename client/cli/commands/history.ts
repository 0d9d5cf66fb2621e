// muster history …, muster undo
import type { Command } from 'commander'
import type { Client, Inputs, Outputs } from '../../index.ts'
import { connectTenant, onTenant, parseCount, parseTime, UsageError } from '../connection.ts'
import { done, print, readAll, table, time } from '../output.ts'
import { findUserId } from './users.ts'

type Version = Outputs['history']['user']['items'][number]
type Scope = Inputs['history']['undo']
type Report = Outputs['history']['undo']
type Item = Report['items'][number]

interface ListOptions {
  tenant: string
  since?: string
  limit: number
}

interface UndoOptions {
  tenant: string
  event?: string
  user?: string
  group?: string
  connection?: string
  at?: string
  since?: string
  dryRun?: boolean
}

export function historyCommands(program: Command): void {
  const history = program.command('history').description('every version of a user or a group, what a connection did')

  const lists: Record<'user' | 'group' | 'connection', (client: Client, id: string) => Promise<ReadPage>> = {
    user: async (client, idOrAddress) => {
      const userId = await findUserId(client, idOrAddress)
      return (page) => client.history.user.query({ userId, ...page })
    },
    group: async (client, groupId) => (page) => client.history.group.query({ groupId, ...page }),
    connection: async (client, connectionId) => (page) => client.history.connection.query({ connectionId, ...page })
  }
  for (const [what, open] of Object.entries(lists)) {
    onTenant(history.command(`${what} <${what === 'user' ? 'user' : `${what}Id`}>`))
      .description(what === 'connection' ? 'what it did, newest first' : `what happened to a ${what}, newest first`)
      .option('--since <time>', 'not before, such as 2027-01-31T09:40', parseTime)
      .option('--limit <count>', 'how many at most', parseCount, 100)
      .action(async (id: string, { tenant, since, limit: most }: ListOptions, command: Command) => {
        const read = await open(connectTenant(tenant), id)
        const versions = await readAll((cursor, limit) => read({ since, cursor, limit }), most)
        print(command, versions, ({ items }) => versionTable(items))
      })
  }

  onTenant(program.command('undo'))
    .description('undo one change, a user or a group to a moment, or all that a connection did since one')
    .option('--event <eventId>', 'one change, or an undo')
    .option('--user <user>', 'a user, by id or address, to what it was --at a moment')
    .option('--group <groupId>', 'a group, to what it was --at a moment')
    .option('--connection <connectionId>', 'all that a connection did --since a moment')
    .option('--at <time>', 'such as 2027-01-31T09:40', parseTime)
    .option('--since <time>', 'such as 2027-01-31T09:40', parseTime)
    .option('--dry-run', 'say what it would do, and change nothing')
    .action(async (options: UndoOptions, command: Command) => {
      const client = connectTenant(options.tenant)
      const scope = await scopeOf(client, options)
      const report = await (options.dryRun ? client.history.preview.query(scope) : client.history.undo.mutate(scope))
      print(command, report, (shown) => describeReport(shown, options.dryRun ?? false))
    })
}

type ReadPage = (page: {
  since?: string
  cursor?: string
  limit: number
}) => Promise<{ items: Version[]; nextCursor: string | null }>

async function scopeOf(client: Client, { event, user, group, connection, at, since }: UndoOptions): Promise<Scope> {
  const named = [event, user, group, connection].filter((value) => value !== undefined)
  if (named.length !== 1) throw new UsageError('Name one of --event, --user, --group and --connection')
  if (event) return { eventId: event }
  if (connection) {
    if (!since) throw new UsageError('Say --since when, such as --since 2027-01-31T09:40')
    return { connectionId: connection, since }
  }
  if (!at) throw new UsageError('Say --at which moment, such as --at 2027-01-31T09:40')
  return user ? { userId: await findUserId(client, user), at } : { groupId: group!, at }
}

const versionTable = (items: readonly Version[]) =>
  table(items, {
    at: (item) => time(item.at),
    who: (item) => item.connectionName ?? item.actorName,
    what: (item) => item.action,
    whom: (item) => item.targetName ?? item.targetId,
    groups: (item) =>
      item.memberships.map(({ change, groupName, groupId }) => `${change} ${groupName ?? groupId}`).join(', ') ||
      undefined,
    'undo with': (item) => (item.isUndoable ? item.id : undefined)
  })

function describeReport({ counts, items, undoId, isComplete }: Report, isDryRun: boolean): string {
  const { users, groups, memberships, refused } = counts
  const sum = `${users} users, ${groups} groups and ${memberships} memberships`
  const lines = [
    done(isDryRun ? `It would change ${sum}, and refuse ${refused}.` : `Changed ${sum}; refused ${refused}.`)
  ]
  const shown = isDryRun ? items : items.filter(({ conflicts }) => conflicts.length > 0)
  if (shown.length > 0) lines.push(itemTable(shown))
  if (!isComplete) lines.push('There are more than these.')
  if (undoId && !isDryRun) lines.push(`Undo this with: muster undo --event ${undoId}`)
  return lines.join('\n')
}

const itemTable = (items: readonly Item[]) =>
  table(items, {
    what: (item) =>
      item.group ? `${item.name ?? item.id} in ${item.group.name ?? item.group.id}` : (item.name ?? item.id),
    changes: (item) => item.changes.map(({ attribute }) => attribute).join(', ') || undefined,
    refused: (item) =>
      item.conflicts
        .map(
          ({ attribute, detail, by }) => `${attribute}: ${detail}${by ? ` (${by.name ?? '?'}, ${time(by.at)})` : ''}`
        )
        .join('; ') || undefined
  })
