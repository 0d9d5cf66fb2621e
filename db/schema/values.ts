// What columns hold: sets of words, and settings as JSON.
import type { ColumnType } from 'kysely'

export const ROLES = ['stakeholder', 'responder', 'manager', 'administrator'] as const
export type Role = (typeof ROLES)[number]
export const USER_STATES = ['invited', 'active', 'deactivated', 'removed'] as const
export type UserState = (typeof USER_STATES)[number]
export const TENANT_STATES = ['active', 'suspended'] as const
export type TenantState = (typeof TENANT_STATES)[number]
/** What is stored; `expired` is `pending` after `expires_at`. `adopted`: an IdP provisioned the invited person. */
const STORED_INVITATION_STATES = ['pending', 'accepted', 'revoked', 'adopted'] as const
export type StoredInvitationState = (typeof STORED_INVITATION_STATES)[number]
export const MAIL_STATES = ['queued', 'sent', 'failed', 'cancelled'] as const
export type MailState = (typeof MAIL_STATES)[number]
export const MAIL_TEMPLATES = ['invitation', 'welcome-back', 'password-reset', 'notice'] as const
export type MailTemplate = (typeof MAIL_TEMPLATES)[number]
export const SCIM_PROFILES = ['auto', 'strict', 'entra', 'okta', 'onelogin', 'jumpcloud', 'google'] as const
export type ScimProfile = (typeof SCIM_PROFILES)[number]
export const ACTOR_KINDS = ['user', 'apiToken', 'scimToken', 'operator', 'system'] as const
export type ActorKind = (typeof ACTOR_KINDS)[number]

/** A `json` column: written as text, read as text (db/connect.ts leaves json unparsed on purpose). */
export type JsonText = ColumnType<string, string, string>

/** When a connection's mass deprovisioning is held; a fact that is left out is the tenant's, or the default. */
export interface BrakeSettings {
  off?: boolean
  /** Of the tenant's active users, within an hour. */
  percent?: number
  /** The least number that is let through, however small the tenant. */
  people?: number
}

/** What a mail tells administrators. */
export interface Notice {
  /** One line. */
  subject: string
  message: string
  /** A second paragraph. */
  detail?: string
  /** What the button says, and where on the tenant's page it leads: `/provisioning`. */
  actionName: string
  actionPath: string
}

export interface TenantSettings {
  /** Shown in mails and on the page; https only. */
  logoUrl?: string
  /** The From name of the tenant's mails; the tenant's name when left out. */
  senderName?: string
  /** Overrides INVITATION_TTL_HOURS. */
  invitationTtlHours?: number
  /** Only addresses of these domains may be invited, when there are any. */
  allowedDomains?: string[]
  googleSignIn?: boolean
  passwordMinLength?: number
  /** Who must have a second factor to sign in by password; nobody when left out. */
  secondFactor?: 'administrators' | 'everybody'
  /** `own`: a SCIM token sees and manages only what its connection provisioned. */
  scimScope?: 'all' | 'own'
  /** Whether people made by SCIM get a welcome mail. */
  scimWelcomeMail?: boolean
  /** Days after which entries of the audit log go, 30 at least; left out: never. */
  auditRetentionDays?: number
  /** Days after which removed people go for good; left out: never. */
  removedUserRetentionDays?: number
  /** Days after which mails that were sent, cancelled or failed go from the list; left out: never. */
  mailRetentionDays?: number
  /** For every connection that sets nothing else. */
  brake?: BrakeSettings
  /** Whether any group gives a role: what changes members then follows it up. Set with the mapping. */
  groupRoles?: boolean
  /** For how many days what identity providers sent and got is kept; 30 when left out, 0 for not at all. */
  wireLogDays?: number
}
