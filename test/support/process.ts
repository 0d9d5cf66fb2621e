// The service as `npm start` runs it: a process of its own, with its own data folder and port.
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { copyFileSync, existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { freePort } from '../../db/embedded.ts'
import { CACHE_FILE } from '../../server/mail/html-cache.ts'

const ROOT = join(import.meta.dirname, '../..')
/** Nothing else of a developer's environment reaches the service. */
const OF_THIS_PROCESS = {
  PATH: process.env.PATH ?? '',
  ...(process.env.NODE_COMPILE_CACHE && { NODE_COMPILE_CACHE: process.env.NODE_COMPILE_CACHE })
}

/** What stops things at the end: a test of tap's, or a stage of the fault tests. */
export interface Teardown {
  teardown(work: () => unknown): unknown
}

export interface RunningProcess {
  child: ChildProcess
  port: number
  /** What it has written so far. */
  output(): string
  dataDir: string
  env: Record<string, string>
  /** SIGTERM, and the status that it ends with. */
  stop(): Promise<number | null>
  /** SIGKILL: nothing is finished. */
  kill(): Promise<void>
}

/**
 * Starts `node server/main.ts` and waits until it answers /readyz, or as a worker says that it has started; stopped,
 * and its folder deleted, at teardown.
 */
export async function startProcess(t: Teardown, env: Record<string, string> = {}): Promise<RunningProcess> {
  const dataDir = env.DATA_DIR ?? mkdtempSync(join(tmpdir(), 'muster-process-'))
  if (!env.DATA_DIR) copyTemplates(dataDir)
  const port = Number(env.PORT ?? (await freePort()))
  const settings = { DATA_DIR: dataDir, PORT: String(port), BCRYPT_COST: '4', LOG_LEVEL: 'info', ...env }
  const child = spawn(process.execPath, ['server/main.ts'], {
    cwd: ROOT,
    env: { ...OF_THIS_PROCESS, HOME: process.env.HOME ?? '/', ...settings },
    stdio: ['ignore', 'pipe', 'pipe']
  })
  let output = ''
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => (output += chunk))
  const end = async (signal: NodeJS.Signals) => {
    if (child.exitCode !== null || child.signalCode !== null) return
    child.kill(signal)
    await once(child, 'exit')
  }
  const stop = async () => {
    await end('SIGTERM')
    return child.exitCode
  }
  const kill = () => end('SIGKILL')
  t.teardown(async () => {
    await stop()
    if (!env.DATA_DIR) rmSync(dataDir, { recursive: true, force: true })
  })
  await untilReady(child, port, settings, () => output)
  return { child, port, output: () => output, dataDir, env: settings, stop, kill }
}

/** As they are in the folder of a service that has started before. */
function copyTemplates(dataDir: string): void {
  const compiled = join(process.env.TEST_MAIL_TEMPLATES ?? '', CACHE_FILE)
  if (process.env.TEST_MAIL_TEMPLATES && existsSync(compiled)) copyFileSync(compiled, join(dataDir, CACHE_FILE))
}

async function untilReady(
  child: ChildProcess,
  port: number,
  env: Record<string, string>,
  output: () => string
): Promise<void> {
  for (;;) {
    if (child.exitCode !== null) throw new Error(`The service ended with status ${child.exitCode}: ${output()}`)
    if (env.RUN === 'worker') {
      if (output().includes('worker started')) return
      await new Promise((done) => setTimeout(done, 20))
      continue
    }
    const answer = await fetch(`http://127.0.0.1:${port}/readyz`).catch(() => undefined)
    if (answer?.ok && /Muster answers at|worker started/.test(output())) return
    await new Promise((done) => setTimeout(done, 50))
  }
}

/** Runs a command of the CLI against a running service. */
export const runCli = (service: RunningProcess, args: string[], env: Record<string, string> = {}) =>
  runMuster(args, { DATA_DIR: service.dataDir, MUSTER_URL: `http://localhost:${service.port}`, ...env })

/** Runs a command of the CLI with these settings alone. */
export async function runMuster(
  args: string[],
  env: Record<string, string>
): Promise<{ status: number | null; stdout: string; stderr: string }> {
  const child = spawn(process.execPath, ['client/cli/main.ts', ...args], {
    cwd: ROOT,
    env: { ...OF_THIS_PROCESS, ...env },
    stdio: ['ignore', 'pipe', 'pipe']
  })
  let stdout = ''
  let stderr = ''
  child.stdout.on('data', (chunk: Buffer) => (stdout += chunk))
  child.stderr.on('data', (chunk: Buffer) => (stderr += chunk))
  await once(child, 'close')
  return { status: child.exitCode, stdout, stderr }
}
