// The cost of the wire log: the same requests with and without it, on the same server and rows.
import { sql } from 'kysely'
import type { Db } from '../../../db/connect.ts'
import { notifyChange } from '../../../db/listen.ts'
import { type Population, subdomainOf } from '../population.ts'
import type { Side, Source, Workload } from '../workload.ts'
import { getUser } from './reads.ts'
import { createUser } from './writes.ts'

/** Time until the server has heard of the setting by NOTIFY and has written what it noted before. */
const HEARD_MS = 400

async function setDays(db: Db, { firstTenant, tenants }: Population, side: Side): Promise<void> {
  const days = side === 'muster' ? 30 : 0
  await db.transaction().execute(async (trx) => {
    await sql`update tenants set settings = settings || jsonb_build_object('wireLogDays', ${days}::int)
      where id between ${firstTenant} and ${firstTenant + tenants - 1}`.execute(trx)
    for (let tenant = firstTenant; tenant < firstTenant + tenants; tenant++) {
      await notifyChange(trx, { kind: 'tenant', subdomain: subdomainOf(tenant) })
    }
  })
  await new Promise((done) => setTimeout(done, HEARD_MS))
}

const compared = (name: string, title: string, source: Source): Workload => ({
  name,
  title: `${title}, with the wire log`,
  muster: source,
  against: { server: 'muster', title: 'without it', source },
  goal: { ratio: 0.95 },
  // these run last, because the setting stays
  isRead: false,
  prepareSide: setDays
})

export const WIRE_LOG: readonly Workload[] = [
  compared('wire-log-get', 'GET /Users/{id}', getUser),
  compared('wire-log-post', 'POST /Users', createUser)
]
