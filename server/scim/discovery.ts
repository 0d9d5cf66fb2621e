// What a client may find out before it begins (RFC 7644 §4, RFC 7643 §5 to §7, RFC 9865 §4).
import { MAX_BODY_BYTES } from '../config.ts'
import { AppError, notFound } from '../errors.ts'
import { SCIM_EVENT_URIS } from '../events/scim-events.ts'
import type { ScimAnswer, ScimContext, ScimRequest } from './context.ts'
import { CURSOR_TIMEOUT_SECONDS, DEFAULT_PAGE_SIZE, MAX_PAGE_SIZE } from './limits.ts'
import { listBody } from './list-response.ts'
import { MAX_OPERATIONS } from './patch/parse.ts'
import { toResourceTypeResource, toSchemaResource } from './schemas/representation.ts'
import type { ResourceType, Schema } from './schemas/types.ts'

/** GET /ServiceProviderConfig, RFC 7643 §5. */
export function getServiceProviderConfig({ baseUrl }: ScimContext, { query }: ScimRequest): ScimAnswer {
  refuseFilter(query)
  return json({
    schemas: ['urn:ietf:params:scim:schemas:core:2.0:ServiceProviderConfig'],
    patch: { supported: true },
    bulk: { supported: true, maxOperations: MAX_OPERATIONS, maxPayloadSize: MAX_BODY_BYTES },
    filter: { supported: true, maxResults: MAX_PAGE_SIZE },
    changePassword: { supported: true },
    sort: { supported: true },
    etag: { supported: true },
    pagination: {
      cursor: true,
      index: true,
      defaultPaginationMethod: 'index',
      defaultPageSize: DEFAULT_PAGE_SIZE,
      maxPageSize: MAX_PAGE_SIZE,
      cursorTimeout: CURSOR_TIMEOUT_SECONDS
    },
    // RFC 9967 §3: the events that a tenant's event streams may carry
    securityEvents: { asyncRequest: 'none', eventUris: SCIM_EVENT_URIS },
    authenticationSchemes: [
      {
        type: 'oauthbearertoken',
        name: 'Bearer token',
        description: 'A token of this tenant, sent as Authorization: Bearer <token>.',
        specUri: 'https://www.rfc-editor.org/info/rfc6750',
        primary: true
      }
    ],
    meta: { resourceType: 'ServiceProviderConfig', location: `${baseUrl}/ServiceProviderConfig` }
  })
}

/** GET /ResourceTypes, RFC 7643 §6. */
export function listResourceTypes({ schemas, baseUrl }: ScimContext, { query }: ScimRequest): ScimAnswer {
  refuseFilter(query)
  return list([schemas.User, schemas.Group].map((resourceType) => toResourceTypeResource(resourceType, baseUrl)))
}

/** GET /ResourceTypes/{name} */
export function getResourceType({ schemas, baseUrl }: ScimContext, { id }: ScimRequest): ScimAnswer {
  const found = [schemas.User, schemas.Group].find(({ name }) => name === id)
  if (!found) throw notFound('ResourceType')
  return json(toResourceTypeResource(found, baseUrl))
}

/** GET /Schemas, RFC 7643 §7: includes the tenant's own extensions. */
export function listSchemas({ schemas, baseUrl }: ScimContext, { query }: ScimRequest): ScimAnswer {
  refuseFilter(query)
  return list([...schemasOf(schemas.User), ...schemasOf(schemas.Group)].map((s) => toSchemaResource(s, baseUrl)))
}

/** GET /Schemas/{urn}; URNs match in any letter case (RFC 8141 §3.1, RFC 7643 §2.1). */
export function getSchema({ schemas, baseUrl }: ScimContext, { id }: ScimRequest): ScimAnswer {
  const urn = id.toLowerCase()
  const found = [...schemasOf(schemas.User), ...schemasOf(schemas.Group)].find((s) => s.id.toLowerCase() === urn)
  if (!found) throw notFound('Schema')
  return json(toSchemaResource(found, baseUrl))
}

const schemasOf = ({ schema, extensions }: ResourceType): Schema[] => [schema, ...extensions.map((e) => e.schema)]

/** RFC 7644 §4: a filter is refused with 403, so that no client mistakes the full list for a filtered one. */
function refuseFilter(query: ScimRequest['query']): void {
  if (query['filter'] === undefined) return
  throw new AppError('forbidden', 'Discovery endpoints take no filter', { reason: 'filterNotAllowed' })
}

const json = (resource: unknown): ScimAnswer => ({ status: 200, body: JSON.stringify(resource) })

const list = (resources: readonly unknown[]): ScimAnswer => ({
  status: 200,
  body: listBody(
    { totalResults: resources.length, startIndex: 1 },
    resources.map((resource) => JSON.stringify(resource))
  )
})
