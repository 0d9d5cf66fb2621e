// Runs test files in processes that write TAP, several files in each. tap's own runner gives each file a process with
// loaders that these files do not need; a short file then spends most of its time on starting.
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import pLimit from 'p-limit'

interface Result {
  readonly file: string
  readonly pass: number
  readonly fail: number
  /** What to print for the file. */
  readonly report: string
}

/** Two more than there are cores, because most processes wait for PostgreSQL, a browser or a clock at times. */
const JOBS = availableParallelism() + 2
const TOGETHER = join(import.meta.dirname, 'together.ts')

/**
 * Runs the groups in order, several at a time. Prints each group's results when it ends, and a summary in the last
 * line.
 * @param groups files that share a process
 * @param env in addition to that of this process
 * @returns whether something passed and nothing failed
 */
export async function runFiles(groups: readonly string[][], env: Record<string, string>): Promise<boolean> {
  const running = new Set<ChildProcess>()
  let isStopped = false
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.on(signal, () => {
      isStopped = true
      for (const child of running) child.kill(signal)
    })
  }
  const results = await pLimit(JOBS).map(groups, async (files) => {
    const results = isStopped ? files.map(notRun) : await runTogether(files, env, running)
    for (const { report } of results) process.stdout.write(report)
    return results
  })
  const sum = (count: 'pass' | 'fail') => results.flat().reduce((total, result) => total + result[count], 0)
  const [passed, failed] = [sum('pass'), sum('fail')]
  for (const { file, fail } of results.flat()) if (fail > 0) process.stdout.write(`not ok ${file}\n`)
  process.stdout.write(`\n${passed} passed, ${failed} failed\n`)
  return passed > 0 && failed === 0
}

const notRun = (file: string): Result => ({ file, pass: 0, fail: 1, report: `not ok ${file} (not run)\n` })

async function runTogether(
  files: readonly string[],
  env: Record<string, string>,
  running: Set<ChildProcess>
): Promise<Result[]> {
  const child = spawn(process.execPath, [TOGETHER, ...files], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...process.env, ...env },
    // tap itself ends a file that takes too long, unless the file blocks the event loop
    timeout: files.length * Number(env['TAP_TIMEOUT']) * 1_000 + 60_000,
    killSignal: 'SIGKILL'
  })
  running.add(child)
  const [output] = await Promise.all([text(child.stdout), once(child, 'close')])
  running.delete(child)
  const parts = new Map(output.split(/^# file: /m).map((part) => [part.slice(0, part.indexOf('\n')), part]))
  const results = files.map((file) => readPart(file, parts.get(file)))
  // a process that breaks down after everything has passed has failed, too
  if (child.exitCode !== 0 && results.every(({ fail }) => fail === 0)) {
    const end = `the process of ${files.join(' ')} ended with ${child.signalCode ?? child.exitCode}`
    results.push({ file: files.at(-1)!, pass: 0, fail: 1, report: `not ok ${end}\n${failures(output)}` })
  }
  return results
}

/**
 * Reads the line in which `together.ts` sums up a file, `# { tests: 3, pass: 44, fail: 1, ms: 812 }`; it is missing if
 * the process broke down.
 */
function readPart(file: string, part: string | undefined): Result {
  if (part === undefined) return notRun(file)
  const sum = /^# \{ tests: (\d+), pass: (\d+), fail: (\d+), ms: (\d+) \}$/m.exec(part)
  const [tests = 0, pass = 0, failed = 0, ms = 0] = sum?.slice(1).map(Number) ?? []
  // a skipped test counts as one; a file without any tests has not run
  const fail = failed || (tests > 0 ? 0 : 1)
  const title = `${file} (${pass}, ${sum ? `${(ms / 1_000).toFixed(1)} s` : 'broke down'})`
  return { file, pass, fail, report: fail > 0 ? `not ok ${title}\n${failures(part)}` : `ok ${title}\n` }
}

/** Each line that says `not ok`, with tap's details; the end of the output if there is no such line. */
function failures(output: string): string {
  const found = output.match(/^ *not ok .*\n(?: *---\n(?:.*\n)*? *\.\.\.\n)?/gm)
  return found ? found.join('') : `${output.split('\n').slice(-40).join('\n')}\n`
}
