// Runs the service as `npm start` does: a process with its own data folder and port.
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { copyFileSync, existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { freePort } from '../../db/embedded.ts'
import { CACHE_FILE } from '../../server/mail/html-cache.ts'

const ROOT = join(import.meta.dirname, '../..')
/** Nothing else from the developer's environment reaches the service. */
const OF_THIS_PROCESS = {
  PATH: process.env.PATH ?? '',
  ...(process.env.NODE_COMPILE_CACHE && { NODE_COMPILE_CACHE: process.env.NODE_COMPILE_CACHE })
}

/** What stops things at the end: a tap test, or the stage of a fault test. */
export interface Teardown {
  teardown(work: () => unknown): unknown
}

export interface RunningProcess {
  child: ChildProcess
  port: number
  /** The output so far. */
  output(): string
  dataDir: string
  env: Record<string, string>
  /** Sends SIGTERM. @returns the exit status */
  stop(): Promise<number | null>
  /** Sends SIGKILL, so that nothing is finished. */
  kill(): Promise<void>
}

/**
 * Starts `node server/main.ts` and waits until it answers /readyz, or until a worker says that it has started. At
 * teardown it stops the process and deletes its folder.
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

/** Copies the compiled templates, which the folder of a service that has started before holds. */
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

/** Runs commands of the CLI for one tenant, as the operator. @param url where the app listens, by its address */
export const musterOn =
  (url: string, tenant: string, operatorToken: string) =>
  (...args: string[]) =>
    runMuster([...args, '--tenant', tenant], {
      MUSTER_URL: url.replace('127.0.0.1', 'localhost'),
      OPERATOR_TOKEN: operatorToken,
      NO_COLOR: '1'
    })

/** Runs a command of the CLI with only these settings. */
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
