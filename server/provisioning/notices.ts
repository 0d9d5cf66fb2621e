// What administrators are told by mail, because it cannot wait until they look.
import { v7 as uuidv7 } from 'uuid'
import type { Trx } from '../../db/connect.ts'
import { insertNotices } from '../../db/mails.ts'
import type { Notice } from '../../db/schema.ts'
import type { Deps } from '../deps.ts'

/**
 * Queues a mail to each administrator of a tenant, in the transaction that makes it necessary: two statements.
 * @returns how many mails
 */
export async function notifyAdministrators(
  trx: Trx,
  { queue }: Pick<Deps, 'queue'>,
  tenantId: number,
  notice: Notice,
  now: Date
): Promise<number> {
  const mailIds = await insertNotices(trx, tenantId, notice, now, () => uuidv7({ msecs: now.getTime() }))
  await queue.enqueue(
    trx,
    'send-mail',
    mailIds.map((mailId) => ({ tenantId, mailId }))
  )
  return mailIds.length
}
