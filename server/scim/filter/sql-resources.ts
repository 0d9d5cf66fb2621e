// Where the attributes of users and groups live beside their documents: columns, e-mail keys and memberships. What
// is not named here is read from `doc`.
import { type RawBuilder, sql } from 'kysely'
import type { AttributePath } from '../path.ts'
import { foldCase } from '../text.ts'
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
import { type Condition, compareKey, compareText, hasPrefix, hasSigma, type TextComparison } from './sql-text.ts'

export interface SqlContext {
  tenantId: number
  /** Of the tenant's SCIM endpoint, without a slash at the end, for `meta.location` and `$ref`. */
  baseUrl: string
  /** `meta.version` as a text expression on the row, such as `W/"3"`. */
  version: RawBuilder<string>
}

interface Layout {
  document: Scope
  /** By `name` or `name.subAttribute`. */
  columns: Readonly<Record<string, Column>>
  meta: Readonly<Record<string, Column>>
  /** Multi-valued attributes that no document holds: the set of a row's values, and its columns as a value. */
  relations: Readonly<Record<string, { rows: RawBuilder<unknown>; value: Scope }>>
  /** By multi-valued attribute: finds the rows that have a `value`; undefined where it cannot tell. */
  valueIndexes: Readonly<Record<string, (op: TextComparison, literal: Scalar) => Condition | undefined>>
}

/** The scope of a whole user: the row is `users` in the statement; tenant and states are the caller's conditions. */
export const userScope = (context: SqlContext): Scope =>
  layoutScope({
    document: jsonScope(sql`users.doc`),
    columns: {
      id: uuidColumn(sql`users.id`, true),
      active: booleanColumn(sql`(users.state <> 'deactivated')`),
      userName: { compare: (op, literal) => compareKey(sql`users.user_name_key`, op, String(literal)), present: TRUE },
      externalId: nullableColumn(sql`users.external_id`, compareExact),
      displayName: nullableColumn(sql`users.display_name_key`, compareKey),
      'name.familyName': nullableColumn(sql`users.family_name_key`, compareKey)
    },
    meta: metaColumns('User', sql`users`, sql`users.updated_at`, context),
    relations: { groups: groupsOfUser(context) },
    valueIndexes: {
      emails: (op, literal) => hasEmail(op, String(literal), context),
      groups: (op, literal) => (op === 'eq' ? isInGroup(literal, context) : undefined)
    }
  })

/** The scope of a whole group: the row is `groups` in the statement; the tenant is the caller's condition. */
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
    // A change of members writes a revision and not the group's row
    meta: metaColumns(
      'Group',
      sql`groups`,
      sql`greatest(groups.updated_at, (select max(r.at) from group_revisions r
        where r.tenant_id = ${context.tenantId} and r.group_id = groups.id))`,
      context
    ),
    relations: { members: membersOfGroup(context) },
    valueIndexes: { members: (op, literal) => (op === 'eq' ? hasMember(literal, context) : undefined) }
  })

function layoutScope({ document, columns, meta, relations, valueIndexes }: Layout): Scope {
  const columnOf = ({ extension, attribute, subAttribute }: AttributePath): Column | undefined => {
    if (extension !== undefined) return undefined
    if (attribute.name === 'meta') return subAttribute && meta[subAttribute.name]
    return columns[subAttribute ? `${attribute.name}.${subAttribute.name}` : attribute.name]
  }
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
    // Entra asks `emails[type eq "work"].value eq "…"`: the index finds the rows, the rest sorts them out
    return conditions.length === 1 ? found : sql`(${found} and ${someValue(path, inner, compile)})`
  }
  return { compare, present, some }
}

const isMeta = ({ extension, attribute }: AttributePath) => extension === undefined && attribute.name === 'meta'

/** `groups.type` of a user is `type` of one of the groups. */
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

/** A column that is null for "" too, so that it cannot tell what fits "" and what comes before a text. */
const nullableColumn = (column: RawBuilder<string>, compare: CompareText): Column => ({
  compare: (op, literal) =>
    literal === '' || op === 'lt' || op === 'le' ? undefined : compare(column, op, String(literal)),
  present: sql`${column} is not null`
})

