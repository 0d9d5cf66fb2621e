// What a data folder says of a PostgreSQL that was not stopped properly, and what the next start does.
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir, uptime } from 'node:os'
import { dirname, join } from 'node:path'
import { type Test, test } from 'tap'
import { startEmbedded } from '../../db/embedded.ts'
import { DataFolderInUseError, findPostmaster, judgeByPs, readPid, stopPostmaster } from '../../db/postmaster.ts'

const hasPs = spawnSync('ps', ['-p', '1']).error === undefined

test('a data folder whose PostgreSQL was not stopped', { timeout: 60_000 }, async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'muster-embedded-'))
  const dataFolder = join(folder, 'postgres')
  const pidFile = join(dataFolder, 'postmaster.pid')
  const first = await startEmbedded(folder)
  const note = readFileSync(pidFile, 'utf8')
  await first.stop()
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  /** Writes what remains after a power loss: a file with a process number that now belongs to another process. */
  function leaveNoteOf(pid: number, startedAt?: number) {
    const lines = note.split('\n')
    lines[0] = String(pid)
    if (startedAt !== undefined) lines[2] = String(startedAt)
    writeFileSync(pidFile, lines.join('\n'), { mode: 0o644 })
  }
  async function startStranger(t: Test) {
    // a process of the same user: PostgreSQL ignores the number if it belongs to others
    const { uid, gid } = statSync(dataFolder)
    const stranger = spawn('sleep', ['600'], process.getuid?.() === 0 ? { uid, gid } : {})
    t.teardown(() => stranger.kill('SIGKILL'))
    await once(stranger, 'spawn')
    return stranger
  }

  t.test('is served again if the machine has restarted and a stranger has the number', async (t) => {
    const stranger = await startStranger(t)
    leaveNoteOf(stranger.pid!, Math.floor(Date.now() / 1000 - uptime()) - 3_600)
    const server = await startEmbedded(folder)
    t.strictSame([stranger.exitCode, stranger.signalCode], [null, null])
    await server.stop()
    t.notOk(existsSync(pidFile))
  })

  t.test('is left alone if the server may run in another container', async (t) => {
    const stranger = await startStranger(t)
    leaveNoteOf(stranger.pid!)
    const message = /another process's here: delete .*postmaster\.pid if none runs/
    await t.rejects(startEmbedded(folder), { constructor: DataFolderInUseError, message })
    t.strictSame([stranger.exitCode, stranger.signalCode], [null, null])
    t.ok(existsSync(pidFile))
    rmSync(pidFile)
  })

  t.test('is served again if this process itself has the number', async (t) => {
    let signals = 0
    const count = () => signals++
    process.on('SIGINT', count)
    t.teardown(() => process.removeListener('SIGINT', count))
    leaveNoteOf(process.pid)
    await (await startEmbedded(folder)).stop()
    t.equal(signals, 0)
  })
  t.test('is taken over from a running server', async (t) => {
    const left = await startEmbedded(folder)
    const pid = readPid(pidFile)!
    t.equal(await findPostmaster(dataFolder), pid)
    const server = await startEmbedded(folder, { port: left.port })
    t.throws(() => process.kill(pid, 0), { code: 'ESRCH' })
    await server.stop()
  })

  t.test('is refused if that server does not stop', async (t) => {
    const server = await startEmbedded(folder)
    const pid = readPid(pidFile)!
    process.kill(pid, 'SIGSTOP')
    const stopping = stopPostmaster(pid, dataFolder, 200)
    const refusal = /still in use by process \d+, a PostgreSQL that was asked to stop/
    await t.rejects(stopping, { constructor: DataFolderInUseError, message: refusal })
    process.kill(pid, 'SIGCONT')
    await server.stop()
  })

  t.test('is told by ps on systems without /proc', { skip: !hasPs && 'no ps here' }, async (t) => {
    const server = await startEmbedded(folder)
    const pid = readPid(pidFile)!
    t.equal(await judgeByPs(pid, dataFolder), 'ours')
    t.equal(await judgeByPs(pid, dirname(dataFolder)), 'unsure')
    t.equal(await judgeByPs(process.pid, dataFolder), 'other')
    await server.stop()
    t.equal(await judgeByPs(pid, dataFolder), 'other')
  })
})
