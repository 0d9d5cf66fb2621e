// Immutable attributes: set once, then kept (RFC 7643 §2.2). Both PUT and PATCH use this.
import { isDeepStrictEqual } from 'node:util'
import { mutability } from '../errors.ts'
import { member, type Resource } from './json.ts'
import { readTarget, writeTarget } from './patch/target.ts'
import { type AttributePath, formatPath } from './path.ts'
import type { ResourceType } from './schemas/types.ts'

/**
 * For PUT: keeps immutable values that the new resource leaves out (RFC 7644 §3.5.1).
 * @param before as stored
 * @param after the body after normalizeResource
 * @throws AppError mutability where the new resource has another value
 */
export function carryImmutable(before: Resource, after: Resource, resourceType: ResourceType): Resource {
  let carried = after
  for (const path of immutablePaths(resourceType)) {
    const value = valueAt(before, path)
    if (value !== undefined && valueAt(after, path) === undefined) carried = put(carried, path, value)
  }
  refuseImmutableChanges(before, carried, resourceType)
  return carried
}

/** @throws AppError mutability where an immutable value was changed or removed */
export function refuseImmutableChanges(before: Resource, after: Resource, resourceType: ResourceType): void {
  for (const path of immutablePaths(resourceType)) {
    const value = valueAt(before, path)
    if (value === undefined || isDeepStrictEqual(value, valueAt(after, path))) continue
    throw mutability(`${formatPath(path)} is immutable and already has a value`)
  }
}

const known = new WeakMap<ResourceType, readonly AttributePath[]>()

/** Immutable attributes, and sub-attributes of single values. Elements of a list are added and removed as a whole. */
function immutablePaths(resourceType: ResourceType): readonly AttributePath[] {
  let paths = known.get(resourceType)
  if (!paths) {
    paths = findImmutable(resourceType)
    known.set(resourceType, paths)
  }
  return paths
}

function findImmutable(resourceType: ResourceType): AttributePath[] {
  const paths: AttributePath[] = []
  for (const { extension, attributes } of resourceType.lookups) {
    for (const attribute of attributes.values()) {
      const parts = attribute.multiValued ? [] : (attribute.subAttributes ?? [])
      for (const subAttribute of [undefined, ...parts]) {
        if ((subAttribute ?? attribute).mutability === 'immutable') paths.push({ extension, attribute, subAttribute })
      }
    }
  }
  return paths
}

function valueAt(resource: Resource, path: AttributePath): unknown {
  const value = readTarget(resource, path)
  return path.subAttribute ? member(value, path.subAttribute.name) : value
}

function put(resource: Resource, path: AttributePath, value: unknown): Resource {
  if (!path.subAttribute) return writeTarget(resource, path, value)
  const complex = { ...(readTarget(resource, path) as object | undefined), [path.subAttribute.name]: value }
  return writeTarget(resource, path, complex)
}
