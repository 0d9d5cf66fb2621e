// What a handler of the protocol is given and what it gives back: no HTTP in it, so that /Bulk calls the same handlers.
import type { FastifyBaseLogger } from 'fastify'
import type { Deps } from '../deps.ts'
import type { Actor } from '../provisioning/actor.ts'
import type { Tenant } from '../tenancy.ts'
import type { Leniency } from './profiles.ts'
import type { TenantSchemas } from './schemas-of-tenant.ts'

/** Who asks, for which tenant, and by which rules. One instance a request. */
export interface ScimContext {
  readonly deps: Deps
  readonly tenant: Tenant
  /**
   * A SCIM token (kind `scimToken`, id of its connection, `role` the highest it may give) or an administrator's API
   * token (kind `apiToken`, no connection).
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
  /** Of the resource that the path names; empty where it names none. As sent: it need not be a UUID. */
  readonly id: string
  /** Percent-decoded, known names in their usual letter case; a parameter that is given twice is an array. */
  readonly query: Readonly<Record<string, unknown>>
  /** Parsed JSON; undefined where there was no body. */
  readonly body: unknown
  readonly ifMatch: string | undefined
  readonly ifNoneMatch: string | undefined
}

/** What is sent: `body` is JSON text, or its bytes in UTF-8. `etag` is `W/"3"`, `location` an absolute URL. */
export interface ScimAnswer {
  readonly status: number
  readonly body?: string | Buffer
  /** Is called once the body has been sent, and is not looked at any more; not where that fails. */
  readonly sent?: () => void
  readonly etag?: string
  readonly location?: string
}

export type ScimHandler = (context: ScimContext, request: ScimRequest) => Promise<ScimAnswer> | ScimAnswer

/** Of the connection that a token belongs to; null for an API token. */
export const connectionOf = ({ actor }: Pick<ScimContext, 'actor'>): string | null => actor.scim?.connectionId ?? null

/** The connection whose resources alone the token may see and manage; undefined where it may all of them. */
export const ownScopeOf = ({ actor, tenant }: Pick<ScimContext, 'actor' | 'tenant'>): string | undefined =>
  tenant.settings.scimScope === 'own' ? actor.scim?.connectionId : undefined

/** What conditions on users and groups are made with. */
export const sqlContextOf = (context: ScimContext) => ({
  tenantId: context.tenant.id,
  baseUrl: context.baseUrl,
  connectionId: ownScopeOf(context),
  readerId: connectionOf(context) ?? undefined
})
