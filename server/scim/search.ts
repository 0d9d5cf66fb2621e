// Root searches over all resource types (RFC 7644 §3.4.2.1 and §3.4.3): users first, then groups.
import type { ScimAnswer, ScimContext, ScimRequest } from './context.ts'
import { parseFilter } from './filter/parse.ts'
import { type ListSource, listResources } from './list.ts'
import { type ListQuery, readListQuery, readSearchRequest } from './list-query.ts'
import { buildResourceType } from './schemas/resource-type.ts'
import type { ResourceType, SchemaLookup } from './schemas/types.ts'
import type { TenantSchemas } from './schemas-of-tenant.ts'

/** Makes the root's handlers from the lists to search. */
export function rootSearch(sources: readonly ListSource[]) {
  const list = (context: ScimContext, query: ListQuery): Promise<ScimAnswer> => {
    const everything = everyType(context.schemas)
    return listResources(
      context,
      sources,
      query,
      (text) => parseFilter(text, everything, context.leniency.pathOptions),
      () => everything
    )
  }
  return {
    /** GET / */
    get: (context: ScimContext, { query }: ScimRequest) => list(context, readListQuery(query)),
    /** POST /.search */
    post: (context: ScimContext, { body }: ScimRequest) => list(context, readSearchRequest(body, context.leniency))
  }
}

const types = new WeakMap<TenantSchemas, ResourceType>()

/**
 * The attributes of users and groups together. A resource without an attribute counts as having no value for it, as RFC
 * 7644 §3.4.2.1 demands.
 */
function everyType(schemas: TenantSchemas): ResourceType {
  const known = types.get(schemas)
  if (known) return known
  const { User, Group } = schemas
  const names = new Set(User.schema.attributes.map(({ name }) => name))
  const attributes = [...User.schema.attributes, ...Group.schema.attributes.filter(({ name }) => !names.has(name))]
  const merged = buildResourceType({
    ...User,
    schema: { ...User.schema, attributes },
    extensions: [...User.extensions, ...Group.extensions]
  })
  const ofGroups: SchemaLookup = { ...merged.core, schema: Group.schema, urnLower: Group.core.urnLower }
  const lookups = [...merged.lookups, ofGroups].sort((a, b) => b.urnLower.length - a.urnLower.length)
  const everything = { ...merged, lookups }
  types.set(schemas, everything)
  return everything
}
