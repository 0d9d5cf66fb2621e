// Compiles a filter to a SQL condition. matches.ts defines which resources a filter matches; a property test compares
// both on the same rows.
import { type RawBuilder, sql } from 'kysely'
import type { ResourceType } from '../schemas/types.ts'
import type { Filter } from './ast.ts'
import { type SoughtRows, usersSoughtBy } from './sought-users.ts'
import { groupScope, membersOfGroup, type SqlContext, userScope } from './sql-resources.ts'
import type { Scope } from './sql-scope.ts'
import type { Condition } from './sql-text.ts'

export type { SqlContext } from './sql-resources.ts'

/**
 * A condition on the rows of `users` or `groups`, under these names in the statement. Values become parameters and
 * names come from the schema data, so the text depends only on the filter's shape. An index serves equality and prefix
 * on userName, displayName and emails.value (displayName of a group) and on name.familyName, and equality on id,
 * externalId, groups.value and members.value.
 * @param context the caller still adds the conditions on the tenant and on `not users.is_removed`, which the indexes on
 *   userName and externalId require too
 * @returns a condition whose null counts as false, as in a where clause
 */
export const filterToSql = (filter: Filter, resourceType: ResourceType, context: SqlContext): Condition =>
  compile(filter, resourceType.name === 'User' ? userScope(context) : groupScope(context))

export interface FilteredRows {
  readonly condition: Condition
  /** The rows to search; undefined for all rows of the resource type. */
  readonly rows: SoughtRows | undefined
}

/** The same for a statement that can choose what it reads from. */
export function filterToRows(filter: Filter, resourceType: ResourceType, context: SqlContext): FilteredRows {
  const rows = resourceType.name === 'User' ? usersSoughtBy(filter) : undefined
  return {
    rows,
    condition: rows ? compile(filter, userScope(context, true)) : filterToSql(filter, resourceType, context)
  }
}

/**
 * The members of a group that a PATCH path's filter chooses (`members[display sw "A"]`), as a select of `id`.
 * @param filter its paths start at one member
 */
export function chosenMembers(filter: Filter, groupId: string, context: SqlContext): RawBuilder<{ id: string }> {
  const { rows, value } = membersOfGroup(context)
  return sql`select r.id from groups cross join lateral (${rows}) as r
    where groups.tenant_id = ${context.tenantId} and groups.id = ${groupId}::uuid and ${compile(filter, value)}`
}

function compile(filter: Filter, scope: Scope): Condition {
  switch (filter.op) {
    case 'and':
    case 'or': {
      const operands = operandsOf(filter, filter.op).map((operand) => compile(operand, scope))
      return sql`(${sql.join(operands, filter.op === 'and' ? sql` and ` : sql` or `)})`
    }
    case 'not':
      return isNotTrue(compile(filter.inner, scope))
    case 'pr':
      return scope.present(filter.path)
    case 'valuePath':
      return scope.some(filter.path, filter.inner, compile)
    case 'ne':
      return isNotTrue(scope.compare(filter.path, 'eq', filter.value))
    default:
      return scope.compare(filter.path, filter.op, filter.value)
  }
}

/** `not` would leave null unchanged. */
const isNotTrue = (condition: Condition): Condition => sql`((${condition}) is not true)`

/** Flattens a chain of one operator, since a long chain would nest as deeply. */
function operandsOf(filter: Filter, op: 'and' | 'or'): Filter[] {
  const operands: Filter[] = []
  let rest = filter
  while (rest.op === op) {
    operands.push(rest.right)
    rest = rest.left
  }
  return [...operands, rest].reverse()
}
