// `npm run faults`: plays every fault against real processes and writes RESULTS.md.
import { parseArgs } from 'node:util'
import { play } from './play.ts'
import { writeResults } from './report.ts'
import { LITTLE, WHOLE } from './scenario.ts'
import { SCENARIOS } from './scenarios.ts'

const { values } = parseArgs({
  options: { only: { type: 'string' }, little: { type: 'boolean' }, help: { type: 'boolean' } }
})
if (values.help) {
  process.stdout.write(`npm run faults -- [options]
  --only TEXT   the faults whose name contains this; RESULTS.md stays as it is
  --little      as small as in npm test; RESULTS.md stays as it is\n`)
  process.exit(0)
}

const wanted = SCENARIOS.filter(({ fault }) => fault.includes(values.only ?? ''))
const results = []
for (const scenario of wanted) results.push(await play(scenario, values.little ? LITTLE : WHOLE))
if (!values.only && !values.little) writeResults(results)
process.exitCode = results.some(({ problem }) => problem) ? 1 : 0
