// What changed between two documents, for the audit log: only the changed attributes, with their whole values, so that
// a change can be undone from its event.
import { isDeepStrictEqual } from 'node:util'

type Facts = Record<string, unknown>

export interface ChangedFacts {
  readonly before: Facts
  readonly after: Facts
}

/** Whether every value is identical: then nothing needs a deep comparison. */
export function isUntouched(before: Facts, after: Facts): boolean {
  const names = Object.keys(after)
  if (names.length !== Object.keys(before).length) return false
  return names.every((name) => before[name] === after[name] || (name === 'schemas' && isSameList(before, after)))
}

/** Each change builds this list anew. */
const isSameList = ({ schemas: before }: Facts, { schemas: after }: Facts): boolean =>
  Array.isArray(before) && Array.isArray(after) && before.join() === after.join()

/**
 * The text to store for a document: the stored one where only the order of attributes differs. What somebody enters
 * when they accept an invitation comes after the rest, while a PUT follows the order of the schema.
 */
export function documentText(after: Facts, { text, document }: { text: string; document: Facts }): string {
  const written = JSON.stringify(after)
  const mayBeSame = written.length === text.length && written !== text
  return mayBeSame && isDeepStrictEqual(document, after) ? text : written
}

/** @returns the attributes that differ, as they were and as they are; an extension's under its URN */
export function changedFacts(before: Facts, after: Facts): ChangedFacts {
  const changed: ChangedFacts = { before: {}, after: {} }
  for (const name of new Set([...Object.keys(before), ...Object.keys(after)])) {
    // follows from the extensions that are present
    if (name === 'schemas' || isDeepStrictEqual(before[name], after[name])) continue
    if (name.startsWith('urn:')) {
      const inner = changedFacts(asFacts(before[name]), asFacts(after[name]))
      if (Object.keys(inner.before).length > 0) changed.before[name] = inner.before
      if (Object.keys(inner.after).length > 0) changed.after[name] = inner.after
      continue
    }
    if (before[name] !== undefined) changed.before[name] = before[name]
    if (after[name] !== undefined) changed.after[name] = after[name]
  }
  return changed
}

const asFacts = (value: unknown): Facts => (typeof value === 'object' && value !== null ? (value as Facts) : {})
