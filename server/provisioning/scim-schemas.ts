// A tenant's own extension schemas (RFC 7643 §3.3): administrators register them, identity providers then fill them.
import { insertAuditEvents } from '../../db/audit.ts'
import { inTenant, type Trx } from '../../db/connect.ts'
import { notifyChange } from '../../db/listen.ts'
import {
  deleteScimSchema,
  insertScimSchema,
  isScimSchemaUsed,
  readScimSchemas,
  type ScimSchemaView
} from '../../db/scim-schemas.ts'
import { lockTenant } from '../../db/tenants.ts'
import type { Deps } from '../deps.ts'
import { AppError, conflict, invalid, notFound } from '../errors.ts'
import { parseExtensionSchema } from '../scim/schemas/extension.ts'
import type { TenantRef } from '../tenancy.ts'
import { type Actor, requireAdministrator } from './actor.ts'
import { forgetTenant } from './forgetting.ts'

type ScimSchemaDeps = Pick<Deps, 'db' | 'listener' | 'now'>

/** A limit, because every path and filter is looked up in all of them. */
const MAX_SCHEMAS = 20

/**
 * Registers a schema.
 * @param definition in the form of RFC 7643 §7; see parseExtensionSchema
 * @throws AppError forbidden `administratorOnly`; invalid `invalidSchema`, saying what is wrong; conflict
 *   `tooManySchemas`
 */
export function createScimSchema(
  deps: ScimSchemaDeps,
  tenant: TenantRef,
  actor: Actor,
  given: { resourceType: 'User' | 'Group'; definition: unknown }
): Promise<ScimSchemaView> {
  requireAdministrator(actor, 'register SCIM schemas')
  const now = deps.now()
  return change(deps, tenant, async (trx) => {
    const others = await readScimSchemas(trx, tenant.id)
    if (others.length >= MAX_SCHEMAS) {
      throw conflict(`A tenant has at most ${MAX_SCHEMAS} schemas of its own`, 'tooManySchemas')
    }
    const schema = parse(given.definition, others)
    const { resourceType } = given
    const row = { urn: schema.id, resource_type: resourceType, definition: JSON.stringify(schema), created_at: now }
    await Promise.all([
      insertScimSchema(trx, tenant.id, row),
      audit(trx, tenant.id, actor, now, 'scimSchema.created', row)
    ])
    return row
  })
}

/**
 * Removes a schema that no user or group uses.
 * @throws AppError forbidden `administratorOnly`; not_found; conflict `schemaInUse`
 */
export function removeScimSchema(
  deps: ScimSchemaDeps,
  tenant: TenantRef,
  actor: Actor,
  urn: string
): Promise<ScimSchemaView> {
  requireAdministrator(actor, 'remove SCIM schemas')
  const now = deps.now()
  return change(deps, tenant, async (trx) => {
    const row = (await readScimSchemas(trx, tenant.id)).find((schema) => schema.urn === urn)
    if (!row) throw notFound(`SCIM schema ${urn}`)
    if (await isScimSchemaUsed(trx, tenant.id, row)) {
      throw conflict(
        `Users or groups still hold values of ${urn}: let your identity provider remove them first`,
        'schemaInUse'
      )
    }
    await Promise.all([
      deleteScimSchema(trx, tenant.id, urn),
      audit(trx, tenant.id, actor, now, 'scimSchema.removed', row)
    ])
    return row
  })
}

function parse(definition: unknown, others: readonly ScimSchemaView[]) {
  try {
    return parseExtensionSchema(
      definition,
      others.map(({ urn }) => urn)
    )
  } catch (error) {
    throw error instanceof AppError ? invalid(error.message, 'invalidSchema') : error
  }
}

/** One change at a time, since each one reads all schemas; every process forgets what it knew of them. */
async function change<T>(deps: ScimSchemaDeps, tenant: TenantRef, work: (trx: Trx) => Promise<T>): Promise<T> {
  const changed = await inTenant(deps.db, tenant.id, async (trx) => {
    await lockTenant(trx, tenant.id, 'for no key update')
    const result = await work(trx)
    await notifyChange(trx, { kind: 'tenant', subdomain: tenant.subdomain })
    return result
  })
  forgetTenant(deps, tenant.subdomain)
  return changed
}

const audit = (trx: Trx, tenantId: number, actor: Actor, now: Date, action: string, row: ScimSchemaView) =>
  insertAuditEvents(trx, tenantId, actor, now, [
    {
      action,
      targetType: 'scimSchema',
      targetId: null,
      targetName: row.urn,
      [action === 'scimSchema.created' ? 'after' : 'before']: { urn: row.urn, resourceType: row.resource_type }
    }
  ])
