// Changes of several users without locks beforehand: users are read, and written in one exchange if they have not
// changed meanwhile. db/scim-user-changes.ts has the changes under locks.
import { type CompiledQuery, type RawBuilder, sql } from 'kysely'
import { AUDIT_COLUMNS, auditRows, insertEvents } from './audit.ts'
import { type Deprovisioning, minuteOf } from './brakes.ts'
import { type Db, driverOf } from './connect.ts'
import { listedNameOf, RELISTED, type Relisted, relist } from './family-names.ts'
import { usersSought } from './gather.ts'
import { countMemberChanges } from './groups.ts'
import { keepEndedMemberships } from './past-members.ts'
import { prepare, prepareForRows, requireCurrent } from './prepared.ts'
import { countResources } from './resource-counts.ts'
import { type ColumnTypes, columnSet, columnsOf } from './rows.ts'
import type { Role, UserRow, UserState } from './schema.ts'
import { CHANGEABLE } from './scim-user-changes.ts'
import { type ScimView, scimUserColumns } from './scim-users.ts'
import { noteNames } from './search-index.ts'
import type { Fields } from './tenant-query.ts'
import { readTime } from './times.ts'

const FACTS = [
  'locked',
  'given_role',
  'user_name',
  'user_name_key',
  'external_id',
  'email',
  'email_key',
  'display_name',
  'display_name_key',
  'given_name',
  'family_name',
  'family_name_key',
  'indexed_family_name',
  'listed_family_name',
  'must_reset_password',
  'apart_key',
  'activated_at'
] as const

/** The facts that a change of a user starts from. */
export type UserFacts = Pick<
  UserRow,
  | 'id'
  | 'state'
  | 'role'
  | 'connection_id'
  | 'authority'
  | 'version'
  | 'doc'
  | 'created_at'
  | 'updated_at'
  | (typeof FACTS)[number]
>

/** A user as a change starts from them, with what depends on their access. */
export interface ReadUser extends UserFacts {
  /** JSON text, as in a ScimUserRow. */
  readonly groups: string | null
  /** Whether anything would end with their access; false for users for whom this was not asked. */
  readonly hasAccess: boolean
  /** The groups that they are direct members of; only for users who are to be removed. */
  readonly groupIds: readonly string[]
}

/** Users whose access may end. */
export interface Endings {
  /** Those who may be deactivated or removed. */
  readonly ending: readonly string[]
  /** Those who are to be removed. */
  readonly leaving: readonly string[]
}

/** Reads users in no order, removed ones too. */
export async function readUsers(
  db: Db,
  view: ScimView,
  ids: readonly string[],
  { ending, leaving }: Endings
): Promise<ReadUser[]> {
  const { tenantId, groupsUrl, connectionId, withGroups } = view
  const asked = leaving.length > 0 ? 'leaving' : ending.length > 0 ? 'ending' : 'neither'
  const read = readStatements[asked][withGroups ? 1 : 0]![connectionId === undefined ? 0 : 1]!
  // as text, so that the read may share an exchange
  const list = (some: readonly string[]) => `{${some.join(',')}}`
  const query = read(db, {
    tenantId,
    groupsUrl,
    connectionId,
    ids: list(ids),
    ending: list(ending),
    leaving: list(leaving)
  })
  const users: ReadUser[] = []
  await driverOf(db).readAsTenant(tenantId, query, (row) => users.push(toReadUser(row.fields())))
  return users
}

