// Tokens of mails are stored nowhere in the clear, so tests note them when they are sealed.
import type { TestApp } from './app.ts'

/** @returns the tokens of mails from now on, oldest first; the list grows */
export function noteTokens({ deps: { sealer } }: TestApp): string[] {
  const tokens: string[] = []
  const { seal } = sealer
  sealer.seal = (purpose, text) => {
    if (purpose === 'mail') tokens.push(text)
    return seal(purpose, text)
  }
  return tokens
}
