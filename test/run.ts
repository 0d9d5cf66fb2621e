// Runs the tests: one embedded PostgreSQL for the run (or a cluster, see support/cluster.ts), one migrated template
// database, and files of one folder a few to a process.
//   node test/run.ts [--timeout=SECONDS] [file]…   all files without any; the last line says `N passed, N failed`
import { existsSync, globSync, mkdtempSync, readFileSync, rmSync, statfsSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { parseArgs } from 'node:util'
import { ensureBuilt } from '../client/web/build.ts'
import { startEmbedded } from '../db/embedded.ts'
import { migrate } from '../db/migrate.ts'
import { prepareQueue } from '../jobs/queue.ts'
import { compileTemplates } from '../server/mail/render.ts'
import { createOnCluster, isOnCluster } from './support/cluster.ts'
import { runFiles } from './support/files.ts'

const { values: options, positionals } = parseArgs({
  options: { timeout: { type: 'string', default: '120' } },
  allowPositionals: true
})
const files = positionals.length > 0 ? positionals : globSync('test/**/*.test.ts').sort()

const folder = mkdtempSync(join(memoryOrDisk(), 'muster-test-'))
const TEMPLATE = 'muster_template'
const database = isOnCluster
  ? { url: await createOnCluster(TEMPLATE), stop: async () => {} }
  : await startEmbedded(folder, {
      database: TEMPLATE,
      // durability is not what these tests are about; fault tests start their own
      flags: '-c fsync=off -c synchronous_commit=off -c full_page_writes=off -c max_connections=400'.split(' ')
    })
let isGood = false
try {
  await migrate(database.url, (_, isCitus) => prepareQueue(database.url, isCitus))
  // once, before several test files would each find it missing
  if (files.some(isLong)) await ensureBuilt()
  // of those that start processes, each of which would do so
  const templates = join(folder, 'templates')
  if (files.some(isLong)) await compileTemplates({ cacheDir: templates })
  isGood = await runFiles(groupsOf(files), {
    TEST_TEMPLATE_URL: database.url,
    TEST_MAIL_TEMPLATES: templates,
    NODE_ENV: 'test',
    BCRYPT_COST: '4',
    TAP: '1',
    TAP_TIMEOUT: options.timeout,
    // what one file has compiled the next ones load
    NODE_COMPILE_CACHE: join(folder, 'compiled')
  })
} finally {
  await database.stop()
  rmSync(folder, { recursive: true, force: true })
}
process.exit(isGood ? 0 : 1)

/** A file system in memory where there is room on it: each clone of the template is a thousand files. */
function memoryOrDisk(): string {
  const memory = '/dev/shm'
  if (!existsSync(memory)) return tmpdir()
  const { bavail, bsize } = statfsSync(memory)
  return bavail * bsize > 4 * 2 ** 30 ? memory : tmpdir()
}

/**
 * Files of one folder share a process, a few at a time: most of what a short one costs is to load the app. Those that
 * start browsers and processes take longest: none of them is left at the end, when the others are done.
 */
function groupsOf(files: readonly string[]): string[][] {
  const [long, short] = [files.filter(isLong), files.filter((file) => !isLong(file))]
  return [...inFolders(long, 2), ...inFolders(short, 10)]
}

function inFolders(files: readonly string[], atMost: number): string[][] {
  return Object.values(Object.groupBy(files, dirname)).flatMap((all = []) => {
    const groups = Math.ceil(all.length / atMost)
    // of the same size each: 21 are three times seven
    return Array.from({ length: groups }, (_, index) => all.filter((_, place) => place % groups === index))
  })
}

/** Whether a file starts browsers or processes. */
function isLong(file: string): boolean {
  return /\b(openSite|startProcess|playQuickly)\(/.test(readFileSync(file, 'utf8'))
}
