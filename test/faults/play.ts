// Plays one scenario on a stage of its own and tells how it went.
import type { Outcome, Scenario, Size } from './scenario.ts'
import { openStage } from './stage.ts'

export interface Played {
  readonly fault: string
  readonly outcome?: Outcome
  /** Why the scenario was not played. */
  readonly skipped?: string
  /** What was wrong. */
  readonly problem?: string
}

export async function play(scenario: Scenario, size: Size): Promise<Played> {
  const { fault } = scenario
  const print = (line: string) => process.stdout.write(`${line}\n`)
  const skipped = scenario.skipped?.()
  if (skipped) {
    print(`SKIPPED  ${fault}: ${skipped}`)
    return { fault, skipped }
  }
  const closers: (() => unknown)[] = []
  try {
    const stage = await openStage(
      { teardown: (work: () => unknown) => closers.push(work) },
      {
        cluster: scenario.cluster
      }
    )
    const outcome = await scenario.play(stage, size)
    const problem = outcome.kept === outcome.acknowledged ? undefined : `${outcome.acknowledged - outcome.kept} lost`
    print(
      `${problem ? 'LOST ' : 'kept '} ${outcome.kept}/${outcome.acknowledged}  ${(outcome.recoveryMs / 1000).toFixed(2)} s  ${fault}\n      ${outcome.note}`
    )
    return { fault, outcome, problem }
  } catch (error) {
    print(`WRONG  ${fault}: ${(error as Error).stack}`)
    return { fault, problem: (error as Error).message }
  } finally {
    for (const closer of closers.reverse()) await closer()
  }
}
