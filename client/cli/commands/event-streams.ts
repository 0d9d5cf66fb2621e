// muster event-stream …
import { type Command, Option } from 'commander'
import type { Outputs } from '../../index.ts'
import { connectTenant, onTenant, parseCount, parseHours, UsageError } from '../connection.ts'
import { done, print, readAll, table, time } from '../output.ts'

type Stream = Outputs['eventStreams']['list']['items'][number]

const parseTypes = (text: string): string[] =>
  text
    .split(',')
    .map((type) => type.trim())
    .filter(Boolean)

export function eventStreamCommands(program: Command): void {
  const stream = program.command('event-stream').description('where events go: webhooks and security event tokens')

  onTenant(stream.command('list'))
    .description('list the streams and how their deliveries stand')
    .action(async (options: { tenant: string }, command: Command) => {
      const answer = await connectTenant(options.tenant).eventStreams.list.query()
      print(command, answer, ({ items }) =>
        table<Stream>(items, {
          id: (item) => item.id,
          name: (item) => item.name,
          kind: (item) => item.kind,
          url: (item) => item.url,
          events: (item) => item.eventTypes.join(', ') || 'all',
          state: (item) => item.state,
          queued: (item) => item.deliveries.queued,
          'given up': (item) => item.deliveries.dead,
          'last delivered': (item) => time(item.lastDeliveredAt)
        })
      )
    })

  onTenant(stream.command('create'))
    .description("make a stream; a webhook's secret is printed this once")
    .requiredOption('--name <name>', 'what people and the audit log call it')
    .requiredOption('--url <url>', 'where events are posted')
    .addOption(new Option('--kind <kind>', 'how').choices(['webhook', 'set']).default('webhook'))
    .option('--events <types>', 'such as user.*,group.membersChanged; every event when left out', parseTypes)
    .option('--audience <audience>', "of set: the tokens' aud")
    .option('--authorization <header>', "of set: the receiver's Authorization header")
    .action(async (options: CreateOptions, command: Command) => {
      const { tenant, events, ...facts } = options
      const answer = await connectTenant(tenant).eventStreams.create.mutate({ ...facts, eventTypes: events ?? [] })
      print(command, answer, ({ stream: made, secret }) =>
        [done(`The stream ${made.name} is made: ${made.id}`), ...(secret ? [`Secret: ${secret}`] : [])].join('\n')
      )
    })

  onTenant(stream.command('update <streamId>'))
    .description('change a stream; pause or resume it')
    .option('--name <name>', 'what people and the audit log call it')
    .option('--url <url>', 'where events are posted')
    .option('--events <types>', 'such as user.*,group.membersChanged', parseTypes)
    .option('--authorization <header>', 'of set: another Authorization header; a URL of another origin asks for it')
    .option('--no-authorization', 'of set: none any longer')
    .addOption(new Option('--state <state>', 'whether events are sent').choices(['enabled', 'paused']))
    .action(async (streamId: string, options: UpdateOptions, command: Command) => {
      const { tenant, events: eventTypes, authorization, ...facts } = options
      const patch = { ...facts, eventTypes, authorization: authorization === false ? null : authorization }
      if (Object.values(patch).every((value) => value === undefined)) throw new UsageError('Name what shall change')
      const answer = await connectTenant(tenant).eventStreams.update.mutate({ streamId, ...patch })
      print(command, answer, () => done('The stream is changed.'))
    })

  onTenant(stream.command('show <streamId>'))
    .description('show one stream')
    .action(async (streamId: string, options: { tenant: string }, command: Command) => {
      const answer = await connectTenant(options.tenant).eventStreams.get.query({ streamId })
      print(command, answer, ({ stream: shown }) =>
        table(Object.entries(shown), {
          fact: ([name]) => name,
          value: ([, value]) => (typeof value === 'object' && value !== null ? JSON.stringify(value) : value)
        })
      )
    })

  onTenant(stream.command('remove <streamId>'))
    .description('remove a stream, with what it did not deliver')
    .action(async (streamId: string, options: { tenant: string }, command: Command) => {
      const answer = await connectTenant(options.tenant).eventStreams.remove.mutate({ streamId })
      print(command, answer, () => done('The stream is removed.'))
    })

  onTenant(stream.command('rotate-secret <streamId>'))
    .description('make a new secret; the old one signs along for the overlap')
    .option('--overlap-hours <hours>', 'hours', parseHours, 24)
    .action(async (streamId: string, options: { tenant: string; overlapHours: number }, command: Command) => {
      const { tenant, overlapHours } = options
      const answer = await connectTenant(tenant).eventStreams.rotateSecret.mutate({ streamId, overlapHours })
      print(command, answer, ({ secret }) => `Secret: ${secret}`)
    })

  onTenant(stream.command('test <streamId>'))
    .description('send an event that says nothing else')
    .action(async (streamId: string, options: { tenant: string }, command: Command) => {
      const answer = await connectTenant(options.tenant).eventStreams.test.mutate({ streamId })
      print(command, answer, () => done('A test is on its way.'))
    })

  onTenant(stream.command('deliveries <streamId>'))
    .description('list deliveries, newest first')
    .addOption(new Option('--state <state>', 'only these').choices(['queued', 'delivered', 'dead']))
    .option('--limit <number>', 'at most so many', parseCount, 50)
    .action(async (streamId: string, options: DeliveriesOptions, command: Command) => {
      const { tenant, state, limit: most } = options
      const client = connectTenant(tenant)
      const answer = await readAll(
        (cursor, limit) => client.eventStreams.deliveries.query({ streamId, state, cursor, limit }),
        most
      )
      print(command, answer, ({ items }) =>
        table(items, {
          id: (item) => item.id,
          event: (item) => item.type,
          about: (item) => item.targetName,
          state: (item) => item.state,
          attempts: (item) => item.attempts,
          answer: (item) => [item.status, item.error].filter(Boolean).join(': '),
          when: (item) => time(item.attemptedAt ?? item.queuedAt)
        })
      )
    })

  onTenant(stream.command('replay <streamId> [deliveryIds...]'))
    .description('send deliveries again: those named, or all that were given up')
    .action(async (streamId: string, deliveryIds: string[], options: { tenant: string }, command: Command) => {
      const chosen = deliveryIds.length > 0 ? { deliveryIds } : {}
      const answer = await connectTenant(options.tenant).eventStreams.replay.mutate({ streamId, ...chosen })
      print(command, answer, ({ count }) => done(`${count} on their way again.`))
    })
}

interface CreateOptions {
  tenant: string
  name: string
  url: string
  kind: 'webhook' | 'set'
  events?: string[]
  audience?: string
  authorization?: string
}

interface UpdateOptions {
  tenant: string
  name?: string
  url?: string
  events?: string[]
  /** False for none. */
  authorization?: string | false
  state?: 'enabled' | 'paused'
}

interface DeliveriesOptions {
  tenant: string
  state?: 'queued' | 'delivered' | 'dead'
  limit: number
}
