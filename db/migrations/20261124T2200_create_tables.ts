// Creates every table, its keys, its row-level security and the server's role. Nothing runs before it.
//
// Rules that hold for each table below, and that test/db/catalogue.test.ts reads from the catalogue:
// - a tenant's table has tenant_id first in its primary key, unique keys and foreign keys, so that it can be
//   distributed by tenant; `addresses` alone is keyed by the address, because it spans tenants;
// - row-level security is forced: a statement sees the tenant that `app.tenant` names, or nothing;
// - keys compared without regard to case are stored lower-cased by the server (`…_key`, collation "C"), so that
//   equality and prefix (as a range) use an index also under row-level security, where LIKE may not;
// - a primary key that others refer to is made after all other indexes of its table: while there are no statistics,
//   every index that begins with tenant_id costs the planner the same, and it takes the newest. The checks of foreign
//   keys keep their plan, and by another index each of them would read the whole tenant.
import { type Kysely, sql } from 'kysely'
import { isolateTenants } from '../isolation.ts'

const TENANT_TABLES = [
  'users',
  'user_emails',
  'addresses',
  'user_credentials',
  'google_identities',
  'sessions',
  'api_tokens',
  'one_time_codes',
  'password_resets',
  'invitations',
  'invitation_links',
  'mails',
  'groups',
  'group_members',
  'group_children',
  'group_ancestors',
  'group_revisions',
  'resource_counts',
  'scim_connections',
  'scim_tokens',
  'scim_errors',
  'scim_schemas',
  'audit_events'
]

export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of [TENANTS, USERS, SIGN_IN, INVITATIONS, GROUPS, SCIM, AUDIT, SHARED]) {
    await sql.raw(statement).execute(db)
  }
  await isolateTenants(db, TENANT_TABLES)
}

const TENANTS = `
  create table tenants (
    id int generated always as identity primary key,
    subdomain text collate "C" not null constraint tenants_subdomain_key unique,
    name text not null,
    state text not null default 'active' check (state in ('active', 'suspended')),
    settings jsonb not null default '{}',
    created_at timestamptz not null,
    updated_at timestamptz not null
  );`

// doc: the SCIM attributes that a client may write (schemas, userName, name, emails, roles, extensions, …) as JSON
// text, ready to be sent; id, active, meta and groups are put around it from the columns and memberships, so that a
// change of state rewrites no document. password is never in it.
const USERS = `
  create sequence users_ordinal_seq;
  create table users (
    tenant_id int not null references tenants,
    id uuid not null,
    ordinal bigint not null default nextval('users_ordinal_seq'),
    state text not null check (state in ('invited', 'active', 'deactivated', 'removed')),
    locked boolean not null default false,
    role text not null check (role in ('stakeholder', 'responder', 'manager', 'administrator')),
    user_name text not null,
    user_name_key text collate "C" not null,
    external_id text collate "C",
    connection_id uuid,
    email text,
    email_key text collate "C",
    display_name text,
    display_name_key text collate "C",
    given_name text,
    family_name text,
    family_name_key text collate "C",
    -- what people see and sort by; in step with shownName of server/provisioning/user-document.ts
    shown_name_key text collate "C" not null generated always as (coalesce(
      display_name_key,
      nullif(btrim(coalesce(lower(given_name) collate "C", '') || ' ' || coalesce(family_name_key, '')), ''),
      email_key,
      user_name_key
    )) stored,
    time_zone text,
    locale text,
    must_reset_password boolean not null default false,
    doc json not null,
    version int not null default 1,
    created_at timestamptz not null,
    updated_at timestamptz not null,
    activated_at timestamptz,
    last_sign_in_at timestamptz
  );
  create unique index users_user_name_key on users (tenant_id, user_name_key) where state <> 'removed';
  create unique index users_external_id_key on users (tenant_id, external_id, connection_id) where state <> 'removed';
  create index users_email_key_idx on users (tenant_id, email_key);
  create index users_display_name_key_idx on users (tenant_id, display_name_key);
  create index users_family_name_key_idx on users (tenant_id, family_name_key);
  create index users_shown_name_key_idx on users (tenant_id, shown_name_key, id);
  -- a list passes over the users before its page without reading them
  create unique index users_ordinal_key on users (tenant_id, ordinal) include (id, state);
  create index users_administrators_idx on users (tenant_id, id)
    where role = 'administrator' and state = 'active' and not locked;
  alter table users add constraint users_pkey primary key (tenant_id, id);

  create table user_emails (
    tenant_id int not null,
    user_id uuid not null,
    value_key text collate "C" not null,
    constraint user_emails_pkey primary key (tenant_id, user_id, value_key),
    constraint user_emails_user_fkey foreign key (tenant_id, user_id) references users on delete cascade
  );
  create index user_emails_value_key_idx on user_emails (tenant_id, value_key, user_id);

  -- Who holds a login address, over all tenants: invited, active and deactivated users do, removed ones do not.
  create table addresses (
    address_key text collate "C" not null constraint addresses_pkey primary key,
    tenant_id int not null,
    user_id uuid not null
  );
  create index addresses_user_idx on addresses (tenant_id, user_id);`