/** @param asked what to look up besides the users: looking it up for nobody would cost as much again as the rest */
const prepareRead = (asked: keyof Endings | 'neither', withGroups: boolean, isOwn: boolean) =>
  prepare((p) => {
    const tenantId = p['tenantId'] as number
    const isAmong = (some: keyof Endings) => sql`users.id = any(${p[some]}::uuid[])`
    const has = (some: keyof Endings) => sql`users.id = any(array(${holdersAmong(tenantId, p[some], HELD[some])}))`
    const groupIds = sql`case when ${isAmong('leaving')} then (select string_agg(m.group_id::text, ' ')
      from group_members m where m.tenant_id = ${tenantId} and m.user_id = users.id) end`
    const told = {
      neither: sql`false as has_access, null as group_ids`,
      ending: sql`${has('ending')} as has_access, null as group_ids`,
      leaving: sql`${has('ending')} or ${has('leaving')} as has_access, ${groupIds} as group_ids`
    }
    const view = {
      tenantId,
      groupsUrl: p['groupsUrl'],
      connectionId: isOwn ? p['connectionId'] : undefined,
      withGroups
    }
    return sql`
      select ${scimUserColumns(view as ScimView)}, ${sql.join(FACTS.map((name) => sql.ref(`users.${name}`)))}, ${told[asked]}
      from ${usersSought(tenantId, p['ids'], 'id', 'uuid')}`
  })
const readsOf = (asked: keyof Endings | 'neither') => [
  [prepareRead(asked, false, false), prepareRead(asked, false, true)],
  [prepareRead(asked, true, false), prepareRead(asked, true, true)]
]
const readStatements = { neither: readsOf('neither'), ending: readsOf('ending'), leaving: readsOf('leaving') }

/** The tables whose rows end with a user's access, besides the user's row and memberships. */
const HELD: Readonly<Record<keyof Endings, readonly RawBuilder<unknown>[]>> = {
  /** What `endAccess` ends. */
  ending: [
    sql`sessions`,
    sql`api_tokens`,
    sql`one_time_codes`,
    sql`password_resets where used_at is null`,
    sql`invitations where state = 'pending'`,
    sql`mails where state = 'queued'`
  ],
  /** What ends only with a removal, besides the address. */
  leaving: [sql`user_credentials`, sql`second_factors`, sql`google_identities`]
}

/** Reads each table once for all users: reading it for each user would cost more the more there are. */
const holdersAmong = (tenantId: number, userIds: unknown, among: readonly RawBuilder<unknown>[]) =>
  sql.join(
    among.map(
      (table) =>
        sql`select t.user_id from (select * from ${table}) as t where t.tenant_id = ${tenantId} and t.user_id = any(${userIds}::uuid[])`
    ),
    sql` union all `
  )

/** In the order of the select list. */
function toReadUser(fields: Fields): ReadUser {
  const [id, state, role, connection_id, version, doc, created_at, updated_at, groups, authority, ...rest] = fields
  const facts = rest as (string | null)[]
  return {
    id: id!,
    state: state as UserState,
    role: role as Role,
    connection_id: connection_id!,
    version: Number(version),
    doc: doc!,
    created_at: readTime(created_at!),
    updated_at: readTime(updated_at!),
    groups: groups!,
    locked: facts[0] === 't',
    given_role: facts[1] as Role | null,
    user_name: facts[2]!,
    user_name_key: facts[3]!,
    external_id: facts[4]!,
    email: facts[5]!,
    email_key: facts[6]!,
    display_name: facts[7]!,
    display_name_key: facts[8]!,
    given_name: facts[9]!,
    family_name: facts[10]!,
    family_name_key: facts[11]!,
    indexed_family_name: facts[12]!,
    listed_family_name: facts[13]!,
    must_reset_password: facts[14] === 't',
    authority: authority!,
    apart_key: facts[15]!,
    activated_at: facts[16] == null ? null : readTime(facts[16]),
    hasAccess: facts[17] === 't',
    groupIds: facts[18]?.split(' ') ?? []
  }
}

/** A user's new values, which are written only if the user is still as they were read. */
export type Written = Pick<UserFacts, 'id' | 'version' | 'given_role'> & { updated_at: Date } & Record<string, unknown>

/** The same with what else follows from a change of the profile. */
export interface WrittenProfile extends Written {
  /** Whether the search index must be updated. */
  readonly is_renamed: boolean
  readonly listed_before: string | null
  /** listingOf() of the family name. */
  readonly listed_family_name: string | null
}

