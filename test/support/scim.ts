// A SCIM client for tests: a tenant with a token on the real app, and short ways to send requests.
import type { InjectOptions, LightMyRequestResponse } from 'fastify'
import { v7 as uuidv7 } from 'uuid'
import type { Role, ScimProfile } from '../../db/schema.ts'
import { systemActor } from '../../server/provisioning/actor.ts'
import { createScimToken, type NewScimToken } from '../../server/provisioning/scim-tokens.ts'
import type { TestApp } from './app.ts'
import type { Tenant } from './tenants.ts'
import { PATCH_OP, USER } from './urns.ts'

// biome-ignore lint/suspicious/noExplicitAny: tests read whatever a resource holds and assert on it
type Json = any

/** null leaves out a header that would be sent. */
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
   * @param url the path below /scim/v2
   * @param body an object, or text or bytes to send as they are
   */
  ask(method: string, url: string, body?: unknown, headers?: Headers): Promise<ScimReply>
  get(url: string, headers?: Headers): Promise<ScimReply>
  post(url: string, body: unknown, headers?: Headers): Promise<ScimReply>
  put(url: string, body: unknown, headers?: Headers): Promise<ScimReply>
  /** @param operations of a PatchOp */
  patch(url: string, operations: unknown[], headers?: Headers): Promise<ScimReply>
  delete(url: string, headers?: Headers): Promise<ScimReply>
  /** Sends POST /Users and expects 201. */
  createUser(attributes: Record<string, unknown>): Promise<Json>
}

/** Makes a token with a connection of its own, unless `name` is the name of a connection with the same settings. */
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
