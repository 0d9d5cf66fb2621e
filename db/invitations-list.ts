// Invitations as people see them, with the state of the newest mail; searched, filtered, sorted, paged by key.
import { type RawBuilder, type SqlBool, sql } from 'kysely'
import { type Db, readInTenant, type Trx } from './connect.ts'
import type { CursorKeys } from './cursor.ts'
import type { InvitationRow, MailState, Role } from './schema.ts'

export const INVITATION_STATES = ['pending', 'expired', 'accepted', 'revoked', 'adopted'] as const
type InvitationState = (typeof INVITATION_STATES)[number]

export interface InvitationView extends Omit<InvitationRow, 'tenant_id' | 'state'> {
  /** The address that the newest mail went to. */
  email: string
  /** `expired`: pending after `expires_at`. */
  state: InvitationState
  mail_state: MailState
  mail_queued_at: Date
  mail_sent_at: Date | null
  mail_attempts: number
  mail_error: string | null
}

/** The state of an invitation `i` at `now`. */
const stateAt = (now: Date): RawBuilder<InvitationState> =>
  sql`(case when i.state = 'pending' and i.expires_at <= ${now} then 'expired' else i.state end)`

const views = (tenantId: number) => sql`
  from invitations i
  join users u on u.tenant_id = i.tenant_id and u.id = i.user_id
  cross join lateral (
    select m.to_address, m.state, m.queued_at, m.sent_at, m.attempts, m.error from mails m
    where m.tenant_id = ${tenantId} and m.invitation_id = i.id
    order by m.id desc limit 1
  ) mail`

const columns = (now: Date) => sql`
  i.id, i.user_id, mail.to_address as email, i.role, ${stateAt(now)} as state, i.inviter_id, i.inviter_name,
  i.created_at, i.renewed_at, i.expires_at, i.ended_at,
  mail.state as mail_state, mail.queued_at as mail_queued_at, mail.sent_at as mail_sent_at,
  mail.attempts as mail_attempts, mail.error as mail_error`

/** Within a transaction. */
export async function getInvitationView(
  trx: Trx,
  tenantId: number,
  invitationId: string,
  now: Date
): Promise<InvitationView> {
  const { rows } = await sql<InvitationView>`
    select ${columns(now)} ${views(tenantId)} where i.tenant_id = ${tenantId} and i.id = ${invitationId}::uuid`.execute(
    trx
  )
  return rows[0]!
}

export const INVITATION_SORT_KEYS = ['createdAt', 'expiresAt', 'email'] as const
export type InvitationSortKey = (typeof INVITATION_SORT_KEYS)[number]

const SORT_ORDERS: Record<InvitationSortKey, { value: RawBuilder<unknown>; type: 'uuid' | 'timestamptz' | 'text' }> = {
  // ids begin with the time of creation
  createdAt: { value: sql.ref('i.id'), type: 'uuid' },
  expiresAt: { value: sql.ref('i.expires_at'), type: 'timestamptz' },
  email: { value: sql`lower(mail.to_address) collate "C"`, type: 'text' }
}

interface InvitationListQuery {
  readonly now: Date
  /** Part of the address or the name, in any letter case. */
  readonly search?: string
  readonly filter: {
    readonly state?: InvitationState
    readonly mailState?: MailState
    readonly role?: Role
    /** Only invitations by this user. */
    readonly inviterId?: string
  }
  readonly sort: InvitationSortKey
  readonly isDescending: boolean
  /** `[sort value, id]` of the last row of the page before. */
  readonly after: CursorKeys | undefined
  readonly limit: number
}

/** Up to `limit` invitations, one statement. `sort_value` is the sort value as text, for the cursor. */
export function listInvitations(
  db: Db,
  tenantId: number,
  query: InvitationListQuery
): Promise<(InvitationView & { sort_value: string })[]> {
  const { value, type } = SORT_ORDERS[query.sort]
  const direction = sql.raw(query.isDescending ? 'desc' : 'asc')
  const conditions = conditionsOf(tenantId, query)
  if (query.after) {
    const [last, id] = query.after
    const than = sql.raw(query.isDescending ? '<' : '>')
    conditions.push(sql`(${value}, i.id) ${than} (${last}::${sql.raw(type)}, ${id}::uuid)`)
  }
  return readInTenant(
    db,
    tenantId,
    sql`
      select ${columns(query.now)}, ${value}::text as sort_value ${views(tenantId)}
      where ${sql.join(conditions, sql` and `)}
      order by ${value} ${direction}, i.id ${direction} limit ${query.limit}`
  )
}

/** How many invitations the list has in all. */
export async function countInvitations(
  db: Db,
  tenantId: number,
  query: Pick<InvitationListQuery, 'now' | 'search' | 'filter'>
): Promise<number> {
  const [row] = await readInTenant<{ total: number }>(
    db,
    tenantId,
    sql`select count(*)::int as total ${views(tenantId)} where ${sql.join(conditionsOf(tenantId, query), sql` and `)}`
  )
  return row!.total
}

function conditionsOf(
  tenantId: number,
  { now, search, filter }: Pick<InvitationListQuery, 'now' | 'search' | 'filter'>
): RawBuilder<unknown>[] {
  const conditions: RawBuilder<unknown>[] = [sql<SqlBool>`i.tenant_id = ${tenantId}`]
  if (filter.state !== undefined) conditions.push(isInState(filter.state, now))
  if (filter.mailState !== undefined) conditions.push(sql`mail.state = ${filter.mailState}`)
  if (filter.role !== undefined) conditions.push(sql`i.role = ${filter.role}`)
  if (filter.inviterId !== undefined) conditions.push(sql`i.inviter_id = ${filter.inviterId}::uuid`)
  const part = search?.trim().toLowerCase()
  // strpos has no wildcards, so nothing needs escaping
  if (part)
    conditions.push(sql`strpos(concat_ws(chr(10), lower(mail.to_address), u.shown_name_key), ${part}::text) > 0`)
  return conditions
}

/** Compares the columns themselves, so that the index of pending invitations applies. */
function isInState(state: InvitationState, now: Date): RawBuilder<unknown> {
  if (state === 'pending') return sql`i.state = 'pending' and i.expires_at > ${now}`
  if (state === 'expired') return sql`i.state = 'pending' and i.expires_at <= ${now}`
  return sql`i.state = ${state}`
}
