// Changes to one complex value: a single-valued attribute, or one element of a list.
import { isDeepStrictEqual } from 'node:util'
import { mutability } from '../../errors.ts'
import { type JsonObject, member } from '../json.ts'
import { type AttributePath, formatPath } from '../path.ts'
import type { Attribute } from '../schemas/types.ts'
import { type Changes, complete, identity } from '../values.ts'

/**
 * Merges changes into a value; sub-attributes that they do not name stay (RFC 7644 §3.5.2.1, §3.5.2.3).
 * @param op add appends to multi-valued sub-attributes and unassigns nothing
 * @returns undefined where no sub-attribute is left
 * @throws AppError mutability for changing an immutable sub-attribute; invalidValue for removing a required one
 */
export function mergeChanges(
  before: JsonObject | undefined,
  changes: Changes,
  path: AttributePath,
  op: 'add' | 'replace'
): JsonObject | undefined {
  const { attribute } = path
  const after: Record<string, unknown> = { ...before }
  for (const subAttribute of attribute.subAttributes ?? []) {
    const { name } = subAttribute
    if (!Object.hasOwn(changes, name) || (op === 'add' && changes[name] === undefined)) continue
    const earlier = member(before, name)
    const value = op === 'add' && subAttribute.multiValued ? union(earlier, changes[name], subAttribute) : changes[name]
    if (subAttribute.mutability === 'immutable' && earlier !== undefined && !isDeepStrictEqual(earlier, value)) {
      throw mutability(`${formatPath({ ...path, subAttribute })} is immutable and already has a value`)
    }
    after[name] = value
  }
  return complete(
    attribute,
    withoutStale(before, after, changes, attribute),
    formatPath({ ...path, subAttribute: undefined })
  )
}

/** Drops $ref and read-only sub-attributes, such as a manager's displayName, where they describe the previous value. */
function withoutStale(before: JsonObject | undefined, after: Changes, changes: Changes, attribute: Attribute): Changes {
  const earlier = member(before, 'value')
  if (earlier === undefined || isDeepStrictEqual(earlier, after['value'])) return after
  const stale = attribute.subAttributes?.filter(
    (sub) => (sub.name === '$ref' || sub.mutability === 'readOnly') && !Object.hasOwn(changes, sub.name)
  )
  return { ...after, ...Object.fromEntries((stale ?? []).map(({ name }) => [name, undefined])) }
}

/** Joins both lists; of two values with the same identity, the later spelling counts. */
function union(earlier: unknown, added: unknown, attribute: Attribute): unknown {
  if (!Array.isArray(earlier) || !Array.isArray(added)) return added
  return [...new Map([...earlier, ...added].map((value) => [identity(value, attribute), value])).values()]
}