const SIGN_IN = `
  create table user_credentials (
    tenant_id int not null,
    user_id uuid not null,
    password_hash text not null,
    updated_at timestamptz not null,
    constraint user_credentials_pkey primary key (tenant_id, user_id),
    constraint user_credentials_user_fkey foreign key (tenant_id, user_id) references users on delete cascade
  );
  create table google_identities (
    tenant_id int not null,
    issuer text not null,
    subject text not null,
    user_id uuid not null,
    email text not null,
    created_at timestamptz not null,
    constraint google_identities_pkey primary key (tenant_id, issuer, subject),
    constraint google_identities_user_fkey foreign key (tenant_id, user_id) references users on delete cascade
  );
  create index google_identities_user_idx on google_identities (tenant_id, user_id);
  create table sessions (
    tenant_id int not null,
    id uuid not null,
    token_hash bytea not null,
    user_id uuid not null,
    method text not null check (method in ('password', 'google', 'invitation', 'reset', 'link')),
    ip text,
    user_agent text,
    created_at timestamptz not null,
    last_seen_at timestamptz not null,
    expires_at timestamptz not null,
    constraint sessions_pkey primary key (tenant_id, id),
    constraint sessions_token_hash_key unique (tenant_id, token_hash),
    constraint sessions_user_fkey foreign key (tenant_id, user_id) references users on delete cascade
  );
  create index sessions_user_idx on sessions (tenant_id, user_id);
  create table api_tokens (
    tenant_id int not null,
    id uuid not null,
    token_hash bytea not null,
    user_id uuid not null,
    name text not null,
    role text not null check (role in ('stakeholder', 'responder', 'manager', 'administrator')),
    created_at timestamptz not null,
    expires_at timestamptz,
    last_used_at timestamptz,
    constraint api_tokens_pkey primary key (tenant_id, id),
    constraint api_tokens_token_hash_key unique (tenant_id, token_hash),
    constraint api_tokens_user_fkey foreign key (tenant_id, user_id) references users on delete cascade
  );
  create index api_tokens_user_idx on api_tokens (tenant_id, user_id);
  create table one_time_codes (
    tenant_id int not null,
    code_hash bytea not null,
    purpose text not null check (purpose in ('google', 'link')),
    user_id uuid not null,
    browser_hash bytea,
    expires_at timestamptz not null,
    constraint one_time_codes_pkey primary key (tenant_id, code_hash),
    constraint one_time_codes_user_fkey foreign key (tenant_id, user_id) references users on delete cascade
  );
  create index one_time_codes_user_idx on one_time_codes (tenant_id, user_id);
  create table password_resets (
    tenant_id int not null,
    token_hash bytea not null,
    user_id uuid not null,
    created_at timestamptz not null,
    expires_at timestamptz not null,
    used_at timestamptz,
    constraint password_resets_pkey primary key (tenant_id, token_hash),
    constraint password_resets_user_fkey foreign key (tenant_id, user_id) references users on delete cascade
  );
  create index password_resets_user_idx on password_resets (tenant_id, user_id);`

