// SCIM reads, compared with the floor's statement over the same rows.
import { addressOf, addressPrefix, familyNameOf, TEAM_SIZE, TEAMS, teamId, userId } from '../population.ts'
import { restoreGroups } from '../seed.ts'
import type { Source, Workload } from '../workload.ts'
import { anyUser, expectJson, toFloor, toScim } from './asks.ts'

const PAGE = 100
const query = (parameters: Record<string, string | number>) =>
  new URLSearchParams(Object.entries(parameters).map(([name, value]) => [name, String(value)])).toString()

export const getUser: Source = (context) => () => {
  const { tenant, user } = anyUser(context.population)
  const id = userId(tenant, user)
  return toScim(context, tenant, {
    method: 'GET',
    path: `/Users/${id}`,
    status: 200,
    findFault: expectJson(id, (u) => u.id)
  })
}

const floorUser: Source = (context) => () => {
  const { tenant, user } = anyUser(context.population)
  const id = userId(tenant, user)
  return toFloor(context, {
    method: 'GET',
    path: `/${tenant}/users/${id}`,
    status: 200,
    findFault: expectJson(id, (u) => u.id)
  })
}

const byUserName =
  (isHit: boolean): Source =>
  (context) =>
  () => {
    const { users } = context.population
    const { tenant, user } = anyUser(context.population)
    const name = `${isHit ? '' : 'nobody.'}${addressOf(tenant, users, user)}`
    const path = `/Users?${query({ filter: `userName eq "${name}"` })}`
    const findFault = expectJson(isHit ? userId(tenant, user) : undefined, (list) => list.Resources[0]?.id)
    return toScim(context, tenant, { method: 'GET', path, status: 200, findFault })
  }

const floorByUserName =
  (isHit: boolean): Source =>
  (context) =>
  () => {
    const { users } = context.population
    const { tenant, user } = anyUser(context.population)
    const name = `${isHit ? '' : 'nobody.'}${addressOf(tenant, users, user)}`
    const findFault = expectJson(isHit ? userId(tenant, user) : undefined, (list) => list.Resources[0]?.id)
    return toFloor(context, {
      method: 'GET',
      path: `/${tenant}/users?${query({ userName: name })}`,
      status: 200,
      findFault
    })
  }

/** A 0-based place where a full page begins. */
const anyPlace = (users: number) => Math.floor(Math.random() * Math.max(1, users / PAGE)) * PAGE

const pageByIndex: Source = (context) => () => {
  const { tenant } = anyUser(context.population)
  const place = anyPlace(context.population.users)
  const path = `/Users?${query({ startIndex: place + 1, count: PAGE })}`
  const findFault = expectJson(
    `${userId(tenant, place)} ${PAGE}`,
    ({ Resources }) => `${Resources[0]?.id} ${Resources.length}`
  )
  return toScim(context, tenant, { method: 'GET', path, status: 200, findFault })
}

/** Enough of the answer to hold the cursor, since the resources come last. */
const HEAD_BYTES = 1_000

/** Each connection pages through a tenant's users and begins again after the last page. */
const pageByCursor: Source = (context) => {
  const cursors = new Map<number, string>()
  return (connection) => {
    const { firstTenant, tenants } = context.population
    const tenant = firstTenant + (connection % tenants)
    const cursor = cursors.get(connection) ?? ''
    const path = `/Users?${query({ cursor, count: PAGE })}`
    const read = (body: Buffer) => {
      const head = body.toString('latin1', 0, HEAD_BYTES)
      cursors.set(connection, /"nextCursor":"([^"]+)"/.exec(head)?.[1] ?? '')
    }
    const findFault = expectJson(PAGE, (list) => list.Resources.length)
    return toScim(context, tenant, { method: 'GET', path, status: 200, read, findFault })
  }
}

const floorPage: Source = (context) => () => {
  const { tenant } = anyUser(context.population)
  const place = anyPlace(context.population.users)
  const path = `/${tenant}/users?${query({ after: place === 0 ? NIL : userId(tenant, place - 1) })}`
  const findFault = expectJson(
    `${userId(tenant, place)} ${PAGE}`,
    ({ Resources }) => `${Resources[0]?.id} ${Resources.length}`
  )
  return toFloor(context, { method: 'GET', path, status: 200, findFault })
}

const NIL = '00000000-0000-0000-0000-000000000000'

const TEN = 10
const anyTen = (users: number) => Math.floor(Math.random() * (users / TEN))

