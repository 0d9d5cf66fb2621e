// Work that a request starts and does not wait for; a process that stops waits for it.
import type { Deps } from '../deps.ts'

export interface Background {
  /** @param what as the log names it where it fails */
  run(what: string, work: () => Promise<unknown>): void
  /** Waits for all that runs. */
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
