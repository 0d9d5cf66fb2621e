// Which tenant a request is for: the host's first label below the base domain.

import type { Db } from '../db/connect.ts'
import type { Listener } from '../db/listen.ts'
import type { TenantSettings, TenantState } from '../db/schema.ts'
import { findTenantBySubdomain } from '../db/tenants.ts'
import { type Cache, createCache } from './cache.ts'
import type { Config } from './config.ts'
import { AppError } from './errors.ts'

export interface Tenant {
  readonly id: number
  readonly subdomain: string
  readonly name: string
  readonly state: TenantState
  readonly settings: Readonly<TenantSettings>
  /** For a shadow made by server/scim/shadow.ts: the id of the tenant that it mirrors. */
  readonly shadowOf?: number
}

export type TenantRef = Pick<Tenant, 'id' | 'subdomain'>

/** Where a request was sent: the base domain (operator), a tenant's host, or a foreign host. */
export type Place = { kind: 'base' } | { kind: 'tenant'; subdomain: string } | { kind: 'foreign' }

const last: { host: string | undefined; baseDomain: string; place: Place } = {
  host: '',
  baseDomain: '',
  place: { kind: 'base' }
}

/**
 * Remembers the last result: a request asks twice, and the next one often has the same host.
 * @param host the Host header or its trusted forwarded form, with or without a port
 */
export function placeOf(host: string | undefined, baseDomain: string): Place {
  if (host !== last.host || baseDomain !== last.baseDomain) {
    Object.assign(last, { host, baseDomain, place: readPlace(host, baseDomain) })
  }
  return last.place
}

function readPlace(host: string | undefined, baseDomain: string): Place {
  const name = (host ?? '').toLowerCase().replace(/:\d+$/, '').replace(/\.$/, '')
  if (name === baseDomain || name === '127.0.0.1' || name === '[::1]' || name === '') return { kind: 'base' }
  if (!name.endsWith(`.${baseDomain}`)) return { kind: 'foreign' }
  const subdomain = name.slice(0, -baseDomain.length - 1)
  return subdomain.includes('.') ? { kind: 'foreign' } : { kind: 'tenant', subdomain }
}

export interface Tenancy {
  /** @throws AppError not_found `unknownTenant` (also for a foreign host), forbidden `tenantSuspended` */
  getTenant(place: Place): Promise<Tenant>
  /** The same without a promise where the tenant is cached, which is the usual case. */
  knownTenant(place: Place): Tenant | undefined
  readonly cache: Cache<Tenant>
}

export function createTenancy(deps: { config: Config; db: Db; listener: Listener }): Tenancy {
  const cache = createCache<Tenant>({ max: 20_000, listener: deps.listener })
  deps.listener.on('change', (change) => {
    if (change.kind === 'tenant') cache.delete(change.subdomain)
  })
  return {
    cache,
    knownTenant(place) {
      const tenant = place.kind === 'tenant' ? cache.known(place.subdomain) : undefined
      return tenant && served(tenant)
    },
    async getTenant(place) {
      const tenant =
        place.kind === 'tenant' && (await cache.get(place.subdomain, () => findTenant(deps.db, place.subdomain)))
      if (!tenant) throw new AppError('not_found', 'There is no such tenant', { reason: 'unknownTenant' })
      return served(tenant)
    }
  }
}

/** @returns only what requests need, since many tenants are cached */
async function findTenant(db: Db, host: string): Promise<Tenant | undefined> {
  const row = await findTenantBySubdomain(db, host)
  if (!row) return undefined
  const { id, subdomain, name, state, settings } = row
  return { id, subdomain, name, state, settings }
}

function served(tenant: Tenant): Tenant {
  if (tenant.state !== 'suspended') return tenant
  throw new AppError('forbidden', 'This tenant is suspended', { reason: 'tenantSuspended' })
}
