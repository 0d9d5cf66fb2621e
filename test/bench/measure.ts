// Runs the rounds of a workload on one population: both servers in turn, with the cost of each request.
import type { Db } from '../../db/connect.ts'
import { cpuMicros, treeMicros } from './cpu.ts'
import type { Population } from './population.ts'
import { OPERATOR_TOKEN, type Stack } from './stack.ts'
import type { Side, Workload } from './workload.ts'

export interface Pace {
  readonly rounds: number
  readonly seconds: number
}

/** One side of one round, or the median of several. */
export interface Sample {
  /** Requests per second, or operations if a request holds several. */
  readonly perSecond: number
  /** Milliseconds. */
  readonly p50: number
  readonly p99: number
  /** Processor time for each of `perSecond`, microseconds. */
  readonly serverMicros: number
  readonly databaseMicros: number
  readonly driverMicros: number
}

export interface Result {
  readonly workload: Workload
  readonly population: Population
  readonly muster: Sample
  readonly against: Sample | undefined
  /** The median of the rounds' ratios. */
  readonly ratio: number | undefined
}

const CONNECTIONS = 16
/**
 * Before the first round, so that code is compiled, statements are prepared and caches are filled. The compiler takes a
 * sixth as much processor time as the requests in the first second, and a thirtieth in the fifth.
 */
const WARM_UP_SECONDS = 1.5

/** @throws Error if an answer was wrong */
export async function measure(
  stack: Stack,
  db: Db,
  workload: Workload,
  population: Population,
  { rounds, seconds }: Pace
): Promise<Result> {
  const run = async (side: Side, seconds: number) => {
    await workload.prepareSide?.(db, population, side)
    return runSide(stack, workload, population, side, seconds)
  }
  await workload.prepare?.(db, population)
  await run('muster', WARM_UP_SECONDS)
  if (workload.against) await run('against', WARM_UP_SECONDS)
  const ours: Sample[] = []
  const theirs: Sample[] = []
  for (let round = 0; round < rounds; round++) {
    await workload.prepare?.(db, population)
    ours.push(await run('muster', seconds))
    if (!workload.against) continue
    if (workload.against.server === 'muster') await workload.prepare?.(db, population)
    theirs.push(await run('against', seconds))
  }
  return {
    workload,
    population,
    muster: medianSample(ours),
    against: theirs.length > 0 ? medianSample(theirs) : undefined,
    ratio:
      theirs.length > 0 ? median(ours.map((sample, round) => sample.perSecond / theirs[round]!.perSecond)) : undefined
  }
}

async function runSide(
  stack: Stack,
  workload: Workload,
  population: Population,
  side: Side,
  seconds: number
): Promise<Sample> {
  const server = side === 'muster' ? 'muster' : workload.against!.server
  const pid = stack.pids[server]
  const before = { server: cpuMicros(pid), database: treeMicros(stack.pids.database) }
  const measured = await stack.drive({
    workload: workload.name,
    side,
    context: { population, ports: stack.ports, operatorToken: OPERATOR_TOKEN },
    load: { connections: workload.connections ?? CONNECTIONS, seconds, maxRequests: workload.maxRequests ?? 1e9 }
  })
  const operations = measured.requests * (side === 'muster' ? (workload.operations ?? 1) : 1)
  return {
    perSecond: operations / measured.seconds,
    p50: measured.p50,
    p99: measured.p99,
    serverMicros: (cpuMicros(pid) - before.server) / operations,
    databaseMicros: (treeMicros(stack.pids.database) - before.database) / operations,
    driverMicros: measured.driverMicros / operations
  }
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[Math.floor(sorted.length / 2)]!
}

function medianSample(samples: readonly Sample[]): Sample {
  const of = (field: keyof Sample) => median(samples.map((sample) => sample[field]))
  return {
    perSecond: of('perSecond'),
    p50: of('p50'),
    p99: of('p99'),
    serverMicros: of('serverMicros'),
    databaseMicros: of('databaseMicros'),
    driverMicros: of('driverMicros')
  }
}
