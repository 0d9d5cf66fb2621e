// The queue (pg-boss): the jobs' names and payloads, and how a transaction enqueues jobs.
import { type ConstructorOptions, fromKysely, PgBoss } from 'pg-boss'
import { v7 as uuidv7 } from 'uuid'
import type { Db } from '../db/connect.ts'
import { serverAddress } from '../db/server-address.ts'

/** The payload of each job: only ids, so that it reads fresh rows and may run twice. */
export interface JobPayloads {
  'send-mail': { tenantId: number; mailId: string } & Traced
  /** Follows the last attempt of `send-mail`, whether it failed or never finished. */
  'give-up-mail': { tenantId: number; mailId: string } & Traced
  /** Jobs of one stream about one subject run one after the other. */
  'deliver-event': { tenantId: number; deliveryId: string } & Traced
  /** At most one job of a tenant waits at a time. */
  'index-names': { tenantId: number } & Traced
  'clean-up': Record<string, never>
  'warn-ending-tokens': Record<string, never>
  retention: Record<string, never>
}
/** The W3C traceparent of the request that enqueued the job, if there are traces. */
interface Traced {
  traceparent?: string
}
export type JobName = keyof JobPayloads

const QUEUES = {
  // must come before the queue that refers to it
  'give-up-mail': { retryLimit: 10, retryDelay: 60, expireInSeconds: 60, deleteAfterSeconds: 3_600 },
  'send-mail': {
    // attempts after the first; the delay doubles to at most half an hour: about 4 hours in all
    retryLimit: 14,
    retryDelay: 5,
    retryBackoff: true,
    retryDelayMax: 1_800,
    expireInSeconds: 120,
    // a killed worker sends no heartbeats: another one takes its mails within a minute. Not shorter, because a database
    // that is away for some seconds misses the heartbeats of workers that are still sending
    heartbeatSeconds: 30,
    notify: true,
    deadLetter: 'give-up-mail',
    // `mails` has the state of a mail, so the queue need not remember it
    deleteAfterSeconds: 3_600
  },
  'deliver-event': {
    // a job that is to be retried holds up later ones with the same key, and so does one that has failed: the handler
    // therefore ends a delivery itself after three days, long before the retries are used up
    policy: 'key_strict_fifo',
    retryLimit: 1_000,
    retryDelay: 5,
    retryBackoff: true,
    retryDelayMax: 4 * 3_600,
    expireInSeconds: 120,
    notify: true,
    deleteAfterSeconds: 3_600
  },
  'index-names': {
    policy: 'short',
    retryLimit: 0,
    expireInSeconds: 3_600,
    notify: true,
    deleteAfterSeconds: 3_600
  },
  'clean-up': { retryLimit: 0, expireInSeconds: 600, deleteAfterSeconds: 3_600 },
  'warn-ending-tokens': { retryLimit: 0, expireInSeconds: 600, deleteAfterSeconds: 3_600 },
  retention: { retryLimit: 0, expireInSeconds: 3_600, deleteAfterSeconds: 3_600 }
} as const satisfies Record<JobName, object>

export const JOB_NAMES = Object.keys(QUEUES) as JobName[]

const SUPERVISE_SECONDS = 10
interface EnqueueOptions {
  startAfter?: Date
  /** One for each payload; jobs of a queue with the policy key_strict_fifo run in order for each key. */
  keys?: readonly string[]
}

export interface Queue {
  /** Enqueues one job for each payload in the transaction `trx`: the jobs exist once it commits. */
  enqueue<N extends JobName>(trx: Db, name: N, payloads: JobPayloads[N][], options?: EnqueueOptions): Promise<void>
  /** For the worker and for metrics. */
  readonly boss: PgBoss
  close(): Promise<void>
}

/** On Citus the queue stays on the coordinator. */
const backendOf = (isCitus: boolean) => ({ backend: isCitus ? ('citus' as const) : ('postgres' as const) })

/** pg-boss passes it on to pg unchanged; its types do not allow for a password function. */
const addressOf = (url: string) => serverAddress(url) as ConstructorOptions

/** Creates or upgrades the queue's schema `pgboss`; runs as the tables' owner. */
export async function prepareQueue(url: string, isCitus = false): Promise<void> {
  const boss = new PgBoss({
    ...backendOf(isCitus),
    ...addressOf(url),
    max: 2,
    supervise: false,
    schedule: false,
    registerInstance: false
  })
  boss.on('error', () => {})
  await boss.start()
  for (const [name, options] of Object.entries(QUEUES)) {
    await boss.createQueue(name, options)
    // a queue keeps the policy that it was made with
    const { policy: _, ...changeable } = options as { policy?: string }
    await boss.updateQueue(name, changeable)
  }
  await boss.stop({ graceful: false })
}

/**
 * Opens the queue with the server's rights.
 * @param isWorker whether this process also takes jobs: it then listens for new ones and maintains the queue
 */
export async function openQueue(options: {
  url: string
  role: string | undefined
  isWorker: boolean
  isCitus?: boolean
  onError: (error: Error) => void
  /** The traceparent of what is running, which goes along with enqueued jobs. */
  traceparent?: () => string | undefined
}): Promise<Queue> {
  const boss = new PgBoss({
    ...backendOf(options.isCitus ?? false),
    ...addressOf(options.url),
    options: options.role ? `-c role=${options.role}` : undefined,
    application_name: 'muster queue',
    max: options.isWorker ? 4 : 1,
    migrate: false,
    createSchema: false,
    supervise: options.isWorker,
    // looks for jobs of workers that are gone
    superviseIntervalSeconds: SUPERVISE_SECONDS,
    monitorIntervalSeconds: SUPERVISE_SECONDS,
    schedule: options.isWorker,
    useListenNotify: options.isWorker,
    registerInstance: false
  })
  boss.on('error', options.onError)
  await boss.start()
  return {
    boss,
    async enqueue(trx, name, payloads, { startAfter, keys } = {}) {
      if (payloads.length === 0) return
      const traceparent = options.traceparent?.()
      await boss.insert(
        name,
        payloads.map((payload, index) => ({
          data: traceparent ? { ...payload, traceparent } : payload,
          ...(startAfter && { startAfter }),
          // of jobs enqueued together, the one with the lower id runs first
          ...(keys && { singletonKey: keys[index]!, id: uuidv7({ seq: index }) })
        })),
        { db: fromKysely(trx) }
      )
    },
    close: () => boss.stop({ graceful: true, timeout: 10_000 })
  }
}
