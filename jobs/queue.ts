// The queue (pg-boss): its jobs' names and payloads, and how a transaction puts jobs into it.
import { type ConstructorOptions, fromKysely, PgBoss } from 'pg-boss'
import { v7 as uuidv7 } from 'uuid'
import type { Db } from '../db/connect.ts'
import { serverAddress } from '../db/server-address.ts'

/** What each job is given: ids alone, so that it reads fresh rows and may run twice. */
export interface JobPayloads {
  'send-mail': { tenantId: number; mailId: string } & Traced
  /** Follows the last attempt of `send-mail`, whether it failed or never came to an end. */
  'give-up-mail': { tenantId: number; mailId: string } & Traced
  /** Those of one stream about one subject run one after the other. */
  'deliver-event': { tenantId: number; deliveryId: string } & Traced
  /** Of one tenant, one job waits at a time. */
  'index-names': { tenantId: number } & Traced
  'clean-up': Record<string, never>
  'warn-ending-tokens': Record<string, never>
  retention: Record<string, never>
}
/** W3C traceparent of the request that asked for the job, where there are traces. */
interface Traced {
  traceparent?: string
}
export type JobName = keyof JobPayloads

const QUEUES = {
  // before the queue that refers to it
  'give-up-mail': { retryLimit: 10, retryDelay: 60, expireInSeconds: 60, deleteAfterSeconds: 3_600 },
  'send-mail': {
    // attempts after the first; the delay doubles to at most half an hour: about 4 hours in all
    retryLimit: 14,
    retryDelay: 5,
    retryBackoff: true,
    retryDelayMax: 1_800,
    expireInSeconds: 120,
    // of a worker that was killed nothing is heard: its mails are another one's within a minute. Not shorter, since a
    // database that is away for some seconds hears nothing of workers that go on sending
    heartbeatSeconds: 30,
    notify: true,
    deadLetter: 'give-up-mail',
    // the state of a mail is in `mails`; the queue need not remember it
    deleteAfterSeconds: 3_600
  },
  'deliver-event': {
    // a job that is to be tried again holds up those behind it with the same key, as does one that has failed: so the
    // handler ends a delivery itself after three days, long before the attempts are used up
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
  /** Puts one job for each payload into the queue, in the transaction `trx`: they exist when it commits. */
  enqueue<N extends JobName>(trx: Db, name: N, payloads: JobPayloads[N][], options?: EnqueueOptions): Promise<void>
  /** For the worker, which takes jobs, and for metrics. */
  readonly boss: PgBoss
  close(): Promise<void>
}

/** On Citus the queue stays on the coordinator. */
const backendOf = (isCitus: boolean) => ({ backend: isCitus ? ('citus' as const) : ('postgres' as const) })

/** pg-boss hands it on to pg as it is; its types know of no password that is asked for. */
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
  /** Of what runs just now: it goes with the jobs that are put into the queue. */
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
          // of jobs that are made at once, the one with the lower id runs first
          ...(keys && { singletonKey: keys[index]!, id: uuidv7({ seq: index }) })
        })),
        { db: fromKysely(trx) }
      )
    },
    close: () => boss.stop({ graceful: true, timeout: 10_000 })
  }
}
