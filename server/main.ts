// `npm start`. Everything else is loaded once the process has its limits, and from what was compiled before.
import { giveBackAtRest, limitMemory, loadCompiled } from './memory.ts'

limitMemory()
const { start } = await loadCompiled(() => import('./start.ts'))
start()
giveBackAtRest()
