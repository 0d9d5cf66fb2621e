// One interface per table. Rows keep SQL's snake_case; the migrations say what each column is for.
import type { ColumnType, Generated, Insertable, Selectable, Updateable } from 'kysely'

export const ROLES = ['stakeholder', 'responder', 'manager', 'administrator'] as const
export type Role = (typeof ROLES)[number]
export const USER_STATES = ['invited', 'active', 'deactivated', 'removed'] as const
export type UserState = (typeof USER_STATES)[number]
export const TENANT_STATES = ['active', 'suspended'] as const
export type TenantState = (typeof TENANT_STATES)[number]
/** What is stored; `expired` is `pending` after `expires_at`. `adopted`: an IdP provisioned the invited person. */
export const STORED_INVITATION_STATES = ['pending', 'accepted', 'revoked', 'adopted'] as const
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
type JsonText = ColumnType<string, string, string>

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

export interface TenantsTable {
  id: Generated<number>
  subdomain: string
  name: string
  state: TenantState
  /** jsonb, read parsed. */
  settings: ColumnType<TenantSettings, string | undefined, string>
  created_at: Date
  updated_at: Date
  /** The relay of events looks at those that have one. */
  event_stream_count: Generated<number>
  /** Of a shadow, whose id is negative: the tenant that it shows. */
  shadow_of: Generated<number | null>
}

export interface UsersTable {
  tenant_id: number
  id: string
  ordinal: Generated<string>
  state: UserState
  locked: Generated<boolean>
  /** What counts: their own, or a higher one of a group. */
  role: Role
  /** Their own where a group gives a higher one; null for everybody else. */
  given_role: Generated<Role | null>
  user_name: string
  user_name_key: string
  external_id: string | null
  connection_id: string | null
  email: string | null
  email_key: string | null
  display_name: string | null
  display_name_key: string | null
  given_name: string | null
  family_name: string | null
  family_name_key: string | null
  /** By it an index has them: what family_name_key was when it was last written otherwise than by a rename in place. */
  indexed_family_name: string | null
  /** Tenant and name of their row in user_family_names (db/family-names.ts); null where there is none. */
  listed_family_name: Generated<string | null>
  /** Made by the database: neither of these finds them. */
  is_name_unlisted: ColumnType<boolean, never, never>
  /** Made by the database: display name, else full name, else address or user name, in lower case. */
  shown_name_key: ColumnType<string, never, never>
  /** Follows from the state, for indexes, which must not know that. */
  is_removed: ColumnType<boolean, never, never>
  time_zone: string | null
  locale: string | null
  must_reset_password: Generated<boolean>
  doc: JsonText
  /** Who has an attribute that connection_id has not, as JSON: server/provisioning/authority.ts. */
  authority: ColumnType<string, string | undefined, string>
  /** The login address of their document that another user has: it is not claimed. */
  apart_key: Generated<string | null>
  version: Generated<number>
  created_at: Date
  updated_at: Date
  activated_at: Date | null
  last_sign_in_at: Date | null
}

export interface UserEmailsTable {
  tenant_id: number
  user_id: string
  value_key: string
}

/** Family names of those who were renamed in place. */
export interface UserFamilyNamesTable {
  tenant_id: number
  family_name_key: string
  user_id: string
}

export interface AddressesTable {
  address_key: string
  tenant_id: number
  user_id: string
}

export interface UserCredentialsTable {
  tenant_id: number
  user_id: string
  password_hash: string
  updated_at: Date
}

export interface GoogleIdentitiesTable {
  tenant_id: number
  issuer: string
  subject: string
  user_id: string
  email: string
  created_at: Date
}

export interface SessionsTable {
  tenant_id: number
  id: string
  token_hash: Buffer
  user_id: string
  method: 'password' | 'google' | 'invitation' | 'reset' | 'link'
  ip: string | null
  user_agent: string | null
  created_at: Date
  last_seen_at: Date
  expires_at: Date
  /** When the person has last proved who they are, after signing in. */
  confirmed_at: Generated<Date | null>
}

