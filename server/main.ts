// `npm start`. Everything else is loaded once the process has its limits, and from what was compiled before.
import { enableCompileCache, flushCompileCache } from 'node:module'
import { join } from 'node:path'
import { limitMemory } from './memory.ts'

limitMemory()
enableCompileCache(join(import.meta.dirname, '../node_modules/.cache/muster'))
await import('./start.ts')
// one that is killed writes nothing at its end
flushCompileCache()
