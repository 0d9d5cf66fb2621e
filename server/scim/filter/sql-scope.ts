// What a filter's conditions apply to: the JSON document of a resource, one value in it, or columns. A scope turns
// single conditions into SQL; to-sql.ts combines them.
import { type RawBuilder, sql } from 'kysely'
import { isId } from '../../../db/ids.ts'
import { DATE_TIME_PATTERN, parseDateTime } from '../date-time.ts'
import type { AttributePath } from '../path.ts'
import type { Attribute } from '../schemas/types.ts'
import type { Filter, Scalar } from './ast.ts'
import { type Condition, compareFolded, compareText, orderOperator, type TextComparison } from './sql-text.ts'

/** Compiles a filter against a scope; to-sql.ts passes it on for the inner filters of value paths. */
type Compile = (filter: Filter, scope: Scope) => Condition

/**
 * A condition may be null where matches.ts says false. `and`, `or` and `is not true` around it treat both alike, and
 * coalesce() would keep PostgreSQL from using an index.
 */
export interface Scope {
  compare(path: AttributePath, op: TextComparison, literal: Scalar): Condition
  present(path: AttributePath): Condition
  /** Some value of the complex attribute meets the inner filter. */
  some(path: AttributePath, inner: Filter, compile: Compile): Condition
}

export const TRUE: Condition = sql`true`
export const FALSE: Condition = sql`false`

type Json = RawBuilder<unknown>

/**
 * The scope of a resource's document, or of a complex value in it.
 * @param json an expression of type json; anything but an object has no members
 * @param depth makes the names of nested sets unique
 */
export function jsonScope(json: Json, depth = 0): Scope {
  const raw = (path: AttributePath) =>
    member(path.extension === undefined ? json : member(json, path.extension), path.attribute.name)
  return {
    compare(path, op, literal) {
      const { attribute, subAttribute } = path
      return anyValue(attribute, raw(path), depth, (value) =>
        subAttribute
          ? anyValue(subAttribute, member(value, subAttribute.name), depth + 1, (inner) =>
              compareJson(inner, subAttribute, op, literal)
            )
          : compareJson(value, attribute, op, literal)
      )
    },
    present(path) {
      const { attribute, subAttribute } = path
      if (!subAttribute) return isPresent(raw(path))
      return anyValue(attribute, raw(path), depth, (value) => isPresent(member(value, subAttribute.name)))
    },
    some: (path, inner, compile) =>
      anyValue(
        path.attribute,
        raw(path),
        depth,
        (value) => sql`(json_typeof(${value}) = 'object' and ${compile(inner, jsonScope(value, depth + 1))})`
      )
  }
}

// Names come from schema data and shape the statement; as parameters they would only worsen plans
const member = (json: Json, name: string): Json => sql`(${json} -> ${sql.lit(name)})`

function anyValue(attribute: Attribute, json: Json, depth: number, test: (value: Json) => Condition): Condition {
  if (!attribute.multiValued) return test(json)
  const alias = sql.ref(`value_${depth}`)
  return sql`exists (select 1 from json_array_elements(case when json_typeof(${json}) = 'array' then ${json} end)
    as ${alias} (v) where ${test(sql`${alias}.v`)})`
}

/** JSON.stringify wrote the text, so each empty value has one spelling. */
const isPresent = (json: Json): Condition => sql`(${json})::text not in ('null', '""', '[]', '{}')`

function compareJson(json: Json, attribute: Attribute, op: TextComparison, literal: Scalar): Condition {
  const text: RawBuilder<string> = sql`(${json} #>> '{}')`
  switch (attribute.type) {
    case 'complex':
      return FALSE
    case 'boolean':
      return sql`(${json})::text = ${String(literal)}`
    case 'integer':
    case 'decimal':
      return sql`case when json_typeof(${json}) = 'number'
        then ${text}::double precision ${orderOperator(op)} ${literal}::double precision end`
    case 'dateTime':
      return sql`case when json_typeof(${json}) = 'string' and ${text} ~ ${DATE_TIME_PATTERN}
        then ${compareInstant(instantOf(text), op, literal)} end`
    default: {
      const compare = attribute.caseExact ? compareText : compareFolded
      // The first half reads the document once and rules out most rows
      return sql`(${compare(text, op, String(literal))} and json_typeof(${json}) = 'string')`
    }
  }
}

/** A dateTime as timestamptz: cut after the millisecond, since a cast would round, and in UTC by default. */
const instantOf = (text: RawBuilder<string>): RawBuilder<Date> =>
  sql`(regexp_replace(${text}, '([.][0-9]{3})[0-9]+', '\\1')
    || case when ${text} ~ '(Z|[+-][0-9]{2}:[0-9]{2})$' then '' else 'Z' end)::timestamptz`

/**
 * Compares milliseconds since 1970, further digits cut off on both sides.
 * @param instant an expression of type timestamptz
 */
const compareInstant = (instant: RawBuilder<Date>, op: TextComparison, literal: Scalar): Condition =>
  sql`floor(extract(epoch from ${instant}) * 1000) ${orderOperator(op)} ${parseDateTime(String(literal))}::numeric`

/** An attribute that lives in columns. */
export interface Column {
  /** @returns undefined where the column cannot tell and the document must be read */
  compare(op: TextComparison, literal: Scalar): Condition | undefined
  readonly present: Condition
}

/** A text column or expression, caseExact or not; "" and null count as not present. */
export const textColumn = (text: RawBuilder<string>, isCaseExact: boolean): Column => ({
  compare: (op, literal) => (isCaseExact ? compareText : compareFolded)(text, op, String(literal)),
  present: sql`(${text}) <> ''`
})

export const booleanColumn = (condition: Condition): Column => ({
  compare: (_, literal) => (literal === true ? condition : sql`not ${condition}`),
  present: TRUE
})

export const instantColumn = (instant: RawBuilder<Date>): Column => ({
  compare: (op, literal) => compareInstant(instant, op, literal),
  present: TRUE
})

/** An id in PostgreSQL's spelling. Equality compares as uuid, so that an index serves it. */
export const uuidColumn = (id: RawBuilder<string>, isCaseExact: boolean): Column => {
  const text = textColumn(sql`(${id})::text`, isCaseExact)
  return {
    compare(op, literal) {
      if (op !== 'eq') return text.compare(op, literal)
      const uuid = readUuid(literal, isCaseExact)
      return uuid === undefined ? FALSE : sql`${id} = ${uuid}::uuid`
    },
    present: TRUE
  }
}

export function readUuid(literal: Scalar, isCaseExact: boolean): string | undefined {
  const text = isCaseExact ? String(literal) : String(literal).toLowerCase()
  return isId(text) ? text : undefined
}

/** One value of a complex attribute made of columns: `type eq "work"` uses the column of `type`. */
export const columnScope = (columns: Readonly<Record<string, Column>>): Scope => ({
  compare: (path, op, literal) => columns[path.attribute.name]?.compare(op, literal) ?? FALSE,
  present: (path) => columns[path.attribute.name]?.present ?? FALSE,
  some: () => FALSE
})
