// Feeds inputs to a target and reports the smallest one that makes it fail.
import fc from '../support/fuzz.ts'
import { inherited } from './hostile.ts'
import type { Target } from './targets.ts'

/**
 * @param inputs how many
 * @throws Error with the smallest input that fails other than by a refusal, and its seed, or with what it did to
 * prototypes
 */
export function feed(target: Target, inputs: number, seed: number): void {
  const before = inherited()
  const property = fc.property(target.input as fc.Arbitrary<never>, (input) => target.read(input))
  fc.assert(property, { numRuns: inputs, seed })
  if (inherited() !== before) throw new Error(`${target.name}: a prototype was changed`)
}

const variants = (piece: string, characters: number): string[] => {
  const text = piece.repeat(Math.ceil(characters / piece.length))
  return [text, `${text}x`, `x${text}`]
}

/** Long texts for measuring time; quadratic time would not end. */
export function grow(target: Target, characters: number): void {
  for (const piece of target.growing ?? []) {
    for (const text of variants(piece, characters)) target.read(text as never)
  }
}

const SHORT = 100_000
const TIMES = 16
/**
 * The allowed factor for 16 times the text. It is more than 16, for garbage collection, cold caches and other work on
 * the machine.
 */
const MAX_RATIO = 60
/** Shorter times say nothing. */
const MIN_MS = 20

/**
 * Parses texts of 100,000 and of 1,600,000 characters and compares the times.
 * @returns a line for each piece that took long enough to be measured
 * @throws Error if 16 times the text took more than 60 times as long; quadratic time would be 256 times
 */
export function growsInProportion(target: Target): string[] {
  const lines: string[] = []
  for (const piece of target.growing ?? []) {
    const [short, long] = [SHORT, SHORT * TIMES].map((characters) => timeOf(target, piece, characters))
    if (long! < MIN_MS) continue
    const ratio = long! / Math.max(short!, MIN_MS / TIMES)
    const line = `${JSON.stringify(piece)} times 16 takes ${ratio.toFixed(0)} times as long (${long!.toFixed(0)} ms)`
    if (ratio > MAX_RATIO) throw new Error(`${target.name}: ${line}`)
    lines.push(line)
  }
  return lines
}

/** Processor time in milliseconds, the least of three runs. */
function timeOf(target: Target, piece: string, characters: number): number {
  const texts = variants(piece, characters)
  const times = [1, 2, 3].map(() => {
    const { user } = process.cpuUsage()
    for (const text of texts) target.read(text as never)
    return (process.cpuUsage().user - user) / 1000
  })
  return Math.min(...times)
}
