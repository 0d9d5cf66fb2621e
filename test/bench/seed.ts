// Writes populations into the tables in bulk, as the rules would have written them, and the same data for the floor.
import { type SqlBool, sql } from 'kysely'
import { connect, type Db } from '../../db/connect.ts'
import { insertRows } from '../../db/rows.ts'
import { indexNames } from '../../db/search-indexing.ts'
import { DOCUMENT_COLUMNS } from '../../db/user-columns.ts'
import { GROUP_SCHEMA, groupColumns } from '../../server/provisioning/group-document.ts'
import { documentColumns } from '../../server/provisioning/user-document.ts'
import { hashToken } from '../../server/secrets.ts'
import {
  apiTokenOf,
  createdAt,
  LARGE_GROUP,
  largeGroupId,
  largeGroups,
  lowestId,
  type Population,
  SPARE_USERS,
  scimTokenOf,
  subdomainOf,
  TEAM_SIZE,
  TEAMS,
  teamId,
  userDocument,
  userId
} from './population.ts'
import { createFloor, fillFloor } from './seed-floor.ts'

const BATCH = 2_000

/** Options of each connection: no checks of row-level security and foreign keys, and no waiting for the disk. */
const UNCHECKED = '-c synchronous_commit=off -c session_replication_role=replica'

/** Connections for seeding as the superuser; several work at the same time. Measurements use other connections. */
export async function openSeeder(databaseUrl: string): Promise<Db> {
  const url = `${databaseUrl}?options=${encodeURIComponent(UNCHECKED)}`
  const db = connect({ url, poolSize: 3, statementTimeoutMs: 0, applicationName: 'bench seeder' })
  await createFloor(db)
  return db
}

/** Whether an earlier run on the same data has seeded the population. It looks for what is written last. */
export async function isSeeded(db: Db, { firstTenant }: Population): Promise<boolean> {
  const { rows } = await sql`select from floor.names where tenant_id = ${firstTenant} limit 1`.execute(db)
  return rows.length > 0
}

/** @param baseUrl of a tenant's SCIM endpoint, for locations in the floor's texts */
export async function seed(db: Db, population: Population, baseUrl: (tenant: number) => string): Promise<void> {
  const { firstTenant, tenants } = population
  await insertTenants(db, population)
  const everybody = { from: 0, to: population.users }
  if (tenants === 1) await insertUsers(db, population, firstTenant, everybody)
  else await insertSmallTenants(db, population)
  await followUsers(db, population)
  const index = () => indexNames(db, firstTenant, new AbortController().signal)
  const fill = async () => {
    await insertLargeGroups(db, population)
    await fillFloor(
      db,
      (table) => isOf(population, table),
      baseUrl(firstTenant).replace(`//${subdomainOf(firstTenant)}.`, '//t')
    )
  }
  // a search of a small tenant reads everybody
  await Promise.all(tenants === 1 ? [fill(), index()] : [fill()])
  await settle(db)
}

/** Does what autovacuum would do in time: it makes statistics and sets hint bits, so that no reader has to. */
export async function settle(db: Db): Promise<void> {
  await sql.raw('vacuum (analyze)').execute(db)
  await sql.raw('checkpoint').execute(db)
}

/** Makes users after the population's own, who are in no group yet, unless they exist. @param from the first of them */
export async function ensureSpareUsers(db: Db, population: Population, from = population.users): Promise<void> {
  const { firstTenant } = population
  const { rows } =
    await sql`select from users where tenant_id = ${firstTenant} and id = ${userId(firstTenant, from)}`.execute(db)
  if (rows.length > 0) return
  const range = { from, to: from + SPARE_USERS }
  await insertUsers(db, population, firstTenant, range)
  await followUsers(db, population, range)
}

async function insertTenants(db: Db, { firstTenant, tenants }: Population): Promise<void> {
  const numbers = Array.from({ length: tenants }, (_, index) => firstTenant + index)
  const at = createdAt(0)
  await sql`
    insert into tenants (id, subdomain, name, state, settings, created_at, updated_at) overriding system value
    select n, 't' || n, 'Tenant ' || n, 'active', '{"brake": {"off": true}}', ${at}::timestamptz, ${at}::timestamptz
    from unnest(${numbers}::int[]) as n`.execute(db)
  await insertRows(db, 'scim_connections', CONNECTION_TYPES, numbers.map(connectionRow))
  const hashed = (token: string) => hashToken(token)
  const tokenTypes = {
    tenant_id: 'int',
    id: 'uuid',
    connection_id: 'uuid',
    token_hash: 'bytea',
    created_at: 'timestamptz'
  }
  await insertRows(
    db,
    'scim_tokens',
    tokenTypes,
    numbers.map((tenant) => ({
      tenant_id: tenant,
      id: connectionId(tenant),
      connection_id: connectionId(tenant),
      token_hash: hashed(scimTokenOf(tenant)),
      created_at: at
    }))
  )
  await insertRows(
    db,
    'api_tokens',
    {
      tenant_id: 'int',
      id: 'uuid',
      token_hash: 'bytea',
      user_id: 'uuid',
      name: 'text',
      role: 'text',
      created_at: 'timestamptz'
    },
    numbers.map((tenant) => ({
      tenant_id: tenant,
      id: connectionId(tenant),
      token_hash: hashed(apiTokenOf(tenant)),
      user_id: userId(tenant, 0),
      name: 'bench',
      role: 'administrator',
      created_at: at
    }))
  )
}

