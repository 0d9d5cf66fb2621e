// Runs the tests: one embedded PostgreSQL for the run (or a cluster, see support/cluster.ts), one migrated template
// database, tap over the files.
// Arguments are test files (all of them without any); the last line says `N passed, N failed`.
import { spawn } from 'node:child_process'
import { existsSync, globSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ensureBuilt } from '../client/web/build.ts'
import { startEmbedded } from '../db/embedded.ts'
import { migrate } from '../db/migrate.ts'
import { prepareQueue } from '../jobs/queue.ts'
import { createOnCluster, isOnCluster } from './support/cluster.ts'

const folder = mkdtempSync(join(tmpdir(), 'muster-test-'))
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

function needsPage(args: string[]): boolean {
  return args.length === 0 || args.some((argument) => /browser|scenario/.test(argument))
}

function runTap(args: string[]): Promise<number> {
  const hasFiles = args.some((argument) => !argument.startsWith('-'))
  const files = hasFiles ? [] : globSync('test/**/*.test.{ts,tsx}').sort()
  const tap = join(import.meta.dirname, '../node_modules/tap/dist/esm/run.mjs')
  const results = join(folder, 'results.tap')
  const child = spawn(process.execPath, [tap, `--output-file=${results}`, ...args, ...files], {
    stdio: ['ignore', 'inherit', 'inherit'],
    env: { ...process.env, TEST_TEMPLATE_URL: database.url, NODE_ENV: 'test', BCRYPT_COST: '4' }
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

/** Reads the line with which tap sums up (`# { total: 45, pass: 44, fail: 1 }`) and the files that did not pass. */
function readResults(file: string): { pass: number; fail: number; failedFiles: string[] } {
  const text = existsSync(file) ? readFileSync(file, 'utf8') : ''
  const sums = text.match(/^# \{ .* \}$/gm)?.at(-1) ?? ''
  const count = (name: string) => Number(new RegExp(`${name}: (\\d+)`).exec(sums)?.[1] ?? 0)
  return { pass: count('pass'), fail: count('fail'), failedFiles: text.match(/^(not ok|Bail out!).*$/gm) ?? [] }
}
