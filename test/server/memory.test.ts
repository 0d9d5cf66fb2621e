import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { test } from 'tap'

const MEMORY = join(import.meta.dirname, '../../server/memory.ts')

test('the memory of a process', async (t) => {
  const folder = t.testdir({
    'start.mjs': `
      import { limitMemory } from ${JSON.stringify(MEMORY)}
      limitMemory()
      const { pid, execArgv, argv, env } = process
      console.log(JSON.stringify({ pid, execArgv, argv: argv.slice(2), arenas: env.MALLOC_ARENA_MAX, kept: env.KEPT }))`,
    'load.mjs': `
      import { limitMemory, loadCompiled } from ${JSON.stringify(MEMORY)}
      limitMemory()
      const { word } = await loadCompiled(() => import('./typed.ts'))
      const hasStripper = process.moduleLoadList.some((name) => name.includes('amaro'))
      console.log(JSON.stringify({ pid: process.pid, word, hasStripper, isSecond: 'MUSTER_COMPILED' in process.env }))`,
    'rest.mjs': `
      import { setTimeout } from 'node:timers/promises'
      import { giveBackAtRest, limitMemory } from ${JSON.stringify(MEMORY)}
      limitMemory()
      giveBackAtRest({ lookMs: 100 })
      let much = Array.from({ length: 2_000_000 }, (_, index) => ({ index }))
      const busy = process.memoryUsage.rss()
      much = undefined
      const patience = Date.now() + 30_000
      while (process.memoryUsage.rss() > busy / 2 && Date.now() < patience) await setTimeout(50)
      console.log(JSON.stringify({ busy, atRest: process.memoryUsage.rss(), hasCollector: 'gc' in globalThis }))`,
    'forgotten.mjs': `
      import { setTimeout } from 'node:timers/promises'
      import { giveBackAtRest, limitMemory } from ${JSON.stringify(MEMORY)}
      limitMemory()
      const much = () => Array.from({ length: 2_000_000 }, (_, index) => ({ index }))
      let [remembered, garbage] = [much(), much()]
      const busy = process.memoryUsage.rss()
      garbage = undefined
      giveBackAtRest({ lookMs: 100, forgottenMs: 5_000 })
      const patience = Date.now() + 30_000
      const until = async (most) => {
        while (process.memoryUsage.rss() > most && Date.now() < patience) await setTimeout(50)
        return process.memoryUsage.rss()
      }
      const atRest = await until(busy * 0.8)
      // nothing in the new process shows it
      remembered = undefined
      console.log(JSON.stringify({ busy, atRest, later: await until(atRest / 2) }))`,
    'typed.ts': `export const word: string = 'typed'`
  })
  async function start(env: Record<string, string> = {}, file = 'start.mjs', flags: readonly string[] = []) {
    // with env, because the test runner sets NODE_OPTIONS for processes that it sees
    const settings = Object.entries({ KEPT: 'kept', ...env }).map(([name, value]) => `${name}=${value}`)
    const node = [process.execPath, '--no-warnings', ...flags, join(folder, file), 'an argument']
    const child = spawn('env', ['-u', 'NODE_OPTIONS', ...settings, ...node], { stdio: ['ignore', 'pipe', 'pipe'] })
    const [output, errors] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'exit')])
    t.equal(errors, '')
    return { child, told: JSON.parse(output) }
  }

  t.test('is limited by a restart in place, which keeps everything else', async (t) => {
    const { child, told } = await start()
    t.equal(told.pid, child.pid)
    t.match(told, { argv: ['an argument'], arenas: '2', kept: 'kept' })
    t.ok(told.execArgv.includes('--max-semi-space-size=8'))
    t.ok(told.execArgv.includes('--no-warnings'))
  })

  t.test('is left to whoever sets NODE_OPTIONS', async (t) => {
    t.equal((await start({ MALLOC_ARENA_MAX: '8' })).told.arenas, '8')
    const { told } = await start({ NODE_OPTIONS: '--max-semi-space-size=64' })
    t.strictSame(told.execArgv, ['--no-warnings'])
  })

  t.test('contains nothing that strips types, even if no file had been compiled', async (t) => {
    const cache = { NODE_COMPILE_CACHE: join(folder, 'cache') }
    const first = await start(cache, 'load.mjs')
    t.strictSame(first.told, { pid: first.child.pid, word: 'typed', hasStripper: false, isSecond: true })
    const next = await start(cache, 'load.mjs')
    t.match(next.told, { word: 'typed', hasStripper: false, isSecond: false }, 'which is found by the next start')
  })

  t.test('is given back at rest', async (t) => {
    const { busy, atRest, hasCollector } = (await start({}, 'rest.mjs')).told
    t.ok(atRest < busy / 2, `${atRest} of ${busy}`)
    t.equal(hasCollector, false)
  })

  t.test('is given back once more when memories of busy times have expired', async (t) => {
    // V8 cleans up by itself some seconds after a collection, but not later
    const { busy, atRest, later } = (await start({}, 'forgotten.mjs', ['--no-memory-reducer'])).told
    t.ok(atRest < busy * 0.8, `${atRest} of ${busy}`)
    t.ok(later < atRest / 2, `${later} of ${atRest}`)
  })

  t.test('is limited by at most one more start if nothing can be cached', async (t) => {
    const { told } = await start({ NODE_COMPILE_CACHE: '/dev/null/cache' }, 'load.mjs')
    t.match(told, { word: 'typed', hasStripper: true, isSecond: true })
  })
})
