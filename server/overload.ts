// Sheds load early: a request that would only wait is answered 503 at once, before anybody is authenticated, so that
// accepted ones are answered in time. Three measures cover three kinds of overload: requests in progress, requests that
// wait for a database connection (even if their clients have disconnected), and whether the process gets to its events
// at all.
import { monitorEventLoopDelay } from 'node:perf_hooks'
import type { FastifyInstance } from 'fastify'
import { Counter, Gauge } from 'prom-client'
import { poolStats } from '../db/connect.ts'
import type { Deps } from './deps.ts'
import { AppError } from './errors.ts'

declare module 'fastify' {
  interface FastifyContextConfig {
    /** Answered even under pressure: whoever monitors the process must see it. */
    isAlwaysServed?: boolean
  }
}

const SAMPLE_MS = 1_000
const RESOLUTION_MS = 20
/** A mean delay of events above this, in two consecutive samples, is more than a hiccup. */
const MAX_LOOP_DELAY_MS = 1_000
/** Random, so that clients refused together do not come back together. */
const RETRY_SECONDS = { least: 1, most: 5 }

/** Not encapsulated, so that its hook runs before anything that a request costs. */
export function shedLoad(
  app: FastifyInstance,
  { config, db, counters }: Pick<Deps, 'config' | 'db' | 'counters'>
): void {
  const { maxInFlight } = config.http
  const loop = watchEventLoop()
  app.addHook('onClose', async () => loop.stop())
  let inFlight = 0
  new Gauge({
    name: 'muster_http_requests_in_flight',
    help: 'Requests that are being worked on',
    registers: [counters.registry],
    collect() {
      this.set(inFlight)
    }
  })

  const shed = new Counter({
    name: 'muster_http_shed_total',
    help: 'Requests that were refused before they cost anything, by what there was too much of',
    labelNames: ['reason'],
    registers: [counters.registry]
  })
  const reasonToShed = (): string | undefined => {
    if (maxInFlight === 0) return undefined
    if (inFlight >= maxInFlight) return 'requests'
    if (poolStats(db).waiting >= maxInFlight) return 'database'
    return loop.isBlocked() ? 'process' : undefined
  }

  const leave = () => {
    inFlight--
  }
  app.addHook('onRequest', (request, reply, done) => {
    if (request.routeOptions.config.isAlwaysServed) return done()
    const reason = reasonToShed()
    if (reason) {
      shed.inc({ reason })
      return done(overloaded())
    }
    inFlight++
    // also fires where the client disconnects, unlike `onResponse`
    reply.raw.on('close', leave)
    done()
  })
}

function overloaded(): AppError {
  const { least, most } = RETRY_SECONDS
  return new AppError('unavailable', 'Too much is asked for just now: try again in a moment', {
    reason: 'overloaded',
    retryAfterSeconds: least + Math.floor(Math.random() * (most - least + 1))
  })
}

/** Exported for its test. `sample` receives the mean delay of each second, in milliseconds. */
export function createBlockedJudge(): { sample(delayMs: number): void; isBlocked(): boolean } {
  let late = 0
  return {
    sample(delayMs) {
      late = delayMs > MAX_LOOP_DELAY_MS ? late + 1 : 0
    },
    isBlocked: () => late >= 2
  }
}

function watchEventLoop() {
  const histogram = monitorEventLoopDelay({ resolution: RESOLUTION_MS })
  const judge = createBlockedJudge()
  histogram.enable()
  const timer = setInterval(() => {
    // NaN where nothing was measured
    judge.sample((histogram.mean || 0) / 1e6 - RESOLUTION_MS)
    histogram.reset()
  }, SAMPLE_MS).unref()
  return {
    isBlocked: judge.isBlocked,
    stop() {
      clearInterval(timer)
      histogram.disable()
    }
  }
}
