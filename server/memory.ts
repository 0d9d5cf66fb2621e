// How much memory the process may use beyond what it needs. Left to themselves, V8 and the C library take what a machine
// with many gigabytes would have: 500 MB for 50 MB of objects, and no request is faster for it.
import { enableCompileCache, flushCompileCache } from 'node:module'
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import { type EventLoopUtilization, performance } from 'node:perf_hooks'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

/** The young generation's halves; how far the old one may grow before it is cleaned; threads for cleaning and compiling. */
const FLAGS = [
  '--max-semi-space-size=8',
  '--heap-growing-percent=50',
  `--v8-pool-size=${Math.max(1, Math.min(4, availableParallelism() - 1))}`
]
/** What was compiled, and had its types taken out, is kept here from one start to the next. */
const COMPILED = join(import.meta.dirname, '../node_modules/.cache/muster')
const ENVIRONMENT = {
  /** glibc keeps a heap for each thread otherwise, and each of them its holes. */
  MALLOC_ARENA_MAX: '2',
  /** Bytes from which on memory is given back once it is free. Without these, a large block that is freed raises both. */
  MALLOC_MMAP_THRESHOLD_: '131072',
  MALLOC_TRIM_THRESHOLD_: '131072',
  /** Here, because the first files are read before they could ask for it. */
  NODE_COMPILE_CACHE: COMPILED
}
/** The process is at rest where it worked for a smaller part of the last while than this. */
const MAX_UTILIZATION_AT_REST = 0.05
const LOOK_MS = 2_000
/** So many looks running: to collect takes a quarter of a second, and what runs next is slower until it is compiled again. */
const LOOKS_AT_REST = 2
/** What may have come since memory was last given back before that is worth a collection. */
const WORTH_BYTES = 16 * 2 ** 20
/** By then what was remembered of busy times (server/cache.ts) has gone, of which the process's size tells nothing. */
const FORGOTTEN_MS = 80_000
/** Set where the process has begun once more because of what was not compiled yet. */
const ONCE_MORE = 'MUSTER_COMPILED'

/**
 * Makes the process start again in its place, with the same id, where its limits are not set yet: they can be given at
 * the start alone. Whoever sets NODE_OPTIONS decides for themselves; a process that was forked keeps its channel.
 */
export function limitMemory(): void {
  if (!process.execArgv.includes(FLAGS[0]!)) startAgain(FLAGS, ENVIRONMENT)
  enableCompileCache(COMPILED)
}

/**
 * Loads what the process runs. Where types had to be taken out of its files, as after an update, it starts again when
 * that is done: what takes them out is no smaller than all that it reads.
 */
export async function loadCompiled<T>(load: () => Promise<T>): Promise<T> {
  const loaded = await load()
  // one that is killed writes nothing at its end
  flushCompileCache()
  if (hasStripper() && !process.env[ONCE_MORE]) startAgain([], { [ONCE_MORE]: 'yes' })
  return loaded
}

/**
 * Gives back, once the process is at rest, what busy times have left: V8 keeps every page that it ever had for the next
 * busy time. Its `--memory-saver-mode` gives them back always, which costs each request a fifth of its processor time.
 */
export function giveBackAtRest({ lookMs = LOOK_MS, forgottenMs = FORGOTTEN_MS } = {}): void {
  let before: EventLoopUtilization = performance.eventLoopUtilization()
  let left = 0
  let looks = 0
  /** Once more then. */
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
  // of the flavors, the last resort alone empties V8's pool of pages
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
