// Plays faults in small; `npm run faults` plays all of them in full.
import { clockJumps } from './clock.ts'
import { tablesFull } from './disk-full.ts'
import { playQuickly } from './quick.ts'
import { serverStopped } from './stopping.ts'

// the one that moves the database goes last
playQuickly('the service lives through a jump of the clock, an orderly end and a full disk', [
  clockJumps,
  serverStopped,
  tablesFull
])
