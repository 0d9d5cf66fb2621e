// How much memory the process may use beyond what it needs. Left to themselves, V8 and the C library take what a machine
// with many gigabytes would have: 500 MB for 50 MB of objects, and no request is faster for it.
import { availableParallelism } from 'node:os'

/** The young generation's halves; how far the old one may grow before it is cleaned; threads for cleaning and compiling. */
const FLAGS = [
  '--max-semi-space-size=8',
  '--heap-growing-percent=50',
  `--v8-pool-size=${Math.max(1, Math.min(4, availableParallelism() - 1))}`
]
/** glibc keeps a heap for each thread otherwise, and each of them its holes. */
const ENVIRONMENT = { MALLOC_ARENA_MAX: '2' }

/**
 * Makes the process start again in its place, with the same id, where its limits are not set yet: they can be given at
 * the start alone. Whoever sets NODE_OPTIONS decides for themselves; a process that was forked keeps its channel.
 */
export function limitMemory(): void {
  const { execve, execArgv, execPath, argv, env } = process
  const isLimited = execArgv.includes(FLAGS[0]!)
  if (!execve || isLimited || env['NODE_OPTIONS'] || process.send || process.platform === 'win32') return
  execve.call(process, execPath, [execPath, ...FLAGS, ...execArgv, ...argv.slice(1)], {
    ...ENVIRONMENT,
    ...env
  } as Record<string, string>)
}
