// What every edge receives, once per process.
import type { FastifyBaseLogger } from 'fastify'
import type { Db } from '../db/connect.ts'
import type { Listener } from '../db/listen.ts'
import type { Queue } from '../jobs/queue.ts'
import type { Auth } from './auth/auth.ts'
import type { Config } from './config.ts'
import type { Counters } from './counters.ts'
import type { Sealer } from './secrets.ts'
import type { Tenancy } from './tenancy.ts'
import type { Tracing } from './tracing.ts'

export interface Deps {
  readonly config: Config
  readonly db: Db
  readonly listener: Listener
  readonly queue: Queue
  readonly sealer: Sealer
  readonly tenancy: Tenancy
  readonly auth: Auth
  readonly log: FastifyBaseLogger
  readonly counters: Counters
  /** Undefined where tracing is off. */
  readonly tracing: Tracing | undefined
  /** The operator's token, generated or from the settings. */
  readonly operatorToken: string
  /** The current time; tests may set it. */
  readonly now: () => Date
}