const CONNECTION = 3_000_000
const connectionId = (tenant: number) => userId(tenant, CONNECTION)
const CONNECTION_TYPES = {
  tenant_id: 'int',
  id: 'uuid',
  name: 'text',
  profile: 'text',
  highest_role: 'text',
  created_at: 'timestamptz'
}
const connectionRow = (tenant: number) => ({
  tenant_id: tenant,
  id: connectionId(tenant),
  name: 'bench',
  profile: 'auto',
  highest_role: 'responder',
  created_at: createdAt(0)
})

interface Range {
  readonly from: number
  readonly to: number
}

async function insertUsers(db: Db, population: Population, tenant: number, { from, to }: Range): Promise<void> {
  const batches = new Batches(db)
  for (let start = from; start < to; start += BATCH) {
    const rows = []
    for (let user = start; user < Math.min(start + BATCH, to); user++) rows.push(userRow(population, tenant, user))
    await batches.insert(rows)
  }
  await batches.end()
}

async function insertSmallTenants(db: Db, population: Population): Promise<void> {
  const batches = new Batches(db)
  let rows: UserRow[] = []
  for (let tenant = population.firstTenant; tenant < population.firstTenant + population.tenants; tenant++) {
    for (let user = 0; user < population.users; user++) rows.push(userRow(population, tenant, user))
    if (rows.length < BATCH) continue
    await batches.insert(rows)
    rows = []
  }
  await batches.insert(rows)
  await batches.end()
}

/** Inserts users batch by batch, so that they are numbered in order. The next batch is prepared meanwhile. */
class Batches {
  private readonly db: Db
  private last: Promise<void>

  constructor(db: Db) {
    this.db = db
    this.last = Promise.resolve()
  }

  async insert(rows: UserRow[]): Promise<void> {
    await this.last
    this.last = insertRows(this.db, 'users', USER_TYPES, rows)
    // the next one who waits for it hears of a failure
    this.last.catch(() => {})
    // the batch is sent in the following turns of the event loop
    await new Promise(setImmediate)
  }

  end(): Promise<void> {
    return this.last
  }
}

type UserRow = ReturnType<typeof userRow>

/** The first user of each tenant is its administrator, and owns the API token. */
function userRow({ users }: Population, tenant: number, user: number) {
  return {
    ...documentColumns(userDocument(tenant, users, user)),
    tenant_id: tenant,
    id: userId(tenant, user),
    state: 'active',
    role: user === 0 ? 'administrator' : 'responder',
    connection_id: connectionId(tenant),
    created_at: createdAt(user),
    updated_at: createdAt(user),
    activated_at: createdAt(user)
  }
}

const USER_TYPES = {
  tenant_id: 'int',
  id: 'uuid',
  state: 'text',
  role: 'text',
  ...DOCUMENT_COLUMNS,
  connection_id: 'uuid',
  created_at: 'timestamptz',
  updated_at: 'timestamptz',
  activated_at: 'timestamptz'
}

/** The condition for rows of a population, or of its users in a range of numbers. */
const isOf = ({ firstTenant, tenants }: Population, table: string, range?: Range) => sql<SqlBool>`
  ${sql.ref(`${table}.tenant_id`)} between ${firstTenant} and ${firstTenant + tenants - 1}
  ${range ? sql`and ${sql.ref(`${table}.created_at`)} >= ${createdAt(range.from)}` : sql``}
  ${range ? sql`and ${sql.ref(`${table}.created_at`)} < ${createdAt(range.to)}` : sql``}`

/** Writes what goes with users: e-mail keys, login addresses, audit events, counts. */
async function followUsers(db: Db, population: Population, range?: Range): Promise<void> {
  const theirs = isOf(population, 'users', range)
  await sql`insert into search_pending (tenant_id, user_id) select tenant_id, id from users where ${theirs}`.execute(db)
  await sql`
    insert into user_emails (tenant_id, user_id, value_key)
    select tenant_id, id, lower(e ->> 'value') from users, json_array_elements(doc -> 'emails') as e
    where ${theirs}`.execute(db)
  await sql`
    insert into addresses (address_key, tenant_id, user_id) select email_key, tenant_id, id from users where ${theirs}`.execute(
    db
  )
  await sql`
    insert into audit_events (tenant_id, id, at, action, actor_kind, actor_id, actor_name, target_type, target_id,
      target_name, request_id, ip, after)
    select tenant_id, id, created_at, 'user.created', 'scimToken', connection_id, 'bench', 'user', id, display_name,
      id, '127.0.0.1', json_build_object('userName', user_name, 'email', email, 'externalId', external_id, 'role', role,
        'state', state)
    from users where ${theirs}`.execute(db)
  await sql`
    insert into resource_counts (tenant_id, resource_type, slot, total)
    select tenant_id, 'User', 0, count(*) from users where ${theirs} group by tenant_id
    on conflict (tenant_id, resource_type, slot) do update set total = resource_counts.total + excluded.total`.execute(
    db
  )
}

