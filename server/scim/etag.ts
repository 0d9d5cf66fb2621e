// Versions of resources as weak ETags (RFC 7644 §3.14, RFC 9110 §13.1).
import { stale } from '../errors.ts'

/** @param version of the row; of a group also what its memberships add: `3.17` */
export const etagOf = (version: number | string): string => `W/"${version}"`

/**
 * Whether a header of If-Match or If-None-Match names the version: `*` names every one, a list any of its items.
 * Weak and strong forms compare alike, because every version here is weak.
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
 * What a write asks of the version that it finds.
 * @param ifMatch the header, if one was sent
 * @returns throws AppError stale (412) where the header names another version
 */
export const precondition =
  (ifMatch: string | undefined) =>
  (version: number | string): void => {
    if (ifMatch !== undefined && !namesVersion(ifMatch, etagOf(version))) throw stale()
  }
