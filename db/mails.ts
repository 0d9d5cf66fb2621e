// Queries on mails: each belongs to a user, most to an invitation, and is sent by a job of the same id.
import { type RawBuilder, sql } from 'kysely'
import { type Db, readInTenant, type Trx } from './connect.ts'
import { type ColumnTypes, insertRows, rowSet } from './rows.ts'
import type { MailState, MailTemplate, Notice, Role, TenantSettings, TenantState } from './schema.ts'

interface NewMail {
  /** A UUID of version 7 with the time of `queued_at`: the newest mail has the highest id. */
  id: string
  template: MailTemplate
  user_id: string
  invitation_id: string | null
  to_address: string
  /** The link's token, sealed for the purpose `mail`. */
  token_sealed: Buffer
  queued_at: Date
}

/** Inserts mails as `queued`. The caller enqueues a job `send-mail` for each in the same transaction. */
export const insertMails = (trx: Trx, tenantId: number, mails: readonly NewMail[]): Promise<void> =>
  insertRows(
    trx,
    'mails',
    NEW_MAIL_COLUMNS,
    mails.map((mail) => ({ ...mail, tenant_id: tenantId, state: 'queued' satisfies MailState }))
  )

const NEW_MAIL_COLUMNS: ColumnTypes = {
  tenant_id: 'int',
  id: 'uuid',
  template: 'text',
  user_id: 'uuid',
  invitation_id: 'uuid',
  to_address: 'text',
  token_sealed: 'bytea',
  state: 'text',
  queued_at: 'timestamptz'
}

/** A notice goes to at most this many administrators, the oldest accounts first. */
const NOTICE_LIMIT = 50

/**
 * Inserts a notice to each administrator who can sign in and has an address, in one statement.
 * @param newId makes a uuid of version 7
 * @returns the mails' ids; the caller enqueues a job `send-mail` for each in the same transaction
 */
export async function insertNotices(
  trx: Trx,
  tenantId: number,
  notice: Notice,
  now: Date,
  newId: () => string
): Promise<string[]> {
  const ids = Array.from({ length: NOTICE_LIMIT }, newId)
  const { rows } = await sql<{ id: string }>`
    insert into mails (tenant_id, id, template, user_id, to_address, notice, state, queued_at)
    select ${tenantId}::int, (${ids}::uuid[])[row_number() over (order by created_at, id)], 'notice', id, email,
      ${JSON.stringify(notice)}::jsonb, 'queued', ${now}::timestamptz
    from (
      select id, email, created_at from users
      where tenant_id = ${tenantId} and role = 'administrator' and state = 'active' and not locked and email is not null
      order by created_at, id limit ${NOTICE_LIMIT}
    ) as administrators
    returning id`.execute(trx)
  return rows.map(({ id }) => id)
}

/** Every change of several mails locks their rows in this order, which prevents deadlocks. */
const lockedMails = (tenantId: number, condition: RawBuilder<unknown>) => sql`
  select id from mails where tenant_id = ${tenantId} and ${condition} order by id for no key update`

/** Cancels mails still queued for the invitations: a newer mail replaces them, or none is wanted. */
export const cancelInvitationMails = (trx: Trx, tenantId: number, invitationIds: readonly string[]) =>
  sql`
    with locked as (${lockedMails(tenantId, sql`invitation_id = any(${invitationIds}::uuid[]) and state = 'queued'`)})
    update mails set state = 'cancelled', token_sealed = null
    where tenant_id = ${tenantId} and id in (select id from locked)`.execute(trx)

/** A mail with the facts that its template needs. */
export interface MailToSend {
  id: string
  template: MailTemplate
  to_address: string
  state: MailState
  token_sealed: Buffer | null
  /** For a mail without a link. */
  notice: Notice | null
  tenant_subdomain: string
  tenant_name: string
  tenant_state: TenantState
  tenant_settings: TenantSettings
  /** For an invitation's mail. */
  inviter_name: string | null
  role: Role | null
  /** Whether the person it goes to has a password. */
  has_password: boolean
}

