// Shows the figures: lines while the bench runs, tables in RESULTS.md.
import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { arch, cpus, platform, release, totalmem } from 'node:os'
import { join } from 'node:path'
import type { Extra } from './extras.ts'
import type { Pace, Result, Sample } from './measure.ts'
import type { Goal } from './workload.ts'

const RESULTS = join(import.meta.dirname, 'RESULTS.md')
/** From this line on, RESULTS.md is written by people and kept. */
const KEPT_FROM = '## What each change brought'

const rate = (value: number) => value.toLocaleString('en', { maximumFractionDigits: value < 100 ? 1 : 0 })
const ms = (value: number) => (value < 10 ? value.toFixed(2) : value.toFixed(0))
const micros = (value: number) => value.toLocaleString('en', { maximumFractionDigits: 0 })

/** Whether the goal is met; a workload without a goal meets it. */
export function isMet({ goal }: { goal: Goal }, { muster, ratio }: Pick<Result, 'muster' | 'ratio'>): boolean {
  return (
    (goal.ratio === undefined || (ratio ?? 0) >= goal.ratio) &&
    (goal.perSecond === undefined || muster.perSecond >= goal.perSecond) &&
    (goal.p99Ms === undefined || muster.p99 <= goal.p99Ms)
  )
}

const goalText = ({ ratio, perSecond, p99Ms }: Goal) =>
  [
    ...(ratio === undefined ? [] : [`≥ ${ratio}`]),
    ...(perSecond === undefined ? [] : [`≥ ${perSecond}/s`]),
    ...(p99Ms === undefined ? [] : [`p99 ≤ ${p99Ms} ms`])
  ].join(', ')

const HEADER = [
  'workload',
  '',
  'req/s',
  'p50 ms',
  'p99 ms',
  'server µs',
  'database µs',
  'driver µs',
  'ratio',
  'goal',
  ''
]

const cells = ({ perSecond, p50, p99, serverMicros, databaseMicros, driverMicros }: Sample) => [
  rate(perSecond),
  ms(p50),
  ms(p99),
  micros(serverMicros),
  micros(databaseMicros),
  micros(driverMicros)
]

function rowsOf(result: Result): string[][] {
  const { workload, muster, against, ratio } = result
  const verdict = [ratio?.toFixed(2) ?? '', goalText(workload.goal), isMet(workload, result) ? 'met' : 'MISSED']
  const ours = [workload.title, 'Muster', ...cells(muster), ...verdict]
  if (!against) return [ours]
  return [ours, ['', workload.against!.title, ...cells(against), '', '', '']]
}

const WIDTHS = [58, 34, 9, 8, 8, 10, 12, 10, 6, 12, 6]

/** The lines for a terminal. */
export const consoleHeader = () => pad(HEADER)
export const consoleLines = (result: Result) => rowsOf(result).map(pad).join('\n')

const pad = (row: readonly string[]) =>
  row
    .map((cell, i) => (i < 2 || i > 8 ? cell.padEnd(WIDTHS[i]!) : cell.padStart(WIDTHS[i]!)))
    .join(' ')
    .trimEnd()

export function extraLine({ title, value, unit, atMost, atLeast }: Extra): string {
  const measured = `${title}: ${rate(value)} ${unit}`
  if (atMost === undefined && atLeast === undefined) return measured
  const bound = atMost === undefined ? `≥ ${atLeast} ${unit}` : `≤ ${atMost} ${unit}`
  return `${measured} (${bound}: ${isExtraMet({ value, atMost, atLeast }) ? 'met' : 'MISSED'})`
}

const isExtraMet = ({ value, atMost, atLeast }: Pick<Extra, 'value' | 'atMost' | 'atLeast'>) =>
  value <= (atMost ?? Number.POSITIVE_INFINITY) && value >= (atLeast ?? 0)

/** How a workload changes as tenants grow: its ratio at each size divided by the ratio at the first size. */
interface Growth {
  readonly title: string
  /** By the label of the population. */
  readonly values: ReadonlyMap<string, number>
  readonly least: number
}

const FLAT = 0.9
const isFlat = ({ least }: Growth) => least >= FLAT

