// Test files, each in a process of its own that writes TAP. tap's own runner starts each with loaders that they do not
// need, and whatever those start as well: a tenth of the CPU of a run.
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { availableParallelism } from 'node:os'
import { text } from 'node:stream/consumers'
import pLimit from 'p-limit'

interface Result {
  readonly pass: number
  readonly fail: number
  /** What to show of it. */
  readonly report: string
}

const NOT_RUN: Result = { pass: 0, fail: 1, report: '' }

/** One more than there are cores: most wait for PostgreSQL or for a browser now and then. */
const JOBS = availableParallelism() + 1

/**
 * Runs the files, first come first served, tells of each that has ended, and sums up in the last line.
 * @param env in addition to that of this process
 * @returns whether something passed and nothing failed
 */
export async function runFiles(files: readonly string[], env: Record<string, string>): Promise<boolean> {
  const running = new Set<ChildProcess>()
  let isStopped = false
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.on(signal, () => {
      isStopped = true
      for (const child of running) child.kill(signal)
    })
  }
  const results = await pLimit(JOBS).map(files, async (file) => {
    const result = isStopped ? NOT_RUN : await runFile(file, env, running)
    process.stdout.write(result.report)
    return result
  })
  const sum = (count: 'pass' | 'fail') => results.reduce((total, result) => total + result[count], 0)
  const [passed, failed] = [sum('pass'), sum('fail')]
  for (const { fail, report } of results) if (fail > 0) process.stdout.write(report.split('\n', 1)[0] + '\n')
  process.stdout.write(`\n${passed} passed, ${failed} failed\n`)
  return passed > 0 && failed === 0
}

async function runFile(file: string, env: Record<string, string>, running: Set<ChildProcess>): Promise<Result> {
  const began = performance.now()
  const child = spawn(process.execPath, [file], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...process.env, ...env },
    // tap ends a file that takes too long itself, unless it never yields
    timeout: Number(env['TAP_TIMEOUT']) * 1_000 + 60_000,
    killSignal: 'SIGKILL'
  })
  running.add(child)
  const [output] = await Promise.all([text(child.stdout), once(child, 'close')])
  running.delete(child)
  const seconds = ((performance.now() - began) / 1_000).toFixed(1)
  const { pass, fail, isWhole } = readSum(output)
  // a file that broke down without a failed assertion has failed all the same
  const failed = fail || (child.exitCode === 0 && isWhole ? 0 : 1)
  const verdict = failed > 0 ? 'not ok' : 'ok'
  return {
    pass,
    fail: failed,
    report: `${verdict} ${file} (${pass}, ${seconds} s)\n${failed > 0 ? failures(output) : ''}`
  }
}

/** Reads the line with which tap sums up: `# { total: 45, pass: 44, fail: 1 }`. */
function readSum(output: string): { pass: number; fail: number; isWhole: boolean } {
  const sum = output.match(/^# \{ .* \}$/gm)?.at(-1)
  const count = (name: string) => Number(new RegExp(`${name}: (\\d+)`).exec(sum ?? '')?.[1] ?? 0)
  return { pass: count('pass'), fail: count('fail'), isWhole: sum !== undefined }
}

/** Each line that says `not ok`, with what tap tells of it; the end of the output where there is none. */
function failures(output: string): string {
  const found = output.match(/^ *not ok .*\n(?: *---\n(?:.*\n)*? *\.\.\.\n)?/gm)
  return found ? found.join('') : `${output.split('\n').slice(-40).join('\n')}\n`
}
