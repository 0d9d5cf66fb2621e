// Plays faults in small; `npm run faults` plays all of them in full.
import { mailServerHangsUp } from './mail-trouble.ts'
import { playQuickly } from './quick.ts'
import { workerKilled } from './worker-killed.ts'

playQuickly('no mail is lost, and none repeated but where an answer was lost', [workerKilled, mailServerHangsUp])
