// muster conflict …
import { type Command, Option } from 'commander'
import { connectTenant, onTenant } from '../connection.ts'
import { done, print, readAll, table, time } from '../output.ts'

type State = 'open' | 'decided' | 'ignored'

const NEXT = 'It is carried out when the identity provider tries again.'

export function conflictCommands(program: Command): void {
  const conflict = program
    .command('conflict')
    .description('people whom identity providers send, and who may be here already')

  onTenant(conflict.command('list'))
    .description('show who waits for a decision')
    .addOption(new Option('--state <state>', 'which ones').choices(['open', 'decided', 'ignored']).default('open'))
    .action(async (options: { tenant: string; state: State }, command: Command) => {
      const client = connectTenant(options.tenant)
      const conflicts = await readAll((cursor, limit) =>
        client.scimConflicts.list.query({ state: options.state, cursor, limit })
      )
      print(command, conflicts, ({ items }) =>
        table(items, {
          id: (item) => item.id,
          from: (item) => item.connection.name,
          sent: (item) => [item.sent.userName, ...item.sent.emails].join('\n'),
          here: (item) =>
            item.candidates.map(({ id, name, email, role }) => `${name} ${email ?? ''}\n${role} ${id}`).join('\n'),
          why: (item) => item.explanation,
          decision: (item) => item.decision,
          'last try': (item) => time(item.lastTriedAt),
          tries: (item) => item.tries
        })
      )
    })

  onTenant(conflict.command('adopt <conflictId> <userId>'))
    .description('it is this user: the identity provider manages them from its next try on')
    .action(async (conflictId: string, userId: string, options: { tenant: string }, command: Command) => {
      const decided = { conflictId, decision: 'adopt', userId } as const
      const answer = await connectTenant(options.tenant).scimConflicts.decide.mutate(decided)
      print(command, answer, ({ conflict: { candidates } }) =>
        done(`${candidates.find(({ id }) => id === userId)?.adopt.text ?? ''} ${NEXT}`)
      )
    })

  onTenant(conflict.command('apart <conflictId>'))
    .description('it is somebody else: a user of its own is made at the next try')
    .action(async (conflictId: string, options: { tenant: string }, command: Command) => {
      const answer = await connectTenant(options.tenant).scimConflicts.decide.mutate({ conflictId, decision: 'apart' })
      print(command, answer, ({ conflict: { apart } }) => done(`${apart.text} ${NEXT}`))
    })

  onTenant(conflict.command('ignore <conflictId>'))
    .description('leave it so: the identity provider is refused, and nobody is asked again')
    .action(async (conflictId: string, options: { tenant: string }, command: Command) => {
      const answer = await connectTenant(options.tenant).scimConflicts.decide.mutate({ conflictId, decision: 'ignore' })
      print(command, answer, () => done('The identity provider is refused from now on.'))
    })
}
