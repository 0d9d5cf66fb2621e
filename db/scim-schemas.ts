// The extension schemas that a tenant's administrators registered.
import { sql } from 'kysely'
import { type Db, readRowsInTenant, type Trx } from './connect.ts'
import { prepare } from './prepared.ts'
import { readTime } from './times.ts'

export interface ScimSchemaView {
  urn: string
  resource_type: 'User' | 'Group'
  /** JSON text, as parseExtensionSchema made it. */
  definition: string
  created_at: Date
}

const selectSchemas = (db: Db, tenantId: number) =>
  db
    .selectFrom('scim_schemas')
    .select(['urn', 'resource_type', 'definition', 'created_at'])
    .where('tenant_id', '=', tenantId)
    .orderBy('created_at')
    .orderBy('urn')

/** In the order of registration. */
export async function listScimSchemas(db: Db, tenantId: number): Promise<ScimSchemaView[]> {
  const schemas: ScimSchemaView[] = []
  await readRowsInTenant(db, tenantId, schemasStatement(db, { tenantId }), (row) => {
    const [urn, resourceType, definition, createdAt] = row.fields() as string[]
    schemas.push({
      urn: urn!,
      resource_type: resourceType as ScimSchemaView['resource_type'],
      definition: definition!,
      created_at: readTime(createdAt!)
    })
  })
  return schemas
}

const schemasStatement = prepare(
  (p) => sql`select urn, resource_type, definition, created_at from scim_schemas
    where tenant_id = ${p['tenantId']} order by created_at, urn`
)

/** The same within a transaction. */
export const readScimSchemas = (trx: Trx, tenantId: number): Promise<ScimSchemaView[]> =>
  selectSchemas(trx, tenantId).execute()

export const insertScimSchema = (trx: Trx, tenantId: number, row: ScimSchemaView) =>
  trx
    .insertInto('scim_schemas')
    .values({ ...row, tenant_id: tenantId })
    .execute()

export const deleteScimSchema = (trx: Trx, tenantId: number, urn: string) =>
  trx.deleteFrom('scim_schemas').where('tenant_id', '=', tenantId).where('urn', '=', urn).execute()

/** Whether any document has values of the schema, also of removed users, who may come back. Reads all documents. */
export async function isScimSchemaUsed(
  trx: Trx,
  tenantId: number,
  { urn, resource_type }: ScimSchemaView
): Promise<boolean> {
  const table = sql.table(resource_type === 'User' ? 'users' : 'groups')
  const { rows } = await sql`
    select 1 from ${table} where tenant_id = ${tenantId} and doc -> ${urn}::text is not null limit 1`.execute(trx)
  return rows.length > 0
}