const INVITATIONS = `
  create table invitations (
    tenant_id int not null,
    id uuid not null,
    user_id uuid not null,
    state text not null check (state in ('pending', 'accepted', 'revoked', 'adopted')),
    role text not null check (role in ('stakeholder', 'responder', 'manager', 'administrator')),
    inviter_id uuid,
    inviter_name text not null,
    created_at timestamptz not null,
    renewed_at timestamptz not null,
    expires_at timestamptz not null,
    ended_at timestamptz,
    constraint invitations_user_fkey foreign key (tenant_id, user_id) references users on delete cascade
  );
  create unique index invitations_pending_key on invitations (tenant_id, user_id) where state = 'pending';
  create index invitations_user_idx on invitations (tenant_id, user_id);
  alter table invitations add constraint invitations_pkey primary key (tenant_id, id);
  create table invitation_links (
    tenant_id int not null,
    token_hash bytea not null,
    invitation_id uuid not null,
    created_at timestamptz not null,
    replaced_at timestamptz,
    constraint invitation_links_pkey primary key (tenant_id, token_hash),
    constraint invitation_links_invitation_fkey foreign key (tenant_id, invitation_id)
      references invitations on delete cascade
  );
  create index invitation_links_invitation_idx on invitation_links (tenant_id, invitation_id);
  create table mails (
    tenant_id int not null,
    id uuid not null,
    template text not null check (template in ('invitation', 'welcome-back', 'password-reset')),
    user_id uuid not null,
    invitation_id uuid,
    to_address text not null,
    token_sealed bytea,
    state text not null check (state in ('queued', 'sent', 'failed', 'cancelled')),
    attempts int not null default 0,
    queued_at timestamptz not null,
    sent_at timestamptz,
    error text,
    constraint mails_pkey primary key (tenant_id, id),
    constraint mails_user_fkey foreign key (tenant_id, user_id) references users on delete cascade,
    constraint mails_invitation_fkey foreign key (tenant_id, invitation_id) references invitations on delete cascade
  );
  create index mails_user_idx on mails (tenant_id, user_id);
  create index mails_invitation_idx on mails (tenant_id, invitation_id);`

// doc: as for users, without members. group_revisions: what changes of memberships add up to, kept in up to 64 rows a
// group (slot: one for each database connection that changes it), so that parallel changes of one group wait neither
// for its row nor for one another: the sum of member_delta is the member count, users and groups together, and
// groups.version plus the sum of changes is the version that clients see.
// group_ancestors: each group with itself and every group that contains it, directly or not.
const GROUPS = `
  create sequence groups_ordinal_seq;
  create table groups (
    tenant_id int not null references tenants,
    id uuid not null,
    ordinal bigint not null default nextval('groups_ordinal_seq'),
    display_name text not null,
    display_name_key text collate "C" not null,
    external_id text collate "C",
    connection_id uuid,
    doc json not null,
    version int not null default 1,
    created_at timestamptz not null,
    updated_at timestamptz not null,
    constraint groups_display_name_key unique (tenant_id, display_name_key)
  );
  create unique index groups_external_id_key on groups (tenant_id, external_id, connection_id);
  create unique index groups_ordinal_key on groups (tenant_id, ordinal);
  alter table groups add constraint groups_pkey primary key (tenant_id, id);
  create table group_members (
    tenant_id int not null,
    group_id uuid not null,
    user_id uuid not null,
    constraint group_members_pkey primary key (tenant_id, group_id, user_id),
    constraint group_members_group_fkey foreign key (tenant_id, group_id) references groups on delete cascade,
    constraint group_members_user_fkey foreign key (tenant_id, user_id) references users on delete cascade
  );
  create index group_members_user_idx on group_members (tenant_id, user_id, group_id);
  create table group_children (
    tenant_id int not null,
    group_id uuid not null,
    child_id uuid not null,
    constraint group_children_pkey primary key (tenant_id, group_id, child_id),
    constraint group_children_group_fkey foreign key (tenant_id, group_id) references groups on delete cascade,
    constraint group_children_child_fkey foreign key (tenant_id, child_id) references groups on delete cascade,
    constraint group_children_not_itself check (group_id <> child_id)
  );
  create index group_children_child_idx on group_children (tenant_id, child_id);
  create table group_ancestors (
    tenant_id int not null,
    group_id uuid not null,
    ancestor_id uuid not null,
    constraint group_ancestors_pkey primary key (tenant_id, group_id, ancestor_id),
    constraint group_ancestors_group_fkey foreign key (tenant_id, group_id) references groups on delete cascade,
    constraint group_ancestors_ancestor_fkey foreign key (tenant_id, ancestor_id) references groups on delete cascade
  );
  create index group_ancestors_ancestor_idx on group_ancestors (tenant_id, ancestor_id);
  create table group_revisions (
    tenant_id int not null,
    group_id uuid not null,
    slot smallint not null default (pg_backend_pid() % 64),
    member_delta int not null,
    changes int not null default 1,
    at timestamptz not null,
    constraint group_revisions_pkey primary key (tenant_id, group_id, slot),
    constraint group_revisions_group_fkey foreign key (tenant_id, group_id) references groups on delete cascade
  ) with (fillfactor = 50);`

