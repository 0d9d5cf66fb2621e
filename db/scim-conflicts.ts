// Users whom connections want to make, and who may be here already: what was sent, and what was decided.
import { type RawBuilder, sql } from 'kysely'
import { type Db, readInTenant, readOneInTenant, type Trx } from './connect.ts'
import type { ConflictDecision, ConflictReason, Role, ScimConflictsTable, SentUser, UserState } from './schema.ts'
import type { ArrivalKeys } from './scim-users.ts'

/** How many conflicts of a connection are kept: those tried last. */
const MAX_CONFLICTS = 1_000
/** How long a decision to adopt or to keep apart applies: Entra stops trying after 28 days. */
const DECISION_DAYS = 30

const daysBefore = (now: Date, days: number) => new Date(now.getTime() - days * 86_400_000)

/** A try that was refused. */
interface ConflictNote {
  readonly id: string
  readonly connectionId: string
  readonly subject: Buffer
  readonly reason: ConflictReason
  readonly sent: SentUser
  readonly keys: ArrivalKeys
  /** The users who are in the way. */
  readonly peopleIds: readonly string[]
}

interface NotedConflict {
  /** Whether the connection had not tried before. */
  readonly isNew: boolean
  /** Whether no other conflict of the connection waits for a decision. */
  readonly isFirst: boolean
}

/**
 * Records a refused try, and drops a decision that has expired or can no longer be carried out.
 * @returns undefined if the connection is gone
 */
export async function noteConflict(
  trx: Trx,
  tenantId: number,
  note: ConflictNote,
  now: Date
): Promise<NotedConflict | undefined> {
  if (await noteAgain(trx, tenantId, note, now)) return { isNew: false, isFirst: false }
  // of two concurrent first tries, the second waits here
  const { rows: connections } = await sql`select from scim_connections
    where tenant_id = ${tenantId} and id = ${note.connectionId}::uuid for no key update`.execute(trx)
  if (connections.length === 0) return undefined
  if (await noteAgain(trx, tenantId, note, now)) return { isNew: false, isFirst: false }
  const open = await sql`select from scim_conflicts c
    where c.tenant_id = ${tenantId} and c.connection_id = ${note.connectionId}::uuid and ${isOpen(tenantId)} limit 1`.execute(
    trx
  )
  const { keys } = note
  await trx
    .insertInto('scim_conflicts')
    .values({
      tenant_id: tenantId,
      id: note.id,
      connection_id: note.connectionId,
      subject: note.subject,
      reason: note.reason,
      sent: JSON.stringify(note.sent),
      user_name_key: keys.userNameKey,
      email_key: keys.addressKey,
      external_id: keys.externalId,
      other_keys: [...keys.otherKeys],
      first_at: now,
      last_at: now,
      decision: null,
      adopt_id: null,
      decided_at: null,
      decided_by: null
    })
    .execute()
  await sql`delete from scim_conflicts where tenant_id = ${tenantId} and connection_id = ${note.connectionId}::uuid
    and id in (
      select id from scim_conflicts where tenant_id = ${tenantId} and connection_id = ${note.connectionId}::uuid
      order by last_at desc, id desc offset ${MAX_CONFLICTS})`.execute(trx)
  return { isNew: true, isFirst: open.rows.length === 0 }
}

async function noteAgain(trx: Trx, tenantId: number, note: ConflictNote, now: Date): Promise<boolean> {
  const isOver = sql`(
    decision = 'adopt' and adopt_id <> all(${note.peopleIds}::uuid[])
    or decision <> 'ignore' and decided_at < ${daysBefore(now, DECISION_DAYS)})`
  const { rows } = await sql`
    update scim_conflicts set tries = tries + 1, last_at = ${now}, reason = ${note.reason},
      sent = ${JSON.stringify(note.sent)}::jsonb, other_keys = ${note.keys.otherKeys}::text[],
      decision = case when ${isOver} then null else decision end,
      adopt_id = case when ${isOver} then null else adopt_id end,
      decided_at = case when ${isOver} then null else decided_at end,
      decided_by = case when ${isOver} then null else decided_by end
    where tenant_id = ${tenantId} and connection_id = ${note.connectionId}::uuid and subject = ${note.subject}
    returning 1`.execute(trx)
  return rows.length > 0
}

export type Decided = Pick<ScimConflictsTable, 'id' | 'decision' | 'adopt_id'>

/** Locks and reads the decision for a try: nobody changes it before the transaction ends. */
export async function lockDecision(
  trx: Trx,
  tenantId: number,
  connectionId: string,
  subject: Buffer,
  now: Date
): Promise<Decided | undefined> {
  const { rows } = await sql<Decided>`select id, decision, adopt_id from scim_conflicts
    where tenant_id = ${tenantId} and connection_id = ${connectionId}::uuid and subject = ${subject}
      and (decision = 'ignore' or decided_at >= ${daysBefore(now, DECISION_DAYS)}) for update`.execute(trx)
  return rows[0]
}

export const deleteConflict = (trx: Trx, tenantId: number, conflictId: string) =>
  trx.deleteFrom('scim_conflicts').where('tenant_id', '=', tenantId).where('id', '=', conflictId).execute()

/** Somebody who is in the way now. */
export interface ConflictPerson {
  id: string
  state: UserState
  locked: boolean
  role: Role
  userName: string
  userNameKey: string
  email: string | null
  emailKey: string | null
  externalId: string | null
  displayName: string | null
  givenName: string | null
  familyName: string | null
  connectionId: string | null
  connectionName: string | null
}

