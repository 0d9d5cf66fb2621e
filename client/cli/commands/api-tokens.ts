// muster api-token …: people create their own, on the page or by tRPC.
import type { Command } from 'commander'
import { connectTenant, onTenant } from '../connection.ts'
import { done, print, readAll, table, time } from '../output.ts'
import { findUserId } from './users.ts'

export function apiTokenCommands(program: Command): void {
  const token = program.command('api-token').description("what people's own programs sign in with")

  onTenant(token.command('list'))
    .description('list tokens, the newest first')
    .option('--user <user>', "only this person's, by id or address")
    .option('--search <text>', 'part of the name')
    .action(async (options: { tenant: string; user?: string; search?: string }, command: Command) => {
      const client = connectTenant(options.tenant)
      const filter = options.user === undefined ? undefined : { userId: await findUserId(client, options.user) }
      const tokens = await readAll((cursor, limit) =>
        client.apiTokens.list.query({ search: options.search, filter, cursor, limit })
      )
      print(command, tokens, ({ items }) =>
        table(items, {
          id: (item) => item.id,
          name: (item) => item.name,
          whose: (item) => item.owner.name,
          role: (item) => item.role,
          'last used': (item) => time(item.lastUsedAt),
          expires: (item) => time(item.expiresAt)
        })
      )
    })

  onTenant(token.command('revoke <apiTokenId>'))
    .description('end a token at once')
    .action(async (apiTokenId: string, options: { tenant: string }, command: Command) => {
      const answer = await connectTenant(options.tenant).apiTokens.revoke.mutate({ apiTokenId })
      print(command, answer, () => done('The token is revoked.'))
    })
}
