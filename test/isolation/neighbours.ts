// Two tenants on one database, each with something of everything and every kind of secret, and means to tell whether
// one was reached from the other: what it holds, and whether that has changed.
import { sql } from 'kysely'
import type { Test } from 'tap'
import type { Db } from '../../db/connect.ts'
import { setPasswordHash } from '../../db/credentials.ts'
import { createOneTimeCode } from '../../server/auth/one-time-code.ts'
import { systemActor } from '../../server/provisioning/actor.ts'
import { createScimToken } from '../../server/provisioning/scim-tokens.ts'
import { type Caller, startApp, type TestApp, type TrpcAnswer } from '../support/app.ts'
import { insertPeople, signInAs } from '../support/people.ts'
import { clientOf, type Scim } from '../support/scim.ts'
import { noteTokens } from '../support/sealed.ts'
import { addTenant, type Tenant } from '../support/tenants.ts'

/** Extensions that both tenants have, with the same names. */
export const SCHEMA_URNS = ['urn:neighbours:scim:1.0:User', 'urn:neighbours:scim:1.0:Second'] as const
export const PASSWORD = 'correct horse battery staple 1'

/** A tenant and what another one must not reach. */
export interface Neighbour {
  readonly tenant: Tenant
  /** A word in every name of the tenant's people and things, and nowhere else. */
  readonly nameMark: string
  /** A word in every address of the tenant's people. */
  readonly addressMark: string
  readonly adminId: string
  readonly adminEmail: string
  /** An active user in a group, with an API token, a session, a sign-in code and a reset link. */
  readonly memberId: string
  readonly memberEmail: string
  /** A user whom the SCIM connection made. */
  readonly scimUserId: string
  readonly userName: string
  readonly invitedEmail: string
  readonly invitationId: string
  readonly groupId: string
  readonly groupName: string
  readonly childGroupId: string
  readonly connectionId: string
  readonly scimTokenId: string
  /** A stream of its events, paused, so that nothing is sent. */
  readonly streamId: string
  readonly apiTokenId: string
  readonly sessionId: string
  /** An entry of the audit log. */
  readonly eventId: string
  /** An entry of the wire log. */
  readonly exchangeId: string
  /** Everything that lets somebody in. */
  readonly secrets: {
    readonly cookie: string
    readonly apiToken: string
    readonly scimToken: string
    readonly invitationToken: string
    readonly resetToken: string
    readonly code: string
  }
  readonly scim: Scim
  as(caller: Caller): {
    query(procedure: string, input?: unknown): Promise<TrpcAnswer>
    mutate(procedure: string, input?: unknown): Promise<TrpcAnswer>
  }
}

export interface Neighbours {
  readonly app: TestApp
  readonly acme: Neighbour
  readonly globex: Neighbour
}

export async function startNeighbours(t: Test, env: Record<string, string> = {}): Promise<Neighbours> {
  const app = await startApp(t, { env })
  const acme = await furnish(app, 'acme', { nameMark: 'capybara', addressMark: 'lemur' })
  const globex = await furnish(app, 'globex', { nameMark: 'zebrafish', addressMark: 'quokka' })
  await app.deps.auth.background.close()
  return { app, acme, globex }
}

