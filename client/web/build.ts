// Builds the page if it is missing or older than its sources. Vite runs in a separate process, so that its memory is
// freed afterwards; an interrupted build leaves the old page in place.
import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import {
  existsSync,
  globSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync
} from 'node:fs'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { promisify } from 'node:util'
import { brotliCompress, constants, gzip } from 'node:zlib'

const HERE = import.meta.dirname
const ROOT = join(HERE, '../..')
/** The folder of the built page. */
export const WEB_DIST = join(HERE, 'dist')
const LOCK = join(HERE, '.build-lock')
const STAMP = 'sources.sha256'
const COMPRESSED = /\.(js|css|html|svg|json)$/

/**
 * Of several processes that start at once only one builds; the others wait.
 * @param onBuild called before a build, which takes some seconds
 */
export async function ensureBuilt(onBuild: () => void = () => {}): Promise<void> {
  while (readStamp() !== sourcesHash()) {
    if (!takeLock()) {
      await setTimeout(100)
      continue
    }
    try {
      const stamp = sourcesHash()
      if (readStamp() === stamp) return
      onBuild()
      return await build(stamp)
    } finally {
      rmSync(LOCK, { force: true })
    }
  }
}

/** The builder writes its process id into the lock, so that a killed one blocks nobody. */
function takeLock(): boolean {
  try {
    writeFileSync(LOCK, String(process.pid), { flag: 'wx' })
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
    if (!isHeld()) rmSync(LOCK, { force: true })
    return false
  }
}

function isHeld(): boolean {
  try {
    const pid = Number(readFileSync(LOCK, 'utf8'))
    // empty for an instant, before the id is written
    if (pid > 0) process.kill(pid, 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}

async function build(stamp: string): Promise<void> {
  // left over from killed builds
  for (const left of globSync('.build-*/', { cwd: HERE })) rmSync(join(HERE, left), { recursive: true, force: true })
  const fresh = mkdtempSync(join(HERE, '.build-'))
  try {
    const vite = join(ROOT, 'node_modules/vite/bin/vite.js')
    const config = join(HERE, 'vite.config.ts')
    await promisify(execFile)(process.execPath, [vite, 'build', '--config', config, '--logLevel', 'warn'], {
      env: { ...process.env, MUSTER_WEB_OUT: fresh, NODE_ENV: 'production' }
    })
    await compressAll(fresh)
    writeFileSync(join(fresh, STAMP), stamp)
    replace(fresh)
  } finally {
    rmSync(fresh, { recursive: true, force: true })
  }
}

const readStamp = () => (existsSync(join(WEB_DIST, STAMP)) ? readFileSync(join(WEB_DIST, STAMP), 'utf8') : undefined)

function sourcesHash(): string {
  const hash = createHash('sha256')
  const files = globSync('client/**/*.{ts,tsx,css,html,svg}', {
    cwd: ROOT,
    exclude: ['client/web/dist/**', 'client/web/.build-*/**', 'client/cli/**']
  })
  for (const file of ['package-lock.json', ...files.sort()]) hash.update(file).update(readFileSync(join(ROOT, file)))
  return hash.digest('hex')
}

/** The old page is served until the new one is complete. */
function replace(fresh: string): void {
  const old = `${fresh}-old`
  if (existsSync(WEB_DIST)) renameSync(WEB_DIST, old)
  try {
    renameSync(fresh, WEB_DIST)
  } catch (error) {
    if (readStamp() === undefined) throw error
  } finally {
    rmSync(old, { recursive: true, force: true })
  }
}

async function compressAll(folder: string): Promise<void> {
  const files = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((file) => COMPRESSED.test(file))
  await Promise.all(
    files.map(async (file) => {
      const path = join(folder, file)
      const content = readFileSync(path)
      const brotli = { params: { [constants.BROTLI_PARAM_QUALITY]: 11 } }
      writeFileSync(`${path}.br`, await promisify(brotliCompress)(content, brotli))
      writeFileSync(`${path}.gz`, await promisify(gzip)(content, { level: 9 }))
    })
  )
}
