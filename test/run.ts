// Runs the tests: one embedded PostgreSQL for the run (or a cluster, see support/cluster.ts), one migrated template
// database, and a few files of the same folder in each process.
//   node test/run.ts [--timeout=SECONDS] [file]…   runs all files if none is given; the last line says `N passed, N
// failed`
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
      // these tests are not about durability; fault tests start their own PostgreSQL
      flags: '-c fsync=off -c synchronous_commit=off -c full_page_writes=off -c max_connections=400'.split(' ')
    })
let isGood = false
try {
  await migrate(database.url, (_, isCitus) => prepareQueue(database.url, isCitus))
  // build once, before several test files find it missing at the same time
  if (files.some(isLong)) await ensureBuilt()
  // compile once for all files that start processes, since each process would do it
  const templates = join(folder, 'templates')
  if (files.some(isLong)) await compileTemplates({ cacheDir: templates })
  isGood = await runFiles(groupsOf(files), {
    TEST_TEMPLATE_URL: database.url,
    TEST_MAIL_TEMPLATES: templates,
    NODE_ENV: 'test',
    BCRYPT_COST: '4',
    TAP: '1',
    TAP_TIMEOUT: options.timeout,
    // what one file has compiled, the next ones load
    NODE_COMPILE_CACHE: join(folder, 'compiled')
  })
} finally {
  await database.stop()
  rmSync(folder, { recursive: true, force: true })
}
process.exit(isGood ? 0 : 1)

/** A folder in memory if there is room: each clone of the template has a thousand files. */
function memoryOrDisk(): string {
  const memory = '/dev/shm'
  if (!existsSync(memory)) return tmpdir()
  const { bavail, bsize } = statfsSync(memory)
  return bavail * bsize > 4 * 2 ** 30 ? memory : tmpdir()
}

/**
 * Groups files that share a process. Files of one folder go together, since a short file spends most of its time on
 * loading the app. Files that start browsers or processes take longest and go first, so that none is left when the
 * others are done.
 */
function groupsOf(files: readonly string[]): string[][] {
  const [long, short] = [files.filter(isLong), files.filter((file) => !isLong(file))]
  return [...inFolders(long, 2), ...inFolders(short, 10)]
}

function inFolders(files: readonly string[], atMost: number): string[][] {
  return Object.values(Object.groupBy(files, dirname)).flatMap((all = []) => {
    const groups = Math.ceil(all.length / atMost)
    // groups of the same size: 21 files make three groups of seven
    return Array.from({ length: groups }, (_, index) => all.filter((_, place) => place % groups === index))
  })
}

/** Whether a file starts browsers or processes. */
function isLong(file: string): boolean {
  return /\b(openSite|startProcess|playQuickly)\(/.test(readFileSync(file, 'utf8'))
}