export interface SecondFactorsTable {
  tenant_id: number
  user_id: string
  secret_sealed: Buffer
  /** Null until a code of it was given. */
  confirmed_at: Date | null
  /** bigint, read as text: of the code that was used last. */
  last_step: string
  recovery_hashes: Buffer[]
  created_at: Date
}

export interface ApiTokensTable {
  tenant_id: number
  id: string
  token_hash: Buffer
  user_id: string
  name: string
  role: Role
  /** The API token that made it, with which it ends; null where a person did. */
  made_by: string | null
  created_at: Date
  expires_at: Date | null
  last_used_at: Date | null
}

export interface OneTimeCodesTable {
  tenant_id: number
  code_hash: Buffer
  purpose: 'google' | 'link'
  user_id: string
  /** SHA-256 of the cookie of the browser that began, when the code may only be used there. */
  browser_hash: Buffer | null
  expires_at: Date
}

export interface PasswordResetsTable {
  tenant_id: number
  token_hash: Buffer
  user_id: string
  created_at: Date
  expires_at: Date
  used_at: Date | null
}

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
  /** Of the template `notice`: jsonb, read parsed. */
  notice: ColumnType<Notice | null, string | undefined, never>
  state: MailState
  attempts: Generated<number>
  queued_at: Date
  sent_at: Date | null
  error: string | null
}

export interface GroupsTable {
  tenant_id: number
  id: string
  ordinal: Generated<string>
  display_name: string
  display_name_key: string
  external_id: string | null
  connection_id: string | null
  /** The connection that is gone and still has the group. */
  kept_by: Generated<string | null>
  doc: JsonText
  version: Generated<number>
  created_at: Date
  updated_at: Date
}

export interface GroupMembersTable {
  tenant_id: number
  group_id: string
  user_id: string
  /** The SCIM connection that put the user there; null for people. */
  connection_id: string | null
  /** The audit event that tells of it; null from before there was one. */
  event_id: string | null
}

export interface GroupChildrenTable {
  tenant_id: number
  group_id: string
  child_id: string
  /** As of GroupMembersTable. */
  connection_id: string | null
  event_id: string | null
}

/** What `group_members` held until `removed_event_id`. */
export interface PastMembershipsTable {
  tenant_id: number
  group_id: string
  user_id: string
  connection_id: string | null
  added_event_id: string | null
  removed_event_id: string
}

/** What `group_children` held until `removed_event_id`. */
export interface PastChildrenTable {
  tenant_id: number
  group_id: string
  child_id: string
  connection_id: string | null
  added_event_id: string | null
  removed_event_id: string
}

export interface GroupAncestorsTable {
  tenant_id: number
  group_id: string
  ancestor_id: string
}

export interface GroupRevisionsTable {
  tenant_id: number
  group_id: string
  slot: Generated<number>
  member_delta: number
  changes: Generated<number>
  at: Date
}

export interface ResourceCountsTable {
  tenant_id: number
  resource_type: 'User' | 'Group'
  slot: Generated<number>
  total: number
  moves: Generated<number>
}

export interface ScimConnectionsTable {
  tenant_id: number
  id: string
  name: string
  profile: ScimProfile
  highest_role: Role
  created_by: string | null
  created_at: Date
  /** jsonb, read parsed. */
  brake: ColumnType<BrakeSettings, string | undefined, string>
}

export interface ScimTokensTable {
  tenant_id: number
  id: string
  connection_id: string
  token_hash: Buffer
  created_at: Date
  expires_at: Date | null
  last_used_at: Date | null
  revoked_at: Date | null
  /** How many days before the end administrators were warned last. */
  warned_days: Generated<number | null>
}

