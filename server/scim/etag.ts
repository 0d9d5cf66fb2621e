// Resource versions as weak ETags (RFC 7644 §3.14, RFC 9110 §13.1).
import { stale } from '../errors.ts'

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

/**
 * The check that a write makes on the version it finds.
 * @param ifMatch the header, if one was sent
 * @returns a function that throws AppError stale (412) where the header names another version
 */
export const precondition =
  (ifMatch: string | undefined) =>
  (version: number | string): void => {
    if (ifMatch !== undefined && !namesVersion(ifMatch, etagOf(version))) throw stale()
  }
