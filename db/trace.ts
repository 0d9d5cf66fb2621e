// Where a trace hears of statements, if there is one.

/** Is told of a statement before it is sent. @returns to be called with its error, or nothing, once it is answered */
export type TraceStatement = (text: string) => (error?: unknown) => void

/** Runs a statement under the eyes of a trace. */
export function traced<T>(trace: TraceStatement, text: string, run: () => Promise<T>): Promise<T> {
  const end = trace(text)
  const answer = run()
  answer.then(() => end(), end)
  return answer
}
