// Where attributes of users and groups live outside their documents: columns, e-mail keys and memberships. All others
// are read from `doc`.
import { type RawBuilder, sql } from 'kysely'
import { LRUCache } from 'lru-cache'
import { unlistedUsers } from '../../../db/family-names.ts'
import { groupLastModified, groupVersion } from '../../../db/groups.ts'
import { type AttributePath, formatPath } from '../path.ts'
import { ENTERPRISE_USER_URN } from '../schemas/enterprise-user.ts'
import type { Filter, Scalar } from './ast.ts'
import {
  booleanColumn,
  type Column,
  columnScope,
  FALSE,
  instantColumn,
  jsonScope,
  readUuid,
  type Scope,
  TRUE,
  textColumn,
  uuidColumn
} from './sql-scope.ts'
import {
  type Condition,
  compareKey,
  compareText,
  hasPrefix,
  keyBounds,
  meetsBounds,
  type TextComparison
} from './sql-text.ts'

export interface SqlContext {
  tenantId: number
  /** The tenant's SCIM endpoint without a trailing slash, for `meta.location` and `$ref`. */
  baseUrl: string
  /** If set, hides memberships of users and groups that do not belong to this SCIM connection. */
  connectionId?: string | undefined
  /** The connection that asks; it does not see externalIds that other connections gave. */
  readerId?: string | undefined
}

interface Layout {
  document: Scope
  /** By path: `name`, `name.subAttribute`, `urn:…:User:name.subAttribute`. */
  columns: Readonly<Record<string, Column>>
  meta: Readonly<Record<string, Column>>
  /** Multi-valued attributes that no document holds: the set of a row's values, and the columns of one value. */
  relations: Readonly<Record<string, { rows: RawBuilder<unknown>; value: Scope }>>
  /** By multi-valued attribute: a condition that finds the rows with a `value`; undefined where no index can tell. */
  valueIndexes: Readonly<Record<string, (op: TextComparison, literal: Scalar) => Condition | undefined>>
}

/** Making a scope costs more than compiling a filter against it, and the same clients ask again. */
const userScopes = new LRUCache<string, Scope>({ maxSize: 200, sizeCalculation: () => 1 })

/**
 * The scope of a whole user. The statement calls the row `users`; the caller adds the conditions on tenant and state.
 * @param isNamed whether the rows are those of sought-users.ts, which need no index for the family name
 */
export function userScope(context: SqlContext, isNamed = false): Scope {
  const key = `${context.tenantId} ${context.connectionId} ${context.readerId} ${isNamed} ${context.baseUrl}`
  let scope = userScopes.get(key)
  if (!scope) {
    scope = makeUserScope(context, isNamed)
    userScopes.set(key, scope)
  }
  return scope
}

const makeUserScope = (context: SqlContext, isNamed: boolean): Scope =>
  layoutScope({
    document: jsonScope(sql`users.doc`),
    columns: {
      id: uuidColumn(sql`users.id`, true),
      active: booleanColumn(sql`(users.state <> 'deactivated')`),
      userName: { compare: (op, literal) => compareKey(sql`users.user_name_key`, op, String(literal)), present: TRUE },
      externalId: ownExternalId(context),
      displayName: nullableColumn(sql`users.display_name_key`, compareKey),
      'name.familyName': nullableColumn(sql`users.family_name_key`, isNamed ? compareKey : compareFamilyName(context)),
      [`${ENTERPRISE_USER_URN}:manager.$ref`]: textColumn(managerRef(context), false)
    },
    meta: metaColumns('User', sql`users`, sql`users.updated_at`, sql`users.version`, context),
    relations: { groups: groupsOfUser(context) },
    valueIndexes: {
      emails: (op, literal) => hasEmail(op, String(literal), context),
      groups: (op, literal) => (op === 'eq' ? isInGroup(literal, context) : undefined)
    }
  })