/**
 * Gives users a new state.
 * @param users in the order of their ids, in which they are locked
 */
export const writeStates = (db: Db, tenantId: number, users: readonly Written[]): CompiledQuery =>
  stateStatement(db, { tenantId, count: users.length }, users)

/** Gives users new profiles: in place (HOT), unless a column that is in an index changes. */
export function writeProfiles(db: Db, tenantId: number, users: readonly WrittenProfile[]): CompiledQuery {
  const relisted = users.flatMap(({ id, listed_before, listed_family_name }): Relisted[] => {
    if (listed_before === listed_family_name) return []
    const [before, after] = [listed_before, listed_family_name].map((listing) => listedNameOf(tenantId, listing))
    return [{ relisted_id: id, name_before: before!, name_after: after! }]
  })
  const listing = columnsOf(RELISTED, relisted as unknown as Record<string, unknown>[])
  const statement = profileStatements[relisted.length > 0 ? 'relisting' : 'plain']
  return statement(db, { tenantId, count: users.length, ...listing }, users)
}

const WRITTEN: ColumnTypes = { id: 'uuid', version: 'int', given_role: 'text', updated_at: 'timestamptz' }
// the indexed family name is not written, so that the row is updated in place
const { indexed_family_name: _, ...IN_PLACE } = CHANGEABLE.profile
const PROFILE: ColumnTypes = { ...IN_PLACE, listed_family_name: 'text', is_renamed: 'boolean' }

const STATE: ColumnTypes = CHANGEABLE.state

const stateStatement = prepareForRows({ ...WRITTEN, ...STATE }, (p, rowsAs) => {
  const written = update(p, STATE, rowsAs, sql`users.id`)
  return sql`with written as (${written}) ${requireCurrent(areWritten(p))}`
})

/** @param isRelisting whether some users get a name in the list of family names */
const prepareProfiles = (isRelisting: boolean) =>
  prepareForRows({ ...WRITTEN, ...PROFILE }, (p, rowsAs) => {
    const tenantId = p['tenantId'] as number
    const relisted = columnSet('relisted', RELISTED, p)
    const areListed = sql`(select count(*) from listed
      join ${relisted} on relisted_id = user_id and name_after = family_name_key) = cardinality(${p['relisted_id']}::uuid[])`
    return sql`
      with written as (${update(p, PROFILE, rowsAs, sql`users.id, given.is_renamed`)}),
        ${isRelisting ? sql`listed as (${relist(tenantId, relisted)}),` : sql``}
        noted as (${noteNames(tenantId, sql`select id from written where is_renamed`)})
      ${requireCurrent(isRelisting ? sql`${areWritten(p)} and ${areListed}` : areWritten(p))}`
  })
const profileStatements = { plain: prepareProfiles(false), relisting: prepareProfiles(true) }

function update(
  p: Record<string, unknown>,
  types: ColumnTypes,
  rowsAs: (name: string) => RawBuilder<unknown>,
  returned: RawBuilder<unknown>
): RawBuilder<unknown> {
  const names = ['updated_at', ...Object.keys(types)].filter((name) => name !== 'is_renamed')
  const set = names.map((name) => sql`${sql.ref(name)} = ${sql.ref(`given.${name}`)}`)
  return sql`
    update users set ${sql.join(set)}, version = users.version + 1
    from ${rowsAs('given')}
    where users.tenant_id = ${p['tenantId']} and users.id = given.id and users.version = given.version
      and users.given_role is not distinct from given.given_role
    returning ${returned}`
}

const areWritten = (p: Record<string, unknown>) => sql`(select count(*) from written) = ${p['count']}::int`

type Event = Parameters<typeof auditRows>[1][number]

/**
 * Writes the audit events of changes whose rows were written before; for removals, also frees the addresses and updates
 * the count. Requires that nothing else ends with anybody's access, and that removed users are in no group any more.
 */
