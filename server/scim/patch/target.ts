// Reads and writes the attribute that a path names in a resource, ignoring its filter and sub-attribute.
import { type JsonObject, member, type Resource } from '../json.ts'
import type { AttributePath } from '../path.ts'

type Target = Pick<AttributePath, 'extension' | 'attribute'>

/** The value of the whole attribute; undefined where it is unassigned. */
export function readTarget(resource: Resource, { extension, attribute }: Target): unknown {
  return member(extension === undefined ? resource : member(resource, extension), attribute.name)
}

/**
 * The resource with another value; removes an extension that becomes empty.
 * @param value undefined or [] unassigns
 */
export function writeTarget(resource: Resource, { extension, attribute }: Target, value: unknown): Resource {
  if (extension === undefined) return withMember(resource, attribute.name, value)
  const container = withMember((member(resource, extension) ?? {}) as JsonObject, attribute.name, value)
  return withMember(resource, extension, Object.keys(container).length > 0 ? container : undefined)
}

/** A copy with the member set, or without it where the value is undefined or []. */
export function withMember(object: JsonObject, name: string, value: unknown): JsonObject {
  const isEmpty = value === undefined || (Array.isArray(value) && value.length === 0)
  if (!isEmpty) return { ...object, [name]: value }
  if (!Object.hasOwn(object, name)) return object
  const { [name]: _, ...rest } = object
  return rest
}
