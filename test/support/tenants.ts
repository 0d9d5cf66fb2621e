// Makes tenants past the rules.
import type { Db } from '../../db/connect.ts'
import type { TenantSettings } from '../../db/schema.ts'
import type { TestApp } from './app.ts'

export const NOW = new Date('2027-03-01T12:00:00.000Z')

export interface Tenant {
  id: number
  subdomain: string
}

/** @returns the tenant's id */
export async function insertTenant(
  owner: Db,
  subdomain: string,
  { settings = {}, at = NOW }: { settings?: TenantSettings; at?: Date } = {}
): Promise<number> {
  const { id } = await owner
    .insertInto('tenants')
    .values({
      subdomain,
      name: subdomain,
      state: 'active',
      settings: JSON.stringify(settings),
      created_at: at,
      updated_at: at
    })
    .returning('id')
    .executeTakeFirstOrThrow()
  return id
}

/** Makes a tenant at the app's present time. */
export async function addTenant(app: TestApp, subdomain: string, settings: TenantSettings = {}): Promise<Tenant> {
  return { id: await insertTenant(app.owner, subdomain, { settings, at: app.clock.now() }), subdomain }
}
