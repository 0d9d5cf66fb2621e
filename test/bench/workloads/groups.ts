// Changes of members, in groups of 1,000 (teams) and of 100,000 (everybody).

import type { Db } from '../../../db/connect.ts'
import {
  LARGE_GROUP,
  largeGroupId,
  type Population,
  SPARE_USERS,
  TEAM_SIZE,
  TEAMS,
  teamId,
  userId
} from '../population.ts'
import { ensureSpareUsers, restoreGroups } from '../seed.ts'
import type { Source, Workload } from '../workload.ts'
import { toScim } from './asks.ts'
import { insert } from './writes.ts'

const PATCH_OP = 'urn:ietf:params:scim:api:messages:2.0:PatchOp'
const ADDED = 100
/** Adding ends when every spare user is a member; teams then have half as many members again. */
const ADD_REQUESTS = SPARE_USERS / ADDED
/** Removing leaves at least half of the teams' members. */
const REMOVE_REQUESTS = (TEAMS * TEAM_SIZE) / 4

const patch = (operation: unknown) => JSON.stringify({ schemas: [PATCH_OP], Operations: [operation] })

const addMembers =
  (groupOf: (tenant: number, count: number) => string): Source =>
  (context) => {
    const { firstTenant, users } = context.population
    let count = 0
    return () => {
      const first = users + (count % ADD_REQUESTS) * ADDED
      const value = Array.from({ length: ADDED }, (_, index) => ({ value: userId(firstTenant, first + index) }))
      return toScim(context, firstTenant, {
        method: 'PATCH',
        path: `/Groups/${groupOf(firstTenant, count++)}`,
        body: patch({ op: 'add', path: 'members', value }),
        status: 204
      })
    }
  }

const removeMember =
  (groupOf: (tenant: number, user: number) => string): Source =>
  (context) => {
    const { firstTenant } = context.population
    let count = 0
    return () => {
      // request the teams in turn, since requests for the same team would wait for each other
      const place = count++ % (TEAMS * TEAM_SIZE)
      const user = (place % TEAMS) * TEAM_SIZE + Math.floor(place / TEAMS)
      return toScim(context, firstTenant, {
        method: 'PATCH',
        path: `/Groups/${groupOf(firstTenant, user)}`,
        body: patch({ op: 'remove', path: `members[value eq "${userId(firstTenant, user)}"]` }),
        status: 204
      })
    }
  }

const toTeams = addMembers((tenant, count) => teamId(tenant, count % TEAMS))
const toEverybody = addMembers((tenant) => largeGroupId(tenant, 0))

async function prepare(db: Db, population: Population): Promise<void> {
  await ensureSpareUsers(db, population)
  await restoreGroups(db, population)
}

const common = { isRead: false, isFor: ({ users }: Population) => users >= LARGE_GROUP, prepare } as const

export const GROUP_WRITES: readonly Workload[] = [
  {
    name: 'add-members-1000',
    title: 'PATCH of a group of 1,000: +100 members, one connection',
    muster: toTeams,
    goal: { perSecond: 100 },
    connections: 1,
    maxRequests: ADD_REQUESTS,
    ...common
  },
  {
    name: 'add-members-100000',
    title: 'PATCH of a group of 100,000: +100 members, one connection',
    muster: toEverybody,
    against: { server: 'muster', title: 'the same at 1,000', source: toTeams },
    goal: { ratio: 0.9, perSecond: 100 },
    connections: 1,
    maxRequests: ADD_REQUESTS,
    ...common
  },
  {
    name: 'remove-member-1000',
    title: 'PATCH of a group of 1,000: -1 member',
    muster: removeMember((tenant, user) => teamId(tenant, Math.floor(user / TEAM_SIZE))),
    against: insert,
    goal: { ratio: 0.6 },
    maxRequests: REMOVE_REQUESTS,
    ...common
  },
  {
    name: 'remove-member-100000',
    title: 'PATCH of a group of 100,000: -1 member',
    muster: removeMember((tenant) => largeGroupId(tenant, 0)),
    against: insert,
    goal: { ratio: 0.6 },
    maxRequests: REMOVE_REQUESTS,
    ...common
  }
]
