// The extension schemas that a tenant's administrators registered.
import { type Db, readInTenant } from './connect.ts'

export interface ScimSchemaView {
  urn: string
  resource_type: 'User' | 'Group'
  /** JSON text, as parseExtensionSchema made it. */
  definition: string
  created_at: Date
}

/** In the order in which they were registered. */
export const listScimSchemas = (db: Db, tenantId: number): Promise<ScimSchemaView[]> =>
  readInTenant<ScimSchemaView>(
    db,
    tenantId,
    db
      .selectFrom('scim_schemas')
      .select(['urn', 'resource_type', 'definition', 'created_at'])
      .where('tenant_id', '=', tenantId)
      .orderBy('created_at')
      .orderBy('urn')
  )
