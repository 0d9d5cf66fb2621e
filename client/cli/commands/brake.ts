// muster brake …
import type { Command } from 'commander'
import { connectTenant, onTenant } from '../connection.ts'
import { done, print, readAll, table, time } from '../output.ts'

interface Options {
  tenant: string
  change?: string[]
}

export function brakeCommands(program: Command): void {
  const brake = program.command('brake').description('what identity providers were kept from taking away')

  onTenant(brake.command('status [connectionId]'))
    .description('show what is held, of all connections or of one')
    .action(async (connectionId: string | undefined, options: Options, command: Command) => {
      const client = connectTenant(options.tenant)
      if (connectionId === undefined) {
        const answer = await client.brake.holding.query()
        print(command, answer, ({ connections }) =>
          connections.length === 0
            ? done('Nothing is held.')
            : table(connections, {
                id: (item) => item.id,
                name: (item) => item.name,
                since: (item) => time(item.since)
              })
        )
        return
      }
      const [{ brake: status }, held] = await Promise.all([
        client.brake.get.query({ connectionId }),
        readAll((cursor, limit) => client.brake.held.query({ connectionId, cursor, limit }))
      ])
      print(command, { brake: status, held: held.items }, () =>
        [
          ...(status.limits
            ? [
                `At most ${status.limits.percent} % of the active people within an hour, ${status.limits.people} at least; ` +
                  `${status.counted} in the last hour.`
              ]
            : ['The brake is off: whatever the connection asks for comes through.', ...heldBefore(held.items.length)]),
          table(held.items, {
            id: (item) => item.id,
            kind: (item) => item.kind,
            person: (item) => item.user?.email ?? item.user?.name ?? item.childGroup?.name,
            group: (item) => item.group?.name,
            'first try': (item) => time(item.firstTriedAt),
            'last try': (item) => time(item.lastTriedAt),
            tries: (item) => item.tries
          })
        ].join('\n')
      )
    })

  onTenant(brake.command('release <connectionId>'))
    .description('carry out what was held, and let the connection go on for an hour')
    .option('--change <ids...>', 'these changes alone')
    .action(async (connectionId: string, options: Options, command: Command) => {
      const answer = await connectTenant(options.tenant).brake.release.mutate({
        connectionId,
        changeIds: options.change
      })
      print(command, answer, ({ carriedOut, refused }) =>
        [
          done(`${carriedOut} changes are carried out.`),
          ...(refused.length > 0
            ? [table(refused, { change: (item) => item.changeId, why: (item) => item.detail })]
            : [])
        ].join('\n')
      )
    })

  onTenant(brake.command('reject <connectionId>'))
    .description('turn down what was held: everything stays as it is')
    .option('--change <ids...>', 'these changes alone')
    .action(async (connectionId: string, options: Options, command: Command) => {
      const answer = await connectTenant(options.tenant).brake.reject.mutate({
        connectionId,
        changeIds: options.change
      })
      print(command, answer, ({ rejected }) => done(`${rejected} changes are rejected.`))
    })

  onTenant(brake.command('lift <connectionId>'))
    .description('lift rejections: the next try of the connection is a new one')
    .option('--change <ids...>', 'these changes alone')
    .action(async (connectionId: string, options: Options, command: Command) => {
      const answer = await connectTenant(options.tenant).brake.lift.mutate({ connectionId, changeIds: options.change })
      print(command, answer, ({ lifted }) => done(`${lifted} rejections are lifted.`))
    })
}

const heldBefore = (count: number): string[] =>
  count > 0 ? ['Held before, and not carried out: `release` does it, or the connection when it asks again.'] : []
