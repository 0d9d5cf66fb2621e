// The service as `npm start` runs it: a process of its own, with its own data folder and port.
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Test } from 'tap'
import { freePort } from '../../db/embedded.ts'

const ROOT = join(import.meta.dirname, '../..')

export interface RunningProcess {
  child: ChildProcess
  port: number
  /** What it has written so far. */
  output(): string
  dataDir: string
  env: Record<string, string>
  stop(): Promise<number | null>
}

/** Starts `node server/main.ts` and waits until it answers /readyz; stopped, and its folder deleted, at teardown. */
export async function startProcess(t: Test, env: Record<string, string> = {}): Promise<RunningProcess> {
  const dataDir = env.DATA_DIR ?? mkdtempSync(join(tmpdir(), 'muster-process-'))
  const port = Number(env.PORT ?? (await freePort()))
  const settings = { DATA_DIR: dataDir, PORT: String(port), BCRYPT_COST: '4', LOG_LEVEL: 'info', ...env }
  const child = spawn(process.execPath, ['server/main.ts'], {
    cwd: ROOT,
    env: { PATH: process.env.PATH ?? '', HOME: process.env.HOME ?? '/', ...settings },
    stdio: ['ignore', 'pipe', 'pipe']
  })
  let output = ''
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => (output += chunk))
  const stop = async () => {
    if (child.exitCode === null && child.signalCode === null) {
      child.kill('SIGTERM')
      await once(child, 'exit')
    }
    return child.exitCode
  }
  t.teardown(async () => {
    await stop()
    if (!env.DATA_DIR) rmSync(dataDir, { recursive: true, force: true })
  })
  await untilReady(child, port, () => output)
  return { child, port, output: () => output, dataDir, env: settings, stop }
}

async function untilReady(child: ChildProcess, port: number, output: () => string): Promise<void> {
  for (;;) {
    if (child.exitCode !== null) throw new Error(`The service ended with status ${child.exitCode}: ${output()}`)
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
    env: { PATH: process.env.PATH ?? '', ...env },
    stdio: ['ignore', 'pipe', 'pipe']
  })
  let stdout = ''
  let stderr = ''
  child.stdout.on('data', (chunk: Buffer) => (stdout += chunk))
  child.stderr.on('data', (chunk: Buffer) => (stderr += chunk))
  await once(child, 'close')
  return { status: child.exitCode, stdout, stderr }
}