/**
 * Whether the reader sees the externalId of a row of `users`: the SQL of isForeignExternalId
 * (provisioning/authority.ts). Undefined where it sees all.
 */
const isOwnExternalId = ({ readerId }: Pick<SqlContext, 'readerId'>): RawBuilder<boolean> | undefined =>
  readerId === undefined
    ? undefined
    : sql`(users.connection_id is null or users.connection_id = ${readerId}::uuid
        or users.authority ->> 'externalId' = ${readerId}::text)`

/** The sort expression for a user's externalId. */
export function shownExternalId(context: Pick<SqlContext, 'readerId'>): RawBuilder<unknown> {
  const isOwn = isOwnExternalId(context)
  return isOwn ? sql`(case when ${isOwn} then users.external_id end)` : sql`users.external_id`
}

function ownExternalId(context: SqlContext): Column {
  const column = nullableColumn(sql`users.external_id`, compareExact)
  const isOwn = isOwnExternalId(context)
  if (!isOwn) return column
  return {
    compare: (op, literal) => {
      const compared =
        column.compare(op, literal) ?? compareText(sql`(users.doc ->> 'externalId')`, op, String(literal))
      return sql`(${compared} and ${isOwn})`
    },
    present: sql`(${column.present} and ${isOwn})`
  }
}

/** The document stores a reference to a user of this server as a relative one: `../Users/…` (user-text.ts). */
function managerRef({ baseUrl }: SqlContext): RawBuilder<string> {
  const ref = sql`(users.doc #>> ${sql.lit(`{${ENTERPRISE_USER_URN},manager,$ref}`)}::text[])`
  return sql`case when ${ref} like '../%' then ${`${baseUrl}/`}::text || substr(${ref}, 4) else ${ref} end`
}

/** The scope of a whole group. The statement calls the row `groups`; the caller adds the condition on the tenant. */
export const groupScope = (context: SqlContext): Scope =>
  layoutScope({
    document: jsonScope(sql`groups.doc`),
    columns: {
      id: uuidColumn(sql`groups.id`, true),
      externalId: nullableColumn(sql`groups.external_id`, compareExact),
      displayName: {
        compare: (op, literal) => compareKey(sql`groups.display_name_key`, op, String(literal)),
        present: sql`groups.display_name_key <> ''`
      }
    },
    meta: metaColumns(
      'Group',
      sql`groups`,
      groupLastModified(context.tenantId),
      groupVersion(context.tenantId),
      context
    ),
    relations: { members: membersOfGroup(context) },
    valueIndexes: { members: (op, literal) => (op === 'eq' ? hasMember(literal, context) : undefined) }
  })

function layoutScope({ document, columns, meta, relations, valueIndexes }: Layout): Scope {
  const columnOf = (path: AttributePath): Column | undefined =>
    isMeta(path) ? path.subAttribute && meta[path.subAttribute.name] : columns[formatPath(path)]
  const coreOf = <T>(record: Readonly<Record<string, T>>, { extension, attribute }: AttributePath): T | undefined =>
    extension === undefined && Object.hasOwn(record, attribute.name) ? record[attribute.name] : undefined

  const compare: Scope['compare'] = (path, op, literal) => {
    const byIndex = path.subAttribute?.name === 'value' ? coreOf(valueIndexes, path)?.(op, literal) : undefined
    if (byIndex) return byIndex
    const relation = coreOf(relations, path)
    if (relation) return anyRow(relation.rows, relation.value.compare(subPath(path), op, literal))
    return columnOf(path)?.compare(op, literal) ?? document.compare(path, op, literal)
  }
  const present: Scope['present'] = (path) => {
    const relation = coreOf(relations, path)
    if (relation) return anyRow(relation.rows, path.subAttribute ? relation.value.present(subPath(path)) : TRUE)
    if (isMeta(path) && !path.subAttribute) return TRUE
    return columnOf(path)?.present ?? document.present(path)
  }
  const someValue: Scope['some'] = (path, inner, compile) => {
    const relation = coreOf(relations, path)
    if (relation) return anyRow(relation.rows, compile(inner, relation.value))
    if (isMeta(path)) return compile(inner, columnScope(meta))
    return document.some(path, inner, compile)
  }
  const some: Scope['some'] = (path, inner, compile) => {
    const index = coreOf(valueIndexes, path)
    const conditions = conjuncts(inner)
    const found = index && conditions.flatMap((condition) => valueCondition(condition, index) ?? [])[0]
    if (!found) return someValue(path, inner, compile)
    // Entra asks `emails[type eq "work"].value eq "…"`: the index finds candidate rows, the full condition checks them
    return conditions.length === 1 ? found : sql`(${found} and ${someValue(path, inner, compile)})`
  }
  return { compare, present, some }
}