async function furnish(
  app: TestApp,
  subdomain: string,
  { nameMark, addressMark }: { nameMark: string; addressMark: string }
): Promise<Neighbour> {
  const { owner, deps, clock } = app
  const tenant = await addTenant(app, subdomain)
  const email = (name: string) => `${name}@${addressMark}.test`
  const [adminId, memberId] = (await insertPeople(owner, tenant.id, [
    { email: email('admin'), role: 'administrator', displayName: `Ada ${nameMark}` },
    { email: email('member'), role: 'manager', displayName: `Ben ${nameMark}` }
  ])) as [string, string]
  const hash = await deps.auth.passwords.hash(PASSWORD)
  for (const id of [adminId, memberId]) {
    await owner.transaction().execute((trx) => setPasswordHash(trx, tenant.id, id, hash, clock.now()))
  }
  const as: Neighbour['as'] = (caller) => ({
    query: (procedure, input) => app.query(subdomain, procedure, input, caller),
    mutate: (procedure, input) => app.mutate(subdomain, procedure, input, caller)
  })
  const cookie = await signInAs(owner, tenant.id, memberId)
  const member = as({ cookie })
  const admin = as({ cookie: await signInAs(owner, tenant.id, adminId) })
  const madeApiToken = await member.mutate('apiTokens.create', { name: `backend of ${nameMark}` })
  await member.mutate('apiTokens.create', { name: `another of ${nameMark}` })
  const sessions = await member.query('auth.sessions')
  await signInAs(owner, tenant.id, memberId)

  const made = await createScimToken(deps, tenant, systemActor, {
    name: `idp of ${nameMark}`,
    highestRole: 'administrator'
  })
  await createScimToken(deps, tenant, systemActor, { name: `second idp of ${nameMark}` })
  const { connection_id: connectionId } = made.scimToken
  const scim = clientOf(app, tenant, made.token)
  for (const id of SCHEMA_URNS) {
    const attributes = [{ name: 'badge', type: 'string' }]
    const answer = await admin.mutate('scimSchemas.create', { definition: { id, name: `of ${nameMark}`, attributes } })
    if (answer.error) throw new Error(answer.error.message)
  }
  const userName = email('scim')
  const scimUser = await scim.createUser({ userName, displayName: `Cleo ${nameMark}`, externalId: `ext-${nameMark}` })
  await scim.createUser({ userName: email('second'), displayName: `Dan ${nameMark}` })
  await insertScimError(owner, tenant.id, connectionId, `refused for ${nameMark}`)

  const stream = await admin.mutate('eventStreams.create', {
    kind: 'webhook',
    name: `hook of ${nameMark}`,
    url: `https://hooks.${addressMark}.test/`
  })
  const streamId = stream.data.stream.id
  await admin.mutate('eventStreams.update', { streamId, state: 'paused' })

  const groupName = `Rota of ${nameMark}`
  const people = [memberId, adminId, scimUser.id]
  const group = (await admin.mutate('groups.create', { displayName: groupName, members: people })).data.group
  const child = (await admin.mutate('groups.create', { displayName: `Child of ${nameMark}` })).data.group
  await scim.patch(`/Groups/${group.id}`, [{ op: 'add', path: 'members', value: [{ value: child.id, type: 'Group' }] }])
  const gone = (await admin.mutate('groups.create', { displayName: `Gone of ${nameMark}`, members: [memberId] })).data
  await scim.patch(`/Groups/${gone.group.id}`, [{ op: 'add', path: 'members', value: [{ value: child.id }] }])
  await admin.mutate('groups.remove', { groupId: gone.group.id })

  const invited = await sealedBy(app, () =>
    admin.mutate('invitations.create', { invites: [{ email: email('invited') }] })
  )
  await admin.mutate('invitations.create', { invites: [{ email: email('invited2') }] })
  const reset = await sealedBy(app, async () => {
    const answer = await member.mutate('auth.requestPasswordReset', { email: email('member') })
    await deps.auth.background.close()
    return answer
  })
  const expiresAt = new Date(clock.now().getTime() + 3_600_000)
  const code = await createOneTimeCode(deps, tenant.id, { purpose: 'link', userId: memberId, expiresAt })
  await owner
    .insertInto('google_identities')
    .values({
      tenant_id: tenant.id,
      issuer: 'https://issuer.test',
      subject: memberId,
      user_id: memberId,
      email: email('member'),
      created_at: clock.now()
    })
    .execute()
  const events = await admin.query('audit.list', { search: nameMark, limit: 1 })
  const exchanges = await admin.query('wireLog.list', { limit: 1 })
  return {
    tenant,
    nameMark,
    addressMark,
    adminId,
    adminEmail: email('admin'),
    memberId,
    memberEmail: email('member'),
    scimUserId: scimUser.id,
    userName,
    invitedEmail: email('invited'),
    invitationId: invited.answer.data.results[0].invitationId,
    groupId: group.id,
    groupName,
    childGroupId: child.id,
    connectionId,
    streamId,
    scimTokenId: made.scimToken.id,
    apiTokenId: madeApiToken.data.apiToken.id,
    sessionId: sessions.data.items[0].id,
    eventId: events.data.items[0].id,
    exchangeId: exchanges.data.items[0].id,
    secrets: {
      cookie,
      apiToken: madeApiToken.data.token,
      scimToken: made.token,
      invitationToken: invited.token,
      resetToken: reset.token,
      code
    },
    scim,
    as
  }
}

