// All workloads in the order in which they run: those that leave the data unchanged come first.
import type { Workload } from '../workload.ts'
import { ADMIN } from './admin.ts'
import { BRAKE } from './brake.ts'
import { GROUP_WRITES } from './groups.ts'
import { READS } from './reads.ts'
import { WIRE_LOG } from './wire-log.ts'
import { WRITES } from './writes.ts'

const ALL: readonly Workload[] = [...READS, ...ADMIN, ...GROUP_WRITES, ...WRITES, ...WIRE_LOG, ...BRAKE]

export const WORKLOADS: readonly Workload[] = [
  ...ALL.filter(({ isRead }) => isRead),
  ...ALL.filter(({ isRead }) => !isRead)
]

export function workloadNamed(name: string): Workload {
  const found = WORKLOADS.find((workload) => workload.name === name)
  if (!found) throw new Error(`There is no workload "${name}"`)
  return found
}
