// The cost of the brake against mass deprovisioning: the same requests as without it, each counted and none held.
import { sql } from 'kysely'
import type { Db } from '../../../db/connect.ts'
import { notifyChange } from '../../../db/listen.ts'
import { type Population, SPARE_USERS, subdomainOf } from '../population.ts'
import { ensureSpareUsers } from '../seed.ts'
import type { Workload } from '../workload.ts'
import { deleteUsers, insert, MAX_DELETES, patchActive } from './writes.ts'

/** Time until the server has heard of the setting by NOTIFY. */
const HEARD_MS = 200

async function engage(db: Db, population: Population): Promise<void> {
  const { firstTenant, tenants } = population
  await ensureSpareUsers(db, population, population.users + SPARE_USERS)
  await db.transaction().execute(async (trx) => {
    await sql`update tenants set settings = settings || '{"brake": {"percent": 100, "people": 1000000}}'
      where id between ${firstTenant} and ${firstTenant + tenants - 1}`.execute(trx)
    for (let tenant = firstTenant; tenant < firstTenant + tenants; tenant++) {
      await notifyChange(trx, { kind: 'tenant', subdomain: subdomainOf(tenant) })
    }
  })
  await new Promise((done) => setTimeout(done, HEARD_MS))
}

// these run last, because the setting stays
export const BRAKE: readonly Workload[] = [
  {
    name: 'braked-patch-active',
    title: 'PATCH active, counted by the brake',
    muster: patchActive,
    against: insert,
    goal: { ratio: 0.6 },
    isRead: false,
    isFor: ({ tenants }) => tenants === 1,
    prepare: engage
  },
  {
    name: 'braked-delete-user',
    title: 'DELETE /Users/{id}, counted by the brake',
    muster: deleteUsers(SPARE_USERS),
    against: insert,
    goal: { ratio: 0.6 },
    isRead: false,
    isFor: ({ tenants }) => tenants === 1,
    maxRequests: MAX_DELETES,
    prepare: engage
  }
]
