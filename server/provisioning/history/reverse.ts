// Undoing as a computation: what a value becomes when some of the changes that led to it are taken back.

/** A change of one value by one event. */
export interface Link<V> {
  readonly eventId: string
  /** Whether to take it back. */
  readonly isUndone: boolean
  /** False for an undo that left this value as it was. */
  readonly isChange?: boolean
  readonly before: V
  readonly after: V
  /** For an undo: the events that it took back; together they may have changed nothing. */
  readonly takesBack?: ReadonlySet<string>
}

interface Reversal<V> {
  readonly value: V
  /** The events that were taken back. */
  readonly undone: string[]
  /** Events that should have been taken back and were not. */
  readonly kept: string[]
  /** Where a change blocked an older one: which change (undefined: none is known), and the value that was wanted. */
  readonly conflict: { readonly blockedBy: string | undefined; readonly wanted: V } | undefined
}

/**
 * Takes changes back from the newest to the oldest, as long as each one is what made the value what it is. A change
 * that is not to be undone stays, and so does everything older, unless that makes no difference.
 * @param links oldest first; events of one moment may be out of order
 */
export function reverse<V>(current: V, links: readonly Link<V>[], equals: (a: V, b: V) => boolean): Reversal<V> {
  const remaining = standing(links)
  const undone: string[] = []
  let value = current
  for (;;) {
    const wanted = remaining.find(({ isUndone }) => isUndone)
    if (!wanted) return { value, undone, kept: [], conflict: undefined }
    const index = remaining.findLastIndex(({ after }) => equals(after, value))
    const last = remaining[index]
    if (last?.isUndone) {
      value = last.before
      undone.push(last.eventId)
      remaining.splice(index, 1)
      continue
    }
    const kept = remaining.filter(({ isUndone }) => isUndone).map(({ eventId }) => eventId)
    const blockedBy = last?.eventId ?? remaining.at(-1)?.eventId
    const isConflict = !equals(wanted.before, value)
    return { value, undone, kept, conflict: isConflict ? { blockedBy, wanted: wanted.before } : undefined }
  }
}

/** Leaves out changes that were taken back already, and the undos that took them back. */
function standing<V>(links: readonly Link<V>[]): Link<V>[] {
  const gone = new Set<Link<V>>()
  for (const [index, link] of [...links.entries()].reverse()) {
    if (gone.has(link) || link.isUndone) continue
    const takenBack = links.slice(0, index).filter((other) => !gone.has(other) && link.takesBack?.has(other.eventId))
    if (takenBack.length === 0) continue
    for (const one of [link, ...takenBack]) gone.add(one)
  }
  return links.filter((link) => !gone.has(link) && link.isChange !== false)
}
