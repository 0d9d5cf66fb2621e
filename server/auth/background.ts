// Work that a request starts without waiting for it; a process that stops waits for it.
import type { Deps } from '../deps.ts'

export interface Background {
  /** @param what completes "failed to" in the log */
  run(what: string, work: () => Promise<unknown>): void
  /** Waits for everything that is running. */
  close(): Promise<void>
}

export function createBackground(log: Deps['log']): Background {
  const running = new Set<Promise<void>>()
  return {
    run(what, work) {
      const done = work()
        .then(
          () => {},
          (error: unknown) => log.warn({ err: error }, `failed to ${what}`)
        )
        .finally(() => running.delete(done))
      running.add(done)
    },
    async close() {
      while (running.size > 0) await Promise.all(running)
    }
  }
}
