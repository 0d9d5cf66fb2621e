// One interface per table, in a file of schema/ for each area. Rows keep SQL's snake_case; the migrations say what each
// column is for.
import type { Insertable, Selectable, Updateable } from 'kysely'
import type { BrakePeopleTable, BrakeSlotsTable, BrakesTable, HeldChangesTable } from './schema/brakes.ts'
import type { ScimConflictsTable } from './schema/conflicts.ts'
import type {
  PastConnectionsTable,
  ScimConnectionsTable,
  ScimErrorsTable,
  ScimSchemasTable,
  ScimTokensTable,
  ScimTokenUsesTable,
  WireLogTable
} from './schema/connections.ts'
import type { AuditEventsTable, EventDeliveriesTable, EventStreamsTable, SigningKeysTable } from './schema/events.ts'
import type {
  GroupAncestorsTable,
  GroupChildrenTable,
  GroupMembersTable,
  GroupRevisionsTable,
  GroupRolesTable,
  GroupsTable,
  PastChildrenTable,
  PastMembershipsTable,
  ResourceCountsTable
} from './schema/groups.ts'
import type { InvitationLinksTable, InvitationsTable, MailboxMessagesTable, MailsTable } from './schema/invitations.ts'
import type {
  AddressesTable,
  TenantsTable,
  UserEmailsTable,
  UserFamilyNamesTable,
  UsersTable
} from './schema/people.ts'
import type { SearchPendingTable, SearchPostingsTable, SearchSegmentsTable } from './schema/search.ts'
import type {
  ScimShadowsTable,
  ShadowChildrenTable,
  ShadowGroupsTable,
  ShadowMembersTable,
  ShadowUsersTable
} from './schema/shadows.ts'
import type {
  ApiTokensTable,
  GoogleIdentitiesTable,
  OneTimeCodesTable,
  PasswordResetsTable,
  RateLimitsTable,
  SecondFactorsTable,
  SessionsTable,
  UserCredentialsTable
} from './schema/sign-in.ts'

export * from './schema/brakes.ts'
export * from './schema/conflicts.ts'
export * from './schema/connections.ts'
export * from './schema/events.ts'
export * from './schema/groups.ts'
export * from './schema/invitations.ts'
export * from './schema/people.ts'
export * from './schema/search.ts'
export * from './schema/shadows.ts'
export * from './schema/sign-in.ts'
export * from './schema/values.ts'

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
