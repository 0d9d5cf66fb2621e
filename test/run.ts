// Runs the tests: one embedded PostgreSQL for the run (or a cluster, see support/cluster.ts), one migrated template
// database, tap over the files.
// Arguments are test files (all of them without any); the last line says `N passed, N failed`.
import { spawn } from 'node:child_process'
import { existsSync, globSync, mkdtempSync, readFileSync, rmSync, statfsSync } from 'node:fs'
import { availableParallelism, tmpdir } from 'node:os'
import { join } from 'node:path'
import { ensureBuilt } from '../client/web/build.ts'
import { startEmbedded } from '../db/embedded.ts'
import { migrate } from '../db/migrate.ts'
import { prepareQueue } from '../jobs/queue.ts'
import { createOnCluster, isOnCluster } from './support/cluster.ts'

const folder = mkdtempSync(join(memoryOrDisk(), 'muster-test-'))
const TEMPLATE = 'muster_template'
const database = isOnCluster
  ? { url: await createOnCluster(TEMPLATE), stop: async () => {} }
  : await startEmbedded(folder, {
      database: TEMPLATE,
      // durability is not what these tests are about; fault tests start their own
      flags: '-c fsync=off -c synchronous_commit=off -c full_page_writes=off -c max_connections=400'.split(' ')
    })
let exitCode = 1
try {
  await migrate(database.url, (_, isCitus) => prepareQueue(database.url, isCitus))
  // once, before several test files would each find it missing
  if (needsPage(process.argv.slice(2))) await ensureBuilt()
  exitCode = await runTap(process.argv.slice(2))
} finally {
  await database.stop()
  rmSync(folder, { recursive: true, force: true })
}
process.exit(exitCode)

/** A file system in memory where there is room on it: each clone of the template is a thousand files. */
function memoryOrDisk(): string {
  const memory = '/dev/shm'
  if (!existsSync(memory)) return tmpdir()
  const { bavail, bsize } = statfsSync(memory)
  return bavail * bsize > 4 * 2 ** 30 ? memory : tmpdir()
}

function needsPage(args: string[]): boolean {
  return args.length === 0 || args.some((argument) => /browser|scenario/.test(argument))
}

function runTap(args: string[]): Promise<number> {
  const hasFiles = args.some((argument) => !argument.startsWith('-'))
  const files = hasFiles ? [] : longestFirst(globSync('test/**/*.test.{ts,tsx}').sort())
  const tap = join(import.meta.dirname, '../node_modules/tap/dist/esm/run.mjs')
  const results = join(folder, 'results.tap')
  // one more than there are cores: most wait for PostgreSQL or for a browser now and then
  const jobs = `--jobs=${availableParallelism() + 1}`
  const child = spawn(process.execPath, [tap, `--output-file=${results}`, jobs, ...args, ...files], {
    stdio: ['ignore', 'inherit', 'inherit'],
    env: {
      ...process.env,
      TEST_TEMPLATE_URL: database.url,
      NODE_ENV: 'test',
      BCRYPT_COST: '4',
      // each file is a process: what one has compiled the next ones load
      NODE_COMPILE_CACHE: join(folder, 'compiled')
    }
  })
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => child.kill(signal))
  return new Promise((done) => {
    child.on('close', (code) => {
      const { pass, fail, failedFiles } = readResults(results)
      for (const line of failedFiles) process.stdout.write(`${line}\n`)
      // a file that broke down without a failed assertion has failed all the same
      const failed = fail || (code === 0 ? 0 : 1)
      process.stdout.write(`\n${pass} passed, ${failed} failed\n`)
      done(failed > 0 || pass === 0 ? 1 : 0)
    })
  })
}

/** Those that start browsers and processes take longest: none of them is left at the end, when the others are done. */
function longestFirst(files: readonly string[]): string[] {
  const isLong = (file: string) => /\b(openSite|startProcess|playQuickly)\(/.test(readFileSync(file, 'utf8'))
  return [...files.filter(isLong), ...files.filter((file) => !isLong(file))]
}

/** Reads the line with which tap sums up (`# { total: 45, pass: 44, fail: 1 }`) and the files that did not pass. */
function readResults(file: string): { pass: number; fail: number; failedFiles: string[] } {
  const text = existsSync(file) ? readFileSync(file, 'utf8') : ''
  const sums = text.match(/^# \{ .* \}$/gm)?.at(-1) ?? ''
  const count = (name: string) => Number(new RegExp(`${name}: (\\d+)`).exec(sums)?.[1] ?? 0)
  return { pass: count('pass'), fail: count('fail'), failedFiles: text.match(/^(not ok|Bail out!).*$/gm) ?? [] }
}