function metaColumns(
  resourceType: 'User' | 'Group',
  row: RawBuilder<unknown>,
  lastModified: RawBuilder<Date>,
  { baseUrl, version }: SqlContext
): Readonly<Record<string, Column>> {
  return {
    resourceType: textColumn(sql`${resourceType}::text`, true),
    created: instantColumn(sql`${row}.created_at`),
    lastModified: instantColumn(lastModified),
    location: textColumn(sql`${`${baseUrl}/${resourceType}s/`}::text || ${row}.id`, true),
    version: textColumn(version, true)
  }
}

/** The e-mail keys leave out "", and hold toLowerCase(), which compares like foldCase() only without a sigma. */
function hasEmail(op: TextComparison, literal: string, { tenantId }: SqlContext): Condition | undefined {
  if ((op !== 'eq' && op !== 'sw') || literal === '' || hasSigma(literal)) return undefined
  // An array, so that the primary key can serve this also beside an `or`
  return sql`users.id = any(array(select e.user_id from user_emails e
    where e.tenant_id = ${tenantId} and ${compareKey(sql`e.value_key`, op, foldCase(literal))}))`
}

function isInGroup(literal: Scalar, { tenantId }: SqlContext): Condition {
  const groupId = readUuid(literal, false)
  if (groupId === undefined) return FALSE
  return sql`users.id in (select m.user_id from group_ancestors a
    join group_members m on m.tenant_id = a.tenant_id and m.group_id = a.group_id
    where a.tenant_id = ${tenantId} and m.tenant_id = ${tenantId} and a.ancestor_id = ${groupId}::uuid)`
}

function hasMember(literal: Scalar, { tenantId }: SqlContext): Condition {
  const memberId = readUuid(literal, false)
  if (memberId === undefined) return FALSE
  return sql`groups.id in (
    select m.group_id from group_members m where m.tenant_id = ${tenantId} and m.user_id = ${memberId}::uuid
    union all
    select c.group_id from group_children c where c.tenant_id = ${tenantId} and c.child_id = ${memberId}::uuid)`
}

/** `groups` of a user: each group once, direct where the user is a member of it itself. */
function groupsOfUser({ tenantId, baseUrl }: SqlContext): Layout['relations'][string] {
  return {
    rows: sql`select a.ancestor_id as id, g.display_name as display,
        case when bool_or(a.ancestor_id = a.group_id) then 'direct' else 'indirect' end as type
      from group_members m
      join group_ancestors a on a.tenant_id = m.tenant_id and a.group_id = m.group_id
      join groups g on g.tenant_id = a.tenant_id and g.id = a.ancestor_id
      where m.tenant_id = ${tenantId} and m.user_id = users.id
      group by a.ancestor_id, g.display_name`,
    value: columnScope({
      value: uuidColumn(sql`r.id`, false),
      display: textColumn(sql`r.display`, false),
      type: textColumn(sql`r.type`, false),
      $ref: textColumn(sql`${`${baseUrl}/Groups/`}::text || r.id`, false)
    })
  }
}

/** `members` of a group; `display` is the name that people see (provisioning/user-document.ts, shownName). */
function membersOfGroup({ tenantId, baseUrl }: SqlContext): Layout['relations'][string] {
  return {
    rows: sql`select u.id, 'User' as type, coalesce(u.display_name,
        nullif(concat_ws(' ', u.given_name, u.family_name), ''), u.email, u.user_name) as display
      from group_members m join users u on u.tenant_id = m.tenant_id and u.id = m.user_id
      where m.tenant_id = ${tenantId} and m.group_id = groups.id
      union all
      select g.id, 'Group', g.display_name
      from group_children c join groups g on g.tenant_id = c.tenant_id and g.id = c.child_id
      where c.tenant_id = ${tenantId} and c.group_id = groups.id`,
    value: columnScope({
      value: uuidColumn(sql`r.id`, false),
      display: textColumn(sql`r.display`, false),
      type: textColumn(sql`r.type`, false),
      $ref: textColumn(sql`${`${baseUrl}/`}::text || r.type || 's/' || r.id`, false)
    })
  }
}
