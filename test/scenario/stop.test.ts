// Ctrl-C: a terminal sends SIGINT to every process of its job, and npm sends it to its child again.
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Test, test } from 'tap'
import { freePort } from '../../db/embedded.ts'

const ROOT = join(import.meta.dirname, '../..')

/** Starts the service as the leader of a job of its own, and keeps its output. */
async function startJob(t: Test, dataDir: string): Promise<{ child: ChildProcess; output(): string }> {
  const settings = { DATA_DIR: dataDir, PORT: String(await freePort()), BCRYPT_COST: '4' }
  const { PATH = '', HOME = '/' } = process.env
  const child = spawn(process.execPath, ['server/main.ts'], {
    cwd: ROOT,
    env: { PATH, HOME, ...settings },
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true
  })
  let output = ''
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => (output += chunk))
  t.teardown(() => child.kill('SIGKILL'))
  return { child, output: () => output }
}

async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await new Promise((done) => setTimeout(done, 5))
}

async function pressCtrlC(child: ChildProcess): Promise<number | null> {
  const ended = once(child, 'exit')
  process.kill(-child.pid!, 'SIGINT')
  child.kill('SIGINT')
  await ended
  return child.exitCode
}

test('Ctrl-C', { timeout: 60_000, skip: process.platform === 'win32' && 'no jobs there' }, async (t) => {
  const dataDir = mkdtempSync(join(tmpdir(), 'muster-stop-'))
  t.teardown(() => rmSync(dataDir, { recursive: true, force: true }))
  const postmaster = join(dataDir, 'postgres', 'postmaster.pid')

  t.test('stops the service properly, and PostgreSQL with it', async (t) => {
    const { child, output } = await startJob(t, dataDir)
    await until(() => output().includes('Muster answers at'))
    t.equal(await pressCtrlC(child), 0)
    t.notMatch(output(), /error/i)
    t.notOk(existsSync(postmaster))
  })

  t.test('stops it properly while it is still starting', async (t) => {
    for (const moment of [() => existsSync(postmaster), (text: string) => text.includes('Server listening')]) {
      const { child, output } = await startJob(t, dataDir)
      await until(() => moment(output()))
      t.equal(await pressCtrlC(child), 0, output())
      t.notMatch(output(), /did not start|unhandled/i)
      t.notOk(existsSync(postmaster))
    }
  })
})
