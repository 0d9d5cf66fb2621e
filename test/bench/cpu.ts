// Processor time and memory of processes, as Linux shows them in /proc.
import { readFileSync } from 'node:fs'

/** USER_HZ, which is always 100 in what Linux shows. */
const TICKS_PER_SECOND = 100
const MICROS_PER_TICK = 1_000_000 / TICKS_PER_SECOND

/** The fields after the command's name, which may contain spaces (proc(5)); field 3 is the first of them. */
function statOf(pid: number): number[] {
  const text = readFileSync(`/proc/${pid}/stat`, 'utf8')
  return text
    .slice(text.lastIndexOf(')') + 2)
    .split(' ')
    .map(Number)
}

/** Microseconds of one process with all its threads. */
export function cpuMicros(pid: number): number {
  const stat = statOf(pid)
  return (stat[11]! + stat[12]!) * MICROS_PER_TICK
}

/** Microseconds of a process and its children, including those that have ended. */
export function treeMicros(pid: number): number {
  const stat = statOf(pid)
  let micros = (stat[11]! + stat[12]! + stat[13]! + stat[14]!) * MICROS_PER_TICK
  for (const child of childrenOf(pid)) {
    try {
      micros += cpuMicros(child)
    } catch {
      // it has ended meanwhile, so its parent's count includes its time
    }
  }
  return micros
}

const childrenOf = (pid: number): number[] =>
  readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ').filter(Boolean).map(Number)

/** Resident memory, in MiB. */
export function residentMiB(pid: number): number {
  const kiB = /^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]
  return Number(kiB) / 1024
}