export function writeEvents(
  db: Db,
  tenantId: number,
  events: readonly Event[],
  { ending, leaving }: Endings
): CompiledQuery {
  const statement = eventStatements[leaving.length > 0 ? 'leaving' : ending.length > 0 ? 'ending' : 'neither']
  return statement(db, { tenantId, ending, leaving, delta: -leaving.length }, auditRows(tenantId, events))
}

const prepareEvents = (besides: (p: Record<string, unknown>, inserted: RawBuilder<unknown>) => RawBuilder<unknown>) =>
  prepareForRows(AUDIT_COLUMNS, (p, rowsAs) => besides(p, insertEvents(rowsAs('events'))))
const eventStatements = {
  neither: prepareEvents((_, inserted) => inserted),
  ending: prepareEvents(
    (p, inserted) => sql`with told as (${inserted}) ${requireCurrent(sql`not exists (${holders(p, 'ending')})`)}`
  ),
  leaving: prepareEvents((p, inserted) => {
    const tenantId = p['tenantId'] as number
    const areTheirs = sql`tenant_id = ${tenantId} and user_id = any(${p['leaving']}::uuid[])`
    const isFree = sql`not exists (${holders(p, 'ending')} union all ${holders(p, 'leaving')}
      union all select user_id from group_members where ${areTheirs})`
    return sql`
      with freed as (delete from addresses where ${areTheirs}),
        told as (${inserted}),
        counted as (${countResources(tenantId, 'User', p['delta'] as number)})
      ${requireCurrent(isFree)}`
  })
}
const holders = (p: Record<string, unknown>, some: keyof Endings) =>
  holdersAmong(p['tenantId'] as number, p[some], HELD[some])

/** A membership that ends, and the audit event of the removal that ends it. */
export type LeftGroup = Readonly<Record<'group_id' | 'user_id' | 'event_id', string>>

/** Takes users out of groups; requires that they are still members. */
export const leaveGroups = (db: Db, tenantId: number, left: readonly LeftGroup[], now: Date): CompiledQuery =>
  leaveStatement(db, { tenantId, now, ...columnsOf(LEFT, left) })

const LEFT = { group_id: 'uuid', user_id: 'uuid', event_id: 'uuid' }

const leaveStatement = prepare((p) => {
  const tenantId = p['tenantId'] as number
  return sql`
    with given as (select * from ${columnSet('given', LEFT, p)}),
      -- a change of all members of a group locks the group before the memberships: so does this
      their_groups as (
        select id from groups where tenant_id = ${tenantId} and id in (select group_id from given) order by id for key share
      ),
      gone as (
        delete from group_members m using given
        where m.tenant_id = ${tenantId} and m.group_id = given.group_id and m.user_id = given.user_id
          and m.group_id in (select id from their_groups)
        returning m.group_id, m.user_id, m.connection_id, m.event_id, given.event_id as removed_event_id
      ),
      kept as (${keepEndedMemberships(tenantId, sql`gone`)}),
      counted as (${countMemberChanges(
        tenantId,
        p['now'] as Date,
        sql`select group_id, -count(*)::int as delta from gone group by group_id`
      )})
    ${requireCurrent(sql`(select count(*) from gone) = cardinality(${p['user_id']}::uuid[])`)}`
})

/**
 * Takes permits of the brake for people's deactivations or removals, and fails if there are too few. Call it as the
 * last statement that locks.
 * @param people as in takeUserPermits
 */
export const requirePermits = (
  db: Db,
  tenantId: number,
  { connectionId, limits, kind }: Deprovisioning,
  people: { ids: readonly string[]; leaving: number },
  now: Date
): CompiledQuery => permitStatement(db, { tenantId, connectionId, kind, ...people, minute: minuteOf(now), ...limits })

const permitStatement = prepare((p) =>
  requireCurrent(sql`take_brake_permits(${p['tenantId']}, ${p['connectionId']}::uuid, ${p['kind']}, ${p['ids']}::uuid[],
    ${p['ids']}::uuid[], '{}', null, ${p['leaving']}, ${p['minute']}, ${p['percent']}::numeric, ${p['people']}) = 0`)
)
