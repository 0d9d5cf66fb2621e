// Connections as owners of what is kept of people and groups: those that are there, and those that are gone and had it
// kept for them.
import { type RawBuilder, sql } from 'kysely'
import type { Trx } from './connect.ts'
import type { Role } from './schema.ts'

export interface Authority {
  id: string
  name: string
  /** It has no say over people whose role is above. */
  highest_role: Role
  /** Whether the connection is gone. */
  is_removed: boolean
}

/** Every connection with a say: (id, name, highest_role, is_removed). What no row names is nobody's any more. */
export const authorities = (tenantId: RawBuilder<unknown> | number): RawBuilder<unknown> => sql`
  select id, name, highest_role, false as is_removed from scim_connections where tenant_id = ${tenantId}
  union all
  select id, coalesce(name, 'A removed connection'), highest_role, true from past_connections
  where tenant_id = ${tenantId} and is_kept`

/** Those of `ids` that have a say. */
export async function findAuthorities(trx: Trx, tenantId: number, ids: readonly string[]): Promise<Authority[]> {
  const { rows } = await sql<Authority>`
    select a.* from (${authorities(tenantId)}) as a where a.id = any(${ids}::uuid[]) order by a.id`.execute(trx)
  return rows
}

/** Of members of a group: those whose membership a connection has, but for people who are deactivated. */
export async function findManagedMembers(
  trx: Trx,
  tenantId: number,
  groupId: string,
  userIds: readonly string[]
): Promise<(Authority & { user_id: string })[]> {
  const { rows } = await sql<Authority & { user_id: string }>`
    select m.user_id, a.* from group_members m
    join (${authorities(tenantId)}) as a on a.id = m.connection_id
    join users on users.tenant_id = m.tenant_id and users.id = m.user_id and users.state <> 'deactivated'
    where m.tenant_id = ${tenantId} and m.group_id = ${groupId}::uuid and m.user_id = any(${userIds}::uuid[])
    order by m.user_id`.execute(trx)
  return rows
}
