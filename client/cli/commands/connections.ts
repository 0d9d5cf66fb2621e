// muster connection …
import { type Command, InvalidArgumentError, Option } from 'commander'
import type { Inputs, Outputs } from '../../index.ts'
import { connectTenant, onTenant, PROFILES, roleOption, UsageError } from '../connection.ts'
import { done, print, readAll, table, time } from '../output.ts'
import { shadowCommands } from './shadow.ts'

type Update = Inputs['scimConnections']['update']
type Details = Outputs['scimConnections']['get']['connection']

export function connectionCommands(program: Command): void {
  const connection = program.command('connection').description('identity providers, each with its tokens')

  onTenant(connection.command('list'))
    .description('list connections, their tokens and what they were refused')
    .action(async (options: { tenant: string }, command: Command) => {
      const client = connectTenant(options.tenant)
      const connections = await readAll((cursor, limit) => client.scimConnections.list.query({ cursor, limit }))
      print(command, connections, ({ items }) =>
        table(items, {
          id: (item) => item.id,
          name: (item) => item.name,
          profile: (item) => item.profile,
          'highest role': (item) => item.highestRole,
          tokens: (item) => `${item.tokens.live} of ${item.tokens.total}`,
          'last used': (item) => time(item.lastUsedAt),
          'errors in a day': (item) => item.errors?.count ?? 0
        })
      )
    })

  onTenant(connection.command('show <connectionId>'))
    .description('show one connection')
    .action(async (connectionId: string, options: { tenant: string }, command: Command) => {
      const answer = await connectTenant(options.tenant).scimConnections.get.query({ connectionId })
      print(command, answer, (shown) => factsOf(shown.connection))
    })

  onTenant(connection.command('errors'))
    .description('list what connections were refused in the last day')
    .action(async (options: { tenant: string }, command: Command) => {
      const answer = await connectTenant(options.tenant).scimTokens.errors.query()
      print(command, answer, ({ connections }) =>
        table(connections, {
          connection: (item) => item.connectionId,
          count: (item) => item.count,
          latest: (item) => time(item.last.at),
          status: (item) => item.last.status,
          detail: (item) => item.last.detail
        })
      )
    })

  onTenant(connection.command('update <connectionId>'))
    .description('change a connection; its tokens follow at once')
    .option('--name <name>', 'what people and the audit log call it')
    .addOption(new Option('--profile <profile>', 'how lenient its edge is').choices(PROFILES))
    .addOption(roleOption('--highest-role <role>', 'the highest role that it may give'))
    .addOption(
      new Option('--brake <on|off|default>', 'whether mass deprovisioning is held').choices(['on', 'off', 'default'])
    )
    .option('--brake-percent <percent>', "of the tenant's active users within an hour", parseNumber)
    .option('--brake-people <people>', 'the least number that is let through', parseNumber)
    .action(async (connectionId: string, options: UpdateOptions, command: Command) => {
      const { name, profile, highestRole } = options
      const client = connectTenant(options.tenant)
      const brake = await brakeOf(options, () => client.scimConnections.get.query({ connectionId }))
      const patch = { name, profile, highestRole, brake }
      if (Object.values(patch).every((value) => value === undefined)) throw new UsageError('Name what shall change')
      const answer = await client.scimConnections.update.mutate({ connectionId, ...patch })
      print(command, answer, () => done('The connection is changed.'))
    })

  onTenant(connection.command('remove <connectionId>'))
    .description('end its tokens and forget it; its people and groups stay, as ordinary ones')
    .option('--keep', 'keep what it had read-only, until another connection takes it on or you release it')
    .action(async (connectionId: string, options: { tenant: string; keep?: true }, command: Command) => {
      const afterwards = options.keep ? 'keep' : 'release'
      const answer = await connectTenant(options.tenant).scimConnections.remove.mutate({ connectionId, afterwards })
      const how = options.keep ? 'read-only' : 'as ordinary ones'
      print(command, answer, ({ released }) =>
        done(`The connection is removed; ${released.users} people and ${released.groups} groups stay ${how}.`)
      )
    })

  onTenant(connection.command('removed'))
    .description('list connections that were removed and still keep something read-only')
    .action(async (options: { tenant: string }, command: Command) => {
      const answer = await connectTenant(options.tenant).scimConnections.removed.query()
      print(command, answer, ({ items }) =>
        table(items, {
          id: (item) => item.id,
          name: (item) => item.name,
          removed: (item) => time(item.removedAt),
          people: (item) => item.users,
          groups: (item) => item.groups,
          memberships: (item) => item.memberships
        })
      )
    })

  onTenant(connection.command('release <connectionId>'))
    .description('make what a removed connection keeps ordinary')
    .action(async (connectionId: string, options: { tenant: string }, command: Command) => {
      const answer = await connectTenant(options.tenant).scimConnections.release.mutate({ connectionId })
      print(command, answer, ({ released }) =>
        done(`${released.users} people and ${released.groups} groups can be changed here now.`)
      )
    })

  shadowCommands(connection)
}

interface UpdateOptions {
  tenant: string
  name?: string
  profile?: Update['profile']
  highestRole?: Update['highestRole']
  brake?: 'on' | 'off' | 'default'
  brakePercent?: number
  brakePeople?: number
}

function parseNumber(text: string): number {
  const number = Number(text)
  if (text.trim() === '' || !Number.isFinite(number)) throw new InvalidArgumentError('It must be a number.')
  return number
}

/** Options that are not given keep their value; `default` resets all of them to the tenant's settings. */
async function brakeOf(
  { brake, brakePercent, brakePeople }: UpdateOptions,
  read: () => Promise<{ connection: Details }>
): Promise<Update['brake']> {
  if (brake === undefined && brakePercent === undefined && brakePeople === undefined) return undefined
  const before = brake === 'default' ? {} : (await read()).connection.brake
  return {
    ...before,
    ...((brake === 'on' || brake === 'off') && { off: brake === 'off' }),
    ...(brakePercent !== undefined && { percent: brakePercent }),
    ...(brakePeople !== undefined && { people: brakePeople })
  }
}

const factsOf = (connection: Details): string =>
  table(
    [
      ['id', connection.id],
      ['name', connection.name],
      ['profile', connection.profile],
      ['highest role', connection.highestRole],
      ['created', time(connection.createdAt)],
      ['tokens', `${connection.tokens.live} of ${connection.tokens.total} work`],
      ['in shadow mode since', time(connection.shadow?.openedAt)],
      ['going live', connection.shadow?.isGoingLive ? 'just now' : null],
      ['last used', time(connection.lastUsedAt)],
      ['people', connection.users],
      ['groups', connection.groups],
      ['memberships', connection.memberships],
      ['errors in a day', connection.errors?.count ?? 0],
      ['latest error', connection.errors && `${connection.errors.last.detail} (${connection.errors.last.status})`]
    ],
    { fact: ([name]) => name, value: ([, value]) => value }
  )