// resource_counts: how many users (not removed) a tenant has, as a sum over slots like those of group_revisions, so
// that the total of a list costs the same at 1,000 and at 1,000,000 of them.
const SCIM = `
  create table resource_counts (
    tenant_id int not null references tenants,
    resource_type text not null check (resource_type in ('User', 'Group')),
    slot smallint not null default (pg_backend_pid() % 64),
    total int not null,
    constraint resource_counts_pkey primary key (tenant_id, resource_type, slot)
  ) with (fillfactor = 50);
  create table scim_connections (
    tenant_id int not null references tenants,
    id uuid not null,
    name text not null,
    profile text not null,
    highest_role text not null check (highest_role in ('stakeholder', 'responder', 'manager', 'administrator')),
    created_by uuid,
    created_at timestamptz not null
  );
  create index scim_connections_name_idx on scim_connections (tenant_id, name);
  alter table scim_connections add constraint scim_connections_pkey primary key (tenant_id, id);
  create table scim_tokens (
    tenant_id int not null,
    id uuid not null,
    connection_id uuid not null,
    token_hash bytea not null,
    created_at timestamptz not null,
    expires_at timestamptz,
    last_used_at timestamptz,
    revoked_at timestamptz,
    constraint scim_tokens_token_hash_key unique (tenant_id, token_hash),
    constraint scim_tokens_connection_fkey foreign key (tenant_id, connection_id)
      references scim_connections on delete cascade
  );
  create index scim_tokens_connection_idx on scim_tokens (tenant_id, connection_id);
  alter table scim_tokens add constraint scim_tokens_pkey primary key (tenant_id, id);
  create table scim_errors (
    tenant_id int not null,
    connection_id uuid not null,
    hour timestamptz not null,
    count int not null,
    last_at timestamptz not null,
    last_status int not null,
    last_detail text not null,
    constraint scim_errors_pkey primary key (tenant_id, connection_id, hour),
    constraint scim_errors_connection_fkey foreign key (tenant_id, connection_id)
      references scim_connections on delete cascade
  );
  create table scim_schemas (
    tenant_id int not null references tenants,
    urn text not null,
    resource_type text not null check (resource_type in ('User', 'Group')),
    definition json not null,
    created_at timestamptz not null,
    constraint scim_schemas_pkey primary key (tenant_id, urn)
  );`

// No reference to tenants: checking it would have every write of a tenant lock the tenant's one row, and whoever removes
// a tenant takes its events along.
const AUDIT = `
  create table audit_events (
    tenant_id int not null,
    id uuid not null,
    at timestamptz not null,
    action text not null,
    actor_kind text not null check (actor_kind in ('user', 'apiToken', 'scimToken', 'operator', 'system')),
    actor_id uuid,
    actor_name text,
    target_type text not null,
    target_id uuid,
    target_name text,
    request_id text,
    ip text,
    before json,
    after json,
    constraint audit_events_pkey primary key (tenant_id, id)
  );
  create index audit_events_target_idx on audit_events (tenant_id, target_id, id);

  -- The server's role may not take back what was audited; only a suspended tenant's whole log goes, with the tenant.
  create function remove_audit_events(of_tenant int) returns void
    language sql security definer set search_path = pg_catalog, public as $$
      delete from public.audit_events where tenant_id = of_tenant
        and exists (select from public.tenants where id = of_tenant and state = 'suspended')
    $$;
  revoke execute on function remove_audit_events(int) from public;`

const SHARED = `
  create table rate_limits (
    key text primary key,
    points int not null default 0,
    expire bigint
  );
  create table mailbox_messages (
    id uuid primary key,
    message_id text not null,
    to_address text not null,
    subject text not null,
    html text not null,
    text text not null,
    created_at timestamptz not null default now()
  );
  create index mailbox_messages_created_at_idx on mailbox_messages (created_at);`
