// The process that sends the load: messages tell it what to drive, and it answers with what it measured.
import { drive, type Load, type Measured } from './load.ts'
import type { Next, SourceContext } from './workload.ts'
import { workloadNamed } from './workloads/index.ts'

export interface DriverTask {
  readonly workload: string
  /** Whether to send the workload's own requests, or those that it is compared with. */
  readonly side: 'muster' | 'against'
  readonly context: SourceContext
  readonly load: Omit<Load, 'port'>
}

export type DriverAnswer = { measured: Measured } | { error: string }

/** Sources stay between rounds, so that their counters continue. */
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
// the bench has ended in some way
process.on('disconnect', () => process.exit(0))
