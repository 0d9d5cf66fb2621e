// The values of columns: sets of words, and settings as JSON.
import type { ColumnType } from 'kysely'

export const ROLES = ['stakeholder', 'responder', 'manager', 'administrator'] as const
export type Role = (typeof ROLES)[number]
export const USER_STATES = ['invited', 'active', 'deactivated', 'removed'] as const
export type UserState = (typeof USER_STATES)[number]
export const TENANT_STATES = ['active', 'suspended'] as const
export type TenantState = (typeof TENANT_STATES)[number]
/** Stored states; `expired` is `pending` after `expires_at`. `adopted`: an IdP provisioned the invited person. */
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

/** A `json` column: written as text, read as text (db/client.ts leaves json unparsed on purpose). */
export type JsonText = ColumnType<string, string, string>

/** When a connection's mass deprovisioning is held; what is left out comes from the tenant, or is the default. */
export interface BrakeSettings {
  off?: boolean
  /** Share of the tenant's active users that may be deprovisioned within an hour. */
  percent?: number
  /** This many are always let through, however small the tenant. */
  people?: number
}

/** The contents of a mail to administrators. */
export interface Notice {
  /** One line. */
  subject: string
  message: string
  /** A second paragraph. */
  detail?: string
  /** The button's label, and where on the tenant's page it leads: `/provisioning`. */
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
  /** If there are any, only addresses of these domains may be invited. */
  allowedDomains?: string[]
  googleSignIn?: boolean
  passwordMinLength?: number
  /** Who must have a second factor to sign in by password; nobody when left out. */
  secondFactor?: 'administrators' | 'everybody'
  /** `own`: a SCIM token sees and manages only what its connection provisioned. */
  scimScope?: 'all' | 'own'
  /** Whether people made by SCIM get a welcome mail. */
  scimWelcomeMail?: boolean
  /** Days after which entries of the audit log are deleted, at least 30; never if left out. */
  auditRetentionDays?: number
  /** Days after which removed people are deleted for good; never if left out. */
  removedUserRetentionDays?: number
  /** Days after which mails that were sent, cancelled or failed are deleted; never if left out. */
  mailRetentionDays?: number
  /** For every connection without settings of its own. */
  brake?: BrakeSettings
  /** Whether any group gives a role: changes of members then update roles. Set with the mapping. */
  groupRoles?: boolean
  /** For how many days the wire log is kept; 30 if left out, 0 for not at all. */
  wireLogDays?: number
}
