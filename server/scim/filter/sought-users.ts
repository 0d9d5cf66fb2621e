// The users among whom a filter looks, where it asks a family name of all that it finds: the list reads these alone.
import { type RawBuilder, sql } from 'kysely'
import { formatPath } from '../path.ts'
import type { Filter, Scalar } from './ast.ts'
import { type KeyBounds, keyBounds, meetsBounds, type TextComparison } from './sql-text.ts'

/** Rows as a set to read from. Its text follows from its shape alone, so that who knows that need not have it built. */
export interface SoughtRows {
  readonly shape: string
  readonly values: readonly string[]
  /** A select of whole rows. @param values as above, or what stands for them */
  build(tenantId: number, values: readonly string[]): RawBuilder<unknown>
}

/** Undefined where the filter asks no family name of all, or not so that an index has it. */
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

/** By the index, by the list of those whom it has by another name, and whoever is in neither (db/family-names.ts). */
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
