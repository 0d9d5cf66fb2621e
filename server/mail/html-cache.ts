// Compiles MJML to HTML in a child process, and keeps the HTML in a file until one of its sources changes.
import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

const COMPILER = fileURLToPath(new URL('./compile-mjml.ts', import.meta.url))
/** Usually under a second; a busy machine must not keep a worker from starting. */
const COMPILE_TIMEOUT_MS = 300_000

export const CACHE_FILE = 'mail-templates.json'

interface CompileRequest {
  /** The folder of all templates, from which files may include others. */
  folder: string
  /** Paths below `folder` of the files to compile. */
  files: string[]
  /** Every text that the HTML depends on, including those of included files. */
  sources: string[]
  /** Where the HTML is kept; undefined compiles every time. */
  cacheDir: string | undefined
}

/**
 * @returns the HTML of each file, in the order requested
 * @throws Error with MJML's message and line where a file breaks its rules
 */
export async function compileMjml(request: CompileRequest): Promise<string[]> {
  const { cacheDir } = request
  if (!cacheDir) return runCompiler(request)
  const key = await cacheKey(request)
  const path = join(cacheDir, CACHE_FILE)
  const cached = await readCache(path, key, request.files.length)
  if (cached) return cached
  const htmls = await runCompiler(request)
  await writeCache(cacheDir, path, { key, htmls })
  return htmls
}

async function runCompiler({ folder, files }: CompileRequest): Promise<string[]> {
  const paths = files.map((file) => join(folder, file))
  try {
    const { stdout } = await promisify(execFile)(process.execPath, [COMPILER, folder, ...paths], {
      maxBuffer: 16 * 1024 * 1024,
      timeout: COMPILE_TIMEOUT_MS
    })
    return JSON.parse(stdout) as string[]
  } catch (error) {
    const { stderr = '' } = error as { stderr?: string }
    throw new Error(`The mail templates do not compile. ${stderr.trim()}`, { cause: error })
  }
}

/** Changes with the sources, with MJML, and with the compiling program. */
async function cacheKey({ files, sources }: CompileRequest): Promise<string> {
  const { version } = createRequire(import.meta.url)('mjml/package.json') as { version: string }
  const compiler = await readFile(COMPILER, 'utf8')
  return createHash('sha256')
    .update(JSON.stringify([version, compiler, files, sources]))
    .digest('hex')
}

async function readCache(path: string, key: string, count: number): Promise<string[] | undefined> {
  try {
    const cached = JSON.parse(await readFile(path, 'utf8')) as { key?: unknown; htmls?: unknown }
    const { htmls } = cached
    if (cached.key !== key || !Array.isArray(htmls) || htmls.length !== count) return undefined
    return htmls.every((html) => typeof html === 'string') ? htmls : undefined
  } catch {
    return undefined // none yet, or cut short: it is written again
  }
}

async function writeCache(folder: string, path: string, content: { key: string; htmls: string[] }): Promise<void> {
  const fresh = `${path}.${process.pid}`
  try {
    await mkdir(folder, { recursive: true })
    await writeFile(fresh, JSON.stringify(content))
    await rename(fresh, path)
  } catch {
    // A folder that cannot be written to costs the next start a third of a second, nothing else.
  }
}
