// Builds the real app on a database of its own; tests drive it with injected requests.
import type { FastifyInstance, InjectOptions, LightMyRequestResponse } from 'fastify'
import { pino } from 'pino'
import { listen } from '../../db/listen.ts'
import { SERVER_ROLE } from '../../db/migrate.ts'
import { openQueue } from '../../jobs/queue.ts'
import { startWorker } from '../../jobs/worker.ts'
import { buildApp, type TIMEOUTS } from '../../server/app.ts'
import { createAuth } from '../../server/auth/auth.ts'
import { type Config, loadConfig } from '../../server/config.ts'
import { createCounters } from '../../server/counters.ts'
import type { Deps } from '../../server/deps.ts'
import { createSealer } from '../../server/secrets.ts'
import { createTenancy } from '../../server/tenancy.ts'
import { isOnCluster } from './cluster.ts'
import { openDatabase, type TestDatabase } from './database.ts'
import type { Teardown } from './process.ts'

export const OPERATOR_TOKEN = 'operator-token-of-the-tests-0123456789'
export const SECRET_KEY = 'secret-key-of-the-tests-0123456789-abcdef'

/** A clock that tests may move: `clock.advance({ hours: 200 })`. */
interface TestClock {
  now(): Date
  advance(by: { hours?: number; minutes?: number; seconds?: number }): void
  /** From now on only `advance` moves it. */
  stop(): void
}

function createClock(): TestClock {
  let offsetMs = 0
  let stoppedMs: number | undefined
  return {
    now: () => new Date((stoppedMs ?? Date.now()) + offsetMs),
    stop: () => {
      stoppedMs ??= Date.now()
    },
    advance: ({ hours = 0, minutes = 0, seconds = 0 }) => {
      offsetMs += ((hours * 60 + minutes) * 60 + seconds) * 1000
    }
  }
}

export interface Caller {
  cookie?: string
  token?: string
  headers?: Record<string, string>
}

export interface TrpcAnswer {
  status: number
  /** The procedure's result, when it succeeded. */
  // biome-ignore lint/suspicious/noExplicitAny: tests read whatever the procedure gives and assert on it
  data: any
  error: { message: string; code: string; reason: string; [fact: string]: unknown } | undefined
  /** `name=value` of the session cookie, if the answer set one. */
  cookie: string | undefined
  response: LightMyRequestResponse
}

export interface TestApp extends TestDatabase {
  app: FastifyInstance
  deps: Deps
  config: Config
  clock: TestClock
  /** Calls `procedure` on a tenant's host, or on the base domain for `''`; `query` by GET, `mutate` by POST. */
  query(host: string, procedure: string, input?: unknown, caller?: Caller): Promise<TrpcAnswer>
  mutate(host: string, procedure: string, input?: unknown, caller?: Caller): Promise<TrpcAnswer>
  inject(host: string, options: InjectOptions): Promise<LightMyRequestResponse>
}

export const OPERATOR: Caller = { token: OPERATOR_TOKEN }

/** Settings of the tests: cheap bcrypt, the mailbox, and nothing from the developer's environment. */
const testConfig = (overrides: Record<string, string> = {}): Config =>
  loadConfig({
    DATABASE_URL: 'postgres://unused.test/unused',
    SECRET_KEY,
    OPERATOR_TOKEN,
    BASE_DOMAIN: 'muster.test',
    PUBLIC_PORT: '80',
    BCRYPT_COST: '4',
    LOG_LEVEL: 'silent',
    // workers keep compiled mails there: in the folder of the test run, not in the project's
    DATA_DIR: process.env.TEST_MAIL_TEMPLATES ?? '',
    // other work on the machine delays the process, and these tests are not about that
    MAX_REQUESTS_IN_FLIGHT: '0',
    ...overrides
  })

export async function startApp(
  t: Teardown,
  options: {
    env?: Record<string, string>
    database?: TestDatabase
    isWorker?: boolean
    webFolder?: string
    timeouts?: typeof TIMEOUTS
    sealer?: Deps['sealer']
    operatorToken?: string
  } = {}
): Promise<TestApp> {
  const database = options.database ?? (await openDatabase(t))
  const config = testConfig(options.env)
  const clock = createClock()
  const log = pino({ level: config.logLevel }) as unknown as Deps['log']
  const counters = createCounters()
  const listener = await listen(database.url)
  const queue = await openQueue({
    url: database.url,
    role: SERVER_ROLE,
    isWorker: options.isWorker ?? false,
    isCitus: isOnCluster,
    onError: () => {}
  })
  const deps: Deps = {
    config,
    db: database.db,
    listener,
    queue,
    sealer: options.sealer ?? createSealer([SECRET_KEY]),
    tenancy: createTenancy({ config, db: database.db, listener }),
    log,
    counters,
    tracing: undefined,
    operatorToken: options.operatorToken ?? OPERATOR_TOKEN,
    now: clock.now,
    auth: createAuth({ config, counters, db: database.db, listener, log })
  }
  const app = await buildApp(deps, { webFolder: options.webFolder, timeouts: options.timeouts })
  const stopWorker = options.isWorker ? await startWorker(deps) : undefined
  t.teardown(async () => {
    await stopWorker?.()
    await app.close()
    await queue.close()
    await listener.close()
  })

  const inject: TestApp['inject'] = (host, request) =>
    app.inject({ ...request, headers: { host: hostName(host, config), ...request.headers } })

  const call = async (method: 'GET' | 'POST', host: string, procedure: string, input: unknown, caller: Caller = {}) => {
    const query = method === 'GET' && input !== undefined ? `?input=${encodeURIComponent(JSON.stringify(input))}` : ''
    const response = await inject(host, {
      method,
      url: `/trpc/${procedure}${query}`,
      headers: {
        ...(method === 'POST' && { 'content-type': 'application/json' }),
        ...(caller.token && { authorization: `Bearer ${caller.token}` }),
        ...(caller.cookie && { cookie: caller.cookie }),
        ...caller.headers
      },
      ...(method === 'POST' && { payload: JSON.stringify(input ?? {}) })
    })
    return readAnswer(response)
  }
  return {
    ...database,
    app,
    deps,
    config,
    clock,
    inject,
    query: (host, procedure, input, caller) => call('GET', host, procedure, input, caller),
    mutate: (host, procedure, input, caller) => call('POST', host, procedure, input, caller)
  }
}

const hostName = (host: string, config: Config) =>
  host === '' ? config.public.baseDomain : host.includes('.') ? host : `${host}.${config.public.baseDomain}`

function readAnswer(response: LightMyRequestResponse): TrpcAnswer {
  const body = response.json()
  const cookie = response.cookies.find(({ value }) => value)
  return {
    status: response.statusCode,
    data: body.result?.data,
    error: body.error && { message: body.error.message, ...body.error.data },
    cookie: cookie && `${cookie.name}=${cookie.value}`,
    response
  }
}