const isMeta = ({ extension, attribute }: AttributePath) => extension === undefined && attribute.name === 'meta'

/** Turns `groups.type` of a user into `type` of one of the groups. */
const subPath = ({ subAttribute }: AttributePath): AttributePath => ({
  extension: undefined,
  attribute: subAttribute!,
  subAttribute: undefined
})

const conjuncts = (filter: Filter): readonly Filter[] =>
  filter.op === 'and' ? [...conjuncts(filter.left), ...conjuncts(filter.right)] : [filter]

function valueCondition(filter: Filter, index: Layout['valueIndexes'][string]): Condition | undefined {
  if (!('value' in filter) || filter.op === 'ne' || filter.path.attribute.name !== 'value') return undefined
  return index(filter.op, filter.value)
}

const anyRow = (rows: RawBuilder<unknown>, test: Condition): Condition =>
  sql`exists (select 1 from (${rows}) as r where ${test})`

type CompareText = (column: RawBuilder<string>, op: TextComparison, literal: string) => Condition

const compareExact: CompareText = (column, op, literal) =>
  op === 'sw' ? hasPrefix(column, literal) : compareText(column, op, literal)

/** A column that is null for "" as well, so it cannot answer a comparison with "", nor `lt` and `le`. */
const nullableColumn = (column: RawBuilder<string>, compare: CompareText): Column => ({
  compare: (op, literal) =>
    literal === '' || op === 'lt' || op === 'le' ? undefined : compare(column, op, String(literal)),
  present: sql`${column} is not null`
})

function metaColumns(
  resourceType: 'User' | 'Group',
  row: RawBuilder<unknown>,
  lastModified: RawBuilder<Date>,
  version: RawBuilder<unknown>,
  { baseUrl }: SqlContext
): Readonly<Record<string, Column>> {
  return {
    resourceType: textColumn(sql`${resourceType}::text`, true),
    created: instantColumn(sql`${row}.created_at`),
    lastModified: instantColumn(lastModified),
    location: textColumn(sql`${`${baseUrl}/${resourceType}s/`}::text || ${row}.id`, true),
    // In the format of etag.ts
    version: textColumn(sql`'W/"' || ${version} || '"'`, true)
  }
}

/** The e-mail keys do not include "". */
function hasEmail(op: TextComparison, literal: string, { tenantId }: SqlContext): Condition | undefined {
  if ((op !== 'eq' && op !== 'sw') || literal === '') return undefined
  // An array, so that the primary key serves this also within an `or`
  return sql`users.id = any(array(select e.user_id from user_emails e
    where e.tenant_id = ${tenantId} and ${compareKey(sql`e.value_key`, op, literal)}))`
}

/** Searches all users for a family name; among those of sought-users.ts it costs a third. */
const compareFamilyName =
  ({ tenantId }: SqlContext): CompareText =>
  (column, op, literal) => {
    const named = compareKey(column, op, literal)
    const bounds = keyBounds(op, literal)
    if (!bounds) return named
    const has = (key: RawBuilder<string>) => meetsBounds(key, bounds.kind, bounds.values)
    return sql`(${named} and (${has(sql`users.indexed_family_name`)} or users.id = any(array(
      select n.user_id from user_family_names n
      where n.tenant_id = ${tenantId} and ${has(sql`n.family_name_key`)}
      union all ${unlistedUsers(tenantId)}))))`
  }

