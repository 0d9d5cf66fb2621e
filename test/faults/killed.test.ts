// Plays faults in small; `npm run faults` plays all of them in full.
import { databaseKilled } from './database-gone.ts'
import { playQuickly } from './quick.ts'
import { serverKilled } from './server-killed.ts'

playQuickly('what a killed server or database had promised is kept', [serverKilled, databaseKilled])
