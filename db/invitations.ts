// Queries on invitations and their links; set-based where many may be made at once.
import { type RawBuilder, sql } from 'kysely'
import { type Db, readOneInTenant, type Trx } from './connect.ts'
import { type ColumnTypes, insertRows, rowSet } from './rows.ts'
import type { Role, StoredInvitationState, UserPatch } from './schema.ts'
import { noteNamesOf } from './search-index.ts'
import { DOCUMENT_COLUMNS } from './user-columns.ts'

type Rows = Record<string, unknown>[]

/** The columns of `users` that follow from a person's document, ready to be written. */
export type InvitedUser = UserPatch & { id: string; role: Role; must_reset_password: boolean }

const REVIVED_COLUMNS: ColumnTypes = { id: 'uuid', role: 'text', must_reset_password: 'boolean', ...DOCUMENT_COLUMNS }
const NEW_USER_COLUMNS: ColumnTypes = {
  tenant_id: 'int',
  state: 'text',
  created_at: 'timestamptz',
  updated_at: 'timestamptz',
  ...REVIVED_COLUMNS
}

/** Inserts people in state `invited`. @throws the violation of `users_user_name_key` if a userName is taken */
export const insertInvitedUsers = (trx: Trx, tenantId: number, users: readonly InvitedUser[], now: Date) =>
  Promise.all([
    insertRows(
      trx,
      'users',
      NEW_USER_COLUMNS,
      users.map((user) => ({ ...user, tenant_id: tenantId, state: 'invited', created_at: now, updated_at: now }))
    ),
    noteNamesOf(
      trx,
      tenantId,
      users.map(({ id }) => id)
    )
  ])

/** Makes removed people, whose rows are locked, `invited` again, without a connection to any IdP. */
export async function reviveUsers(trx: Trx, tenantId: number, users: readonly InvitedUser[], now: Date): Promise<void> {
  if (users.length === 0) return
  const assignments = Object.keys(REVIVED_COLUMNS)
    .filter((column) => column !== 'id')
    .map((column) => sql`${sql.ref(column)} = r.${sql.ref(column)}`)
  const ids = users.map(({ id }) => id)
  await Promise.all([
    sql`
      update users u set ${sql.join(assignments)}, state = 'invited', locked = false, connection_id = null, authority = '{}',
        version = u.version + 1, updated_at = ${now}
      from ${rowSet('r', REVIVED_COLUMNS, users as unknown as Rows)}
      where u.tenant_id = ${tenantId} and u.id = r.id`.execute(trx),
    sql`delete from user_emails where tenant_id = ${tenantId} and user_id = any(${ids}::uuid[])`.execute(trx),
    noteNamesOf(trx, tenantId, ids)
  ])
}

/** The e-mail values that people are found by. */
export const insertUserEmails = (
  trx: Trx,
  tenantId: number,
  emails: readonly { user_id: string; value_key: string }[]
) =>
  insertRows(
    trx,
    'user_emails',
    { tenant_id: 'int', user_id: 'uuid', value_key: 'text' },
    emails.map((email) => ({ ...email, tenant_id: tenantId }))
  )

interface NewInvitation {
  /** A UUID of version 7 with the time of `created_at`: lists are sorted by id. */
  id: string
  user_id: string
  role: Role
  inviter_id: string | null
  inviter_name: string
  created_at: Date
  expires_at: Date
}

export const insertInvitations = (trx: Trx, tenantId: number, invitations: readonly NewInvitation[]): Promise<void> =>
  insertRows(
    trx,
    'invitations',
    {
      tenant_id: 'int',
      id: 'uuid',
      user_id: 'uuid',
      state: 'text',
      role: 'text',
      inviter_id: 'uuid',
      inviter_name: 'text',
      created_at: 'timestamptz',
      renewed_at: 'timestamptz',
      expires_at: 'timestamptz'
    },
    invitations.map((invitation) => ({
      ...invitation,
      tenant_id: tenantId,
      state: 'pending' satisfies StoredInvitationState,
      renewed_at: invitation.created_at
    }))
  )

interface NewLink {
  token_hash: Buffer
  invitation_id: string
  created_at: Date
}

export const insertInvitationLinks = (trx: Trx, tenantId: number, links: readonly NewLink[]): Promise<void> =>
  insertRows(
    trx,
    'invitation_links',
    { tenant_id: 'int', token_hash: 'bytea', invitation_id: 'uuid', created_at: 'timestamptz' },
    links.map((link) => ({ ...link, tenant_id: tenantId }))
  )

interface Renewal {
  now: Date
  expiresAt: Date
  /** The new inviter; unchanged if left out. */
  inviter?: { id: string | null; name: string }
}

