// The resource types of one tenant, with its registered extensions: built once, dropped when the tenant changes.
import { listScimSchemas, type ScimSchemaView } from '../../db/scim-schemas.ts'
import { type Cache, createCache } from '../cache.ts'
import type { Deps } from '../deps.ts'
import type { Tenant } from '../tenancy.ts'
import { groupResourceType, userResourceType } from './schemas/index.ts'
import { withExtensions } from './schemas/resource-type.ts'
import type { Attribute, ResourceType, Schema, SchemaExtension } from './schemas/types.ts'

export interface TenantSchemas {
  readonly User: ResourceType
  readonly Group: ResourceType
  /** Whether a stored document may be sent as it is: none of its attributes is `returned` never or only on request. */
  readonly isPlain: { readonly User: boolean; readonly Group: boolean }
}

interface SchemasOfTenant {
  get(tenant: Tenant): Promise<TenantSchemas>
  /** The same without a promise where they are cached, which is the usual case. */
  known(tenant: Tenant): TenantSchemas | undefined
}

const BUILT_IN: TenantSchemas = {
  User: userResourceType,
  Group: groupResourceType,
  isPlain: { User: true, Group: true }
}

export function createSchemasOfTenant(deps: Pick<Deps, 'counters' | 'db' | 'listener'>): SchemasOfTenant {
  const cache: Cache<TenantSchemas> = createCache({ max: 20_000, listener: deps.listener })
  deps.counters.watchCache('scimSchemas', cache.stats)
  deps.listener.on('change', (change) => {
    if (change.kind === 'tenant') cache.delete(change.subdomain)
  })
  return {
    known: ({ subdomain }) => cache.known(subdomain),
    async get(tenant) {
      const load = async () => buildSchemas(await listScimSchemas(deps.db, tenant.id))
      return (await cache.get(tenant.subdomain, load)) ?? BUILT_IN
    }
  }
}

function buildSchemas(rows: readonly ScimSchemaView[]): TenantSchemas {
  if (rows.length === 0) return BUILT_IN
  const extensions = (resourceType: 'User' | 'Group'): SchemaExtension[] =>
    rows
      .filter((row) => row.resource_type === resourceType)
      .map((row) => ({ schema: JSON.parse(row.definition) as Schema, required: false }))
  const [ofUsers, ofGroups] = [extensions('User'), extensions('Group')]
  return {
    User: withExtensions(userResourceType, ofUsers),
    Group: withExtensions(groupResourceType, ofGroups),
    isPlain: { User: ofUsers.every(isPlain), Group: ofGroups.every(isPlain) }
  }
}

const isPlain = ({ schema }: SchemaExtension): boolean => schema.attributes.every(isAlwaysShown)

const isAlwaysShown = ({ returned, subAttributes }: Attribute): boolean =>
  returned !== 'never' && returned !== 'request' && (subAttributes ?? []).every(isAlwaysShown)
