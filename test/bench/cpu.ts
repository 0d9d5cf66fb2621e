// Processor time and memory of processes, as Linux tells them in /proc.
import { readFileSync } from 'node:fs'

/** USER_HZ, which Linux fixes at 100 for everything that it shows. */
const TICKS_PER_SECOND = 100
const MICROS_PER_TICK = 1_000_000 / TICKS_PER_SECOND

/** The fields behind the command's name, which may hold spaces (proc(5): the third one comes first). */
function statOf(pid: number): number[] {
  const text = readFileSync(`/proc/${pid}/stat`, 'utf8')
  return text
    .slice(text.lastIndexOf(')') + 2)
    .split(' ')
    .map(Number)
}

/** Of one process, all its threads: microseconds. */
export function cpuMicros(pid: number): number {
  const stat = statOf(pid)
  return (stat[11]! + stat[12]!) * MICROS_PER_TICK
}

/** Of a process with its children, those that have ended included: microseconds. */
export function treeMicros(pid: number): number {
  const stat = statOf(pid)
  let micros = (stat[11]! + stat[12]! + stat[13]! + stat[14]!) * MICROS_PER_TICK
  for (const child of childrenOf(pid)) {
    try {
      micros += cpuMicros(child)
    } catch {
      // it has ended meanwhile; its parent's count has its time
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
