// What the mail folder's files share: each template's values, a message, and the one error of sending.

export const TEMPLATE_NAMES = ['invitation', 'welcome-back', 'password-reset', 'first-password', 'notice'] as const
export type TemplateName = (typeof TEMPLATE_NAMES)[number]

/** What a tenant may set about its mails' looks. */
interface TenantLook {
  /** http(s) URL of an image that is shown 40 px high in place of the tenant's name. */
  logoUrl?: string
  /** Who the mail says it is from; Muster otherwise. */
  senderName?: string
}

/** Of `invitation`, and of `welcome-back`: an invitation of someone who was removed, and must choose a new password. */
export interface InvitationData extends TenantLook {
  inviterName: string
  tenantName: string
  /** As people read it: `Responder`. */
  roleName: string
  acceptUrl: string
  /** As people read it, with its time zone; `formatInstant` makes it. */
  expiresAt: string
  /** The invited address. */
  email: string
}

/** Of somebody who has no password yet, whether they have asked for the link or an identity provider has made them. */
interface FirstPasswordData extends TenantLook {
  tenantName: string
  resetUrl: string
  /** Whole minutes, at least 1. */
  expiresInMinutes: number
  email: string
}

export interface PasswordResetData extends FirstPasswordData {
  /** Where the request came from, as people read it: `Firefox on Linux, 192.0.2.7`. */
  requestedFrom?: string
}

/** What administrators are told. */
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
  /** A uuid: the same for every attempt at the same mail, so that a repeat can be recognised. */
  id: string
  /** One bare address, `ada@acme.test`. */
  to: string
  /** Shown as the sender in place of the name in MAIL_FROM; the address stays the same. */
  fromName?: string
}

/** A message as the development mailbox keeps it. */
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
