// Opens what a process needs in order (database, queue, app, worker), and closes it in reverse order.
import type { AddressInfo } from 'node:net'
import { setTimeout } from 'node:timers/promises'
import type { FastifyBaseLogger, FastifyInstance } from 'fastify'
import { ensureBuilt, WEB_DIST } from '../client/web/build.ts'
import { connect, type Db } from '../db/connect.ts'
import { freePort, secretFile, startEmbedded } from '../db/embedded.ts'
import { isUnavailable } from '../db/failures.ts'
import { listen } from '../db/listen.ts'
import { migrate } from '../db/migrate.ts'
import { requireHeldUser } from '../db/rights.ts'
import { openQueue, prepareQueue } from '../jobs/queue.ts'
import { startWorker } from '../jobs/worker.ts'
import { buildApp } from './app.ts'
import { createAuth } from './auth/auth.ts'
import { type Config, ConfigError, secretPaths } from './config.ts'
import { createCounters } from './counters.ts'
import type { Deps } from './deps.ts'
import { createLogger } from './log.ts'
import { createSealer } from './secrets.ts'
import { createTenancy } from './tenancy.ts'
import { loadTracing } from './tracing.ts'
import { buildWorkerApp } from './worker-app.ts'

interface Running {
  readonly deps: Deps
  /** Undefined where RUN is `worker`. */
  readonly app: FastifyInstance | undefined
  /** The port that HTTP listens on; a worker only serves its health and metrics. */
  readonly port: number
  /** Takes no new work, finishes what runs, and closes everything. */
  close(): Promise<void>
}

/** The secrets, from the settings or generated. */
interface Secrets {
  keys: readonly string[]
  operatorToken: string
}

/**
 * Starts what RUN asks for.
 * @param options.onOpening receives a function that closes everything opened so far
 * @throws Error whose message says what could not be started, after closing what was opened
 */
export async function boot(
  given: Config,
  options: { log?: FastifyBaseLogger; now?: () => Date; onOpening?: (close: () => Promise<void>) => void } = {}
): Promise<Running> {
  const closers = new Closers()
  const close = () => closers.close()
  options.onOpening?.(close)
  try {
    return await open(given, options, closers, close)
  } catch (error) {
    await close()
    throw error
  }
}

/** What to close: first all workers at once, so that nothing new begins, then the rest in reverse order. */
class Closers {
  private readonly workers: (() => Promise<unknown>)[]
  private readonly rest: (() => Promise<unknown>)[]

  constructor() {
    this.workers = []
    this.rest = []
  }

  /** @param stop takes no new work and resolves once running work is finished */
  pushWorker(stop: () => Promise<unknown>): void {
    this.workers.push(stop)
  }

  push(closer: () => Promise<unknown>): void {
    this.rest.push(closer)
  }

  async close(): Promise<void> {
    await Promise.all(this.workers.splice(0).map((stop) => stop()))
    for (const closer of this.rest.splice(0).reverse()) await closer()
  }
}

/** How long to wait for a database that is just starting or restarting. */
const DATABASE_WAIT_MS = 30_000

/** @throws the error of the last attempt */
async function waitForDatabase<T>(log: FastifyBaseLogger, work: () => Promise<T>): Promise<T> {
  const deadline = performance.now() + DATABASE_WAIT_MS
  for (;;) {
    try {
      return await work()
    } catch (error) {
      if (!isUnavailable(error) || performance.now() > deadline) throw error
      log.warn({ err: error }, 'the database cannot be reached: waiting for it')
      await setTimeout(1_000)
    }
  }
}

async function open(
  given: Config,
  options: { log?: FastifyBaseLogger; now?: () => Date },
  closers: Closers,
  close: () => Promise<void>
): Promise<Running> {
  const log = options.log ?? createLogger(given.logLevel)
  let url = given.database.url
  if (!url) {
    const starting = startEmbedded(given.dataDir, { isApart: true })
    closers.push(() =>
      starting.then(
        (embedded) => embedded.stop(),
        () => {}
      )
    )
    url = (await starting).url
  }
  const { directUrl = url, migrateUrl: owner = directUrl, poolSize, preparedStatements: prepares } = given.database
  const isPooled = directUrl !== url
  const { serverRole: role, isCitus } = await waitForDatabase(log, () =>
    migrate(owner, (_, isCitus) => prepareQueue(owner, isCitus))
  )

  const tracing = await loadTracing(given, log)
  if (tracing) closers.push(() => tracing.close())
  const secrets = readSecrets(given)
  const db = connect({ url, role, poolSize, isPooled, prepares, isCitus, trace: tracing?.statement })
  closers.push(() => db.destroy())
  if (isPooled) await waitForDatabase(log, () => requireHeldUser(db))
  const listener = await listen(directUrl)
  closers.push(() => listener.close())
  const isWorker = given.run !== 'server'
  const queue = await openQueue({
    url: directUrl,
    role,
    isWorker,
    isCitus,
    onError: (error) => log.error({ err: error }, 'queue'),
    traceparent: tracing?.traceparent
  })
  closers.push(() => queue.close())

  const now = options.now ?? (() => new Date())
  const config = given
  const counters = createCounters()
  const shared = {
    counters,
    db,
    listener,
    queue,
    sealer: createSealer(secrets.keys),
    log,
    tracing,
    now,
    operatorToken: secrets.operatorToken,
    auth: createAuth({ config, counters, db, listener, log })
  }
  if (given.run === 'worker') {
    const deps: Deps = { ...shared, config, tenancy: createTenancy({ config, db, listener }) }
    const port = await watchWorker(deps, closers)
    closers.pushWorker(await startWorker(deps))
    return { deps, app: undefined, port, close }
  }
  const { deps, app, port } = await serve(shared, config, closers)
  if (isWorker) closers.pushWorker(await startWorker(deps))
  return { deps, app, port, close }
}

