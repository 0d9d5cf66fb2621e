// What a handler of the protocol receives and returns: free of HTTP, so that /Bulk calls the same handlers.
import type { FastifyBaseLogger } from 'fastify'
import type { Deps } from '../deps.ts'
import type { Actor } from '../provisioning/actor.ts'
import type { Tenant } from '../tenancy.ts'
import type { Leniency } from './profiles.ts'
import type { TenantSchemas } from './schemas-of-tenant.ts'

/** Who asks, for which tenant, under which rules. One instance per request. */
export interface ScimContext {
  readonly deps: Deps
  readonly tenant: Tenant
  /**
   * A SCIM token (kind `scimToken`; the id is its connection's, `role` the highest it may give) or an administrator's
   * API token (kind `apiToken`, no connection).
   */
  readonly actor: Actor
  readonly leniency: Leniency
  readonly schemas: TenantSchemas
  /** `https://acme.example.com/scim/v2` */
  readonly baseUrl: string
  readonly now: Date
  readonly log: FastifyBaseLogger
}

export interface ScimRequest {
  /** The id in the path, as sent: it need not be a UUID. Empty where the path names no resource. */
  readonly id: string
  /** Percent-decoded, known names in their usual letter case; a repeated parameter is an array. */
  readonly query: Readonly<Record<string, unknown>>
  /** Parsed JSON; undefined without a body. */
  readonly body: unknown
  readonly ifMatch: string | undefined
  readonly ifNoneMatch: string | undefined
}

/** The answer to send: `body` is JSON text, or its bytes in UTF-8. `etag` is `W/"3"`, `location` an absolute URL. */
export interface ScimAnswer {
  readonly status: number
  readonly body?: string | Buffer
  /** Called once the body has been sent and is no longer read; not called where sending fails. */
  readonly sent?: () => void
  readonly etag?: string
  readonly location?: string
}

export type ScimHandler = (context: ScimContext, request: ScimRequest) => Promise<ScimAnswer> | ScimAnswer

/** The connection that the token belongs to; null for an API token. */
export const connectionOf = ({ actor }: Pick<ScimContext, 'actor'>): string | null => actor.scim?.connectionId ?? null

/** The connection whose resources are all that the token may see and manage; undefined where it may access all. */
export const ownScopeOf = ({ actor, tenant }: Pick<ScimContext, 'actor' | 'tenant'>): string | undefined =>
  tenant.settings.scimScope === 'own' ? actor.scim?.connectionId : undefined

/** The context for SQL conditions on users and groups. */
export const sqlContextOf = (context: ScimContext) => ({
  tenantId: context.tenant.id,
  baseUrl: context.baseUrl,
  connectionId: ownScopeOf(context),
  readerId: connectionOf(context) ?? undefined
})
