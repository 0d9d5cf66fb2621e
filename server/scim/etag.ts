// Resource versions as weak ETags (RFC 7644 §3.14, RFC 9110 §13.1).
import { stale } from '../errors.ts'
import type { ScimRequest } from './context.ts'

/** @param version the row's; a group's also includes its memberships: `3.17` */
export const etagOf = (version: number | string): string => `W/"${version}"`

/**
 * Whether an If-Match or If-None-Match header names the version: `*` matches any version, a list any of its items. Weak
 * and strong forms compare equal, because every version here is weak.
 */
export function namesVersion(header: string, etag: string): boolean {
  if (header.trim() === '*') return true
  const wanted = opaqueTag(etag)
  return header.split(',').some((item) => opaqueTag(item.trim()) === wanted)
}

/** `W/"3"` and `"3"` -> `"3"`; some clients leave the quotes out. */
const opaqueTag = (etag: string): string => {
  const tag = etag.replace(/^W\//i, '')
  return tag.startsWith('"') ? tag : `"${tag}"`
}

/** The headers that make a request depend on the version (RFC 9110 §13.1). */
export type Conditions = Pick<ScimRequest, 'ifMatch' | 'ifNoneMatch'>

/** @throws AppError stale (412) if the header was sent and names another version */
export function requireMatch(ifMatch: string | undefined, version: number | string): void {
  if (ifMatch !== undefined && !namesVersion(ifMatch, etagOf(version))) throw stale()
}

/**
 * The check that a write makes on the version it finds.
 * @returns a function that throws AppError stale (412) if If-Match names another version, or If-None-Match this one
 */
export const precondition =
  ({ ifMatch, ifNoneMatch }: Conditions) =>
  (version: number | string): void => {
    requireMatch(ifMatch, version)
    if (ifNoneMatch !== undefined && namesVersion(ifNoneMatch, etagOf(version))) {
      throw stale('If-None-Match excludes the version that the resource has', 'excludedVersion')
    }
  }