export interface EventStreamsTable {
  tenant_id: number
  id: string
  /** `webhook`: Standard Webhooks. `set`: security event tokens (RFC 9967). */
  kind: 'webhook' | 'set'
  name: string
  url: string
  /** `user.created`, `user.*`; none for every event. */
  event_types: string[]
  /** Of `set`: the receiver, as the token's `aud` names it. */
  audience: string | null
  /** Of `set`: what the Authorization header says, sealed. */
  authorization_sealed: Buffer | null
  /** Of `webhook`. */
  secret_sealed: Buffer | null
  old_secret_sealed: Buffer | null
  old_secret_until: Date | null
  state: 'enabled' | 'paused'
  paused_because: string | null
  /** When administrators were last told of deliveries that were given up. */
  told_of_dead_at: Date | null
  /** Where `cursor_xid` was counted (EventCursor.node); null in rows of versions before. */
  cursor_node: string | null
  /** xid8, as text. */
  cursor_xid: string
  cursor_id: string
  /** EventCursor.floor */
  cursor_floor: string | null
  /** By the database's clock: when the transaction began that moved the cursor last. */
  relayed_at: Date | null
  created_at: Date
  updated_at: Date
}

export interface EventDeliveriesTable {
  tenant_id: number
  id: string
  stream_id: string
  event_id: string
  state: 'queued' | 'delivered' | 'dead'
  attempts: Generated<number>
  queued_at: Date
  attempted_at: Date | null
  status: number | null
  error: string | null
}

export interface SigningKeysTable {
  tenant_id: number
  id: string
  private_jwk_sealed: Buffer
  /** jsonb, read parsed. */
  public_jwk: ColumnType<Record<string, unknown>, string, never>
  created_at: Date
}

export interface ScimTokenUsesTable {
  tenant_id: number
  token_id: string
  /** Of the network; as text. */
  address: string
  last_used_at: Date
}

export interface GroupRolesTable {
  tenant_id: number
  group_id: string
  role: Role
}

/** A connection that is gone: how far it reached, and whether what it had stays as it left it. */
export interface PastConnectionsTable {
  tenant_id: number
  id: string
  highest_role: Role
  /** Null of one that went before names were kept. */
  name: string | null
  removed_at: Date | null
  is_kept: Generated<boolean>
}

/** How many people a connection may still deprovision within an hour; minutes are whole ones since 1970. */
export interface BrakesTable {
  tenant_id: number
  connection_id: string
  /** Active users of the tenant at `based_minute`. */
  base: number
  based_minute: number
  /** numeric, read as text. */
  percent: ColumnType<string, number, number>
  people: number
  permits: number
  slots: number
  released_minute: number | null
  episode_at: Date | null
  episode_ended_at: Date | null
  last_held_at: Date | null
  has_held: Generated<boolean>
  has_rejected: Generated<boolean>
}

export interface BrakeSlotsTable {
  tenant_id: number
  connection_id: string
  slot: number
  allowance: Generated<number>
  given: Generated<number>
  last_minute: number
  minutes: Generated<number[]>
}

export interface BrakePeopleTable {
  tenant_id: number
  connection_id: string
  user_id: string
  minute: number
}

export const HELD_KINDS = ['deactivate', 'remove', 'leave', 'removeGroup'] as const
export type HeldKind = (typeof HELD_KINDS)[number]
export const HELD_STATES = ['held', 'rejected'] as const
export type HeldState = (typeof HELD_STATES)[number]

/** What the brake kept from happening. */
export interface HeldChangesTable {
  tenant_id: number
  id: string
  connection_id: string
  kind: HeldKind
  /** Of a person: all kinds but `removeGroup`, and `leave` where a group was to leave. */
  user_id: string | null
  /** Of `leave`: the group that was to leave. */
  child_id: string | null
  /** Of `leave` and `removeGroup`. */
  group_id: string | null
  state: HeldState
  first_at: Date
  last_at: Date
  tries: Generated<number>
}

