// Takes jobs from the queue and hands each to its handler.
import { openMailbox } from '../db/mailbox.ts'
import type { Deps } from '../server/deps.ts'
import { createEgress } from '../server/events/egress.ts'
import { compileTemplates } from '../server/mail/render.ts'
import { createTransport } from '../server/mail/transport.ts'
import { inSpan } from '../server/tracing.ts'
import { cleanUp } from './handlers/clean-up.ts'
import { deliverEvents } from './handlers/deliver-events.ts'
import { giveUpMails } from './handlers/give-up-mail.ts'
import { indexNoted } from './handlers/index-names.ts'
import { startRelay } from './handlers/relay-events.ts'
import { applyRetention } from './handlers/retention.ts'
import { sendMails } from './handlers/send-mail.ts'
import { warnOfEndingTokens } from './handlers/warn-ending-tokens.ts'
import { JOB_NAMES, type JobName, type JobPayloads } from './queue.ts'

/** A batch shares its statements, and the transport's few connections; each of its mails has a minute in all. */
const MAIL_BATCH = 50
/** Fewer events, because each receiver may take ten seconds. */
const EVENT_BATCH = 20
/** Two, so that the next batch is read while one is being sent. */
const MAIL_BATCHES = 2
/** NOTIFY announces new jobs at once; jobs to be retried are polled for this often. */
const POLLING_SECONDS = 2
/** How long running work may go on when the process is asked to stop; other processes do the rest. */
const STOP_MS = 8_000
/** Minute 17 of every hour, when few other hourly jobs run. */
const CLEAN_UP_CRON = '17 * * * *'
const WARN_CRON = '37 * * * *'
/** At night. */
const RETENTION_CRON = '23 3 * * *'

/**
 * Starts taking jobs; mails go out over SMTP, or into the development mailbox if no server is set.
 * @returns a function that closes the worker: it takes no new jobs, and finishes running ones within 8 seconds at most
 * @throws Error if the mail templates do not compile
 */
export async function startWorker(deps: Deps): Promise<() => Promise<void>> {
  const { boss } = deps.queue
  const stopping = new AbortController()
  const transport = createTransport({
    ...deps.config.mail,
    store: openMailbox(deps.db).store,
    logger: deps.log
  })
  const templates = await compileTemplates({ cacheDir: deps.config.dataDir })
  transport.verify().catch((error: unknown) => deps.log.error({ err: error }, 'the mail server does not take mails'))

  const asSpan = <T>(name: JobName, work: () => Promise<T>) => inSpan(deps.tracing, `job ${name}`, {}, work)
  const sending = { ...deps, templates, transport, signal: stopping.signal }
  const polling = { pollingIntervalSeconds: POLLING_SECONDS, notifyPollingIntervalSeconds: POLLING_SECONDS }
  await boss.work<JobPayloads['send-mail']>(
    'send-mail',
    {
      ...polling,
      batchSize: MAIL_BATCH,
      burstWhenBatchFull: true,
      localConcurrency: MAIL_BATCHES,
      perJobResults: true
    },
    (jobs) => asSpan('send-mail', () => sendMails(sending, jobs))
  )
  await boss.work<JobPayloads['give-up-mail']>('give-up-mail', { ...polling, batchSize: MAIL_BATCH }, (jobs) =>
    asSpan('give-up-mail', () => giveUpMails(deps, jobs))
  )
  await boss.work<JobPayloads['index-names']>('index-names', polling, (jobs) =>
    asSpan('index-names', () => indexNoted(deps, jobs, stopping.signal))
  )
  await boss.work('clean-up', { pollingIntervalSeconds: 30 }, () =>
    asSpan('clean-up', () => cleanUp(deps, stopping.signal))
  )
  const egress = createEgress(deps.config.events)
  const delivering = { ...deps, egress }
  await boss.work<JobPayloads['deliver-event']>(
    'deliver-event',
    { ...polling, batchSize: EVENT_BATCH, burstWhenBatchFull: true, localConcurrency: 2, perJobResults: true },
    (jobs) => asSpan('deliver-event', () => deliverEvents(delivering, jobs))
  )
  const stopRelay = startRelay(deps)
  await boss.schedule('clean-up', CLEAN_UP_CRON)
  await boss.work('warn-ending-tokens', { pollingIntervalSeconds: 30 }, () =>
    asSpan('warn-ending-tokens', () => warnOfEndingTokens(deps, stopping.signal))
  )
  await boss.schedule('warn-ending-tokens', WARN_CRON)
  await boss.work('retention', { pollingIntervalSeconds: 30 }, () =>
    asSpan('retention', () => applyRetention(deps, stopping.signal))
  )
  await boss.schedule('retention', RETENTION_CRON)

  return async () => {
    const timer = setTimeout(() => stopping.abort(), STOP_MS)
    await Promise.all([stopRelay(), ...JOB_NAMES.map((name) => boss.offWork(name))])
    clearTimeout(timer)
    await egress.close()
    const closed = transport.close()
    if (!stopping.signal.aborted) await closed
  }
}
