// Work beside the requests (bcrypt above all, which has a core for a fifth of a second) gives way to them, where there are
// no more cores than they can use. On Linux each thread has a priority of its own, and bears its pool's name.
import { readdirSync, readFileSync } from 'node:fs'
import { getPriority, setPriority } from 'node:os'

const TASKS = '/proc/self/task'
const POOL = 'libuv-worker'
/** Beyond the process's own: a third of the share that a thread has which answers requests; without such a one, all. */
export const NICENESS = 5
const MAX_NICENESS = 19

/** Once the pool's threads are there: its first use makes all of them. Elsewhere than on Linux nothing happens. */
export function yieldToRequests(): void {
  const niceness = Math.min(getPriority() + NICENESS, MAX_NICENESS)
  for (const thread of poolThreads()) {
    try {
      setPriority(thread, niceness)
    } catch {
      // a sandbox may forbid it: they keep the priority that they have
    }
  }
}

export function poolThreads(): number[] {
  try {
    return readdirSync(TASKS)
      .filter((thread) => readFileSync(`${TASKS}/${thread}/comm`, 'utf8').trim() === POOL)
      .map(Number)
  } catch {
    return []
  }
}