/** Why a person whom a connection wants to make is not linked without somebody's judgement. */
export const CONFLICT_REASONS = [
  /** The login address is one user's, the userName or externalId another's. */
  'twoPeople',
  /** Another connection manages the user. */
  'otherConnection',
  /** The same connection does, by another userName. */
  'sameConnection',
  /** The user's role is above the highest one of the connection. */
  'roleAbove',
  'deactivated',
  /** The userName is the user's, the login address is not. */
  'otherAddress',
  /** An address beside the login address is the user's. */
  'secondAddress'
] as const
export type ConflictReason = (typeof CONFLICT_REASONS)[number]
export const CONFLICT_DECISIONS = ['adopt', 'apart', 'ignore'] as const
export type ConflictDecision = (typeof CONFLICT_DECISIONS)[number]

/** Of whom a connection wants to make: what people are shown of it. */
export interface SentUser {
  userName: string
  externalId?: string
  displayName?: string
  givenName?: string
  familyName?: string
  title?: string
  /** The first few. */
  emails?: string[]
  role?: Role
  active: boolean
}

/** Somebody whom a connection wants to make, and who may be here already. */
export interface ScimConflictsTable {
  tenant_id: number
  id: string
  connection_id: string
  /** SHA-256 of what names the person, with access or without. */
  subject: Buffer
  reason: ConflictReason
  /** jsonb, read parsed. */
  sent: ColumnType<SentUser, string, string>
  user_name_key: string
  email_key: string | null
  external_id: string | null
  other_keys: string[]
  first_at: Date
  last_at: Date
  tries: Generated<number>
  decision: ConflictDecision | null
  adopt_id: string | null
  decided_at: Date | null
  decided_by: string | null
}

/** What a connection was refused, counted by the hour; the last one in full. */
export interface ScimErrorsTable {
  tenant_id: number
  connection_id: string
  /** Its beginning. */
  hour: Date
  count: number
  last_at: Date
  /** HTTP's. */
  last_status: number
  last_detail: string
}

export interface ScimSchemasTable {
  tenant_id: number
  urn: string
  resource_type: 'User' | 'Group'
  definition: JsonText
  created_at: Date
}

export interface AuditEventsTable {
  tenant_id: number
  id: string
  at: Date
  action: string
  actor_kind: ActorKind
  actor_id: string | null
  actor_name: string | null
  target_type: string
  target_id: string | null
  target_name: string | null
  request_id: string | null
  ip: string | null
  before: ColumnType<string | null, string | null, never>
  after: ColumnType<string | null, string | null, never>
  /** The SCIM connection that acted. */
  connection_id: string | null
  /** The transaction that wrote it (PostgreSQL's xid8, as text). */
  xid: Generated<string>
}

/** A batch of what identity providers sent and got; its entries are read by server/wire-log/entry.ts. */
export interface WireLogTable {
  tenant_id: number
  id: string
  from_at: Date
  to_at: Date
  exchanges: number
  /** Exchanges before these that were not kept. */
  dropped: number
  statuses: number[]
  connection_ids: (string | null)[]
  resource_ids: string[]
  request_ids: string[]
  /** One JSON object a line, compressed with zstd. */
  entries: Buffer
}

/** A connection in shadow mode. */
export interface ScimShadowsTable {
  tenant_id: number
  connection_id: string
  /** The id of the tenant that is its shadow; null where that stayed behind in another database. */
  shadow_id: number | null
  opened_at: Date
  /** Nothing is taken until then. */
  closed_until: Date | null
}

/**
 * Whose value counts where both an identity provider, in a shadow, and others have changed one. `tenant`: theirs stays, and is
 * told as a conflict. `provider`: it becomes what it is in the shadow.
 */
export const PREFERENCES = ['tenant', 'provider'] as const
export type Preference = (typeof PREFERENCES)[number]

/** What a user was when the shadow was opened; `role` is their own. */
export interface ShadowUsersTable {
  tenant_id: number
  id: string
  state: UserState
  locked: boolean
  role: Role
  connection_id: string | null
  user_name_key: string
  external_id: string | null
  email_key: string | null
  authority: JsonText
  version: number
  doc: JsonText
  /** An administrator's decision for this user alone. */
  prefer: Generated<Preference | null>
}