async function insertLargeGroups(db: Db, population: Population): Promise<void> {
  const { firstTenant, tenants, users } = population
  const rows = []
  for (let tenant = firstTenant; tenant < firstTenant + tenants; tenant++) {
    for (let group = 0; group < largeGroups(population); group++) {
      rows.push({
        tenant,
        id: largeGroupId(tenant, group),
        name: `Everybody ${group}`,
        group,
        from: group * LARGE_GROUP
      })
    }
  }
  for (let start = 0; start < rows.length; start += BATCH) await insertGroups(db, rows.slice(start, start + BATCH))
  // with statistics that know none of these tenants, a plan would join each group with everybody
  await sql.raw('analyze users, groups').execute(db)
  for (let group = 0; group < largeGroups(population); group++) {
    const from = createdAt(group * LARGE_GROUP)
    const to = createdAt(Math.min((group + 1) * LARGE_GROUP, users))
    await sql`
      insert into group_members (tenant_id, group_id, user_id)
      select users.tenant_id, groups.id, users.id from users join groups on groups.tenant_id = users.tenant_id
      where ${isOf(population, 'users')} and users.created_at >= ${from} and users.created_at < ${to}
        and groups.display_name = ${`Everybody ${group}`}`.execute(db)
  }
  await countMembers(db, population)
}

async function insertGroups(db: Db, groups: { tenant: number; id: string; name: string }[]): Promise<void> {
  const rows = groups.map(({ tenant, id, name }) => ({
    ...groupColumns({ schemas: [GROUP_SCHEMA], displayName: name, externalId: id }),
    tenant_id: tenant,
    id,
    connection_id: connectionId(tenant),
    created_at: createdAt(0),
    updated_at: createdAt(0)
  }))
  await insertRows(db, 'groups', GROUP_TYPES, rows)
  const closure = groups.map(({ tenant, id }) => ({ tenant_id: tenant, group_id: id, ancestor_id: id }))
  await insertRows(db, 'group_ancestors', { tenant_id: 'int', group_id: 'uuid', ancestor_id: 'uuid' }, closure)
  await sql`
    insert into resource_counts (tenant_id, resource_type, slot, total)
    select n, 'Group', 0, count(*) from unnest(${groups.map(({ tenant }) => tenant)}::int[]) as n group by n
    on conflict (tenant_id, resource_type, slot) do update set total = resource_counts.total + excluded.total`.execute(
    db
  )
}

const GROUP_TYPES = {
  tenant_id: 'int',
  id: 'uuid',
  display_name: 'text',
  display_name_key: 'text',
  external_id: 'text',
  connection_id: 'uuid',
  doc: 'json',
  created_at: 'timestamptz',
  updated_at: 'timestamptz'
}

async function countMembers(db: Db, population: Population): Promise<void> {
  await sql`delete from group_revisions where ${isOf(population, 'group_revisions')}`.execute(db)
  await sql`
    insert into group_revisions (tenant_id, group_id, slot, member_delta, changes, at)
    select tenant_id, group_id, 0, count(*), 1, ${createdAt(0)}::timestamptz from group_members
    where ${isOf(population, 'group_members')} group by tenant_id, group_id`.execute(db)
}

/**
 * Gives the teams of 1,000 and the groups of everybody exactly the members that they start with, and takes back what
 * earlier rounds changed. The population has one tenant.
 */
export async function restoreGroups(db: Db, population: Population): Promise<void> {
  const tenant = population.firstTenant
  const { rows } = await sql`select from groups where tenant_id = ${tenant} and id = ${teamId(tenant, 0)}`.execute(db)
  const teams = Array.from({ length: TEAMS }, (_, team) => ({ tenant, id: teamId(tenant, team), name: `Team ${team}` }))
  if (rows.length === 0) await insertGroups(db, teams)
  await sql`
    delete from group_members where tenant_id = ${tenant} and user_id >= ${lowestId(population.users)}`.execute(db)
  await sql`
    insert into group_members (tenant_id, group_id, user_id)
    select ${tenant}::int, (${teams.map(({ id }) => id)}::uuid[])[place / ${TEAM_SIZE} + 1], id
    from (select id, (row_number() over (order by id) - 1)::int as place from users
      where tenant_id = ${tenant} and id < ${lowestId(TEAMS * TEAM_SIZE)}) as members
    on conflict do nothing`.execute(db)
  await countMembers(db, population)
  await sql`
    insert into floor.members (tenant_id, group_id, user_id)
    select tenant_id, group_id, user_id from group_members
    where tenant_id = ${tenant} and group_id = any(${teams.map(({ id }) => id)}::uuid[])
    on conflict do nothing`.execute(db)
  await sql.raw('vacuum (analyze) group_members, group_revisions, users, floor.members').execute(db)
}
