// Lets work beside the requests (above all bcrypt, which takes a core for a fifth of a second) give way to them, where
// they can use every core. On Linux each thread has a priority of its own, and the name of its pool.
import { readdirSync, readFileSync } from 'node:fs'
import { getPriority, setPriority } from 'node:os'

const TASKS = '/proc/self/task'
const POOL = 'libuv-worker'
/** Added to the process's own: a third of the share of a thread that answers requests; the whole where none does. */
export const NICENESS = 5
const MAX_NICENESS = 19

/** Call it once the pool's threads exist: its first use makes all of them. Has an effect on Linux only. */
export function yieldToRequests(): void {
  const niceness = Math.min(getPriority() + NICENESS, MAX_NICENESS)
  for (const thread of poolThreads()) {
    try {
      setPriority(thread, niceness)
    } catch {
      // a sandbox may forbid it: the threads keep their priority
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