/** Extends pending invitations of locked people and ends their links; the caller inserts new ones. */
export async function renewInvitations(
  trx: Trx,
  tenantId: number,
  invitationIds: readonly string[],
  { now, expiresAt, inviter }: Renewal
): Promise<void> {
  const who = inviter ? sql`, inviter_id = ${inviter.id}::uuid, inviter_name = ${inviter.name}` : sql``
  await sql`
    with renewed as (
      update invitations set renewed_at = ${now}, expires_at = ${expiresAt}${who}
      where tenant_id = ${tenantId} and id = any(${invitationIds}::uuid[]) and state = 'pending'
    )
    update invitation_links set replaced_at = ${now}
    where tenant_id = ${tenantId} and invitation_id = any(${invitationIds}::uuid[]) and replaced_at is null`.execute(
    trx
  )
}

/** Ends the links of an invitation, but not the invitation. */
export const endInvitationLinks = (trx: Trx, tenantId: number, invitationId: string, now: Date) =>
  trx
    .updateTable('invitation_links')
    .set({ replaced_at: now })
    .where('tenant_id', '=', tenantId)
    .where('invitation_id', '=', invitationId)
    .where('replaced_at', 'is', null)
    .execute()

/** A person's open invitation, also one that has expired. */
export const readPendingInvitation = (
  trx: Trx,
  tenantId: number,
  userId: string
): Promise<{ id: string; expires_at: Date } | undefined> =>
  trx
    .selectFrom('invitations')
    .select(['id', 'expires_at'])
    .where('tenant_id', '=', tenantId)
    .where('user_id', '=', userId)
    .where('state', '=', 'pending')
    .executeTakeFirst()

/** An invitation as found by its link. */
export interface LinkedInvitation {
  id: string
  state: StoredInvitationState
  role: Role
  inviter_name: string
  expires_at: Date
  /** Whether a newer link was sent. */
  is_replaced: boolean
  user_id: string
  locked: boolean
  must_reset_password: boolean
  /** The userName if an IdP has removed the address. */
  email: string
}

const linkedInvitation = (tenantId: number, tokenHash: Buffer): RawBuilder<LinkedInvitation> => sql`
  select i.id, i.state, i.role, i.inviter_name, i.expires_at, l.replaced_at is not null as is_replaced,
    i.user_id, u.locked, u.must_reset_password, coalesce(u.email, u.user_name) as email
  from invitation_links l
  join invitations i on i.tenant_id = l.tenant_id and i.id = l.invitation_id
  join users u on u.tenant_id = i.tenant_id and u.id = i.user_id
  where l.tenant_id = ${tenantId} and l.token_hash = ${tokenHash}`

/** One statement. */
export const findLinkedInvitation = (db: Db, tenantId: number, tokenHash: Buffer) =>
  readOneInTenant<LinkedInvitation>(db, tenantId, linkedInvitation(tenantId, tokenHash))

/** Within a transaction. */
export async function readLinkedInvitation(
  trx: Trx,
  tenantId: number,
  tokenHash: Buffer
): Promise<LinkedInvitation | undefined> {
  const { rows } = await linkedInvitation(tenantId, tokenHash).execute(trx)
  return rows[0]
}

/** Marks the pending invitation of a locked person as accepted. */
export const acceptPendingInvitation = (trx: Trx, tenantId: number, invitationId: string, now: Date) =>
  trx
    .updateTable('invitations')
    .set({ state: 'accepted', ended_at: now })
    .where('tenant_id', '=', tenantId)
    .where('id', '=', invitationId)
    .where('state', '=', 'pending')
    .execute()

/** The facts that decide how an invitation may be managed. */
export interface InvitationFacts {
  id: string
  user_id: string
  state: StoredInvitationState
  role: Role
  inviter_id: string | null
}

/** One statement. */
export const findInvitation = (db: Db, tenantId: number, invitationId: string): Promise<InvitationFacts | undefined> =>
  readOneInTenant<InvitationFacts>(db, tenantId, invitationFacts(tenantId, invitationId))

/** Within a transaction, after locking the invited person's row. */
export async function readInvitation(trx: Trx, tenantId: number, invitationId: string): Promise<InvitationFacts> {
  const { rows } = await invitationFacts(tenantId, invitationId).execute(trx)
  return rows[0]!
}

const invitationFacts = (tenantId: number, invitationId: string): RawBuilder<InvitationFacts> => sql`
  select id, user_id, state, role, inviter_id from invitations
  where tenant_id = ${tenantId} and id = ${invitationId}::uuid`