/** Does `work`, which writes a mail. @returns its token, too */
async function sealedBy(app: TestApp, work: () => Promise<TrpcAnswer>): Promise<{ answer: TrpcAnswer; token: string }> {
  const tokens = noteTokens(app)
  const answer = await work()
  const token = tokens.at(-1)
  if (!token) throw new Error(`No mail was written: ${answer.error?.message}`)
  return { answer, token }
}

const insertScimError = (owner: Db, tenantId: number, connectionId: string, detail: string) =>
  owner
    .insertInto('scim_errors')
    .values({
      tenant_id: tenantId,
      connection_id: connectionId,
      hour: new Date(new Date().setMinutes(0, 0, 0)),
      count: 1,
      last_at: new Date(),
      last_status: 400,
      last_detail: detail
    })
    .execute()

/** All tables with a tenant_id. */
export async function tenantTables(owner: Db): Promise<string[]> {
  const { rows } = await sql<{ name: string }>`
    select c.relname as name from pg_class c
    join pg_attribute a on a.attrelid = c.oid and a.attname = 'tenant_id' and not a.attisdropped
    where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p') order by 1`.execute(owner)
  return rows.map(({ name }) => name)
}

/** A digest of all rows that belong to a tenant, by table, with its jobs and its own row. */
export async function digestOf(db: Db, tenantId: number, tables: readonly string[]): Promise<Record<string, string>> {
  const digest = (from: string) =>
    `(select count(*) || ' ' || md5(coalesce(string_agg(r::text, chr(10) order by r::text), '')) from ${from})`
  const columns = [
    `${digest(`tenants r where id = ${tenantId}`)} as tenants`,
    ...tables.map((table) => `${digest(`${table} r where tenant_id = ${tenantId}`)} as ${table}`)
  ]
  const { rows } = await sql<Record<string, string>>`select ${sql.raw(columns.join(', '))}`.execute(db)
  return rows[0]!
}

/** Leaves out what a tenant's own requests note some time after their answer. */
export const quietTables = async (owner: Db): Promise<string[]> =>
  (await tenantTables(owner)).filter((table) => table !== 'wire_log')

/** The digest, and the jobs in the queue that name the tenant. */
export async function stateOf({ owner }: TestApp, { tenant }: Neighbour): Promise<Record<string, string>> {
  const { rows } = await sql<{ jobs: string }>`
    select count(*)::text as jobs from pgboss.job where data->>'tenantId' = ${String(tenant.id)}`.execute(owner)
  return { ...(await digestOf(owner, tenant.id, await quietTables(owner))), jobs: rows[0]!.jobs }
}

/** All that answers to another tenant must not contain: names, addresses, every id, every secret. */
export async function tracesOf({ owner }: TestApp, neighbour: Neighbour): Promise<string[]> {
  const ids = new Set<string>()
  for (const table of await tenantTables(owner)) {
    const { rows } = await sql<{ row: string }>`
      select r::text as row from ${sql.table(table)} r where tenant_id = ${neighbour.tenant.id}`.execute(owner)
    for (const { row } of rows) for (const [id] of row.matchAll(UUID)) ids.add(id)
  }
  // this is where every feed begins
  ids.delete('00000000-0000-0000-0000-000000000000')
  const { nameMark, addressMark, secrets } = neighbour
  return [nameMark, addressMark, ...ids, ...Object.values(secrets)]
}

const UUID = /[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/g

/** What of a tenant is in a text, except what the request itself contained. */
export const tracesIn = (text: string, traces: readonly string[], request: string): string[] =>
  traces.filter((trace) => text.includes(trace) && !request.includes(trace))

/** A fresh session of somebody, for a call that may end it. */
export const freshCookie = (app: TestApp, { tenant, adminId }: Neighbour): Promise<string> =>
  signInAs(app.owner, tenant.id, adminId)
