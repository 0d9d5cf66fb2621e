// muster scim-token …
import { type Command, Option } from 'commander'
import pc from 'picocolors'
import type { Inputs } from '../../index.ts'
import { connectTenant, onTenant, PROFILES, parseHours, parseTime, roleOption } from '../connection.ts'
import { done, print, readAll, table, time } from '../output.ts'

type CreateInput = Inputs['scimTokens']['create']

export function scimTokenCommands(program: Command): void {
  const token = program.command('scim-token').description('what identity providers sign in with')

  onTenant(token.command('create'))
    .description('create a token; it is shown once')
    .requiredOption('--name <name>', 'the connection, such as okta')
    .addOption(new Option('--profile <profile>', 'how lenient its edge is').choices(PROFILES).default('auto'))
    .addOption(roleOption('--highest-role <role>', 'the highest role that it may give').default('responder'))
    .option('--expires <date>', 'when it stops working', parseTime)
    .option('--shadow', 'put the connection into shadow mode: nothing that it does changes the tenant')
    .action(
      async (
        options: {
          tenant: string
          name: string
          profile: CreateInput['profile']
          highestRole: CreateInput['highestRole']
          expires?: string
          shadow?: boolean
        },
        command: Command
      ) => {
        const {
          scimToken,
          token: secret,
          baseUrl
        } = await connectTenant(options.tenant).scimTokens.create.mutate({
          name: options.name,
          profile: options.profile,
          highestRole: options.highestRole,
          expiresAt: options.expires,
          shadow: options.shadow
        })
        print(command, { token: secret, baseUrl, scimToken }, (made) => shownOnce(made))
      }
    )

  onTenant(token.command('list'))
    .description('list tokens and when they were last used')
    .action(async (options: { tenant: string }, command: Command) => {
      const client = connectTenant(options.tenant)
      const tokens = await readAll((cursor, limit) => client.scimTokens.list.query({ cursor, limit }))
      print(command, tokens, ({ items }) =>
        table(items, {
          id: (item) => item.id,
          name: (item) => item.name,
          profile: (item) => item.profile,
          'highest role': (item) => item.highestRole,
          'last used': (item) => time(item.lastUsedAt),
          from: (item) => item.lastUsedFrom.map(({ address }) => address).join(', ') || undefined,
          expires: (item) => (item.revoked ? 'revoked' : time(item.expiresAt))
        })
      )
    })

  onTenant(token.command('rotate <scimTokenId>'))
    .description('create a new token of the same connection; the old one works a while longer')
    .option('--overlap-hours <hours>', 'for how long the old one works', parseHours, 24)
    .action(async (scimTokenId: string, options: { tenant: string; overlapHours: number }, command: Command) => {
      const made = await connectTenant(options.tenant).scimTokens.rotate.mutate({
        scimTokenId,
        overlapHours: options.overlapHours
      })
      print(command, made, () => shownOnce(made))
    })

  onTenant(token.command('revoke <scimTokenId>'))
    .description('end a token at once')
    .action(async (scimTokenId: string, options: { tenant: string }, command: Command) => {
      const answer = await connectTenant(options.tenant).scimTokens.revoke.mutate({ scimTokenId })
      print(command, answer, () => done('The token is revoked.'))
    })
}

const shownOnce = (made: { token: string; baseUrl: string }) =>
  [
    done('Copy the token now: it is not shown again.'),
    `  ${pc.dim('Base URL')}  ${made.baseUrl}`,
    `  ${pc.dim('Token')}     ${made.token}`
  ].join('\n')
