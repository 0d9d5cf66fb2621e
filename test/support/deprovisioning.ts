// Set-up for tests of mass deprovisioning: a tenant with many people and a connection, and what identity providers
// send.
import { sql } from 'kysely'
import type { TestApp } from './app.ts'
import { insertUsers } from './groups.ts'
import { type Scim, type ScimReply, scimClient } from './scim.ts'
import { addTenant, type Tenant } from './tenants.ts'

/** Entra's request for somebody who has left. */
export const ENTRA_OFF = [{ op: 'Replace', path: 'active', value: 'False' }]
export const deactivate = (scim: Scim, id: string) => scim.patch(`/Users/${id}`, ENTRA_OFF)

/** Does `work` for each item, `width` items at a time. */
export async function inParallel<T, R>(
  items: readonly T[],
  width: number,
  work: (item: T, index: number) => Promise<R>
) {
  const results: R[] = []
  let next = 0
  const run = async () => {
    while (next < items.length) {
      const index = next++
      results[index] = await work(items[index]!, index)
    }
  }
  await Promise.all(Array.from({ length: width }, run))
  return results
}

export const statusesOf = (replies: readonly ScimReply[]) => {
  const counts: Record<number, number> = {}
  for (const { status } of replies) counts[status] = (counts[status] ?? 0) + 1
  return counts
}

export const countStates = async (app: TestApp, tenant: Tenant) => {
  const { rows } = await sql<{ state: string; count: number }>`
    select state, count(*)::int as count from users where tenant_id = ${tenant.id} group by state`.execute(app.owner)
  return Object.fromEntries(rows.map(({ state, count }) => [state, count]))
}

const connectionIdOf = async (app: TestApp, tenant: Tenant) =>
  (
    await app.owner
      .selectFrom('scim_connections')
      .select('id')
      .where('tenant_id', '=', tenant.id)
      .orderBy('id', 'desc')
      .executeTakeFirstOrThrow()
  ).id

export const noticesIn = (app: TestApp, tenant: Tenant) =>
  app.owner.selectFrom('mails').select(['to_address', 'notice']).where('tenant_id', '=', tenant.id).execute()

export const heldRows = (app: TestApp, tenant: Tenant) =>
  app.owner.selectFrom('held_changes').selectAll().where('tenant_id', '=', tenant.id).orderBy('id').execute()

/** A tenant of `count` active people, an administrator and a connection. */
export async function setUp(app: TestApp, subdomain: string, count: number) {
  const tenant = await addTenant(app, subdomain)
  const ids = await insertUsers(app.owner, tenant.id, count)
  const [adaId] = await insertUsers(app.owner, tenant.id, 1, { prefix: `ada-${subdomain}` })
  await app.owner
    .updateTable('users')
    .set({ role: 'administrator' })
    .where('tenant_id', '=', tenant.id)
    .where('id', '=', adaId!)
    .execute()
  const scim = await scimClient(app, tenant, { name: 'Entra', profile: 'entra' })
  return { tenant, ids, scim, adaId: adaId!, connectionId: await connectionIdOf(app, tenant) }
}
