// The operator's side: creates, suspends and removes tenants. settings.ts changes what is in them.
import { insertAuditEvents } from '../../db/audit.ts'
import { inTenant, type Trx } from '../../db/connect.ts'
import { violatedConstraint } from '../../db/failures.ts'
import { notifyChange } from '../../db/listen.ts'
import type { TenantRow } from '../../db/schema.ts'
import {
  deleteTenant,
  endRemoval,
  findTenantById,
  findTenantBySubdomain,
  insertTenant,
  lockTenant,
  nextTenantId
} from '../../db/tenants.ts'
import { conflict, invalid, notFound } from '../errors.ts'
import type { Actor } from './actor.ts'
import { forgetCredentials, forgetTenant } from './forgetting.ts'
import type { TenantDeps } from './settings.ts'

/** One label of a host name (RFC 1123 §2.1), lower-cased. */
const LABEL = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/

/** Names that the service, its operator or mail may need, or that would deceive. */
const RESERVED_SUBDOMAINS = new Set(
  `www api rest graphql trpc scim auth oauth oauth2 oidc openid saml sso login signin signup signout logout register
   account accounts id identity accept invite reset password verify admin administrator operator root system internal
   app apps dashboard console mail email smtp imap pop pop3 mx mta webmail mailbox postmaster hostmaster webmaster
   abuse noreply no-reply autoconfig autodiscover wpad isatap static assets cdn media images files download upload
   status health healthz readyz metrics monitoring support help helpdesk docs blog legal terms privacy security billing
   git ci vpn ssh ftp dns ns ns1 ns2 proxy gateway localhost localdomain broadcasthost invalid muster`.split(/\s+/)
)

interface NewTenant {
  readonly subdomain: string
  readonly name: string
}

/**
 * Creates a tenant.
 * @param inside runs in the same transaction, once the tenant is there: what it throws undoes the tenant, too
 * @throws AppError invalid `invalidSubdomain`, `subdomainReserved`; conflict `subdomainTaken`
 */
export async function createTenant<T>(
  deps: TenantDeps,
  actor: Actor,
  given: NewTenant,
  inside: (trx: Trx, tenant: TenantRow) => Promise<T>
): Promise<{ tenant: TenantRow; made: T }> {
  const subdomain = readSubdomain(given.subdomain)
  const now = deps.now()
  const id = await nextTenantId(deps.db)
  try {
    const created = await inTenant(deps.db, id, async (trx) => {
      const tenant = await insertTenant(trx, { id, subdomain, name: given.name, settings: {} }, now)
      await insertAuditEvents(trx, id, actor, now, [
        {
          action: 'tenant.created',
          targetType: 'tenant',
          targetId: null,
          targetName: subdomain,
          after: { subdomain, name: given.name }
        }
      ])
      const made = await inside(trx, tenant)
      await notifyChange(trx, { kind: 'tenant', subdomain })
      return { tenant, made }
    })
    forgetTenant(deps, subdomain)
    return created
  } catch (error) {
    if (violatedConstraint(error) === 'tenants_subdomain_key') {
      throw conflict(`The subdomain ${subdomain} is taken`, 'subdomainTaken')
    }
    throw error
  }
}

/**
 * @returns the subdomain as it is stored
 * @throws AppError invalid `invalidSubdomain`, `subdomainReserved`
 */
export function readSubdomain(text: string): string {
  const subdomain = text.trim().toLowerCase()
  // browsers may show `xn--…` as other letters: such a name could pass for another tenant's
  if (!LABEL.test(subdomain) || subdomain.startsWith('xn--')) {
    throw invalid(
      'A subdomain has 1 to 63 letters a to z, digits and hyphens, and neither begins nor ends with a hyphen',
      'invalidSubdomain'
    )
  }
  if (RESERVED_SUBDOMAINS.has(subdomain)) throw invalid(`The subdomain ${subdomain} is reserved`, 'subdomainReserved')
  return subdomain
}

/** How the operator names a tenant. */
export type TenantKey = { readonly subdomain: string } | { readonly tenantId: number }

/** @throws AppError not_found */
export async function getTenant(deps: Pick<TenantDeps, 'db'>, key: TenantKey): Promise<TenantRow> {
  const found =
    'tenantId' in key
      ? await findTenantById(deps.db, key.tenantId)
      : await findTenantBySubdomain(deps.db, key.subdomain.toLowerCase())
  if (!found) throw notFound('tenantId' in key ? `Tenant ${key.tenantId}` : `Tenant ${key.subdomain}`)
  return found
}

/**
 * Deletes a suspended tenant for good, with everything in it and its audit log; its people's addresses become free.
 * @param confirm the subdomain again
 * @throws AppError not_found; invalid `confirmationNeeded`; conflict `notSuspended`
 */
export async function removeTenant(deps: TenantDeps, key: TenantKey, confirm: string): Promise<TenantRow> {
  const { id, subdomain } = await getTenant(deps, key)
  if (confirm !== subdomain) {
    throw invalid(`To remove the tenant, confirm with its subdomain ${subdomain}`, 'confirmationNeeded')
  }
  const [removed, ids] = await inTenant(deps.db, id, async (trx) => {
    const tenant = await lockTenant(trx, id, 'for update')
    if (!tenant) throw notFound(`Tenant ${subdomain}`)
    if (tenant.state !== 'suspended') throw conflict(`Suspend ${subdomain} before you remove it`, 'notSuspended')
    const ids = await deleteTenant(trx, id)
    await notifyChange(trx, { kind: 'tenant', subdomain })
    await notifyChange(trx, { kind: 'credentials', tenantId: id })
    return [tenant, ids] as const
  })
  await endRemoval(deps.db, ids)
  forgetTenant(deps, subdomain)
  forgetCredentials(deps, id)
  return removed
}