/** One statement; leaves out ids that are not found (the tenant was removed). */
export const readMailsToSend = (db: Db, tenantId: number, mailIds: readonly string[]): Promise<MailToSend[]> =>
  readInTenant(
    db,
    tenantId,
    sql<MailToSend>`
      select m.id, m.template, m.to_address, m.state, m.token_sealed, m.notice, i.inviter_name, i.role,
        t.subdomain as tenant_subdomain, t.name as tenant_name, t.state as tenant_state, t.settings as tenant_settings,
        exists (select from user_credentials c where c.tenant_id = ${tenantId} and c.user_id = m.user_id) as has_password
      from mails m
      join tenants t on t.id = m.tenant_id
      left join invitations i on i.tenant_id = m.tenant_id and i.id = m.invitation_id
      where m.tenant_id = ${tenantId} and m.id = any(${mailIds}::uuid[])`
  )

/** The present state of a link that a mail carries. */
export interface LinkState {
  token_hash: Buffer
  /** Not used, replaced or revoked; it may have expired. */
  is_open: boolean
  expires_at: Date
}

/** The links of invitations and password resets that have these hashes; one statement. */
export const readLinkStates = (db: Db, tenantId: number, tokenHashes: readonly Buffer[]): Promise<LinkState[]> =>
  readInTenant(
    db,
    tenantId,
    sql<LinkState>`
      select l.token_hash, l.replaced_at is null and i.state = 'pending' as is_open, i.expires_at
      from invitation_links l
      join invitations i on i.tenant_id = l.tenant_id and i.id = l.invitation_id
      where l.tenant_id = ${tenantId} and l.token_hash = any(${tokenHashes}::bytea[])
      union all
      select r.token_hash, r.used_at is null, r.expires_at
      from password_resets r
      where r.tenant_id = ${tenantId} and r.token_hash = any(${tokenHashes}::bytea[])`
  )

/** The outcome of an attempt. `queued`: it failed and will be retried. */
export interface MailOutcome {
  id: string
  state: MailState
  sent_at: Date | null
  /** For people; without secrets. */
  error: string | null
  /** 1, or 0 if sending was not tried. */
  attempts: number
}

/**
 * Records the outcomes of attempts. A mail that was cancelled meanwhile stays cancelled, unless it was sent.
 * The last attempt deletes the sealed token.
 */
export const settleMails = (trx: Trx, tenantId: number, outcomes: readonly MailOutcome[]) =>
  sql`
    with locked as (${lockedMails(tenantId, sql`id = any(${outcomes.map(({ id }) => id)}::uuid[])`)})
    update mails m
    set state = o.state, sent_at = o.sent_at, error = o.error, attempts = m.attempts + o.attempts,
      token_sealed = case when o.state = 'queued' then m.token_sealed end
    from locked, ${rowSet('o', OUTCOME_COLUMNS, outcomes)}
    where m.tenant_id = ${tenantId} and m.id = locked.id and o.id = m.id and (m.state = 'queued' or o.state = 'sent')`.execute(
    trx
  )

const OUTCOME_COLUMNS: ColumnTypes = {
  id: 'uuid',
  state: 'text',
  sent_at: 'timestamptz',
  error: 'text',
  attempts: 'int'
}

/**
 * Marks the mails that have no attempts left as failed.
 * @param reason kept only if no attempt has recorded an error
 * @returns the mails that were neither sent nor cancelled
 */
export const failMails = async (trx: Trx, tenantId: number, mailIds: readonly string[], reason: string) => {
  const { rows } = await sql<{ template: MailTemplate }>`
    with locked as (${lockedMails(tenantId, sql`id = any(${mailIds}::uuid[]) and state = 'queued'`)})
    update mails set state = 'failed', error = coalesce(error, ${reason}::text), token_sealed = null
    where tenant_id = ${tenantId} and id in (select id from locked) returning template`.execute(trx)
  return rows
}
