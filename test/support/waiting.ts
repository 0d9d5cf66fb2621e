// Lets tests wait for what a server of theirs receives.

interface Waiting {
  /** Resolves once `find` finds something; it is asked now, and again after each `look`. */
  until<T>(find: () => T | undefined): Promise<T>
  /** Called after each arrival. */
  look(): void
}

export function createWaiting(): Waiting {
  const checks = new Set<() => void>()
  return {
    until: (find) =>
      new Promise((found) => {
        const check = () => {
          const result = find()
          if (result === undefined) return
          checks.delete(check)
          found(result)
        }
        checks.add(check)
        check()
      }),
    look() {
      for (const check of checks) check()
    }
  }
}
