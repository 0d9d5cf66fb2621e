// Compiles a filter to a condition of a SQL statement. What is true of which resource is defined in matches.ts; a
// property test asks both about the same rows.
import { type RawBuilder, sql } from 'kysely'
import type { ResourceType } from '../schemas/types.ts'
import type { Filter } from './ast.ts'
import { type SoughtRows, usersSoughtBy } from './sought-users.ts'
import { groupScope, membersOfGroup, type SqlContext, userScope } from './sql-resources.ts'
import type { Scope } from './sql-scope.ts'
import type { Condition } from './sql-text.ts'

export type { SqlContext } from './sql-resources.ts'

/**
 * A condition on the rows of `users` or `groups`, whichever holds the resource type, under these names in the
 * statement. Values travel as parameters, names come from the schema data, so the text depends on the filter's shape
 * alone. Equality and prefix on userName, displayName and emails.value (displayName of a group), equality on id,
 * externalId, groups.value and members.value, and the same on name.familyName, are conditions that an index serves.
 * @param context the caller still has to ask for the tenant, and for `not users.is_removed`, which the indexes on
 * userName and externalId ask for too
 * @returns null counts as false, as it does in a where clause
 */
export const filterToSql = (filter: Filter, resourceType: ResourceType, context: SqlContext): Condition =>
  compile(filter, resourceType.name === 'User' ? userScope(context) : groupScope(context))

export interface FilteredRows {
  readonly condition: Condition
  /** Those of the resource type's rows among whom it is to be looked for; undefined for all. */
  readonly rows: SoughtRows | undefined
}

/** The same for a statement that can choose where it reads from. */
export function filterToRows(filter: Filter, resourceType: ResourceType, context: SqlContext): FilteredRows {
  const rows = resourceType.name === 'User' ? usersSoughtBy(filter) : undefined
  return {
    rows,
    condition: rows ? compile(filter, userScope(context, true)) : filterToSql(filter, resourceType, context)
  }
}

/**
 * The members of a group that a filter of a PATCH path chooses (`members[display sw "A"]`), as a select of their `id`.
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

/** `not` would leave null as it is. */
const isNotTrue = (condition: Condition): Condition => sql`((${condition}) is not true)`

/** A chain of one operator as a flat list, since a long one would nest as deeply. */
function operandsOf(filter: Filter, op: 'and' | 'or'): Filter[] {
  const operands: Filter[] = []
  let rest = filter
  while (rest.op === op) {
    operands.push(rest.right)
    rest = rest.left
  }
  return [...operands, rest].reverse()
}
