// The keys by which a list may be sorted (RFC 7644 §3.4.2.3).
import { type RawBuilder, sql } from 'kysely'
import { invalidValue } from '../errors.ts'
import { DATE_TIME_PATTERN } from './date-time.ts'
import { foldWhole } from './filter/sql-text.ts'
import { type AttributePath, formatPath, resolveAttributePath } from './path.ts'
import type { Leniency } from './profiles.ts'
import { findSubAttribute } from './schemas/resource-type.ts'
import type { Attribute, ResourceType } from './schemas/types.ts'

/** A key on a list's rows. Rows without a value come last in ascending order, first in descending order. */
export interface SortKey {
  readonly expression: RawBuilder<unknown>
  /** The PostgreSQL type, to which a key from a cursor is cast. */
  readonly type: 'text' | 'timestamptz' | 'double precision' | 'uuid' | 'boolean' | 'int'
  readonly isNullable: boolean
  /** Set where indexes have this order only in parts; each row is in exactly one part. */
  readonly parts?: (tenantId: number) => readonly SortedPart[]
}

/** A part of a table's rows. */
export interface SortedPart {
  /** The text after `from`, which calls the rows by the table's name. */
  readonly from: RawBuilder<unknown>
  /** The key as an expression that an index is ordered by. */
  readonly expression: RawBuilder<unknown>
  readonly condition: RawBuilder<unknown>
}

/** Where a resource type's attributes live outside its documents, by `name` or `name.subAttribute`. */
export interface SortLayout {
  readonly document: RawBuilder<unknown>
  readonly columns: Readonly<Record<string, SortKey>>
  /** Attributes in neither a document nor a column, which cannot be sorted by. */
  readonly unsortable: readonly string[]
}

/** @throws AppError invalidValue for an unknown attribute, and for one that has no order */
export function parseSortBy(text: string, resourceType: ResourceType, layout: SortLayout, leniency: Leniency): SortKey {
  const path = complete(resolveAttributePath(text, resourceType, leniency.pathOptions, invalidValue))
  const name = path.subAttribute ? `${path.attribute.name}.${path.subAttribute.name}` : path.attribute.name
  if (path.extension === undefined) {
    const column = Object.hasOwn(layout.columns, name) ? layout.columns[name] : undefined
    if (column) return column
    if (layout.unsortable.includes(path.attribute.name)) throw cannotSort(path)
  }
  return documentKey(path, layout.document)
}

const cannotSort = (path: AttributePath) => invalidValue(`Nothing can be sorted by ${formatPath(path)}`)

/** A multi-valued complex attribute stands for its `value`. */
function complete(path: AttributePath): AttributePath {
  const { attribute, subAttribute } = path
  for (const part of [attribute, subAttribute]) if (part?.returned === 'never') throw cannotSort(path)
  if (attribute.type !== 'complex' || subAttribute) return path
  const value = attribute.multiValued ? findSubAttribute(attribute, 'value') : undefined
  if (!value) throw invalidValue(`${formatPath(path)} is complex, name one of its sub-attributes`)
  return { ...path, subAttribute: value }
}

function documentKey({ extension, attribute, subAttribute }: AttributePath, document: RawBuilder<unknown>): SortKey {
  const container = extension === undefined ? document : member(document, extension)
  const whole = member(container, attribute.name)
  const single = attribute.multiValued ? firstValue(whole) : whole
  return keyOf(subAttribute ? member(single, subAttribute.name) : single, subAttribute ?? attribute)
}

// Names come from schema data
const member = (json: RawBuilder<unknown>, name: string): RawBuilder<unknown> => sql`(${json} -> ${sql.lit(name)})`

/** The primary value, else the first one. */
const firstValue = (list: RawBuilder<unknown>): RawBuilder<unknown> => sql`
  (select e.v from json_array_elements(case when json_typeof(${list}) = 'array' then ${list} end)
    with ordinality as e (v, place)
    order by (json_typeof(e.v) = 'object' and (e.v ->> 'primary') = 'true') desc nulls last, e.place limit 1)`

/** A value of another JSON type than the attribute's counts as none. */
function keyOf(json: RawBuilder<unknown>, attribute: Attribute): SortKey {
  const text: RawBuilder<string> = sql`(${json} #>> '{}')`
  switch (attribute.type) {
    case 'integer':
    case 'decimal':
      return {
        expression: sql`(case when json_typeof(${json}) = 'number' then ${text}::double precision end)`,
        type: 'double precision',
        isNullable: true
      }
    case 'boolean':
      return {
        expression: sql`(case when json_typeof(${json}) = 'boolean' then ${text}::boolean end)`,
        type: 'boolean',
        isNullable: true
      }
    case 'dateTime':
      return {
        expression: sql`(case when json_typeof(${json}) = 'string' and ${text} ~ ${DATE_TIME_PATTERN}
          then (${text} || case when ${text} ~ '(Z|[+-][0-9]{2}:[0-9]{2})$' then '' else 'Z' end)::timestamptz end)`,
        type: 'timestamptz',
        isNullable: true
      }
    default: {
      const filled: RawBuilder<string> = sql`(case when json_typeof(${json}) = 'string' then nullif(${text}, '') end)`
      return {
        expression: sql`(${attribute.caseExact ? filled : foldWhole(filled)}) collate "C"`,
        type: 'text',
        isNullable: true
      }
    }
  }
}
