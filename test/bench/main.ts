// `npm run bench`: starts everything, seeds, measures and prints. After a full run it writes RESULTS.md.
import { mkdirSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { sql } from 'kysely'
import type { Db } from '../../db/connect.ts'
import {
  type Extra,
  measureMails,
  measureMemory,
  measureSignIns,
  measureStart,
  storageExtra,
  storageOf,
  visitExtras,
  visitTenants
} from './extras.ts'
import { measure, type Pace, type Result } from './measure.ts'
import { POPULATIONS, type Population, populationNamed, subdomainOf } from './population.ts'
import { startProfile } from './profile.ts'
import { consoleHeader, consoleLines, extraLine, growthLine, growthOf, writeResults } from './report.ts'
import { isSeeded, openSeeder, seed, settle } from './seed.ts'
import { ServerEnded, type Stack, startStack } from './stack.ts'
import type { Workload } from './workload.ts'
import { WORKLOADS, workloadNamed } from './workloads/index.ts'

const BESIDES = 'besides'
const USAGE = `npm run bench -- [options]
  --quick            one size, one round, the whole within three minutes; RESULTS.md stays as it is
  --only NAMES       these workloads alone, separated by commas:
                     ${WORKLOADS.map(({ name }) => name).join(', ')},
                     or ${BESIDES}: mails, sign-ins, start, memory
  --sizes NAMES      these populations alone: ${Object.keys(POPULATIONS).join(', ')},
                     or another one such as 500x100: tenants and the users of each
  --rounds N         rounds of each workload (3)
  --seconds N        of each round (3)
  --data FOLDER      the data lie there and stay; what an earlier run seeded is used as that left it
  --profile FOLDER   the server's CPU profile and PostgreSQL's dearest statements go there`

interface Options {
  readonly workloads: readonly Workload[]
  readonly populations: readonly Population[]
  readonly pace: Pace
  readonly dataFolder: string | undefined
  readonly profileFolder: string | undefined
  /** Whether all workloads run at all sizes, at whatever pace. Only then RESULTS.md is written. */
  readonly isFull: boolean
  readonly withExtras: boolean
}

function readOptions(): Options {
  const { values } = parseArgs({
    options: {
      quick: { type: 'boolean' },
      only: { type: 'string' },
      sizes: { type: 'string' },
      rounds: { type: 'string' },
      seconds: { type: 'string' },
      data: { type: 'string' },
      profile: { type: 'string' },
      help: { type: 'boolean' }
    }
  })
  if (values.help) {
    process.stdout.write(`${USAGE}\n`)
    process.exit(0)
  }
  const names = values.sizes?.split(',') ?? (values.quick ? ['100000'] : Object.keys(POPULATIONS))
  const only = values.only?.split(',')
  return {
    workloads: only?.filter((name) => name !== BESIDES).map(workloadNamed) ?? WORKLOADS,
    populations: names.map(populationNamed),
    pace: {
      rounds: Number(values.rounds ?? (values.quick ? 1 : 3)),
      seconds: Number(values.seconds ?? (values.quick ? 1 : 3))
    },
    dataFolder: values.data,
    profileFolder: values.profile,
    isFull: only === undefined && names.length === Object.keys(POPULATIONS).length,
    withExtras: only === undefined || only.includes(BESIDES)
  }
}

const print = (line: string) => process.stdout.write(`${line}\n`)

/** A wrong answer makes only its own workload fail, and the exit status. */
const failures: string[] = []

async function measureAll(
  stack: Stack,
  db: Db,
  population: Population,
  { workloads, pace }: Options
): Promise<Result[]> {
  const results: Result[] = []
  for (const workload of workloads) {
    if (workload.isFor && !workload.isFor(population)) continue
    try {
      if (population.tenants > 1) await visitTenants(stack, population)
      const result = await measure(stack, db, workload, population, pace)
      results.push(result)
      print(consoleLines(result))
    } catch (error) {
      if (error instanceof ServerEnded) throw error
      failures.push(`${workload.name}, ${population.label}: ${(error as Error).message}`)
      print(`${workload.title}: ${(error as Error).message}`)
    }
  }
  return results
}

/** Seeds the population unless it is there. @param extras receives the disk space that it takes */
async function seeded(stack: Stack, db: Db, population: Population, extras: Extra[]): Promise<string> {
  if (await isSeeded(db, population)) return 'seeded by an earlier run'
  const began = performance.now()
  const bytes = await storageOf(db)
  await seed(db, population, (tenant) => `http://${subdomainOf(tenant)}.localhost:${stack.ports.muster}/scim/v2`)
  extras.push(storageExtra(population, (await storageOf(db)) - bytes))
  return `seeded in ${((performance.now() - began) / 1000).toFixed(0)} s`
}

async function measureExtras(stack: Stack, db: Db, population: Population, { pace }: Options): Promise<Extra[]> {
  const extras: Extra[] = []
  const work: (() => Promise<Extra[]>)[] = [
    () => measureMails(stack, db, population),
    () => measureSignIns(stack, db, population, pace.seconds),
    () => measureMemory(stack),
    async () => [await measureStart()]
  ]
  for (const extra of work) {
    try {
      extras.push(...(await extra()))
    } catch (error) {
      failures.push((error as Error).message)
    }
  }
  return extras
}

async function main(): Promise<void> {
  const options = readOptions()
  if (options.profileFolder) mkdirSync(options.profileFolder, { recursive: true })
  const stack = await startStack(options)
  const db = await openSeeder(stack.databaseUrl)
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.once(signal, () => void stack.close().finally(() => process.exit(1)))
  }
  try {
    const profile = options.profileFolder ? await startProfile(db, options.profileFolder) : undefined
    const results: Result[] = []
    const extras: Extra[] = []
    for (const population of options.populations) {
      try {
        print(`\n${population.label}, ${await seeded(stack, db, population, extras)}\n${consoleHeader()}`)
        if (population.tenants > 1) extras.push(...(await visitExtras(stack, population)))
        await profile?.begin()
        results.push(...(await measureAll(stack, db, population, options)))
        await profile?.end()
        await settle(db)
      } catch (error) {
        if (error instanceof ServerEnded) throw error
        // what was measured at the other sizes is still worth showing
        failures.push(`${population.label}: ${(error as Error).message}`)
      }
    }
    const growth = growthOf(results)
    if (growth.length > 0) print(`\nGrowth\n${growth.map(growthLine).join('\n')}`)
    if (options.withExtras) extras.push(...(await measureExtras(stack, db, options.populations[0]!, options)))
    if (extras.length > 0) print(`\n${extras.map(extraLine).join('\n')}`)
    if (options.isFull) {
      const { rows } = await sql<{ version: string }>`select split_part(version(), ' on ', 1) as version`.execute(db)
      writeResults({ results, extras, pace: options.pace, settings: stack.settings, databaseVersion: rows[0]!.version })
    }
  } finally {
    await db.destroy()
    await stack.close()
  }
  for (const failure of failures) print(`WRONG: ${failure}`)
  process.exitCode = failures.length > 0 ? 1 : 0
}

await main()
