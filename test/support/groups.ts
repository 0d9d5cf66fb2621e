// What tests of groups start from: a tenant, people in numbers, somebody who acts, and what a group then holds.
import { sql } from 'kysely'
import { v7 as uuidv7 } from 'uuid'
import { type Db, inTenant, readInTenant } from '../../db/connect.ts'
import { insertRows } from '../../db/rows.ts'
import type { Role } from '../../db/schema.ts'
import type { Actor } from '../../server/provisioning/actor.ts'
import type { GroupWork } from '../../server/provisioning/groups.ts'
import { documentColumns, USER_SCHEMA } from '../../server/provisioning/user-document.ts'

export const NOW = new Date('2027-03-01T12:00:00.000Z')

export const actorOf = (role: Role, id: string | null = null): Actor => ({
  kind: 'user',
  id,
  name: `the ${role}`,
  role,
  requestId: null,
  ip: null
})

/** A SCIM token's actor; its connection is made. */
export async function connectionActor(owner: Db, tenantId: number, name: string): Promise<Actor> {
  const id = uuidv7()
  await owner
    .insertInto('scim_connections')
    .values({
      tenant_id: tenantId,
      id,
      name,
      profile: 'auto',
      highest_role: 'responder',
      created_by: null,
      created_at: NOW
    })
    .execute()
  return {
    kind: 'scimToken',
    id,
    name,
    role: 'responder',
    requestId: null,
    ip: null,
    scim: { connectionId: id, tokenId: uuidv7(), profile: 'auto' }
  }
}

export async function insertTenant(owner: Db, subdomain: string): Promise<number> {
  const { id } = await owner
    .insertInto('tenants')
    .values({ subdomain, name: subdomain, state: 'active', created_at: NOW, updated_at: NOW })
    .returning('id')
    .executeTakeFirstOrThrow()
  return id
}

/** Active people `<prefix>1@acme.test`, …, with the display name `<prefix> 1`. @returns their ids, in that order */
export async function insertUsers(
  owner: Db,
  tenantId: number,
  count: number,
  options: { prefix?: string; connectionId?: string } = {}
): Promise<string[]> {
  const { prefix = 'user', connectionId = null } = options
  const rows = Array.from({ length: count }, (_, index) => {
    const userName = `${prefix}${index + 1}@acme.test`
    const columns = documentColumns({ schemas: [USER_SCHEMA], userName, displayName: `${prefix} ${index + 1}` })
    return {
      ...columns,
      tenant_id: tenantId,
      id: uuidv7(),
      state: 'active',
      role: 'responder',
      connection_id: connectionId,
      created_at: NOW,
      updated_at: NOW
    }
  })
  await insertRows(owner, 'users', USER_COLUMNS, rows)
  return rows.map(({ id }) => id)
}

const USER_COLUMNS = {
  tenant_id: 'int',
  id: 'uuid',
  state: 'text',
  role: 'text',
  user_name: 'text',
  user_name_key: 'text',
  connection_id: 'uuid',
  email: 'text',
  email_key: 'text',
  display_name: 'text',
  display_name_key: 'text',
  doc: 'json',
  created_at: 'timestamptz',
  updated_at: 'timestamptz'
}

export const workOf = (db: Db, tenantId: number, actor: Actor, rest: Partial<GroupWork> = {}): GroupWork => ({
  db,
  tenantId,
  actor,
  now: NOW,
  groupRoles: false,
  listener: { emit: () => true },
  ...rest
})

/** The ids of the users and groups in a group, sorted. */
export async function membersOf(db: Db, tenantId: number, groupId: string): Promise<string[]> {
  const rows = await readInTenant<{ id: string }>(
    db,
    tenantId,
    sql<{ id: string }>`
      select user_id as id from group_members where tenant_id = ${tenantId} and group_id = ${groupId}
      union all select child_id from group_children where tenant_id = ${tenantId} and group_id = ${groupId}
      order by id`
  )
  return rows.map(({ id }) => id)
}

/** The closure as it is stored: `group > ancestor`, sorted, and as it follows from the nesting. */
export async function closures(db: Db, tenantId: number): Promise<{ stored: string[]; expected: string[] }> {
  return inTenant(db, tenantId, async (trx) => {
    const stored = await trx
      .selectFrom('group_ancestors')
      .select(['group_id', 'ancestor_id'])
      .where('tenant_id', '=', tenantId)
      .execute()
    const expected = await sql<{ group_id: string; ancestor_id: string }>`
      with recursive up (group_id, ancestor_id) as (
        select id, id from groups where tenant_id = ${tenantId}
        union select up.group_id, c.group_id
          from up join group_children c on c.tenant_id = ${tenantId} and c.child_id = up.ancestor_id
      ) select group_id, ancestor_id from up`.execute(trx)
    const lines = (rows: readonly { group_id: string; ancestor_id: string }[]) =>
      rows.map(({ group_id, ancestor_id }) => `${group_id} > ${ancestor_id}`).sort()
    return { stored: lines(stored), expected: lines(expected.rows) }
  })
}
