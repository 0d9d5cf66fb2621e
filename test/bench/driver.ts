// The driver's process: told by messages what to drive, answers with what was measured.
import { drive, type Load, type Measured } from './load.ts'
import type { Next, SourceContext } from './workload.ts'
import { workloadNamed } from './workloads/index.ts'

export interface DriverTask {
  readonly workload: string
  /** The workload's own requests, or those that it is compared with. */
  readonly side: 'muster' | 'against'
  readonly context: SourceContext
  readonly load: Omit<Load, 'port'>
}

export type DriverAnswer = { measured: Measured } | { error: string }

/** What a source counts goes on from round to round. */
const begun = new Map<string, Next>()

function nextOf({ workload: name, side, context }: DriverTask): { next: Next; port: number } {
  const workload = workloadNamed(name)
  const source = side === 'muster' ? workload.muster : workload.against!.source
  const server = side === 'muster' ? 'muster' : workload.against!.server
  const key = `${name} ${side} ${context.population.label}`
  const next = begun.get(key) ?? source(context)
  begun.set(key, next)
  return { next, port: context.ports[server] }
}

async function answer(task: DriverTask): Promise<DriverAnswer> {
  try {
    const { next, port } = nextOf(task)
    return { measured: await drive(next, { ...task.load, port }) }
  } catch (error) {
    return { error: (error as Error).message }
  }
}

process.on('message', async (task: DriverTask) => {
  process.send!(await answer(task))
})
// the bench has ended, in whatever way
process.on('disconnect', () => process.exit(0))
