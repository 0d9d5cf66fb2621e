// SCIM writes to users, compared with the floor's insert.
import { SPARE_USERS, userDocument, userId } from '../population.ts'
import { ensureSpareUsers } from '../seed.ts'
import type { Next, Source, SourceContext, Workload } from '../workload.ts'
import { anyUser, expectJson, ownUser, toFloor, toScim } from './asks.ts'

const CONNECTIONS = 16
const PATCH_OP = 'urn:ietf:params:scim:api:messages:2.0:PatchOp'
const BULK_REQUEST = 'urn:ietf:params:scim:api:messages:2.0:BulkRequest'

/** Numbers of users that are not seeded; each run of the driver has its own. */
let newUsers = 5_000_000 + (Date.now() % 1_000_000) * 2_000

const newUser = ({ population }: SourceContext, tenant: number) => ({
  ...userDocument(tenant, population.users, newUsers++),
  active: true
})

export const createUser: Source = (context) => () => {
  const { tenant } = anyUser(context.population)
  const user = newUser(context, tenant)
  const findFault = expectJson(user.userName, ({ id, userName }) => id && userName)
  return toScim(context, tenant, { method: 'POST', path: '/Users', body: JSON.stringify(user), status: 201, findFault })
}

const floorInsert: Source = (context) => () => {
  const { tenant } = anyUser(context.population)
  const user = newUser(context, tenant)
  const findFault = expectJson(user.userName, ({ userName }) => userName)
  return toFloor(context, {
    method: 'POST',
    path: `/${tenant}/users`,
    body: JSON.stringify(user),
    status: 201,
    findFault
  })
}

const patchBody = (...Operations: unknown[]) => JSON.stringify({ schemas: [PATCH_OP], Operations })

/** Only one connection changes each user, back and forth. */
export const patchActive: Source = (context) => {
  const inactive = new Set<string>()
  return (connection) => {
    const { tenant, user } = ownUser(context.population, connection, CONNECTIONS)
    const id = userId(tenant, user)
    const active = inactive.delete(id)
    if (!active) inactive.add(id)
    return toScim(context, tenant, {
      method: 'PATCH',
      path: `/Users/${id}`,
      body: patchBody({ op: 'replace', path: 'active', value: active }),
      status: 200,
      findFault: expectJson(active, (found) => found.active)
    })
  }
}

const patchName: Source = (context) => {
  let count = 0
  return (connection) => {
    const { tenant, user } = ownUser(context.population, connection, CONNECTIONS)
    const familyName = `Renamed-${connection}-${count++}`
    return toScim(context, tenant, {
      method: 'PATCH',
      path: `/Users/${userId(tenant, user)}`,
      body: patchBody({ op: 'replace', path: 'name.familyName', value: familyName }),
      status: 200,
      findFault: expectJson(familyName, (found) => found.name.familyName)
    })
  }
}

const CREATES = 100

const bulk: Source = (context) => () => {
  const { tenant } = anyUser(context.population)
  const Operations = Array.from({ length: CREATES }, (_, index) => ({
    method: 'POST',
    path: '/Users',
    bulkId: String(index),
    data: newUser(context, tenant)
  }))
  const findFault = expectJson(
    CREATES,
    (answer) => answer.Operations.filter(({ status }: { status: string }) => status === '201').length
  )
  const body = JSON.stringify({ schemas: [BULK_REQUEST], Operations })
  return toScim(context, tenant, { method: 'POST', path: '/Bulk', body, status: 200, findFault })
}

/** @param behind how many spare users come before these, because another workload deletes them */
export const deleteUsers =
  (behind: number): Source =>
  (context): Next => {
    const { firstTenant, users } = context.population
    let next = 0
    return () => {
      if (next === SPARE_USERS) return undefined
      const id = userId(firstTenant, users + behind + next++)
      return toScim(context, firstTenant, { method: 'DELETE', path: `/Users/${id}`, status: 204 })
    }
  }

/** How many spare users one round deletes; each user is deleted once. */
export const MAX_DELETES = SPARE_USERS / 4

/** Every write is compared with this: one row of 1.2 kB, committed. */
export const insert = { server: 'floor', title: 'insert', source: floorInsert } as const

export const WRITES: readonly Workload[] = [
  {
    name: 'patch-active',
    title: 'PATCH active',
    muster: patchActive,
    against: insert,
    goal: { ratio: 0.6 },
    isRead: false
  },
  {
    name: 'patch-name',
    title: 'PATCH name.familyName',
    muster: patchName,
    against: insert,
    goal: { ratio: 0.6 },
    isRead: false
  },
  {
    name: 'create-user',
    title: 'POST /Users',
    muster: createUser,
    against: insert,
    goal: { ratio: 0.75 },
    isRead: false
  },
  {
    name: 'bulk',
    title: 'POST /Bulk of 100 creates, by operation',
    muster: bulk,
    against: { server: 'muster', title: 'POST /Users', source: createUser },
    goal: { ratio: 2 },
    operations: CREATES,
    isRead: false
  },
  {
    name: 'delete-user',
    title: 'DELETE /Users/{id}',
    muster: deleteUsers(0),
    against: insert,
    goal: { ratio: 0.6 },
    isRead: false,
    isFor: ({ tenants }) => tenants === 1,
    maxRequests: MAX_DELETES,
    prepare: (db, population) => ensureSpareUsers(db, population)
  }
]
