// A SCIM client of the tests: a tenant with a token on the real app, and short ways to ask.
import type { InjectOptions, LightMyRequestResponse } from 'fastify'
import { v7 as uuidv7 } from 'uuid'
import type { Role, ScimProfile, TenantSettings } from '../../db/schema.ts'
import { systemActor } from '../../server/provisioning/actor.ts'
import { createScimToken, type NewScimToken } from '../../server/provisioning/scim-tokens.ts'
import type { TestApp } from './app.ts'

export const PATCH_OP = 'urn:ietf:params:scim:api:messages:2.0:PatchOp'
export const ENTERPRISE = 'urn:ietf:params:scim:schemas:extension:enterprise:2.0:User'
export const USER = 'urn:ietf:params:scim:schemas:core:2.0:User'

export interface Tenant {
  id: number
  subdomain: string
}

// biome-ignore lint/suspicious/noExplicitAny: tests read whatever a resource holds and assert on it
type Json = any

/** null takes away what would be sent. */
type Headers = Record<string, string | null>

export interface ScimReply {
  status: number
  body: Json
  headers: LightMyRequestResponse['headers']
  text: string
}

export interface Scim {
  readonly tenant: Tenant
  readonly token: string
  /**
   * @param url below /scim/v2
   * @param body an object, or text or bytes that are sent as they are
   */
  ask(method: string, url: string, body?: unknown, headers?: Headers): Promise<ScimReply>
  get(url: string, headers?: Headers): Promise<ScimReply>
  post(url: string, body: unknown, headers?: Headers): Promise<ScimReply>
  put(url: string, body: unknown, headers?: Headers): Promise<ScimReply>
  /** @param operations of a PatchOp */
  patch(url: string, operations: unknown[], headers?: Headers): Promise<ScimReply>
  delete(url: string, headers?: Headers): Promise<ScimReply>
  /** POST /Users that is expected to work. */
  createUser(attributes: Record<string, unknown>): Promise<Json>
}

export async function addTenant(app: TestApp, subdomain: string, settings: TenantSettings = {}): Promise<Tenant> {
  const now = app.clock.now()
  const { id } = await app.owner
    .insertInto('tenants')
    .values({
      subdomain,
      name: subdomain,
      state: 'active',
      settings: JSON.stringify(settings),
      created_at: now,
      updated_at: now
    })
    .returning('id')
    .executeTakeFirstOrThrow()
  return { id, subdomain }
}

/** A token of its own connection, unless `name` is that of another one with the same settings. */
export async function scimClient(
  app: TestApp,
  tenant: Tenant,
  options: Partial<NewScimToken> & { highestRole?: Role; profile?: ScimProfile } = {}
): Promise<Scim> {
  const made = await createScimToken(app.deps, tenant, systemActor, { name: uuidv7(), ...options })
  return clientOf(app, tenant, made.token)
}

const isReady = (body: unknown): body is string | Buffer => typeof body === 'string' || Buffer.isBuffer(body)

export function clientOf(app: TestApp, tenant: Tenant, token: string): Scim {
  const ask: Scim['ask'] = async (method, url, body, headers = {}) => {
    const sent: Headers = {
      authorization: `Bearer ${token}`,
      ...(body !== undefined && { 'content-type': 'application/scim+json' }),
      ...headers
    }
    const response = await app.inject(tenant.subdomain, {
      method: method as InjectOptions['method'],
      url: `/scim/v2${url}`,
      headers: Object.fromEntries(Object.entries(sent).filter(([, value]) => value !== null)) as Record<string, string>,
      ...(body !== undefined && { payload: isReady(body) ? body : JSON.stringify(body) })
    })
    return {
      status: response.statusCode,
      body: response.payload === '' ? undefined : response.json(),
      headers: response.headers,
      text: response.payload
    }
  }
  return {
    tenant,
    token,
    ask,
    get: (url, headers) => ask('GET', url, undefined, headers),
    post: (url, body, headers) => ask('POST', url, body, headers),
    put: (url, body, headers) => ask('PUT', url, body, headers),
    patch: (url, Operations, headers) => ask('PATCH', url, { schemas: [PATCH_OP], Operations }, headers),
    delete: (url, headers) => ask('DELETE', url, undefined, headers),
    async createUser(attributes) {
      const { status, body, text } = await ask('POST', '/Users', { schemas: [USER], ...attributes })
      if (status !== 201) throw new Error(`POST /Users answered ${status}: ${text}`)
      return body
    }
  }
}
