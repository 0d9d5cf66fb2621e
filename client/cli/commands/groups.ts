// muster group …
import type { Command } from 'commander'
import type { Outputs } from '../../index.ts'
import { connectTenant, onTenant, parseCount } from '../connection.ts'
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
          'managed by': (item) => managerOf(item.authority),
          changed: (item) => time(item.updatedAt)
        })
      )
    })

  onTenant(group.command('show <groupId>'))
    .description('show one group, and the groups in it and that it is in')
    .action(async (groupId: string, options: { tenant: string }, command: Command) => {
      const answer = await connectTenant(options.tenant).groups.get.query({ groupId })
      print(command, answer, groupFacts)
    })

  onTenant(group.command('members <groupId>'))
    .description('list the people in a group')
    .option('--search <text>', 'part of the name or address')
    .option('--limit <count>', 'how many at most', parseCount)
    .action(async (groupId: string, options: { tenant: string; search?: string; limit?: number }, command: Command) => {
      const client = connectTenant(options.tenant)
      const members = await readAll(
        (cursor, limit) => client.groups.members.query({ groupId, search: options.search, cursor, limit }),
        options.limit
      )
      print(command, members, ({ items }) =>
        table(items, {
          id: (item) => item.id,
          address: (item) => item.email,
          name: (item) => item.displayName,
          state: (item) => item.state,
          'put there by': (item) => managerOf(item.membership)
        })
      )
    })

  onTenant(group.command('create <name> [users...]'))
    .description('create a group, with people, by id or address')
    .action(async (displayName: string, users: string[], options: { tenant: string }, command: Command) => {
      const client = connectTenant(options.tenant)
      const members = await Promise.all(users.map((user) => findUserId(client, user)))
      const answer = await client.groups.create.mutate({ displayName, members })
      print(command, answer, () => done(`Group ${displayName} is there.`))
    })

  onTenant(group.command('rename <groupId> <name>'))
    .description('call a group something else')
    .action(async (groupId: string, displayName: string, options: { tenant: string }, command: Command) => {
      const answer = await connectTenant(options.tenant).groups.update.mutate({ groupId, displayName })
      print(command, answer, () => done(`The group is called ${displayName} now.`))
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
        // lookups that start in one tick travel in one request
        const userIds = await Promise.all(users.map((user) => findUserId(client, user)))
        const answer = await client.groups[procedure].mutate({ groupId, userIds })
        print(command, answer, () => done(`${users.join(', ')}: ${past}.`))
      })
  }
}

const managerOf = (authority: Outputs['groups']['get']['group']['authority']): string | undefined =>
  authority.kind === 'connection' ? `${authority.name}${authority.isRemoved ? ', which was removed' : ''}` : undefined

const groupFacts = ({ group, childGroups, parentGroups }: Outputs['groups']['get']): string => {
  const names = (groups: readonly { displayName: string }[]) =>
    groups.map(({ displayName }) => displayName).join(', ') || undefined
  return table(
    [
      ['id', group.id],
      ['name', group.displayName],
      ['external id', group.externalId],
      ['members', group.memberCount],
      ['managed by', managerOf(group.authority)],
      ['groups in it', names(childGroups)],
      ['is in', names(parentGroups)],
      ['created', time(group.createdAt)],
      ['changed', time(group.updatedAt)]
    ],
    { fact: ([name]) => name, value: ([, value]) => value }
  )
}
