// give-up-mail: marks a mail without attempts left as failed; the list of invitations shows that, and why.
import { inTenant } from '../../db/connect.ts'
import { failMails } from '../../db/mails.ts'
import { retryRaces } from '../../db/races.ts'
import type { Deps } from '../../server/deps.ts'
import type { JobPayloads } from '../queue.ts'

/** A mail that was sent or cancelled stays so. */
export async function giveUpMails(
  { counters, db, log }: Pick<Deps, 'counters' | 'db' | 'log'>,
  jobs: readonly { data: JobPayloads['give-up-mail'] }[]
): Promise<void> {
  for (const [tenantId, ofTenant] of Map.groupBy(jobs, ({ data }) => data.tenantId)) {
    const mailIds = ofTenant.map(({ data }) => data.mailId)
    const reason = 'No attempt to send it came to an end'
    const failed = await retryRaces(() => inTenant(db, tenantId, (trx) => failMails(trx, tenantId, mailIds, reason)))
    for (const { template } of failed) counters.noteMail(template, 'failed')
    log.warn({ job: 'give-up-mail', tenantId, mailIds }, 'give-up-mail')
  }
}
