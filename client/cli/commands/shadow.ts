// muster connection shadow …
import { Argument, type Command, Option } from 'commander'
import type { Inputs, Outputs } from '../../index.ts'
import { connectTenant, onTenant, parseCount, UsageError } from '../connection.ts'
import { done, print, readAll, table, time } from '../output.ts'

type Counts = Outputs['scimShadow']['summary']['counts']
type Item = Outputs['scimShadow']['list']['items'][number]
type ListInput = Inputs['scimShadow']['list']

const FILTERS: NonNullable<ListInput['filter']>[] = ['create', 'link', 'change', 'deactivate', 'remove', 'conflict']

const DECISIONS = ['tenant', 'provider', 'rest'] as const

interface ShownOptions {
  tenant: string
  prefer: NonNullable<ListInput['prefer']>
}

interface ListOptions extends ShownOptions {
  groups?: boolean
  only?: ListInput['filter']
  limit: number
}

export function shadowCommands(connection: Command): void {
  const shadow = connection.command('shadow').description('what a connection would do, before it does it')

  onTenant(shadow.command('open <connectionId>'))
    .description('have its tokens change a copy of people and groups from now on')
    .action(async (connectionId: string, options: { tenant: string }, command: Command) => {
      const answer = await connectTenant(options.tenant).scimShadow.open.mutate({ connectionId })
      print(command, answer, () => done('The connection is in shadow mode: nothing that it does changes the tenant.'))
    })

  onTenant(shadow.command('show <connectionId>'))
    .description('the numbers: what going live would come to')
    .addOption(preferOption())
    .action(async (connectionId: string, { tenant, prefer }: ShownOptions, command: Command) => {
      const answer = await connectTenant(tenant).scimShadow.summary.query({ connectionId, prefer })
      print(command, answer, (shown) =>
        [`In shadow mode since ${time(shown.shadow.openedAt)}; going live would`, countTable(shown.counts)].join('\n')
      )
    })

  onTenant(shadow.command('list <connectionId>'))
    .description('what would happen to whom')
    .option('--groups', 'groups in place of people')
    .addOption(new Option('--only <what>', 'those to whom this happens').choices(FILTERS))
    .addOption(preferOption())
    .option('--limit <count>', 'how many at most', parseCount, 100)
    .action(
      async (connectionId: string, { tenant, groups, only, prefer, limit: most }: ListOptions, command: Command) => {
        const client = connectTenant(tenant)
        const kind = groups ? 'group' : 'user'
        const found = await readAll(
          (cursor, limit) => client.scimShadow.list.query({ connectionId, prefer, kind, filter: only, cursor, limit }),
          most
        )
        print(command, found, ({ items }) => itemTable(items))
      }
    )

  onTenant(shadow.command('decide'))
    .argument('<connectionId>')
    .argument('<id>', 'the user, or with --group the group, of whom both sides have changed the same')
    .addArgument(new Argument('<whose>', 'value that counts for this one alone').choices(DECISIONS))
    .option('--group', 'it is a group')
    .description('say whose value counts for one user or group; `rest` as for all others')
    .action(
      async (
        connectionId: string,
        id: string,
        whose: (typeof DECISIONS)[number],
        options: { tenant: string; group?: boolean },
        command: Command
      ) => {
        const kind = options.group ? 'group' : 'user'
        const prefer = whose === 'rest' ? null : whose
        const answer = await connectTenant(options.tenant).scimShadow.decide.mutate({ connectionId, kind, id, prefer })
        print(command, answer, () => done('Decided: `list` shows what comes of it.'))
      }
    )

  onTenant(shadow.command('refresh <connectionId>'))
    .description('show it who came, went or changed here since')
    .action(async (connectionId: string, options: { tenant: string }, command: Command) => {
      const answer = await connectTenant(options.tenant).scimShadow.refresh.mutate({ connectionId })
      print(command, answer, ({ users }) => done(`${users} people were taken over into the shadow.`))
    })

  onTenant(shadow.command('go-live <connectionId>'))
    .description('have it done, as `show` says; its tokens change the tenant from then on')
    .addOption(preferOption())
    .option('--yes', 'say so once more: people may lose their access')
    .action(async (connectionId: string, options: ShownOptions & { yes?: boolean }, command: Command) => {
      const { prefer } = options
      if (!options.yes) throw new UsageError('Look at `show`, then add --yes: people may lose their access')
      const client = connectTenant(options.tenant)
      const { counts: expected } = await client.scimShadow.summary.query({ connectionId, prefer })
      const answer = await client.scimShadow.goLive.mutate({ connectionId, expected, prefer })
      print(command, answer, ({ counts }) => [done('The connection is live.'), countTable(counts)].join('\n'))
    })

  onTenant(shadow.command('discard <connectionId>'))
    .description('forget what it did in shadow mode, and end its tokens')
    .action(async (connectionId: string, options: { tenant: string }, command: Command) => {
      const answer = await connectTenant(options.tenant).scimShadow.discard.mutate({ connectionId })
      print(command, answer, () => done('The shadow is discarded, and the tokens have ended.'))
    })
}

const preferOption = () =>
  new Option('--prefer <whose>', 'whose value counts where both have changed one')
    .choices(['tenant', 'provider'])
    .default('tenant')

const countTable = ({ users, groups, memberships, conflicts }: Counts): string =>
  table(
    [
      ...FILTERS.flatMap((effect) => (effect === 'conflict' ? [] : [[effect, users[effect], groups[effect]] as const])),
      ['add to a group', memberships.added, null] as const,
      ['take out of a group', memberships.removed, null] as const,
      ['leave as they are (conflicts)', conflicts, null] as const
    ],
    { what: ([name]) => name, people: ([, count]) => count, groups: ([, , count]) => count }
  )

const itemTable = (items: readonly Item[]): string =>
  table(items, {
    id: (item) => item.id,
    name: (item) => item.name,
    what: (item) => item.effect,
    changes: (item) => item.changes.map(({ attribute }) => attribute).join(', ') || undefined,
    joins: (item) => membersOf(item, 'joined'),
    leaves: (item) => membersOf(item, 'left'),
    conflicts: (item) => item.conflicts.map(conflictInWords).join('; ') || undefined
  })

const conflictInWords = ({ attribute, reason, detail, current, wanted }: Item['conflicts'][number]): string =>
  reason === 'changedSince' && attribute !== 'exists'
    ? `${attribute} ${inWords(current)}, not ${inWords(wanted)}: ${detail}`
    : `${attribute}: ${detail}`

const inWords = (value: unknown): string =>
  value === undefined ? 'none' : typeof value === 'string' ? value : JSON.stringify(value)

const membersOf = ({ memberships, membershipCounts }: Item, change: 'joined' | 'left'): string | undefined => {
  const names = memberships.filter((one) => one.change === change).map(({ name }) => name)
  const rest = membershipCounts[change] - names.length
  return [...names, ...(rest > 0 ? [`${rest} more`] : [])].join(', ') || undefined
}
