// Narrows the users that a list reads, where a filter requires a family name of every match.
import { type RawBuilder, sql } from 'kysely'
import { formatPath } from '../path.ts'
import type { Filter, Scalar } from './ast.ts'
import { type KeyBounds, keyBounds, meetsBounds, type TextComparison } from './sql-text.ts'

/** A set of rows to read from. Its SQL text depends on `shape` alone, so texts can be cached by shape. */
export interface SoughtRows {
  readonly shape: string
  readonly values: readonly string[]
  /** Builds a select of whole rows. @param values as above, or placeholders for them */
  build(tenantId: number, values: readonly string[]): RawBuilder<unknown>
}

/** Undefined unless the filter requires a family name of every match, in a form that the index serves. */
export function usersSoughtBy(filter: Filter): SoughtRows | undefined {
  const bounds = boundsOfName(filter)
  if (!bounds) return undefined
  const { kind, values } = bounds
  return { shape: `family name ${kind}`, values, build: (tenantId, given) => usersNamed(tenantId, kind, given) }
}

function boundsOfName(filter: Filter): KeyBounds | undefined {
  if (filter.op === 'and') return boundsOfName(filter.left) ?? boundsOfName(filter.right)
  if (!('value' in filter) || filter.op === 'ne' || filter.value === '') return undefined
  const { path, op, value } = filter as { op: TextComparison; value: Scalar } & typeof filter
  return formatPath(path) === 'name.familyName' ? keyBounds(op, String(value)) : undefined
}

/** Reads the index, the list of users whom it holds under another name, and those in neither (db/family-names.ts). */
function usersNamed(tenantId: number, kind: KeyBounds['kind'], values: readonly string[]): RawBuilder<unknown> {
  const has = (column: RawBuilder<string>) => meetsBounds(column, kind, values)
  return sql`
    select u.* from users u where u.tenant_id = ${tenantId} and not u.is_removed and ${has(sql`u.indexed_family_name`)}
    union all
    select u.* from user_family_names n join users u on u.tenant_id = ${tenantId} and u.id = n.user_id
    where n.tenant_id = ${tenantId} and ${has(sql`n.family_name_key`)}
      and (${has(sql`u.indexed_family_name`)}) is not true and not u.is_name_unlisted
    union all
    select u.* from users u where u.tenant_id = ${tenantId} and u.is_name_unlisted
      and (${has(sql`u.indexed_family_name`)}) is not true`
}
