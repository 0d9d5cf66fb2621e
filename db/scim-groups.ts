// Groups as SCIM reads them: whole documents, with the members where somebody asks for them.
import { type RawBuilder, sql } from 'kysely'
import { type Db, readOneInTenant } from './connect.ts'
import { groupLastModified, groupVersion, isWithinScope } from './groups.ts'

/** What an answer is made of. */
export interface ScimGroupRow {
  id: string
  version: number
  /** JSON text. */
  doc: string
  /** JSON text: `[{ value, $ref, display, type }]`; null where nobody asked. */
  members: string | null
  created_at: Date
  updated_at: Date
}

export interface ScimGroupView {
  readonly tenantId: number
  /** What a member's `$ref` begins with: `https://acme.example.com/scim/v2`. */
  readonly baseUrl: string
  /** The connection whose users and groups alone are seen; undefined for all of the tenant's. */
  readonly connectionId: string | undefined
  /** Whether memberships are read. */
  readonly withMembers: boolean
}

/** The select list of a ScimGroupRow on a row of `groups`. */
export const scimGroupColumns = (view: ScimGroupView): RawBuilder<unknown> => sql`
  groups.id, groups.doc, groups.created_at, ${groupVersion} as version, ${groupLastModified} as updated_at,
  ${view.withMembers ? membersOfGroup(view) : sql`null::text`} as members`

/** What people see, as provisioning/user-document.ts says it (shownName). */
const shownName = sql`coalesce(users.display_name,
  nullif(concat_ws(' ', users.given_name, users.family_name), ''), users.email, users.user_name)`

// Put together as text, because json_build_object would spread it with spaces
const membersOfGroup = ({ baseUrl, connectionId }: ScimGroupView): RawBuilder<string> => sql`
  (select '[' || concat_ws(',',
    (select string_agg('{"value":"' || users.id || ${`","$ref":"${baseUrl}/Users/`}::text || users.id
        || '","display":' || to_json(${shownName})::text || ',"type":"User"}', ',' order by m.user_id)
      from group_members m join users on users.tenant_id = m.tenant_id and users.id = m.user_id
      where m.tenant_id = groups.tenant_id and m.group_id = groups.id and ${isWithinScope('users', connectionId)}),
    (select string_agg('{"value":"' || child.id || ${`","$ref":"${baseUrl}/Groups/`}::text || child.id
        || '","display":' || to_json(child.display_name)::text || ',"type":"Group"}', ',' order by c.child_id)
      from group_children c join groups child on child.tenant_id = c.tenant_id and child.id = c.child_id
      where c.tenant_id = groups.tenant_id and c.group_id = groups.id
        and ${connectionId === undefined ? sql`true` : sql`child.connection_id = ${connectionId}::uuid`})
  ) || ']')`

/** One statement of its own. */
export const findScimGroup = (db: Db, view: ScimGroupView, groupId: string): Promise<ScimGroupRow | undefined> =>
  readOneInTenant<ScimGroupRow>(
    db,
    view.tenantId,
    sql<ScimGroupRow>`select ${scimGroupColumns(view)} from groups
      where groups.tenant_id = ${view.tenantId} and groups.id = ${groupId}::uuid
        and ${isWithinScope('groups', view.connectionId)}`
  )
