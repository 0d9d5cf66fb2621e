// Groups as SCIM reads them: whole documents, with the members if asked for.
import { type RawBuilder, sql } from 'kysely'
import type { Db } from './connect.ts'
import { groupLastModified, groupVersion, isWithinScope } from './groups.ts'
import { prepareRead } from './prepared.ts'

/** The facts that an answer is made of. */
export interface ScimGroupRow {
  id: string
  version: number
  /** JSON text. */
  doc: string
  /** JSON text: `[{ value, $ref, display, type }]`; null if not asked for. */
  members: string | null
  created_at: Date
  updated_at: Date
}

export interface ScimGroupView {
  readonly tenantId: number
  /** What a member's `$ref` begins with: `https://acme.example.com/scim/v2`. */
  readonly baseUrl: string
  /** Only this connection's users and groups are visible; undefined: all of the tenant's. */
  readonly connectionId: string | undefined
  /** Whether memberships are read. */
  readonly withMembers: boolean
}

/** The columns of a ScimGroupRow, as expressions on a row of `groups`. */
export const scimGroupColumns = (view: ScimGroupView) => ({
  members: view.withMembers ? membersOfGroup(view) : sql`null::text`,
  id: sql`groups.id`,
  version: groupVersion(view.tenantId),
  doc: sql`groups.doc`,
  created_at: sql`groups.created_at`,
  updated_at: groupLastModified(view.tenantId)
})

const selectList = (columns: Readonly<Record<string, RawBuilder<unknown>>>) =>
  sql.join(Object.entries(columns).map(([name, expression]) => sql`${expression} as ${sql.ref(name)}`))

/** The name that people see, in step with shownName of provisioning/user-document.ts. */
export const shownName = sql`coalesce(users.display_name,
  nullif(concat_ws(' ', users.given_name, users.family_name), ''), users.email, users.user_name)`

// Built as text, because json_build_object adds spaces. An array of ids, not a join: the planner knows only the size of
// the average group, and would read all users where a few index pages suffice.
const membersOfGroup = ({ tenantId, baseUrl, connectionId }: ScimGroupView): RawBuilder<string> => sql`
  (select '[' || concat_ws(',',
    (select string_agg('{"value":"' || users.id || '","$ref":"' || ${baseUrl}::text || '/Users/' || users.id
        || '","display":' || to_json(${shownName})::text || ',"type":"User"}', ',' order by users.id)
      from users where users.tenant_id = ${tenantId} and ${isWithinScope('users', connectionId)}
        and users.id = any(array(select m.user_id from group_members m
          where m.tenant_id = ${tenantId} and m.group_id = groups.id))),
    (select string_agg('{"value":"' || child.id || '","$ref":"' || ${baseUrl}::text || '/Groups/' || child.id
        || '","display":' || to_json(child.display_name)::text || ',"type":"Group"}', ',' order by child.id)
      from groups child where child.tenant_id = ${tenantId}
        and ${connectionId === undefined ? sql`true` : sql`child.connection_id = ${connectionId}::uuid`}
        and child.id = any(array(select c.child_id from group_children c
          where c.tenant_id = ${tenantId} and c.group_id = groups.id)))
  ) || ']')`

/** One statement. */
export async function findScimGroup(db: Db, view: ScimGroupView, groupId: string): Promise<ScimGroupRow | undefined> {
  const { tenantId, baseUrl, connectionId, withMembers } = view
  const read = readers[`${withMembers ? 'with' : 'without'} members, ${connectionId === undefined ? 'all' : 'own'}`]
  return (await read(db, tenantId, { groupId, baseUrl, connectionId }))[0]
}

const reader = (withMembers: boolean, isOwn: boolean) =>
  prepareRead<ScimGroupRow, { groupId: string; baseUrl: string; connectionId: string | undefined }>((given) => {
    const connectionId = isOwn ? (given.connectionId as string) : undefined
    const view = { tenantId: given.tenantId as number, baseUrl: given.baseUrl as string, connectionId, withMembers }
    return sql`select ${selectList(scimGroupColumns(view))} from groups
      where groups.tenant_id = ${given.tenantId} and groups.id = ${given.groupId}::uuid
        and ${isWithinScope('groups', connectionId)}`
  })

const readers = {
  'with members, all': reader(true, false),
  'with members, own': reader(true, true),
  'without members, all': reader(false, false),
  'without members, own': reader(false, true)
} as const