export interface ScimConflict
  extends Pick<
    ScimConflictsTable,
    | 'id'
    | 'connection_id'
    | 'reason'
    | 'user_name_key'
    | 'email_key'
    | 'external_id'
    | 'other_keys'
    | 'first_at'
    | 'last_at'
    | 'decision'
    | 'adopt_id'
    | 'decided_at'
    | 'decided_by'
  > {
  sent: SentUser
  tries: number
  connection_name: string
  highest_role: Role
  people: ConflictPerson[]
}

// a union, so that each part uses its own index
const peopleIds = (tenantId: number): RawBuilder<unknown> => sql`
  select id from users where tenant_id = ${tenantId} and email_key = c.email_key and not is_removed
  union select id from users where tenant_id = ${tenantId} and user_name_key = c.user_name_key and not is_removed
  union select id from users where tenant_id = ${tenantId} and external_id = c.external_id
    and connection_id = c.connection_id and not is_removed
  union select id from users where tenant_id = ${tenantId} and email_key = any(c.other_keys)
    and connection_id is null and not is_removed`

/** Whether somebody is still in the way, and the connection has not got its user in another way. */
const stands = (tenantId: number): RawBuilder<boolean> => sql`(exists (${peopleIds(tenantId)}) and not exists (
  select from users where tenant_id = ${tenantId} and user_name_key = c.user_name_key and not is_removed and state <> 'invited'
    and connection_id = c.connection_id))`

const isOpen = (tenantId: number) => sql<boolean>`(c.decision is null and ${stands(tenantId)})`

export const CONFLICT_STATES = ['open', 'decided', 'ignored'] as const
type ConflictState = (typeof CONFLICT_STATES)[number]

const isInState: Record<ConflictState, (tenantId: number) => RawBuilder<boolean>> = {
  open: isOpen,
  decided: (tenantId) => sql`(c.decision in ('adopt', 'apart') and ${stands(tenantId)})`,
  ignored: (tenantId) => sql`(c.decision = 'ignore' and ${stands(tenantId)})`
}

const selectConflicts = (tenantId: number, condition: RawBuilder<unknown>, limit: number): RawBuilder<ScimConflict> =>
  sql<ScimConflict>`
    select c.id, c.connection_id, c.reason, c.sent, c.user_name_key, c.email_key, c.external_id, c.other_keys,
      c.first_at, c.last_at, c.tries, c.decision, c.adopt_id, c.decided_at, c.decided_by,
      n.name as connection_name, n.highest_role,
      coalesce((
        select jsonb_agg(jsonb_build_object('id', u.id, 'state', u.state, 'locked', u.locked, 'role', u.role,
          'userName', u.user_name, 'userNameKey', u.user_name_key, 'email', u.email, 'emailKey', u.email_key,
          'externalId', u.external_id, 'displayName', u.display_name, 'givenName', u.given_name,
          'familyName', u.family_name, 'connectionId', u.connection_id,
          'connectionName', (select name from scim_connections s where s.tenant_id = ${tenantId} and s.id = u.connection_id)
        ) order by u.id)
        from users u where u.tenant_id = ${tenantId} and u.id in (${peopleIds(tenantId)})), '[]') as people
    from scim_conflicts c
    join scim_connections n on n.tenant_id = c.tenant_id and n.id = c.connection_id
    where c.tenant_id = ${tenantId} and ${condition}
    order by c.id desc limit ${limit}`

interface ConflictQuery {
  readonly state: ConflictState
  readonly connectionId?: string
  /** The id of the last one of the page before. */
  readonly before?: string
  readonly limit: number
}

/** Newest first; one statement. */
export const listConflicts = (db: Db, tenantId: number, query: ConflictQuery): Promise<ScimConflict[]> =>
  readInTenant<ScimConflict>(
    db,
    tenantId,
    selectConflicts(
      tenantId,
      sql`${isInState[query.state](tenantId)}
        and ${query.connectionId === undefined ? sql`true` : sql`c.connection_id = ${query.connectionId}::uuid`}
        and ${query.before === undefined ? sql`true` : sql`c.id < ${query.before}::uuid`}`,
      query.limit
    )
  )

/** How many wait for a decision. */
export async function countOpenConflicts(db: Db, tenantId: number): Promise<number> {
  const row = await readOneInTenant<{ count: number }>(
    db,
    tenantId,
    sql<{ count: number }>`select count(*)::int as count from scim_conflicts c
      where c.tenant_id = ${tenantId} and ${isOpen(tenantId)}`
  )
  return row!.count
}

/** Locks a conflict, in any state, and reads it with the users who are in the way. */
export async function lockConflict(trx: Trx, tenantId: number, conflictId: string): Promise<ScimConflict | undefined> {
  const isIt = sql`c.id = ${conflictId}::uuid`
  const [, { rows }] = await Promise.all([
    sql`select from scim_conflicts c where c.tenant_id = ${tenantId} and ${isIt} for update`.execute(trx),
    // a separate statement, so that it sees what the previous holder of the lock committed
    selectConflicts(tenantId, isIt, 1).execute(trx)
  ])
  return rows[0]
}

export const updateDecision = (
  trx: Trx,
  tenantId: number,
  conflictId: string,
  decided: { decision: ConflictDecision; adoptId: string | null; by: string },
  now: Date
) =>
  trx
    .updateTable('scim_conflicts')
    .set({ decision: decided.decision, adopt_id: decided.adoptId, decided_at: now, decided_by: decided.by })
    .where('tenant_id', '=', tenantId)
    .where('id', '=', conflictId)
    .execute()
