// Queries on mailbox_messages: mails kept for reading in development, where no SMTP server is set.
import type { Db } from './connect.ts'

/** Older messages are deleted as new ones arrive. */
const KEPT_MESSAGES = 1_000

interface MailboxEntry {
  id: string
  messageId: string
  to: string
  subject: string
  html: string
  text: string
}

const columns = [
  'id',
  'message_id as messageId',
  'to_address as to',
  'subject',
  'html',
  'text',
  'created_at as createdAt'
] as const

/** The development mailbox on a database; every function is safe to call from several processes at once. */
export function openMailbox(db: Db) {
  return {
    /** Stores a message and deletes all but the newest 1,000. A message whose id is already stored is ignored. */
    async store({ id, messageId, to, subject, html, text }: MailboxEntry): Promise<void> {
      await db
        .insertInto('mailbox_messages')
        .values({ id, message_id: messageId, to_address: to, subject, html, text })
        .onConflict((conflict) => conflict.column('id').doNothing())
        .execute()
      await db
        .deleteFrom('mailbox_messages')
        .where('id', 'in', (kept) =>
          kept
            .selectFrom('mailbox_messages')
            .select('id')
            .orderBy('created_at', 'desc')
            .orderBy('id', 'desc')
            .offset(KEPT_MESSAGES)
        )
        .execute()
    },

    /** Newest first. @param query.to one whole address, in any letter case */
    listMessages(query: { to?: string; limit: number }) {
      return db
        .selectFrom('mailbox_messages')
        .select(columns)
        .$if(query.to !== undefined, (all) =>
          all.where((where) => where(where.fn<string>('lower', ['to_address']), '=', query.to!.toLowerCase()))
        )
        .orderBy('created_at', 'desc')
        .orderBy('id', 'desc')
        .limit(query.limit)
        .execute()
    },

    /** @param id a uuid */
    findMessage(id: string) {
      return db.selectFrom('mailbox_messages').select(columns).where('id', '=', id).executeTakeFirst()
    },

    async clearMessages(): Promise<void> {
      await db.deleteFrom('mailbox_messages').execute()
    }
  }
}
