// Limits how much memory the process takes beyond its needs. By default V8 and the C library take what suits a machine
// with many gigabytes: 500 MB for 50 MB of objects, without making any request faster.
import { enableCompileCache, flushCompileCache } from 'node:module'
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import { type EventLoopUtilization, performance } from 'node:perf_hooks'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

/** The young semispaces; how far the old generation grows before a collection; threads to collect and compile. */
const FLAGS = [
  '--max-semi-space-size=8',
  '--heap-growing-percent=50',
  `--v8-pool-size=${Math.max(1, Math.min(4, availableParallelism() - 1))}`
]
/** Compiled code, with types stripped, is cached here between starts. */
const COMPILED = join(import.meta.dirname, '../node_modules/.cache/muster')
const ENVIRONMENT = {
  /** By default glibc keeps a heap with its own holes for each thread. */
  MALLOC_ARENA_MAX: '2',
  /** Free blocks of this many bytes or more are given back. Unless set, freeing a large block raises both. */
  MALLOC_MMAP_THRESHOLD_: '131072',
  MALLOC_TRIM_THRESHOLD_: '131072',
  /** Set here, because the first files are read before they could ask for it. */
  NODE_COMPILE_CACHE: COMPILED
}
/** The process is at rest if it was busy for a smaller share of the last interval than this. */
const MAX_UTILIZATION_AT_REST = 0.05
const LOOK_MS = 2_000
/** This many intervals in a row: collecting takes a quarter of a second, and code is slow until compiled again. */
const LOOKS_AT_REST = 2
/** Growth since the last collection that makes another one worthwhile. */
const WORTH_BYTES = 16 * 2 ** 20
/** By then caches of busy times (server/cache.ts) have expired, which the process's size does not show. */
const FORGOTTEN_MS = 80_000
/** Set once the process has restarted because code had to be compiled. */
const ONCE_MORE = 'MUSTER_COMPILED'

/**
 * Restarts the process in place, with the same id, where its limits are not set: they can only be given at the start.
 * Whoever sets NODE_OPTIONS decides for themselves; a forked process keeps its channel, so it is not restarted.
 */
export function limitMemory(): void {
  if (!process.execArgv.includes(FLAGS[0]!)) startAgain(FLAGS, ENVIRONMENT)
  enableCompileCache(COMPILED)
}

/**
 * Loads what the process runs. If types had to be stripped from its files, as after an update, it restarts afterwards:
 * the code that strips them takes as much memory as everything it reads.
 */
export async function loadCompiled<T>(load: () => Promise<T>): Promise<T> {
  const loaded = await load()
  // now, since a killed process writes nothing at its end
  flushCompileCache()
  if (hasStripper() && !process.env[ONCE_MORE]) startAgain([], { [ONCE_MORE]: 'yes' })
  return loaded
}

/**
 * Gives memory left from busy times back once the process is at rest: V8 keeps every page for the next busy time. Its
 * `--memory-saver-mode` always gives pages back, which costs each request a fifth of its processor time.
 */
export function giveBackAtRest({ lookMs = LOOK_MS, forgottenMs = FORGOTTEN_MS } = {}): void {
  let before: EventLoopUtilization = performance.eventLoopUtilization()
  let left = 0
  let looks = 0
  /** When to collect once more. */
  let againMs = Number.POSITIVE_INFINITY
  setInterval(() => {
    const now = performance.eventLoopUtilization()
    const { utilization } = performance.eventLoopUtilization(now, before)
    before = now
    looks = utilization > MAX_UTILIZATION_AT_REST ? 0 : looks + 1
    if (looks < LOOKS_AT_REST) return
    const isWorth = process.memoryUsage.rss() - left >= WORTH_BYTES
    if (!isWorth && performance.now() < againMs) return
    collectEverything()
    left = process.memoryUsage.rss()
    againMs = isWorth ? performance.now() + forgottenMs : Number.POSITIVE_INFINITY
  }, lookMs).unref()
}

function collectEverything(): void {
  setFlagsFromString('--expose-gc')
  // only the flavor last-resort empties V8's pool of pages
  runInNewContext('gc')({ type: 'major', execution: 'sync', flavor: 'last-resort' })
  setFlagsFromString('--no-expose-gc')
}

const hasStripper = () =>
  (process as unknown as { moduleLoadList: string[] }).moduleLoadList.some((name) => name.includes('deps/amaro'))

function startAgain(flags: readonly string[], environment: Record<string, string>): void {
  const { execve, execArgv, execPath, argv, env } = process
  if (!execve || env['NODE_OPTIONS'] || process.send || process.platform === 'win32') return
  execve.call(process, execPath, [execPath, ...flags, ...execArgv, ...argv.slice(1)], {
    ...environment,
    ...env
  } as Record<string, string>)
}
