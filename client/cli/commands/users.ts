// muster user …
import { Argument, type Command, Option } from 'commander'
import type { Client, Outputs } from '../../index.ts'
import { connectTenant, onTenant, parseCount, ROLES, roleOption, UsageError } from '../connection.ts'
import { done, print, readAll, table, time } from '../output.ts'

type Role = (typeof ROLES)[number]
type User = Outputs['users']['list']['items'][number]

type State = (typeof STATES)[number]

const STATES = ['invited', 'active', 'deactivated', 'removed'] as const satisfies User['state'][]

interface ListOptions {
  tenant: string
  search?: string
  role?: Role
  state?: State
  limit?: number
}

interface ProfileOptions {
  tenant: string
  displayName?: string
  givenName?: string
  familyName?: string
  timeZone?: string
  locale?: string
}

export function userCommands(program: Command): void {
  const user = program.command('user').description('the people of a tenant')

  onTenant(user.command('list'))
    .description('list people')
    .option('--search <text>', 'part of the name or address')
    .addOption(roleOption('--role <role>', 'only this role'))
    .addOption(new Option('--state <state>', 'only this state').choices([...STATES]))
    .option('--limit <count>', 'how many at most', parseCount)
    .action(async (options: ListOptions, command: Command) => {
      const client = connectTenant(options.tenant)
      const filter = { role: options.role, state: options.state }
      const users = await readAll(
        (cursor, limit) => client.users.list.query({ search: options.search, filter, cursor, limit }),
        options.limit
      )
      print(command, users, ({ items }) => userTable(items))
    })

  onTenant(user.command('get <user>'))
    .description('show one person, by id or address')
    .action(async (idOrAddress: string, options: { tenant: string }, command: Command) => {
      const client = connectTenant(options.tenant)
      const answer = await client.users.get.query({ userId: await findUserId(client, idOrAddress) })
      print(command, answer, ({ user: found, authority }) => `${userTable([found])}${managedTable(authority)}`)
    })

  onTenant(user.command('update <user>'))
    .description("change somebody's profile; an empty text takes a fact away")
    .option('--display-name <name>', 'what people call them')
    .option('--given-name <name>', 'given name')
    .option('--family-name <name>', 'family name')
    .option('--time-zone <zone>', 'such as Europe/Zurich')
    .option('--locale <tag>', 'such as de-CH')
    .action(async (idOrAddress: string, { tenant, ...options }: ProfileOptions, command: Command) => {
      const { displayName, givenName, familyName, timeZone, locale } = options
      const profile = { displayName, givenName, familyName, timeZone, locale }
      if (Object.values(profile).every((value) => value === undefined)) throw new UsageError('Name what shall change')
      const client = connectTenant(tenant)
      const answer = await client.users.update.mutate({ userId: await findUserId(client, idOrAddress), ...profile })
      print(command, answer, () => done(`The profile of ${idOrAddress} is changed.`))
    })

  onTenant(user.command('set-role <user>'))
    .description("change somebody's role")
    .addArgument(new Argument('<role>', 'the new role').choices([...ROLES]))
    .action(async (idOrAddress: string, role: Role, options: { tenant: string }, command: Command) => {
      const client = connectTenant(options.tenant)
      const answer = await client.users.setRole.mutate({ userId: await findUserId(client, idOrAddress), role })
      print(command, answer, () => done(`${idOrAddress} is ${role} now.`))
    })

  for (const [name, text, past, procedure] of LIFECYCLE) {
    onTenant(user.command(`${name} <user>`))
      .description(text)
      .action(async (idOrAddress: string, options: { tenant: string }, command: Command) => {
        const client = connectTenant(options.tenant)
        const answer = await client.users[procedure].mutate({ userId: await findUserId(client, idOrAddress) })
        print(command, answer, () => done(`${idOrAddress} is ${past}.`))
      })
  }
}

type Step = 'deactivate' | 'activate' | 'lock' | 'unlock' | 'release' | 'remove' | 'resetSecondFactor'

const LIFECYCLE: readonly [name: string, text: string, past: string, procedure: Step][] = [
  ['deactivate', 'end access; memberships stay', 'deactivated', 'deactivate'],
  ['activate', 'give a deactivated person access again', 'active again', 'activate'],
  ['lock', 'keep somebody from signing in', 'locked', 'lock'],
  ['unlock', 'let a locked person sign in again', 'unlocked', 'unlock'],
  ['release', 'make somebody whom a connection manages an ordinary member', 'an ordinary member', 'release'],
  [
    'reset-second-factor',
    'let somebody who has lost their device sign in without a code',
    'without a second factor',
    'resetSecondFactor'
  ],
  ['remove', 'remove a deactivated person', 'removed', 'remove']
]

const userTable = (users: readonly User[]) =>
  table(users, {
    id: (item) => item.id,
    address: (item) => item.email,
    name: (item) => item.displayName,
    role: (item) => item.role,
    state: (item) => (item.locked ? `${item.state}, locked` : item.state),
    'last sign-in': (item) => time(item.lastSignInAt)
  })

/** The attributes that are read-only here, and who manages them; empty where there are none. */
function managedTable(authority: Outputs['users']['get']['authority']): string {
  const managed = Object.entries(authority).flatMap(([attribute, by]) =>
    by.kind === 'connection' ? [{ attribute, by: by.isRemoved ? `${by.name}, which was removed` : by.name }] : []
  )
  if (managed.length === 0) return ''
  return `\n${table(managed, { attribute: (item) => item.attribute, 'managed by': (item) => item.by })}`
}

/** @throws Error where nobody has the address */
export async function findUserId(client: Client, idOrAddress: string): Promise<string> {
  if (!idOrAddress.includes('@')) return idOrAddress
  const address = idOrAddress.toLowerCase()
  let cursor: string | null = null
  do {
    // any number of addresses may contain this one: a search for ann@acme.test also finds joann@acme.test
    const page: Outputs['users']['list'] = await client.users.list.query({ search: address, cursor, limit: 200 })
    const found = page.items.find(({ email }) => email?.toLowerCase() === address)
    if (found) return found.id
    cursor = page.nextCursor
  } while (cursor !== null)
  throw new Error(`Nobody in this tenant has the address ${idOrAddress}`)
}
