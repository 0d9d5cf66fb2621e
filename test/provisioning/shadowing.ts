import { sql } from 'kysely'
import { TENANT_TABLES_LEAVES_FIRST } from '../../db/tenants.ts'
import type { HistoryTenant } from '../support/history.ts'
import { clientOf, type Scim } from '../support/scim.ts'
import { USER } from '../support/urns.ts'

/** Tables that record uses of tokens and requests. */
const OF_USE = new Set(['scim_tokens', 'scim_token_uses', 'scim_errors', 'wire_log'])

/** All rows of a tenant, exactly. */
export async function dump({ app }: HistoryTenant, tenantId: number): Promise<Record<string, string>> {
  const all: Record<string, string> = {}
  for (const table of [...TENANT_TABLES_LEAVES_FIRST, 'audit_events']) {
    if (OF_USE.has(table)) continue
    const { rows } = await sql<{ text: string }>`
      select coalesce(string_agg(t::text, E'\n' order by t::text), '') as text
      from ${sql.table(table)} t where tenant_id = ${tenantId}`.execute(app.owner)
    all[table] = rows[0]!.text
  }
  return all
}

/** How many rows belong to shadows. */
export async function countShadowRows({ app }: HistoryTenant): Promise<number> {
  let count = 0
  for (const table of [...TENANT_TABLES_LEAVES_FIRST, 'audit_events']) {
    const { rows } = await sql<{ count: number }>`
      select count(*)::int as count from ${sql.table(table)} where tenant_id < 0`.execute(app.owner)
    count += rows[0]!.count
  }
  const { rows } = await sql<{ count: number }>`select count(*)::int as count from tenants where id < 0`.execute(
    app.owner
  )
  return count + rows[0]!.count
}

export async function openShadow(
  acme: HistoryTenant,
  name: string
): Promise<{ scim: Scim; connectionId: string; shadowId: number }> {
  const input = { name, profile: 'entra', highestRole: 'administrator', shadow: true }
  const { data, error } = await acme.mutate('scimTokens.create', input)
  if (error) throw new Error(error.message)
  const { connectionId } = data.scimToken
  const { shadow_id } = await acme.app.owner
    .selectFrom('scim_shadows')
    .select('shadow_id')
    .where('connection_id', '=', connectionId)
    .executeTakeFirstOrThrow()
  return { scim: clientOf(acme.app, acme.tenant, data.token), connectionId, shadowId: shadow_id! }
}

export const person = (name: string, subdomain: string, more: object = {}) => ({
  schemas: [USER],
  userName: `${name}@${subdomain}.test`,
  externalId: `x-${name}`,
  displayName: name,
  emails: [{ value: `${name}@${subdomain}.test`, type: 'work', primary: true }],
  ...more
})

export const none = { create: 0, link: 0, change: 0, deactivate: 0, remove: 0 }
