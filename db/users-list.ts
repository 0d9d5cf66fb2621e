// The list of a tenant's users: searched, filtered, sorted, paged by key.
import { type RawBuilder, type SqlBool, sql } from 'kysely'
import { type Db, readFieldsInTenant, readInTenant } from './connect.ts'
import type { CursorKeys } from './cursor.ts'
import type { Role, UserState } from './schema.ts'
import { ROLES, USER_STATES } from './schema.ts'
import { type Narrowing, toCandidates, toFirstCandidates, toFirstOfSlices } from './search-candidates.ts'
import { type SearchEstimate, type Way, waysToPage, wayToAll } from './search-plan.ts'
import { SHOWN_COLUMNS, type ShownUser, shownUserColumns, toShownUser } from './shown-users.ts'

export interface UserFilter {
  readonly role?: Role
  /** Without it, everybody who is not removed. */
  readonly state?: UserState
  readonly locked?: boolean
  readonly source?: 'invitation' | 'scim'
  /** Direct members of this group. */
  readonly groupId?: string
}

export const USER_SORT_KEYS = ['displayName', 'email', 'role', 'state', 'createdAt', 'lastSignInAt'] as const
export type UserSortKey = (typeof USER_SORT_KEYS)[number]

export interface UserListQuery {
  /** Words that must all be found, as parts of the names, the address or the user name, in any letter case. */
  readonly search?: string
  /** `estimateSearch` of `wordsOf(search)`; without it everybody is compared with the words. */
  readonly estimate?: SearchEstimate
  readonly filter: UserFilter
  readonly sort: UserSortKey
  readonly isDescending: boolean
  /** `[sort value, id]` of the last row of the page before. */
  readonly after: CursorKeys | undefined
  readonly limit: number
}

interface UserListItem {
  readonly user: ShownUser
  /** The sort value as text, for the cursor. */
  readonly sortValue: string | null
}

interface SortOrder {
  readonly value: RawBuilder<unknown>
  readonly type: 'text' | 'int' | 'bigint' | 'numeric'
  /** Users without a value come last, in both directions. */
  readonly isNullable: boolean
  /** Set for an order that the search index knows, too. */
  readonly known?: 'name' | 'age'
}

const rank = (column: string, values: readonly string[]) =>
  sql`array_position(array[${sql.join(values.map((value) => sql.lit(value)))}], ${sql.ref(column)})`

const SORT_ORDERS: Record<UserSortKey, SortOrder> = {
  displayName: { value: sql.ref('users.shown_name_key'), type: 'text', isNullable: false, known: 'name' },
  email: { value: sql.ref('users.email_key'), type: 'text', isNullable: true },
  role: { value: rank('users.role', ROLES), type: 'int', isNullable: false },
  state: { value: rank('users.state', USER_STATES), type: 'int', isNullable: false },
  // rows are numbered in the order of creation, and an index has the number
  createdAt: { value: sql.ref('users.ordinal'), type: 'bigint', isNullable: false, known: 'age' },
  lastSignInAt: { value: sql`extract(epoch from users.last_sign_in_at)`, type: 'numeric', isNullable: true }
}

/** Up to `limit` users in the order asked for; one statement, or for a search several until the page is full. */
export async function listUsers(db: Db, tenantId: number, query: UserListQuery): Promise<UserListItem[]> {
  const ways: Way[] = query.estimate
    ? waysToPage(query.estimate, query.limit, SORT_ORDERS[query.sort].known)
    : [{ kind: 'walk' }]
  let found: UserListItem[] = []
  for (const way of ways) {
    found = await listOnWay(db, tenantId, query, way)
    if (found.length === query.limit) break
  }
  return found
}

