// Demo data for an empty database: the tenant `acme` with its first administrator and a SCIM token.
import { v7 as uuidv7 } from 'uuid'
import { insertAuditEvents } from '../db/audit.ts'
import type { Trx } from '../db/connect.ts'
import { countResources } from '../db/resource-counts.ts'
import { noteNamesOf } from '../db/search-index.ts'
import { replaceUserEmails } from '../db/users.ts'
import { createSignInLink } from './auth/one-time-code.ts'
import type { Deps } from './deps.ts'
import { AppError } from './errors.ts'
import { systemActor } from './provisioning/actor.ts'
import { createScimToken } from './provisioning/scim-tokens.ts'
import { createTenant } from './provisioning/tenants.ts'
import { documentColumns, emailKeys, invitedDocument, withProfile } from './provisioning/user-document.ts'

const ADMINISTRATOR = { email: 'ada@acme.test', displayName: 'Ada Admin', givenName: 'Ada', familyName: 'Admin' }

/**
 * Creates the demo tenant. Nobody in it has a password: Ada signs in by the link, which works once.
 * @returns lines to print, ready to click or paste; none where another process was faster
 */
export async function createDemo(deps: Deps): Promise<string[]> {
  const now = deps.now()
  const demo = await createTenant(deps, systemActor, { subdomain: 'acme', name: 'Acme' }, (trx, tenant) =>
    insertAdministrator(trx, tenant.id, now)
  ).catch((error: unknown) => {
    if (error instanceof AppError && error.reason === 'subdomainTaken') return undefined
    throw error
  })
  if (!demo) return []
  const { tenant, made: userId } = demo
  const link = await createSignInLink(deps, tenant, userId, now)
  const { baseUrl, token } = await createScimToken(deps, tenant, systemActor, { name: 'demo' })
  return [
    `Admin page, signed in as ${ADMINISTRATOR.displayName} (works once): ${link}`,
    `SCIM base URL: ${baseUrl}`,
    `SCIM token: ${token}`
  ]
}

/** @returns the id of an active administrator without a password */
async function insertAdministrator(trx: Trx, tenantId: number, now: Date): Promise<string> {
  const id = uuidv7({ msecs: now.getTime() })
  const document = withProfile(invitedDocument(ADMINISTRATOR.email, 'administrator'), ADMINISTRATOR)
  const columns = documentColumns(document)
  await trx
    .insertInto('users')
    .values({
      ...columns,
      tenant_id: tenantId,
      id,
      state: 'active',
      role: 'administrator',
      connection_id: null,
      created_at: now,
      updated_at: now,
      activated_at: now,
      last_sign_in_at: null
    })
    .execute()
  await replaceUserEmails(trx, tenantId, id, emailKeys(document))
  await noteNamesOf(trx, tenantId, [id])
  await trx
    .insertInto('addresses')
    .values({ address_key: columns.email_key!, tenant_id: tenantId, user_id: id })
    .execute()
  await insertAuditEvents(trx, tenantId, systemActor, now, [
    {
      action: 'user.created',
      targetType: 'user',
      targetId: id,
      targetName: ADMINISTRATOR.displayName,
      after: { email: ADMINISTRATOR.email, role: 'administrator', state: 'active' }
    }
  ])
  await countResources(tenantId, 'User', 1).execute(trx)
  return id
}
