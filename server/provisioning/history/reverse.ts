// Undoing as a computation: what a value becomes when some of the changes that led to it are taken back.

/** A change of one value by one event. */
export interface Link<V> {
  readonly eventId: string
  /** Whether it shall be taken back. */
  readonly isUndone: boolean
  readonly before: V
  readonly after: V
}

export interface Reversal<V> {
  readonly value: V
  /** The events that were taken back. */
  readonly undone: string[]
  /** Where a change was in the way of an older one: which (undefined: none that is known), and what was wanted. */
  readonly conflict: { readonly blockedBy: string | undefined; readonly wanted: V } | undefined
}

/**
 * Takes changes back from the newest to the oldest, as long as each is the one that made the value what it is. A change
 * of somebody else's stays, and with it whatever is older, unless that makes no difference.
 * @param links oldest first; events of one moment may be out of order
 */
export function reverse<V>(current: V, links: readonly Link<V>[], equals: (a: V, b: V) => boolean): Reversal<V> {
  const remaining = [...links]
  const undone: string[] = []
  let value = current
  for (;;) {
    const wanted = remaining.find(({ isUndone }) => isUndone)
    if (!wanted) return { value, undone, conflict: undefined }
    const index = remaining.findLastIndex(({ after }) => equals(after, value))
    const last = remaining[index]
    if (last?.isUndone) {
      value = last.before
      undone.push(last.eventId)
      remaining.splice(index, 1)
      continue
    }
    if (equals(wanted.before, value)) return { value, undone, conflict: undefined }
    return { value, undone, conflict: { blockedBy: last?.eventId ?? remaining.at(-1)?.eventId, wanted: wanted.before } }
  }
}
