// muster group …
import type { Command } from 'commander'
import { connectTenant, onTenant } from '../connection.ts'
import { done, print, readAll, table, time } from '../output.ts'
import { findUserId } from './users.ts'

export function groupCommands(program: Command): void {
  const group = program.command('group').description('the groups of a tenant')

  onTenant(group.command('list'))
    .description('list groups')
    .option('--search <text>', 'part of the name')
    .action(async (options: { tenant: string; search?: string }, command: Command) => {
      const client = connectTenant(options.tenant)
      const groups = await readAll((cursor, limit) =>
        client.groups.list.query({ search: options.search, cursor, limit })
      )
      print(command, groups, ({ items }) =>
        table(items, {
          id: (item) => item.id,
          name: (item) => item.displayName,
          members: (item) => item.memberCount,
          'managed by': (item) => (item.authority.kind === 'connection' ? item.authority.name : undefined),
          changed: (item) => time(item.updatedAt)
        })
      )
    })

  onTenant(group.command('create <name>'))
    .description('create a group')
    .action(async (displayName: string, options: { tenant: string }, command: Command) => {
      const answer = await connectTenant(options.tenant).groups.create.mutate({ displayName })
      print(command, answer, () => done(`Group ${displayName} is there.`))
    })

  onTenant(group.command('release <groupId>'))
    .description("make a group that a connection manages the tenant's own")
    .action(async (groupId: string, options: { tenant: string }, command: Command) => {
      const answer = await connectTenant(options.tenant).groups.release.mutate({ groupId })
      print(command, answer, () => done('The group can be changed here now.'))
    })

  onTenant(group.command('remove <groupId>'))
    .description('delete a group; its members stay')
    .action(async (groupId: string, options: { tenant: string }, command: Command) => {
      const answer = await connectTenant(options.tenant).groups.remove.mutate({ groupId })
      print(command, answer, () => done('The group is deleted.'))
    })

  for (const [name, procedure, past] of [
    ['add', 'addMembers', 'members now'],
    ['drop', 'removeMembers', 'members no longer']
  ] as const) {
    onTenant(group.command(`${name} <groupId> <users...>`))
      .description(`make people, by id or address, ${past}`)
      .action(async (groupId: string, users: string[], options: { tenant: string }, command: Command) => {
        const client = connectTenant(options.tenant)
        // asked for in one tick, the look-ups travel in one request
        const userIds = await Promise.all(users.map((user) => findUserId(client, user)))
        const answer = await client.groups[procedure].mutate({ groupId, userIds })
        print(command, answer, () => done(`${users.join(', ')}: ${past}.`))
      })
  }
}
