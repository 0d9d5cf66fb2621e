// Set-up for tests of jobs: the app with a worker that sends to a mail server of the test's own.
import { sql } from 'kysely'
import type { Test } from 'tap'
import { SERVER_ROLE } from '../../db/migrate.ts'
import type { MailRow, MailState } from '../../db/schema.ts'
import { openQueue } from '../../jobs/queue.ts'
import { startWorker } from '../../jobs/worker.ts'
import { type Inviting, startInviting } from '../invitations/acme.ts'

export interface Mailing extends Inviting {
  /** The newest mail to an address, once it is in this state. */
  mailIs(address: string, state: MailState): Promise<MailRow>
  /** The newest mail to an address, once an attempt to send it has failed. */
  mailHasFailed(address: string): Promise<MailRow>
  /** Starts a worker besides the app's own. @returns stops it before the test ends */
  work(): Promise<() => Promise<void>>
  /** Resolves once the queue has nothing to do. */
  queueIsEmpty(): Promise<void>
}

/** @param options.retryLimit attempts after the first, without waiting */
export async function startMailing(
  t: Test,
  {
    smtpUrl,
    retryLimit = 20,
    isWorker = true,
    env
  }: { smtpUrl?: string; retryLimit?: number; isWorker?: boolean; env?: Record<string, string> } = {}
): Promise<Mailing> {
  const smtp = smtpUrl && { SMTP_URL: smtpUrl, MAIL_FROM: 'Muster <muster@muster.test>' }
  const acme = await startInviting(t, { env: { ...smtp, ...env }, isWorker })
  await sql`update pgboss.queue set retry_delay = 0, retry_backoff = false, retry_delay_max = null,
    retry_limit = ${retryLimit} where name = 'send-mail'`.execute(acme.owner)

  async function until(address: string, isMet: (mail: MailRow) => boolean): Promise<MailRow> {
    for (;;) {
      const mail = await acme.owner
        .selectFrom('mails')
        .selectAll()
        .where('to_address', '=', address)
        .orderBy('id', 'desc')
        .limit(1)
        .executeTakeFirst()
      if (mail && isMet(mail)) return mail
      await pause()
    }
  }
  return {
    ...acme,
    mailIs: (address, state) => until(address, (mail) => mail.state === state),
    mailHasFailed: (address) => until(address, ({ error }) => error !== null),
    async work() {
      const queue = await openQueue({ url: acme.url, role: SERVER_ROLE, isWorker: true, onError: () => {} })
      const stop = await startWorker({ ...acme.deps, queue })
      const close = async () => {
        await stop()
        await queue.close()
      }
      t.teardown(close)
      return close
    },
    async queueIsEmpty() {
      for (;;) {
        const { rows } = await sql`select 1 from pgboss.job where name = 'send-mail' and state < 'completed'`.execute(
          acme.owner
        )
        if (rows.length === 0) return
        await pause()
      }
    }
  }
}

/** The pause between two looks at the database, which reports no changes. */
const pause = () => new Promise((done) => setTimeout(done, 20))
