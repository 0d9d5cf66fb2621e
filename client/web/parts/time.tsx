// Times in the reader's zone and language: short to read, exact on hover.
import { useSyncExternalStore } from 'react'

const MINUTE = 60_000
const HOUR = 60 * MINUTE
const DAY = 24 * HOUR

const exact = new Intl.DateTimeFormat(undefined, { dateStyle: 'full', timeStyle: 'long' })
const dateAndTime = new Intl.DateTimeFormat(undefined, { dateStyle: 'medium', timeStyle: 'short' })
const dateOnly = new Intl.DateTimeFormat(undefined, { dateStyle: 'medium' })
const relative = new Intl.RelativeTimeFormat(undefined, { numeric: 'auto' })

interface TimeProps {
  /** ISO 8601, or null if it has not happened. */
  value: string | null | undefined
  /** `relative`: `3 hours ago`, a date beyond a month; `date`; `dateTime`. */
  as?: 'relative' | 'date' | 'dateTime'
  /** What to show without a time. */
  empty?: string
}

export function Time({ value, as = 'relative', empty = '–' }: TimeProps) {
  const now = useNow()
  if (!value) return <span>{empty}</span>
  const time = new Date(value)
  return (
    <time dateTime={value} title={exact.format(time)} className="tabular">
      {as === 'relative' ? relativeTime(time, now) : as === 'date' ? dateOnly.format(time) : dateAndTime.format(time)}
    </time>
  )
}

/** `just now`, `in 3 days`, `5 hours ago`, and the date where it is more than a month away. */
function relativeTime(time: Date, nowMs: number): string {
  const distance = time.getTime() - nowMs
  const size = Math.abs(distance)
  if (size < MINUTE) return 'just now'
  if (size < HOUR) return relative.format(Math.round(distance / MINUTE), 'minute')
  if (size < DAY) return relative.format(Math.round(distance / HOUR), 'hour')
  if (size < 31 * DAY) return relative.format(Math.round(distance / DAY), 'day')
  return dateOnly.format(time)
}

// one clock for all times on the page, ticking once a minute
const listeners = new Set<() => void>()
let currentMs = Date.now()
let timer: ReturnType<typeof setInterval> | undefined

function subscribe(listener: () => void): () => void {
  listeners.add(listener)
  timer ??= setInterval(() => {
    currentMs = Date.now()
    for (const tell of listeners) tell()
  }, MINUTE)
  return () => {
    listeners.delete(listener)
    if (listeners.size > 0) return
    clearInterval(timer)
    timer = undefined
  }
}

/** Milliseconds since 1970, accurate to a minute. */
export const useNow = () => useSyncExternalStore(subscribe, () => currentMs)
