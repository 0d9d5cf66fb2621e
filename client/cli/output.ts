// Output for people and scripts: tables in colour for a terminal, one JSON value for `--json`.
import { SingleBar } from 'cli-progress'
import Table from 'cli-table3'
import type { Command } from 'commander'
import pc from 'picocolors'

/** Whether `--json` was given, before or after the command's name. */
export const wantsJson = (command: Command): boolean => Boolean(command.optsWithGlobals().json)

/** Prints `value` as JSON, or the result of `forPeople`. */
export function print<T>(command: Command, value: T, forPeople: (value: T) => string): void {
  process.stdout.write(`${wantsJson(command) ? JSON.stringify(value) : forPeople(value)}\n`)
}

/** A table with one row per item; `null` and `undefined` show as a dash. */
export function table<T>(items: readonly T[], columns: Record<string, (item: T) => unknown>): string {
  if (items.length === 0) return pc.dim('nothing there')
  const made = new Table({
    head: Object.keys(columns).map((name) => pc.bold(name)),
    style: { head: [], border: process.stdout.isTTY ? ['grey'] : [] }
  })
  for (const item of items) {
    made.push(Object.values(columns).map((cell) => inLines(String(cell(item) ?? pc.dim('–')))))
  }
  return made.toString()
}

const LINE = 80

/** Breaks sentences into lines to keep a table readable; text without blanks stays whole, to be copied. */
export const inLines = (text: string): string =>
  text.length > LINE ? text.replace(new RegExp(`(.{1,${LINE}})(?:\\s+|$)`, 'g'), '$1\n').trimEnd() : text

export const done = (text: string) => `${pc.green('✓')} ${text}`

/** A time in the format of the reader's machine. */
export const time = (iso: string | null | undefined) => (iso ? new Date(iso).toLocaleString() : undefined)

/**
 * Reads page after page until the last one, or until there are `limit` items. On a terminal a progress bar shows how
 * far it is, on standard error, so that standard output stays clean.
 */
export async function readAll<T>(
  readPage: (
    cursor: string | undefined,
    limit: number
  ) => Promise<{ items: T[]; nextCursor?: string | null; total?: number }>,
  limit = Number.POSITIVE_INFINITY
): Promise<{ items: T[]; nextCursor: string | null }> {
  const items: T[] = []
  let bar: SingleBar | undefined
  let cursor: string | undefined
  try {
    do {
      const page = await readPage(cursor, Math.min(200, limit - items.length))
      items.push(...page.items)
      cursor = page.nextCursor ?? undefined
      if (cursor && !bar && process.stderr.isTTY) {
        bar = new SingleBar({ format: '{bar} {value}/{total}', clearOnComplete: true, stream: process.stderr })
        bar.start(page.total ?? 0, items.length)
      }
      bar?.update(items.length)
    } while (cursor && items.length < limit)
  } finally {
    bar?.stop()
  }
  return { items, nextCursor: cursor ?? null }
}

const UNREACHABLE = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'ENOTFOUND',
  'EAI_AGAIN',
  'ETIMEDOUT',
  'UND_ERR_CONNECT_TIMEOUT'
])

/** One line for standard error: what failed and, if the service gave it, the stable reason. */
export function describeError(error: unknown): string {
  const { message, data, cause } = error as {
    message?: string
    data?: { reason?: string }
    cause?: { code?: string; message?: string; cause?: { code?: string; message?: string } }
  }
  const code = cause?.code ?? cause?.cause?.code
  if (code && UNREACHABLE.has(code))
    return pc.red('The service cannot be reached: is it running, and is MUSTER_URL right?')
  // this is all that fetch says about a certificate, port or protocol that it rejects
  if (message === 'fetch failed')
    return pc.red(`The service cannot be reached: ${cause?.cause?.message ?? cause?.message ?? message}`)
  const reason = data?.reason ? pc.dim(` (${data.reason})`) : ''
  return `${pc.red(message ?? String(error))}${reason}`
}
