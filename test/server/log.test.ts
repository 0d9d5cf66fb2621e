// What is logged, observed in a process of its own, because lines are written after the request.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import Fastify from 'fastify'
import { pino } from 'pino'
import { test } from 'tap'
import { logOfRequest, RequestLog } from '../../server/log.ts'

const LOG = join(import.meta.dirname, '../../server/log.ts')

/** The lines that a script writes to a pipe before and at its exit. */
async function linesOf(script: string): Promise<Record<string, unknown>[]> {
  const code = `import { createLogger, outliveStrayRejections } from ${JSON.stringify(LOG)}; const log = createLogger('info'); ${script}`
  const child = spawn(process.execPath, ['--input-type=module-typescript', '-e', code], {
    stdio: ['ignore', 'pipe', 'inherit']
  })
  const [output] = await Promise.all([text(child.stdout!), once(child, 'exit')])
  return output
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line))
}

test('Every line is written, even if the process exits right after it', async (t) => {
  const lines = await linesOf('for (let i = 0; i < 1000; i++) log.info({ i }, "said"); process.exit(0)')
  t.equal(lines.length, 1_000)
  t.match(lines.at(-1), { i: 999, msg: 'said' })
})

test('Secrets and queries of requests are not logged', async (t) => {
  const [line] = await linesOf(`log.info({
    user: { password: 'hunter2', token: 'mst_scim_x' },
    req: { id: '1', method: 'GET', url: '/accept?token=abc', host: 'acme.test', ip: '::1', headers: { cookie: 'x' } }
  })`)
  t.match(line, { user: { password: '[redacted]', token: '[redacted]' } })
  t.strictSame(line!['req'], { id: '1', method: 'GET', path: '/accept', host: 'acme.test', ip: '::1' })
})

test('An error is logged with its causes, and without the row that PostgreSQL quotes', async (t) => {
  const [line] = await linesOf(`
    const cause = Object.assign(new Error('violates check'), { code: '23514', detail: 'Failing row contains ($2b$12$x)',
      constraint: 'users_check', table: 'users', client: { password: 'p' } })
    log.error({ err: new Error('Could not write', { cause }), outer: { secret: 's', deep: 1 } })`)
  t.match(line, {
    err: {
      message: 'Could not write',
      cause: { code: '23514', constraint: 'users_check', table: 'users', stack: /check/ }
    },
    outer: { secret: '[redacted]', deep: 1 }
  })
  t.notMatch(JSON.stringify(line), /Failing|client/)
})

test('A rejection that nobody handles is logged, and ends nothing', async (t) => {
  const lines = await linesOf(`
    outliveStrayRejections(log)
    void Promise.reject(new Error('stray'))
    setTimeout(() => log.info('still there'), 10)`)
  t.match(lines, [{ level: 50, err: { message: 'stray', stack: /stray/ } }, { msg: 'still there' }])
})

test('A request is one line, written once it is answered', async (t) => {
  const lines: Record<string, unknown>[] = []
  const sink = { write: (line: string) => lines.push(JSON.parse(line)) }
  const app = Fastify({ loggerInstance: pino({ level: 'info' }, sink), logController: new RequestLog() })
  app.get('/there', async () => ({}))
  await app.inject('/there')
  await app.inject('/nowhere')
  t.match(lines, [
    {
      msg: 'request completed',
      reqId: 'req-1',
      req: { url: '/there' },
      res: { statusCode: 200 },
      responseTime: Number
    },
    { msg: 'Route GET:/nowhere not found' },
    { msg: 'request completed', reqId: 'req-2', req: { url: '/nowhere' }, res: { statusCode: 404 } }
  ])
})

test('Other lines of a request have the same id and names', async (t) => {
  const lines: Record<string, unknown>[] = []
  const sink = { write: (line: string) => lines.push(JSON.parse(line)) }
  const app = Fastify({
    loggerInstance: pino({ level: 'info' }, sink),
    logController: new RequestLog(),
    childLoggerFactory: (logger, bindings, options) => logOfRequest(logger, { ...bindings, tenant: 'ac"me' }, options)
  })
  app.get('/said', async (request) => {
    request.log.warn({ n: 1 }, 'said')
    request.log.child({ part: 'inner' }).info('deeper')
    request.log.debug('unheard')
    return {}
  })
  app.get('/quiet', { logLevel: 'warn' }, async () => ({}))
  await app.inject('/said')
  await app.inject('/quiet')
  const whose = { reqId: 'req-1', tenant: 'ac"me' }
  t.match(lines, [
    { ...whose, level: 40, n: 1, msg: 'said' },
    { ...whose, part: 'inner', msg: 'deeper' },
    { ...whose, msg: 'request completed' }
  ])
  t.equal(lines.length, 3, 'nothing of a route that logs warnings alone')
})
