// Every fault, in the order in which they are played.
import type { Scenario } from './scenario.ts'
import { serverKilled } from './server-killed.ts'

export const SCENARIOS: readonly Scenario[] = [serverKilled]
