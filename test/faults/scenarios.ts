// Every fault, in the order in which they are played.
import { clockJumps } from './clock.ts'
import { crowd } from './crowd.ts'
import { databaseFrozen, databaseFrozenForLong, databaseKilled, databaseRestarted } from './database-gone.ts'
import { everythingFull, tablesFull } from './disk-full.ts'
import { mailServerAway, mailServerHangsUp, mailServerPicky, mailServerSlow } from './mail-trouble.ts'
import { outOfConnections } from './out-of-connections.ts'
import type { Scenario } from './scenario.ts'
import { serverKilled } from './server-killed.ts'
import { serverStopped, stoppedWhileStuck, workerStopped } from './stopping.ts'
import { workerKilled } from './worker-killed.ts'

export const SCENARIOS: readonly Scenario[] = [
  serverKilled,
  workerKilled,
  databaseKilled,
  databaseRestarted,
  databaseFrozen,
  databaseFrozenForLong,
  outOfConnections,
  tablesFull,
  everythingFull,
  mailServerAway,
  mailServerSlow,
  mailServerPicky,
  mailServerHangsUp,
  clockJumps,
  crowd,
  serverStopped,
  workerStopped,
  stoppedWhileStuck
]