/** @param table an alias of users or groups */
const inSight = (table: 'u' | 'g', { connectionId }: SqlContext): Condition =>
  connectionId === undefined ? TRUE : sql`${sql.table(table)}.connection_id = ${connectionId}::uuid`

function isInGroup(literal: Scalar, context: SqlContext): Condition {
  const { tenantId } = context
  const groupId = readUuid(literal, false)
  if (groupId === undefined) return FALSE
  return sql`users.id in (select m.user_id from groups g
    join group_ancestors a on a.tenant_id = g.tenant_id and a.ancestor_id = g.id
    join group_members m on m.tenant_id = a.tenant_id and m.group_id = a.group_id
    where g.tenant_id = ${tenantId} and g.id = ${groupId}::uuid and ${inSight('g', context)})`
}

function hasMember(literal: Scalar, context: SqlContext): Condition {
  const { tenantId } = context
  const memberId = readUuid(literal, false)
  if (memberId === undefined) return FALSE
  return sql`groups.id in (
    select m.group_id from users u join group_members m on m.tenant_id = u.tenant_id and m.user_id = u.id
    where u.tenant_id = ${tenantId} and u.id = ${memberId}::uuid and ${inSight('u', context)}
    union all
    select c.group_id from groups g join group_children c on c.tenant_id = g.tenant_id and c.child_id = g.id
    where g.tenant_id = ${tenantId} and g.id = ${memberId}::uuid and ${inSight('g', context)})`
}

/** `groups` of a user: each group once, `direct` if the user is itself a member. */
function groupsOfUser(context: SqlContext): Layout['relations'][string] {
  const { tenantId, baseUrl } = context
  return {
    rows: sql`select a.ancestor_id as id, g.display_name as display,
        case when bool_or(a.ancestor_id = a.group_id) then 'direct' else 'indirect' end as type
      from group_members m
      join group_ancestors a on a.tenant_id = m.tenant_id and a.group_id = m.group_id
      join groups g on g.tenant_id = a.tenant_id and g.id = a.ancestor_id
      where m.tenant_id = ${tenantId} and m.user_id = users.id and ${inSight('g', context)}
      group by a.ancestor_id, g.display_name`,
    value: columnScope({
      value: uuidColumn(sql`r.id`, false),
      display: textColumn(sql`r.display`, false),
      type: textColumn(sql`r.type`, false),
      $ref: textColumn(sql`${`${baseUrl}/Groups/`}::text || r.id`, false)
    })
  }
}

/** `members` of a group; `display` is the shown name (provisioning/user-document.ts, shownName). */
export function membersOfGroup(context: SqlContext): Layout['relations'][string] {
  const { tenantId, baseUrl } = context
  return {
    rows: sql`select u.id, 'User' as type, coalesce(u.display_name,
        nullif(concat_ws(' ', u.given_name, u.family_name), ''), u.email, u.user_name) as display
      from group_members m join users u on u.tenant_id = m.tenant_id and u.id = m.user_id
      where m.tenant_id = ${tenantId} and m.group_id = groups.id and ${inSight('u', context)}
      union all
      select g.id, 'Group', g.display_name
      from group_children c join groups g on g.tenant_id = c.tenant_id and g.id = c.child_id
      where c.tenant_id = ${tenantId} and c.group_id = groups.id and ${inSight('g', context)}`,
    value: columnScope({
      value: uuidColumn(sql`r.id`, false),
      display: textColumn(sql`r.display`, false),
      type: textColumn(sql`r.type`, false),
      $ref: textColumn(sql`${`${baseUrl}/`}::text || r.type || 's/' || r.id`, false)
    })
  }
}
