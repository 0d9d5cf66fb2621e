// How statements are reported to a trace, if there is one.

/** Called before a statement is sent. @returns a function to call once it is answered, with its error if it failed */
export type TraceStatement = (text: string) => (error?: unknown) => void

/** Runs a statement and reports it to a trace. */
export function traced<T>(trace: TraceStatement, text: string, run: () => Promise<T>): Promise<T> {
  const end = trace(text)
  const answer = run()
  answer.then(() => end(), end)
  return answer
}
