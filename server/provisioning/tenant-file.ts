// The format of an exported tenant: JSON lines. A head, a line per row (rows that others refer to come first), and a
// foot with the row counts and a checksum.
import { createHash } from 'node:crypto'
import { z } from 'zod'
import { TENANT_STATES } from '../../db/schema.ts'
import type { TransferRow } from '../../db/tenant-transfer.ts'
import { invalid } from '../errors.ts'

/** The version of the format, not of the tables: the newest migration that has run tells that. */
export const FILE_VERSION = 1
/** The longest line: a resource has 2 MB at most, and its text is escaped once more. */
const MAX_LINE_BYTES = 16 * 1024 * 1024

const headShape = z.object({
  muster: z.literal('tenant'),
  version: z.literal(FILE_VERSION),
  exportedAt: z.iso.datetime(),
  /** The newest migration of the database that it comes from. */
  migration: z.string(),
  /** False: passwords, tokens, links and sealed values are left out. */
  credentials: z.boolean(),
  tenant: z.object({
    subdomain: z.string(),
    name: z.string().min(1).max(200),
    state: z.enum(TENANT_STATES),
    settings: z.record(z.string(), z.unknown()),
    createdAt: z.iso.datetime()
  })
})
type FileHead = z.infer<typeof headShape>

const footShape = z.object({ end: z.literal(true), rows: z.record(z.string(), z.number().int()), sha256: z.string() })

/** Writes lines and counts them. */
export class FileWriter {
  private readonly hash = createHash('sha256')
  private readonly counts: Record<string, number> = {}

  head(head: FileHead): string {
    return this.add(`${JSON.stringify(head)}\n`)
  }

  /** @param rows JSON texts without line breaks */
  rows(table: string, rows: readonly string[]): string {
    this.counts[table] = (this.counts[table] ?? 0) + rows.length
    return this.add(rows.map((row) => `{"table":${JSON.stringify(table)},"row":${row}}\n`).join(''))
  }

  foot(): string {
    return `${JSON.stringify({ end: true, rows: this.counts, sha256: this.hash.digest('hex') })}\n`
  }

  private add(text: string): string {
    this.hash.update(text)
    return text
  }
}

export interface RowGroup {
  readonly table: string
  readonly rows: readonly TransferRow[]
}

const ROWS_AT_ONCE = 500

/**
 * Reads a file: its head at once, then its rows in groups of one table.
 * @throws AppError invalid `invalidTenantFile` where it is none, was changed, or ends early; also while rows are read
 */
export async function readFile(
  source: AsyncIterable<Buffer | string>
): Promise<{ head: FileHead; groups: AsyncGenerator<RowGroup> }> {
  const lines = splitLines(source)
  const first = await lines.next()
  const parsed = headShape.safeParse(first.done ? undefined : parseLine(first.value))
  if (!parsed.success) throw invalidFile('It does not begin as an exported tenant of a version that is known here')
  const hash = createHash('sha256')
    .update(first.value as string)
    .update('\n')
  return { head: parsed.data, groups: readGroups(lines, hash) }
}

async function* readGroups(
  lines: AsyncGenerator<string>,
  hash: ReturnType<typeof createHash>
): AsyncGenerator<RowGroup> {
  const counts: Record<string, number> = {}
  let group: { table: string; rows: TransferRow[] } | undefined
  for await (const line of lines) {
    const parsed = parseLine(line) as { table?: unknown; row?: unknown; end?: unknown } | null
    if (parsed?.end === true) {
      if (group) yield group
      return requireWhole(footShape.safeParse(parsed).data, counts, hash.digest('hex'), (await lines.next()).done)
    }
    hash.update(line).update('\n')
    if (typeof parsed?.table !== 'string' || typeof parsed.row !== 'object' || parsed.row === null) {
      throw invalidFile(`A line is neither a row nor the end: ${line.slice(0, 80)}`)
    }
    if (group && (group.table !== parsed.table || group.rows.length === ROWS_AT_ONCE)) {
      yield group
      group = undefined
    }
    group ??= { table: parsed.table, rows: [] }
    group.rows.push(parsed.row as TransferRow)
    counts[parsed.table] = (counts[parsed.table] ?? 0) + 1
  }
  throw invalidFile('It ends too early: its last line is missing')
}

function requireWhole(
  foot: z.infer<typeof footShape> | undefined,
  counts: Record<string, number>,
  sha256: string,
  isLast: boolean | undefined
): void {
  if (!foot || foot.sha256 !== sha256 || JSON.stringify(foot.rows) !== JSON.stringify(counts) || !isLast) {
    throw invalidFile('It was changed: its rows do not add up to what its last line says')
  }
}

/** Splits at line feeds only: names may contain other characters that end lines elsewhere. */
async function* splitLines(source: AsyncIterable<Buffer | string>): AsyncGenerator<string> {
  const decoder = new TextDecoder('utf-8', { fatal: true })
  let rest = ''
  for await (const chunk of readable(source)) {
    rest += decodeChunk(decoder, chunk)
    const lines = rest.split('\n')
    rest = lines.pop()!
    if (rest.length > MAX_LINE_BYTES) throw invalidFile('A line is too long')
    yield* lines
  }
  if (rest.trim() !== '') yield rest
}

/** A file that cannot be unpacked is invalid; a disk that fails is an error of ours. */
async function* readable<T>(source: AsyncIterable<T>): AsyncGenerator<T> {
  try {
    yield* source
  } catch (error) {
    throw String((error as { code?: unknown }).code).startsWith('Z_') ? invalidFile('It cannot be unpacked') : error
  }
}

function decodeChunk(decoder: TextDecoder, chunk: Buffer | string): string {
  if (typeof chunk === 'string') return chunk
  try {
    return decoder.decode(chunk, { stream: true })
  } catch {
    throw invalidFile('It is not UTF-8')
  }
}

function parseLine(line: string): unknown {
  try {
    return JSON.parse(line)
  } catch {
    throw invalidFile(`A line is not JSON: ${line.slice(0, 80)}`)
  }
}

export const invalidFile = (problem: string) => invalid(`This file cannot be imported. ${problem}`, 'invalidTenantFile')
