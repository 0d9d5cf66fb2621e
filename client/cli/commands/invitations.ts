// muster invite …, muster invitation …
import { type Command, Option } from 'commander'
import pc from 'picocolors'
import type { Outputs } from '../../index.ts'
import type { ROLES } from '../connection.ts'
import { connectTenant, onTenant, roleOption } from '../connection.ts'
import { done, print, readAll, table, time } from '../output.ts'

type Role = (typeof ROLES)[number]
type State = (typeof STATES)[number]
type Invitation = Outputs['invitations']['list']['items'][number]

const STATES = ['pending', 'expired', 'accepted', 'revoked', 'adopted'] as const satisfies Invitation['state'][]

export function invitationCommands(program: Command): void {
  onTenant(program.command('invite <addresses...>'))
    .description('invite people; addresses as people paste them: commas, semicolons, Name <a@b>')
    .addOption(roleOption('-r, --role <role>', 'their role').default('responder'))
    .option('--resend', 'send a new link to those who are invited already')
    .action(
      async (addresses: string[], options: { tenant: string; role: Role; resend?: boolean }, command: Command) => {
        const answer = await connectTenant(options.tenant).invitations.create.mutate({
          invites: addresses.map((email) => ({ email, role: options.role })),
          resend: options.resend
        })
        print(command, answer, ({ results, counts }) =>
          [
            table(results, {
              address: (item) => item.email,
              result: (item) => colourResult(item.result),
              note: (item) => item.connection && `managed by ${item.connection.name}: change the person there`
            }),
            Object.entries(counts)
              .map(([result, count]) => `${count} ${result}`)
              .join(', ')
          ].join('\n')
        )
      }
    )

  const invitation = program.command('invitation').description('invitations that were made')

  onTenant(invitation.command('list'))
    .description('list invitations and the state of their mails')
    .option('--search <text>', 'part of the address')
    .addOption(new Option('--state <state>', 'only this state').choices([...STATES]))
    .action(async (options: { tenant: string; search?: string; state?: State }, command: Command) => {
      const client = connectTenant(options.tenant)
      const { state } = options
      const invitations = await readAll((cursor, limit) =>
        client.invitations.list.query({ search: options.search, filter: state && { state }, cursor, limit })
      )
      print(command, invitations, ({ items }) =>
        table(items, {
          id: (item) => item.id,
          address: (item) => item.email,
          role: (item) => item.role,
          state: (item) => item.state,
          mail: (item) => item.mail?.state,
          expires: (item) => time(item.expiresAt)
        })
      )
    })

  onTenant(invitation.command('resend <invitationId>'))
    .description('send a new link; the old one stops working')
    .action(async (invitationId: string, options: { tenant: string }, command: Command) => {
      const answer = await connectTenant(options.tenant).invitations.resend.mutate({ invitationId })
      print(command, answer, () => done('A new link is on its way.'))
    })

  onTenant(invitation.command('revoke <invitationId>'))
    .description('end an invitation; its link stops working')
    .action(async (invitationId: string, options: { tenant: string }, command: Command) => {
      const answer = await connectTenant(options.tenant).invitations.revoke.mutate({ invitationId })
      print(command, answer, () => done('The invitation is revoked.'))
    })
}

function colourResult(result: string): string {
  if (result === 'invited' || result === 'reinvited' || result === 'resent') return pc.green(result)
  return result.startsWith('already') || result === 'managedByIdp' ? pc.yellow(result) : pc.red(result)
}