export interface ShadowGroupsTable {
  tenant_id: number
  id: string
  connection_id: string | null
  /** As clients see it. */
  version: number
  doc: JsonText
  prefer: Generated<Preference | null>
}

export interface ShadowMembersTable {
  tenant_id: number
  group_id: string
  user_id: string
}

export interface ShadowChildrenTable {
  tenant_id: number
  group_id: string
  child_id: string
}

/** A user whose names are not in the index of the search yet. */
export interface SearchPendingTable {
  tenant_id: number
  place: Generated<string>
  user_id: string
}

/** Users that were put into the index of the search together. */
export interface SearchSegmentsTable {
  tenant_id: number
  segment: string
  users: number
  /** bigint[], as text. */
  ordinals: string[]
  /** The sweep that made it of users who follow one another by name; null where they were indexed as they came. */
  sweep: string | null
  /** They are behind this user, */
  from_name: string | null
  from_id: string | null
  /** up to and with this one. */
  until_name: string | null
  until_id: string | null
  /** `shown_name_key` of each, in order. */
  names: string[] | null
}

/** The users of a segment in whose names or addresses three characters stand. */
export interface SearchPostingsTable {
  tenant_id: number
  gram: string
  segment: string
  users: number
  /** bigint[], as text. */
  ordinals: string[]
  /** For each of them, the first 16 bytes of the name that is shown. */
  ranks: string[]
  /** For each of them, its place among those of the segment by name, from 1; null where that is no slice. */
  slots: number[] | null
}

export interface RateLimitsTable {
  key: string
  points: number
  expire: string | null
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

export interface Database {
  tenants: TenantsTable
  users: UsersTable
  user_emails: UserEmailsTable
  user_family_names: UserFamilyNamesTable
  addresses: AddressesTable
  user_credentials: UserCredentialsTable
  google_identities: GoogleIdentitiesTable
  second_factors: SecondFactorsTable
  sessions: SessionsTable
  api_tokens: ApiTokensTable
  one_time_codes: OneTimeCodesTable
  password_resets: PasswordResetsTable
  invitations: InvitationsTable
  invitation_links: InvitationLinksTable
  mails: MailsTable
  groups: GroupsTable
  group_members: GroupMembersTable
  group_children: GroupChildrenTable
  past_memberships: PastMembershipsTable
  past_children: PastChildrenTable
  group_ancestors: GroupAncestorsTable
  group_revisions: GroupRevisionsTable
  resource_counts: ResourceCountsTable
  scim_connections: ScimConnectionsTable
  scim_tokens: ScimTokensTable
  scim_token_uses: ScimTokenUsesTable
  group_roles: GroupRolesTable
  past_connections: PastConnectionsTable
  brakes: BrakesTable
  brake_slots: BrakeSlotsTable
  brake_people: BrakePeopleTable
  held_changes: HeldChangesTable
  event_streams: EventStreamsTable
  event_deliveries: EventDeliveriesTable
  signing_keys: SigningKeysTable
  scim_errors: ScimErrorsTable
  scim_conflicts: ScimConflictsTable
  scim_schemas: ScimSchemasTable
  audit_events: AuditEventsTable
  wire_log: WireLogTable
  scim_shadows: ScimShadowsTable
  shadow_users: ShadowUsersTable
  shadow_groups: ShadowGroupsTable
  shadow_members: ShadowMembersTable
  shadow_children: ShadowChildrenTable
  search_pending: SearchPendingTable
  search_segments: SearchSegmentsTable
  search_postings: SearchPostingsTable
  rate_limits: RateLimitsTable
  mailbox_messages: MailboxMessagesTable
}

export type UserRow = Selectable<UsersTable>
export type NewUserRow = Insertable<UsersTable>
export type UserPatch = Updateable<UsersTable>
export type TenantRow = Selectable<TenantsTable>
export type GroupRow = Selectable<GroupsTable>
export type InvitationRow = Selectable<InvitationsTable>
export type MailRow = Selectable<MailsTable>
export type SessionRow = Selectable<SessionsTable>
