// `npm run fuzz`: a million inputs for the parsers, with another seed each time, then requests to the edges with a
// database.
// FUZZ_INPUTS=…, FUZZ_SEED=… and FUZZ_ONLY=filter repeat a run or examine one parser for longer.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Test } from 'tap'
import { startEmbedded } from '../../db/embedded.ts'
import { migrate } from '../../db/migrate.ts'
import { prepareQueue } from '../../jobs/queue.ts'
import { feedEdges } from './edges.ts'
import { feed, growsInProportion } from './run.ts'
import { startEdges } from './start.ts'
import { TARGETS } from './targets.ts'

const INPUTS = Number(process.env.FUZZ_INPUTS ?? 1_000_000)
const REQUESTS = Math.ceil(INPUTS / 50)
const SEED = Number(process.env.FUZZ_SEED ?? Date.now() % 2 ** 31)
const ONLY = process.env.FUZZ_ONLY

const say = (text: string) => process.stdout.write(`${text}\n`)
const began = performance.now()
const seconds = () => ((performance.now() - began) / 1000).toFixed(0)

let inputs = 0
const targets = TARGETS.filter(({ name }) => ONLY === undefined || name === ONLY)
const shares = targets.reduce((sum, { share }) => sum + share, 0)
say(`seed ${SEED}`)
for (const target of targets) {
  const share = Math.ceil((INPUTS * target.share) / shares)
  feed(target, share, SEED)
  for (const line of growsInProportion(target)) say(`  ${line}`)
  inputs += share
  say(`${target.name}: ${share.toLocaleString('en')} inputs, none but read or refused (${seconds()} s)`)
}
if (ONLY === undefined) {
  await fuzzEdges()
  inputs += REQUESTS
}
say(`${inputs.toLocaleString('en')} inputs in ${seconds()} s: no fault, no hang, no prototype changed`)

async function fuzzEdges(): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'muster-fuzz-'))
  const database = await startEmbedded(folder, { database: 'muster_template', flags: ['-c', 'fsync=off'] })
  const closers: (() => unknown)[] = []
  try {
    await migrate(database.url, () => prepareQueue(database.url))
    process.env.TEST_TEMPLATE_URL = database.url
    // of a test, only its teardown is needed
    const edges = await startEdges({ teardown: (close: () => unknown) => closers.unshift(close) } as unknown as Test)
    await feedEdges(edges, REQUESTS, SEED)
    say(`SCIM and tRPC: ${REQUESTS.toLocaleString('en')} requests, none answered with a fault of ours (${seconds()} s)`)
  } finally {
    for (const close of closers) await close()
    await database.stop()
    rmSync(folder, { recursive: true, force: true })
  }
}
