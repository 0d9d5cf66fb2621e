// muster tenant …
import type { Command } from 'commander'
import { connectOperator, UsageError, withJson } from '../connection.ts'
import { done, print, readAll, table, time } from '../output.ts'
import { transferCommands } from './tenant-transfer.ts'

export function tenantCommands(program: Command): void {
  const tenant = program.command('tenant').description('the organisations that this service serves')

  withJson(tenant.command('create <subdomain>'))
    .description('create a tenant and invite its first administrator')
    .requiredOption('--name <name>', "the organisation's name")
    .option('--admin <address>', 'who is invited as the first administrator')
    .action(async (subdomain: string, options: { name: string; admin?: string }, command: Command) => {
      const created = await connectOperator().tenants.create.mutate({
        subdomain,
        name: options.name,
        admin: options.admin
      })
      print(command, created, () =>
        done(`Tenant ${subdomain} is there${options.admin ? `; ${options.admin} is invited` : ''}.`)
      )
    })

  withJson(tenant.command('list'))
    .description('list the tenants')
    .option('--search <text>', 'part of the name or subdomain')
    .action(async (options: { search?: string }, command: Command) => {
      const client = connectOperator()
      const tenants = await readAll((cursor, limit) =>
        client.tenants.list.query({ search: options.search, cursor, limit })
      )
      print(command, tenants, ({ items }) =>
        table(items, {
          subdomain: (item) => item.subdomain,
          name: (item) => item.name,
          state: (item) => item.state,
          created: (item) => time(item.createdAt)
        })
      )
    })

  withJson(tenant.command('show <subdomain>'))
    .description('show one tenant, and how much is in it')
    .action(async (subdomain: string, _options: unknown, command: Command) => {
      const answer = await connectOperator().tenants.get.query({ subdomain })
      print(command, answer, ({ tenant: shown, counts }) =>
        table(
          [
            ['id', shown.id],
            ['subdomain', shown.subdomain],
            ['name', shown.name],
            ['state', shown.state],
            ['people', counts.users],
            ['administrators', counts.administrators],
            ['groups', counts.groups],
            ['connections', counts.scimConnections],
            ['created', time(shown.createdAt)]
          ],
          { fact: ([name]) => name, value: ([, value]) => value }
        )
      )
    })

  withJson(tenant.command('rename <subdomain> <name>'))
    .description('call a tenant something else; its settings: muster settings')
    .action(async (subdomain: string, name: string, _options: unknown, command: Command) => {
      const changed = await connectOperator().tenants.update.mutate({ subdomain, name })
      print(command, changed, () => done(`Tenant ${subdomain} is called ${name} now.`))
    })

  for (const [name, suspended, text] of [
    ['suspend', true, 'refuse every request of a tenant; its data stays'],
    ['resume', false, 'serve a suspended tenant again']
  ] as const) {
    withJson(tenant.command(`${name} <subdomain>`))
      .description(text)
      .action(async (subdomain: string, _options: unknown, command: Command) => {
        const changed = await connectOperator().tenants.suspend.mutate({ subdomain, suspended })
        print(command, changed, () => done(`Tenant ${subdomain} is ${suspended ? 'suspended' : 'served again'}.`))
      })
  }

  transferCommands(tenant)

  withJson(tenant.command('remove <subdomain>'))
    .description('delete a suspended tenant and everything in it, for good')
    .option('--confirm <subdomain>', 'the subdomain again')
    .action(async (subdomain: string, options: { confirm?: string }, command: Command) => {
      if (options.confirm !== subdomain) throw new UsageError(`Say --confirm ${subdomain}: everything in it is deleted`)
      const removed = await connectOperator().tenants.remove.mutate({ subdomain, confirm: subdomain })
      print(command, removed, () => done(`Tenant ${subdomain} is deleted.`))
    })
}
