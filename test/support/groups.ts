// Set-up for tests of groups: a tenant, any number of people, actors, and look-ups of what a group holds.
import { sql } from 'kysely'
import { v7 as uuidv7 } from 'uuid'
import { type Db, inTenant, readInTenant } from '../../db/connect.ts'
import { insertRows } from '../../db/rows.ts'
import type { Role } from '../../db/schema.ts'
import type { Actor } from '../../server/provisioning/actor.ts'
import type { GroupWork } from '../../server/provisioning/groups.ts'
import { documentColumns, USER_SCHEMA } from '../../server/provisioning/user-document.ts'
import { NOW } from './tenants.ts'

export const actorOf = (role: Role, id: string | null = null): Actor => ({
  kind: 'user',
  id,
  name: `the ${role}`,
  role,
  requestId: null,
  ip: null
})

/** The actor of a SCIM token, whose connection it makes. */
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

/**
 * Makes active people `<prefix>1@acme.test`, … with the display names `<prefix> 1`, …. @returns their ids, in that
 * order
 */
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

/** Inserts a group that belongs to no connection, with users as members. @returns its id */
export async function insertGroup(
  owner: Db,
  tenantId: number,
  displayName: string,
  userIds: readonly string[] = []
): Promise<string> {
  const id = uuidv7()
  await owner
    .insertInto('groups')
    .values({
      tenant_id: tenantId,
      id,
      display_name: displayName,
      display_name_key: displayName.toLowerCase(),
      external_id: null,
      connection_id: null,
      doc: '{}',
      created_at: NOW,
      updated_at: NOW
    })
    .execute()
  for (const user_id of userIds) {
    await owner.insertInto('group_members').values({ tenant_id: tenantId, group_id: id, user_id }).execute()
  }
  return id
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

/** The ids of a group's members, users and groups, sorted. */
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

/** The closure as it is stored and as it follows from the nesting: sorted lines `group > ancestor`. */
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
