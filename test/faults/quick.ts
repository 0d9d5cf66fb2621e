// Plays faults in small on one stage, for the tests of this folder.
import { test } from 'tap'
import { LITTLE, type Scenario } from './scenario.ts'
import { openStage } from './stage.ts'

/** One test for all faults, because making PostgreSQL takes a while and they share it. */
export function playQuickly(title: string, scenarios: readonly Scenario[]): void {
  test(title, { timeout: 110_000 }, async (t) => {
    const stage = await openStage(t)
    for (const scenario of scenarios) {
      const skipped = scenario.skipped?.()
      if (skipped) process.stderr.write(`SKIPPED: ${scenario.fault}: ${skipped}\n`)
      stage.mail.forget()
      stage.mail.mood = {}
      await t.test(scenario.fault, { skip: skipped ?? false }, async (t) => {
        const { acknowledged, kept, note } = await scenario.play(stage, LITTLE)
        t.equal(kept, acknowledged, note)
        t.ok(acknowledged > 0)
      })
    }
  })
}