const byEmailPrefix: Source = (context) => () => {
  const { tenant } = anyUser(context.population)
  const filter = `emails.value sw "${addressPrefix(anyTen(context.population.users))}"`
  const findFault = expectJson(TEN, (list) => list.Resources.length)
  return toScim(context, tenant, { method: 'GET', path: `/Users?${query({ filter })}`, status: 200, findFault })
}

const floorByEmailPrefix: Source = (context) => () => {
  const { tenant } = anyUser(context.population)
  const path = `/${tenant}/users?${query({ emailPrefix: addressPrefix(anyTen(context.population.users)) })}`
  return toFloor(context, {
    method: 'GET',
    path,
    status: 200,
    findFault: expectJson(TEN, (list) => list.Resources.length)
  })
}

const byFamilyName: Source = (context) => () => {
  const { users } = context.population
  const { tenant, user } = anyUser(context.population)
  const filter = `name.familyName eq "${familyNameOf(users, user)}" and active eq true`
  const findFault = expectJson(TEN, (list) => list.Resources.length)
  return toScim(context, tenant, { method: 'GET', path: `/Users?${query({ filter })}`, status: 200, findFault })
}

const floorByFamilyName: Source = (context) => () => {
  const { users } = context.population
  const { tenant, user } = anyUser(context.population)
  const path = `/${tenant}/users?${query({ familyName: familyNameOf(users, user).toLowerCase() })}`
  return toFloor(context, {
    method: 'GET',
    path,
    status: 200,
    findFault: expectJson(TEN, (list) => list.Resources.length)
  })
}

const anyTeam = () => Math.floor(Math.random() * TEAMS)

const getTeam: Source = (context) => () => {
  const tenant = context.population.firstTenant
  const path = `/Groups/${teamId(tenant, anyTeam())}`
  const findFault = expectJson(TEAM_SIZE, (group) => group.members.length)
  return toScim(context, tenant, { method: 'GET', path, status: 200, findFault })
}

const floorTeam: Source = (context) => () => {
  const tenant = context.population.firstTenant
  const path = `/${tenant}/groups/${teamId(tenant, anyTeam())}`
  return toFloor(context, {
    method: 'GET',
    path,
    status: 200,
    findFault: expectJson(TEAM_SIZE, (group) => group.members.length)
  })
}

const floor = (title: string, source: Source) => ({ server: 'floor', title, source }) as const

export const READS: readonly Workload[] = [
  {
    name: 'get-user',
    title: 'GET /Users/{id}',
    muster: getUser,
    against: floor('select by primary key', floorUser),
    goal: { ratio: 0.95 },
    isRead: true
  },
  {
    name: 'filter-username',
    title: 'GET /Users?filter=userName eq, hit',
    muster: byUserName(true),
    against: floor('select by user name', floorByUserName(true)),
    goal: { ratio: 0.95 },
    isRead: true
  },
  {
    name: 'filter-username-miss',
    title: 'GET /Users?filter=userName eq, miss',
    muster: byUserName(false),
    against: floor('select by user name', floorByUserName(false)),
    goal: { ratio: 0.95 },
    isRead: true
  },
  {
    name: 'page-index',
    title: 'GET /Users, any page of 100, startIndex',
    muster: pageByIndex,
    against: floor('select 100 rows behind a key', floorPage),
    goal: { ratio: 0.9 },
    isRead: true
  },
  {
    name: 'page-cursor',
    title: 'GET /Users, pages of 100, cursor',
    muster: pageByCursor,
    against: floor('select 100 rows behind a key', floorPage),
    goal: { ratio: 0.9 },
    isRead: true
  },
  {
    name: 'filter-email-prefix',
    title: 'filter emails.value sw, 10 rows',
    muster: byEmailPrefix,
    against: floor('the same statement', floorByEmailPrefix),
    goal: { ratio: 0.8 },
    isRead: true
  },
  {
    name: 'filter-family-name',
    title: 'filter name.familyName eq and active eq true, 10 rows',
    muster: byFamilyName,
    against: floor('the same statement', floorByFamilyName),
    goal: { ratio: 0.8 },
    isRead: true
  },
  {
    name: 'get-group',
    title: 'GET /Groups/{id} of 1,000 members',
    muster: getTeam,
    against: floor('the same statement over 1,000 rows', floorTeam),
    goal: { ratio: 0.8 },
    isRead: false,
    isFor: ({ users }) => users >= TEAMS * TEAM_SIZE,
    prepare: restoreGroups
  }
]