type Shared = Omit<Deps, 'config' | 'tenancy'>

/** PORT=0 takes a free port. Links must contain the real one, so it is found before anything is built. */
async function serve(shared: Shared, given: Config, closers: Closers) {
  const port = given.http.port === 0 ? await freePort() : given.http.port
  const publicPort = given.public.port === 0 ? port : given.public.port
  const config: Config = { ...given, http: { ...given.http, port }, public: { ...given.public, port: publicPort } }
  const deps: Deps = { ...shared, config, tenancy: createTenancy({ config, db: shared.db, listener: shared.listener }) }
  await ensureBuilt(() => process.stdout.write('  Building the web page, which takes some seconds…\n'))
  const app = await buildApp(deps, { webFolder: WEB_DIST })
  closers.pushWorker(() => finishRequests(app))
  await app.listen({ host: config.http.host, port }).catch(refusedPlace(config.http.host, port))
  return { deps, app, port }
}

/** @returns an error handler that turns a failure to listen on a wrong address into a ConfigError naming the setting */
const refusedPlace = (host: string, port: number) => (error: NodeJS.ErrnoException) => {
  const problems: Record<string, string> = {
    EADDRINUSE: `PORT ${port} is taken: another process listens on it`,
    EACCES: `PORT ${port} is not for this user to listen on`,
    EADDRNOTAVAIL: `HOST must be an address of this machine, not "${host}"`,
    ENOTFOUND: `HOST must be an address of this machine, not "${host}"`
  }
  const problem = problems[error.code ?? '']
  throw problem ? new ConfigError([problem]) : error
}

/** How long running requests may take once the process is asked to stop. */
const FINISH_MS = 8_000
const HANG_UP_EVERY_MS = 50

/** Takes no new connection and no new request, and ends requests that are not answered in time. */
async function finishRequests(app: FastifyInstance): Promise<void> {
  // clients keep an answered connection alive, which would keep the process alive
  const hangingUp = globalThis.setInterval(() => app.server.closeIdleConnections(), HANG_UP_EVERY_MS)
  const giveUp = globalThis.setTimeout(() => {
    app.log.warn('requests were not answered in time: their clients are hung up on')
    app.server.closeAllConnections()
  }, FINISH_MS)
  await app.close()
  clearInterval(hangingUp)
  clearTimeout(giveUp)
}

/** @returns the port for the worker's health: PORT, or a free one where a server on this machine has that */
async function watchWorker(deps: Deps, closers: Closers): Promise<number> {
  const app = await buildWorkerApp(deps)
  closers.push(() => app.close())
  const { host, port } = deps.config.http
  try {
    await app.listen({ host, port })
  } catch (error) {
    if ((error as { code?: string }).code !== 'EADDRINUSE') refusedPlace(host, port)(error as Error)
    await app.listen({ host, port: 0 })
    deps.log.warn(
      { wanted: port, port: portOf(app) },
      'PORT is taken: /healthz, /readyz and /metrics are on another one'
    )
  }
  return portOf(app)
}

const portOf = (app: FastifyInstance): number => (app.server.address() as AddressInfo).port

function readSecrets(config: Config): Secrets {
  const paths = secretPaths(config.dataDir)
  const isEmbedded = !config.database.url
  return {
    keys: config.secretKeys ?? [secretFile(paths.secretKey)],
    // without an embedded database and the setting, nobody knows the operator token: its API is closed
    operatorToken:
      config.operatorToken ?? (isEmbedded ? secretFile(paths.operatorToken) : crypto.randomUUID() + crypto.randomUUID())
  }
}

/** Whether no tenant exists yet; only then is demo data created. */
export async function isEmpty(db: Db): Promise<boolean> {
  return !(await db.selectFrom('tenants').select('id').limit(1).executeTakeFirst())
}