async function listOnWay(db: Db, tenantId: number, query: UserListQuery, way: Way): Promise<UserListItem[]> {
  const order = SORT_ORDERS[query.sort]
  const direction = sql.raw(query.isDescending ? 'desc' : 'asc')
  const inOrder = sql`order by ${order.value} ${direction}${sql.raw(order.isNullable ? ' nulls last' : '')}, users.id ${direction}`
  const narrowing = narrow(query, way)
  const behind = query.after ? sql`and ${isAfter(order, query.isDescending, query.after)}` : sql``
  // limits are literals: the planner would take an unknown limit for a tenth of all rows
  const rows = await readFieldsInTenant(
    db,
    tenantId,
    sql`${narrowing ? narrowing.ctes : sql``}
      select ${shownUserColumns(tenantId)}, (${order.value})::text
      from ${
        way.kind === 'walk' && way.steps
          ? sql`(select * from users where users.tenant_id = ${tenantId} ${behind} ${inOrder} limit ${sql.lit(way.steps)}) as users`
          : sql`users`
      }
      where users.tenant_id = ${tenantId} and ${isWanted(tenantId, query)} ${behind}
        ${narrowing ? sql`and ${narrowing.condition}` : sql``}
      ${inOrder} limit ${sql.lit(query.limit)}`
  )
  return rows.map((fields) => ({ user: toShownUser(fields), sortValue: fields[SHOWN_COLUMNS]! }))
}

function narrow({ estimate, sort, isDescending, after }: UserListQuery, way: Way): Narrowing | undefined {
  if (way.kind === 'walk' || !estimate) return undefined
  const order = SORT_ORDERS[sort].known
  const { first, from } = way
  if (!order || (first === undefined && !after)) return toCandidates(estimate)
  const bounds = { order, isDescending, after: after && ([String(after[0]), String(after[1])] as const) }
  if (first && from) return toFirstOfSlices(estimate, { first, ...from }, bounds)
  return toFirstCandidates(estimate, first, bounds)
}

/** How many users the list has in all. */
export async function countUsers(
  db: Db,
  tenantId: number,
  query: Pick<UserListQuery, 'search' | 'estimate' | 'filter'>
): Promise<number> {
  const { estimate } = query
  const found = estimate && wayToAll(estimate).kind === 'index' ? toCandidates(estimate) : undefined
  const count = sql<{ total: number }>`
    ${found ? found.ctes : sql``}
    select count(*)::int as total from users
    where users.tenant_id = ${tenantId} and ${isWanted(tenantId, query)} ${found ? sql`and ${found.condition}` : sql``}`
  const [row] = await readInTenant<{ total: number }>(db, tenantId, count)
  return row!.total
}

function isAfter(order: SortOrder, isDescending: boolean, [value, id]: CursorKeys): RawBuilder<SqlBool> {
  const than = sql.raw(isDescending ? '<' : '>')
  const last = sql`${value}::${sql.raw(order.type)}`
  if (!order.isNullable) return sql`(${order.value}, users.id) ${than} (${last}, ${id}::uuid)`
  if (value === null) return sql`(${order.value} is null and users.id ${than} ${id}::uuid)`
  return sql`((${order.value}, users.id) ${than} (${last}, ${id}::uuid) or ${order.value} is null)`
}

function isWanted(tenantId: number, { search, filter }: Pick<UserListQuery, 'search' | 'filter'>): RawBuilder<SqlBool> {
  const conditions: RawBuilder<unknown>[] = [
    filter.state === undefined ? sql`not users.is_removed` : sql`users.state = ${filter.state}`
  ]
  if (filter.role !== undefined) conditions.push(sql`users.role = ${filter.role}`)
  if (filter.locked !== undefined) conditions.push(sql`users.locked = ${filter.locked}`)
  if (filter.source !== undefined) {
    conditions.push(filter.source === 'scim' ? sql`users.connection_id is not null` : sql`users.connection_id is null`)
  }
  if (filter.groupId !== undefined) {
    conditions.push(sql`exists (select from group_members m
      where m.tenant_id = ${tenantId} and m.group_id = ${filter.groupId}::uuid and m.user_id = users.id)`)
  }
  conditions.push(...wordsOf(search).map(hasWord))
  return sql<SqlBool>`(${sql.join(conditions, sql` and `)})`
}

// columns one by one: concatenating them first would cost more than searching them
function hasWord(word: string): RawBuilder<unknown> {
  const pattern = `%${word.replace(/[\\%_]/g, '\\$&')}%`
  return sql`(users.shown_name_key like ${pattern} or users.email_key like ${pattern}
    or users.user_name_key like ${pattern} or users.family_name_key like ${pattern}
    or lower(users.given_name) like ${pattern})`
}

const MAX_WORDS = 8

export const wordsOf = (search = ''): string[] => search.toLowerCase().split(/\s+/).filter(Boolean).slice(0, MAX_WORDS)
