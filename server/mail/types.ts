// What files in the mail folder share: each template's values, a message, and the error of sending.

export const TEMPLATE_NAMES = ['invitation', 'welcome-back', 'password-reset', 'first-password', 'notice'] as const
export type TemplateName = (typeof TEMPLATE_NAMES)[number]

/** What a tenant may set for the look of its mails. */
interface TenantLook {
  /** http(s) URL of an image, shown 40 px high in place of the tenant's name. */
  logoUrl?: string
  /** The sender's name in the mail; Muster by default. */
  senderName?: string
}

/** For `invitation`, and for `welcome-back`, which invites a removed person, who must choose a new password. */
export interface InvitationData extends TenantLook {
  inviterName: string
  tenantName: string
  /** The role in a person's words: `Responder`. */
  roleName: string
  acceptUrl: string
  /** For people, with the time zone, from `formatInstant`. */
  expiresAt: string
  /** The invited address. */
  email: string
}

/** For somebody who has no password yet, whether they asked for the link or an identity provider created them. */
interface FirstPasswordData extends TenantLook {
  tenantName: string
  resetUrl: string
  /** Whole minutes, at least 1. */
  expiresInMinutes: number
  email: string
}

export interface PasswordResetData extends FirstPasswordData {
  /** Where the request came from, for people: `Firefox on Linux, 192.0.2.7`. */
  requestedFrom?: string
}

/** A message to administrators. */
export interface NoticeData extends TenantLook {
  tenantName: string
  subject: string
  message: string
  detail?: string
  actionName: string
  actionUrl: string
  email: string
}

export interface TemplateData {
  invitation: InvitationData
  'welcome-back': InvitationData
  'password-reset': PasswordResetData
  'first-password': FirstPasswordData
  notice: NoticeData
}

export interface RenderedMail {
  /** One line of plain text. */
  subject: string
  html: string
  text: string
}

export interface MailMessage extends RenderedMail {
  /** A UUID, the same for every attempt at the same mail, so that a repeat can be recognised. */
  id: string
  /** One bare address, `ada@acme.test`. */
  to: string
  /** Shown as the sender in place of the name in MAIL_FROM; the address stays the same. */
  fromName?: string
}

/** A message as stored in the development mailbox. */
export interface StoredMessage extends RenderedMail {
  id: string
  /** With its angle brackets. */
  messageId: string
  to: string
}

export interface MailboxMessage extends StoredMessage {
  createdAt: Date
}

/** A mail that was not sent. */
export class MailError extends Error {
  /** Whether the same mail would fail again however often it is tried. */
  readonly permanent: boolean
  /** The mail server's own words (`550 5.1.1 No such user`), undefined where it said nothing. */
  readonly response: string | undefined

  constructor(message: string, extra: { permanent: boolean; response?: string; cause?: unknown }) {
    super(message, { cause: extra.cause })
    this.name = 'MailError'
    this.permanent = extra.permanent
    this.response = extra.response
  }
}