/** Divides ratios, or plain rates if nothing is compared. */
export function growthOf(results: readonly Result[]): Growth[] {
  return [...Map.groupBy(results, ({ workload }) => workload).values()]
    .filter((sizes) => sizes.length > 1)
    .map((sizes) => {
      const strength = ({ ratio, muster }: Result) => ratio ?? muster.perSecond
      const first = strength(sizes[0]!)
      const values = new Map(sizes.map((result) => [result.population.label, strength(result) / first]))
      return { title: sizes[0]!.workload.title, values, least: Math.min(...values.values()) }
    })
}

export const growthLine = (growth: Growth) =>
  `${pad([growth.title])} ${[...growth.values].map(([label, value]) => `${label}: ${value.toFixed(2)}`).join('  ')}  ${
    isFlat(growth) ? 'flat' : 'NOT FLAT'
  }`

const table = (rows: readonly (readonly string[])[]) => {
  const [header, ...body] = rows
  const line = (row: readonly string[]) => `| ${row.join(' | ')} |`
  return [line(header!), line(header!.map((_, i) => (i < 2 ? '---' : '---:'))), ...body.map(line)].join('\n')
}

export interface Run {
  readonly results: readonly Result[]
  readonly extras: readonly Extra[]
  readonly pace: Pace
  readonly settings: Readonly<Record<string, string>>
  readonly databaseVersion: string
}

/** Writes RESULTS.md, but keeps what people have added. */
export function writeResults({ results, extras, pace, settings, databaseVersion }: Run): void {
  const earlier = existsSync(RESULTS) ? readFileSync(RESULTS, 'utf8') : ''
  const kept = earlier.includes(KEPT_FROM) ? earlier.slice(earlier.indexOf(KEPT_FROM)) : `${KEPT_FROM}\n`
  const bySize = Map.groupBy(results, ({ population }) => population.label)
  const growth = growthOf(results)
  const labels = [...bySize.keys()]
  const text = [
    '# Results of the bench',
    `\`npm run bench\` wrote this on ${new Date().toISOString().slice(0, 10)}, and writes it anew. Medians of ${pace.rounds} rounds ` +
      `of ${pace.seconds} s, closed loop, 16 connections unless the workload says otherwise. Processor time is for each request. ` +
      'Before each workload on many tenants each of them was met once, so that what a server remembers for a minute is there.',
    machine(databaseVersion, settings),
    ...[...bySize].flatMap(([label, sized]) => [`## ${label}`, table([HEADER, ...sized.flatMap(rowsOf)])]),
    ...(growth.length > 0
      ? [
          '## Growth',
          `Each ratio divided by the one at the first size (rates, where nothing is compared): at least ${FLAT} is flat.`,
          table([
            ['workload', ...labels, ''],
            ...growth.map((one) => [
              one.title,
              ...labels.map((label) => one.values.get(label)?.toFixed(2) ?? ''),
              isFlat(one) ? 'flat' : 'NOT FLAT'
            ])
          ])
        ]
      : []),
    '## Besides',
    extras.map((extra) => `- ${extraLine(extra)}`).join('\n'),
    kept.trimEnd()
  ]
  writeFileSync(RESULTS, `${text.join('\n\n')}\n`)
}

function machine(databaseVersion: string, settings: Readonly<Record<string, string>>): string {
  const [cpu] = cpus()
  const named = Object.entries(settings).filter(([name]) => !/URL|PORT|SECRET|TOKEN/.test(name))
  const commit = execFileSync('git', ['describe', '--always', '--dirty'], {
    cwd: import.meta.dirname,
    encoding: 'utf8'
  })
  return [
    `- ${cpus().length} processors (${cpu?.model ?? arch()}), ${Math.round(totalmem() / 2 ** 30)} GiB of memory, ${platform()} ${release()}; ` +
      'the driver, the server and PostgreSQL share them',
    `- Node ${process.versions.node}, ${databaseVersion}; fsync, synchronous_commit and full_page_writes on`,
    `- commit ${commit.trim()}; settings beside the addresses and secrets: ${named.map(([name, value]) => `\`${name}=${value}\``).join(', ')}`
  ].join('\n')
}
