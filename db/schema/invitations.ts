// Invitations, and mails.
import type { ColumnType, Generated } from 'kysely'
import type { MailState, MailTemplate, Notice, Role, StoredInvitationState } from './values.ts'

export interface InvitationsTable {
  tenant_id: number
  id: string
  user_id: string
  state: StoredInvitationState
  role: Role
  inviter_id: string | null
  inviter_name: string
  created_at: Date
  /** When the newest link was made: creation, or the last resend. */
  renewed_at: Date
  expires_at: Date
  ended_at: Date | null
}

export interface InvitationLinksTable {
  tenant_id: number
  token_hash: Buffer
  invitation_id: string
  created_at: Date
  /** Set when a resend made a newer link. */
  replaced_at: Date | null
}

export interface MailsTable {
  tenant_id: number
  id: string
  template: MailTemplate
  user_id: string
  invitation_id: string | null
  to_address: string
  /** The link's token, sealed with SECRET_KEY; gone once the mail has left or will not be sent. */
  token_sealed: Buffer | null
  /** For the template `notice`: jsonb, read parsed. */
  notice: ColumnType<Notice | null, string | undefined, never>
  state: MailState
  attempts: Generated<number>
  queued_at: Date
  sent_at: Date | null
  error: string | null
}

export interface MailboxMessagesTable {
  id: string
  message_id: string
  to_address: string
  subject: string
  html: string
  text: string
  created_at: Generated<Date>
}
