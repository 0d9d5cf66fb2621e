// `npm start`. Sets the process's limits first, then loads everything else, from earlier compiled code if possible.
import { giveBackAtRest, limitMemory, loadCompiled } from './memory.ts'

limitMemory()
const { start } = await loadCompiled(() => import('./start.ts'))
start()
giveBackAtRest()
