// Lists the facts that an event changed.

export interface Change {
  /** `name.familyName` */
  readonly path: string
  /** As text; undefined where there was, or is, no value. */
  readonly before: string | undefined
  readonly after: string | undefined
}

/** A longer list ends with the number of its remaining items. */
const SHOWN_ITEMS = 20

/**
 * `{ role: 'responder' }` and `{ role: 'manager' }` -> `[{ path: 'role', before: 'responder', after: 'manager' }]`;
 * nested facts get a path each, equal ones are left out.
 */
export function changesOf(before: unknown, after: unknown): Change[] {
  const old = facts(before)
  const fresh = facts(after)
  const paths = new Set([...old.keys(), ...fresh.keys()])
  return [...paths]
    .map((path) => ({ path, before: old.get(path), after: fresh.get(path) }))
    .filter((change) => change.before !== change.after)
}

function facts(value: unknown, path = '', found = new Map<string, string>()): Map<string, string> {
  if (value === null || value === undefined || value === '') return found
  if (Array.isArray(value)) {
    if (value.length > 0) found.set(path, listed(value))
  } else if (typeof value === 'object') {
    for (const [key, inner] of Object.entries(value)) facts(inner, path ? `${path}.${key}` : key, found)
  } else {
    found.set(path, word(value))
  }
  return found
}

function listed(values: readonly unknown[]): string {
  const rest = values.length - SHOWN_ITEMS
  const shown = values.slice(0, SHOWN_ITEMS).map((value) => (isPlain(value) ? word(value) : JSON.stringify(value)))
  return rest > 0 ? `${shown.join(', ')} and ${rest} more` : shown.join(', ')
}

const isPlain = (value: unknown) => typeof value !== 'object' || value === null
const word = (value: unknown) => (value === true ? 'yes' : value === false ? 'no' : String(value))
