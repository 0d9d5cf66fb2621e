// The admin API beside a bare tRPC procedure with one select, and invitations by the thousand.
import { sql } from 'kysely'
import type { Db } from '../../../db/connect.ts'
import { addressOf, familyNameOf, givenNameOf, type Population, userId } from '../population.ts'
import type { Source, Workload } from '../workload.ts'
import { anyUser, expectJson, toFloor, toTrpcMutation, toTrpcQuery, trpcPath } from './asks.ts'

const PAGE = 50

const getUser: Source = (context) => () => {
  const { tenant, user } = anyUser(context.population)
  const id = userId(tenant, user)
  return toTrpcQuery(context, tenant, 'users.get', {
    input: { userId: id },
    findFault: expectJson(id, ({ result }) => result.data.user.id)
  })
}

const floorUser: Source = (context) => () => {
  const { tenant, user } = anyUser(context.population)
  const id = userId(tenant, user)
  return toFloor(context, {
    method: 'GET',
    path: trpcPath('users.get', { tenantId: tenant, userId: id }),
    status: 200,
    findFault: expectJson(id, ({ result }) => result.data.user.id)
  })
}

const listUsers: Source = (context) => () => {
  const { tenant } = anyUser(context.population)
  return toTrpcQuery(context, tenant, 'users.list', {
    input: { limit: PAGE },
    findFault: expectJson(PAGE, ({ result }) => result.data.items.length)
  })
}

const floorList: Source = (context) => () => {
  const { tenant } = anyUser(context.population)
  return toFloor(context, {
    method: 'GET',
    path: trpcPath('users.list', { tenantId: tenant }),
    status: 200,
    findFault: expectJson(PAGE, ({ result }) => result.data.items.length)
  })
}

/** @param searchFor makes search words from the words of a name */
const searchUsers =
  (searchFor: (name: { given: string; family: string; number: string }) => string): Source =>
  (context) =>
  () => {
    const { population } = context
    const { tenant, user } = anyUser(population)
    const [family, number] = familyNameOf(population.users, user).toLowerCase().split('-') as [string, string]
    const given = givenNameOf(user).toLowerCase()
    const search = searchFor({ given, family, number })
    const words = search.split(' ')
    return toTrpcQuery(context, tenant, 'users.list', {
      input: { limit: PAGE, search },
      findFault: (body) => {
        const { items } = JSON.parse(body).result.data as { items: { displayName: string; email: string }[] }
        const texts = items.map(({ displayName, email }) => `${displayName} ${email}`.toLowerCase())
        if (texts.length === 0) return 'found nobody'
        return texts.every((text) => words.every((word) => text.includes(word)))
          ? undefined
          : 'found somebody without the part of the name'
      }
    })
  }

/** What people are searched by: a tenth of the users has a frequent word, a hundredth a middling one. */
const SEARCHES = [
  { name: 'rare', title: 'the end of a family name', of: ({ family, number }) => `${family.slice(2)}-${number}` },
  { name: 'middling', title: 'given and family name', of: ({ given, family }) => `${family} ${given.slice(1)}` },
  { name: 'frequent', title: 'a given name', of: ({ given }) => given.slice(0, 4) },
  {
    name: 'random',
    title: 'any two to four letters of a name',
    of: ({ given, family }) => {
      const name = Math.random() < 0.5 ? given : family
      const length = 2 + Math.floor(Math.random() * 3)
      const from = Math.floor(Math.random() * (name.length - length + 1))
      return name.slice(Math.max(0, from), Math.max(0, from) + length)
    }
  }
] as const satisfies { name: string; title: string; of: Parameters<typeof searchUsers>[0] }[]

const INVITED = 1_000
let invited = (Date.now() % 1_000_000) * 100_000

const invite: Source = (context) => () => {
  const { tenant } = anyUser(context.population)
  const invites = Array.from({ length: INVITED }, () => ({
    email: `i${addressOf(tenant, context.population.users, 10_000_000 + invited++)}`
  }))
  return toTrpcMutation(context, tenant, 'invitations.create', {
    input: { invites },
    findFault: expectJson(INVITED, ({ result }) => result.data.counts.invited)
  })
}

/** Waits for earlier mails, so that they do not slow down the next round. */
export async function untilMailsHaveLeft(db: Db): Promise<void> {
  const deadline = performance.now() + MAILS_TIMEOUT_MS
  while (performance.now() < deadline) {
    const { rows } = await sql`select from mails where state = 'queued' limit 1`.execute(db)
    if (rows.length === 0) return
    await new Promise((done) => setTimeout(done, 100))
  }
  throw new Error('Mails are still queued after two minutes')
}

const MAILS_TIMEOUT_MS = 120_000

const isTenantOfMany = ({ users }: Population) => users >= 1_000

export const ADMIN: readonly Workload[] = [
  {
    name: 'trpc-get-user',
    title: 'tRPC users.get',
    muster: getUser,
    against: { server: 'floor', title: 'bare tRPC, one select', source: floorUser },
    goal: { ratio: 0.9 },
    isRead: true
  },
  {
    name: 'trpc-list-users',
    title: 'tRPC users.list, page of 50',
    muster: listUsers,
    against: { server: 'floor', title: 'bare tRPC, one select', source: floorList },
    goal: { ratio: 0.9 },
    isRead: true
  },
  ...SEARCHES.map(({ name, title, of }) => ({
    name: `trpc-search-${name}`,
    title: `tRPC users.list, search for ${title}, one connection`,
    muster: searchUsers(of),
    goal: { p99Ms: 15 },
    connections: 1,
    isRead: true
  })),
  {
    name: 'invite-1000',
    title: 'tRPC invitations.create with 1,000 addresses, one connection',
    muster: invite,
    goal: { p99Ms: 400 },
    connections: 1,
    maxRequests: 1,
    isRead: false,
    isFor: isTenantOfMany,
    prepare: untilMailsHaveLeft
  }
]
