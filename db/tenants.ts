// Queries on tenants, the one table that has no tenant of its own.
import type { Db } from './connect.ts'
import type { TenantRow } from './schema.ts'

export const findTenantBySubdomain = (db: Db, subdomain: string): Promise<TenantRow | undefined> =>
  db.selectFrom('tenants').selectAll().where('subdomain', '=', subdomain).executeTakeFirst()
