// The audit log is complete: every procedure that changes something and every SCIM write leaves an event that names
// what was done and by whom, in the transaction that did it. A new procedure fails here until it is listed.
import { sql } from 'kysely'
import { type Test, test } from 'tap'
import type { ActorKind } from '../../db/schema.ts'
import { appRouter } from '../../server/admin/router.ts'
import { stepAt, totpOf } from '../../server/auth/totp.ts'
import { ROUTES } from '../../server/scim/routes.ts'
import { fromBase32 } from '../auth/acme.ts'
import { type Inviting, PASSWORD, startInviting } from '../invitations/acme.ts'
import { OPERATOR, OPERATOR_TOKEN, type TrpcAnswer } from '../support/app.ts'
import { isOnCluster } from '../support/cluster.ts'
import { PATCH_OP, type Scim, scimClient, USER } from '../support/scim.ts'

interface World extends Inviting {
  scim: Scim
}

interface Case {
  /** What the log must tell. */
  actions: string[]
  by?: ActorKind
  /** What has to be there before. */
  prepare?: (world: World) => Promise<unknown>
  /** @param prepared what `prepare` gave */
  // biome-ignore lint/suspicious/noExplicitAny: each case knows what it has prepared
  run: (world: World, prepared: any) => Promise<TrpcAnswer | { status: number }>
}

const aGroup = async ({ call, ids }: World) =>
  (await call('groups.create', { displayName: `Group ${Math.random()}`, members: [ids.cleo] })).data.group.id
const anInvitation = async ({ invite }: World) => (await invite([`${Math.random()}@x.test`])).results[0]!
const aToken = async ({ call }: World) =>
  (await call('scimTokens.create', { name: `idp ${Math.random()}` })).data.scimToken
const aShadow = async ({ call }: World) =>
  (await call('scimTokens.create', { name: `idp ${Math.random()}`, shadow: true })).data.scimToken
const aStream = async ({ call }: World) =>
  (await call('eventStreams.create', { kind: 'webhook', name: 'backend', url: 'https://hooks.acme.test/' })).data.stream
    .id
const someone = ({ join }: World) => join(`${Math.random()}@x.test`)
const URN = 'urn:ietf:params:scim:schemas:extension:acme:2.0:User'
const aSchema = ({ call }: World, urn = URN) =>
  call('scimSchemas.create', {
    definition: { id: urn, name: 'Acme', attributes: [{ name: 'badge', type: 'string' }] }
  })
let tenants = 0
const aTenant = async ({ mutate }: World) => {
  const subdomain = `tenant${++tenants}`
  await mutate('', 'tenants.create', { subdomain, name: 'Another' }, OPERATOR)
  return subdomain
}
const resetLink = async (world: World) => {
  const address = `${Math.random()}@x.test`
  await world.join(address)
  const sealed: string[] = []
  const { seal } = world.deps.sealer
  world.deps.sealer.seal = (purpose, text) => {
    sealed.push(text)
    return seal(purpose, text)
  }
  await world.mutate('acme', 'auth.requestPasswordReset', { email: address })
  await world.settle()
  world.deps.sealer.seal = seal
  return sealed.at(-1)
}

/** Of somebody new, whose app has the secret and has shown nothing yet. */
const aPreparedFactor = async (world: World) => {
  const address = `${Math.random()}@x.test`
  const userId = await world.join(address)
  const cookie = await world.cookieOf(address)
  const { data } = await world.mutate('acme', 'secondFactor.prepare', {}, { cookie })
  return { userId, cookie, secret: fromBase32(data.secret) }
}
const aFactor = async (world: World) => {
  const { secret, ...person } = await aPreparedFactor(world)
  const code = totpOf(secret, stepAt(world.clock.now()))
  await world.mutate('acme', 'secondFactor.enable', { code }, { cookie: person.cookie })
  return person
}

const PROCEDURES: Record<string, Case> = {
  'auth.signIn': {
    actions: ['session.created'],
    by: 'user',
    run: ({ signIn }) => signIn('ben@acme.test')
  },
  'auth.signOut': {
    actions: ['session.ended'],
    prepare: ({ cookieOf }) => cookieOf('ben@acme.test'),
    run: ({ mutate }, cookie) => mutate('acme', 'auth.signOut', {}, { cookie })
  },
  'auth.requestPasswordReset': {
    actions: ['user.passwordResetRequested'],
    by: 'system',
    run: ({ mutate }) => mutate('acme', 'auth.requestPasswordReset', { email: 'ben@acme.test' })
  },
  'auth.resetPassword': {
    actions: ['user.passwordReset', 'session.created'],
    prepare: resetLink,
    run: ({ mutate }, token) => mutate('acme', 'auth.resetPassword', { token, password: `${PASSWORD} new` })
  },
  'auth.changePassword': {
    actions: ['user.passwordChanged'],
    prepare: ({ cookieOf }) => cookieOf('cleo@acme.test'),
    run: ({ mutate }, cookie) =>
      mutate('acme', 'auth.changePassword', { currentPassword: PASSWORD, newPassword: `${PASSWORD} new` }, { cookie })
  },
  'auth.confirm': {
    actions: ['session.confirmed'],
    run: ({ call }) => call('auth.confirm', { password: PASSWORD }, 'manager')
  },
  'secondFactor.prepare': {
    actions: ['user.secondFactorPrepared'],
    prepare: async (world) => {
      const address = `${Math.random()}@x.test`
      await world.join(address)
      return world.cookieOf(address)
    },
    run: ({ mutate }, cookie) => mutate('acme', 'secondFactor.prepare', {}, { cookie })
  },
  'secondFactor.enable': {
    actions: ['user.secondFactorEnabled'],
    prepare: aPreparedFactor,
    run: ({ mutate, clock }, { cookie, secret }) =>
      mutate('acme', 'secondFactor.enable', { code: totpOf(secret, stepAt(clock.now())) }, { cookie })
  },
  'secondFactor.disable': {
    actions: ['user.secondFactorDisabled'],
    prepare: aFactor,
    run: ({ mutate }, { cookie }) => mutate('acme', 'secondFactor.disable', {}, { cookie })
  },
  'auth.revokeSession': {
    actions: ['session.ended'],
    prepare: async ({ cookieOf, query, cookies }) => {
      await cookieOf('ben@acme.test')
      const { data } = await query('acme', 'auth.sessions', undefined, { cookie: cookies.manager })
      return data.items.find(({ current }: { current: boolean }) => !current).id
    },
    run: ({ call }, sessionId) => call('auth.revokeSession', { sessionId }, 'manager')
  },
  'auth.signOutEverywhere': {
    actions: ['user.sessionsEnded'],
    prepare: ({ cookieOf }) => cookieOf('ben@acme.test'),
    run: ({ mutate }, cookie) => mutate('acme', 'auth.signOutEverywhere', {}, { cookie })
  },
  'invitations.create': {
    actions: ['user.invited'],
    run: ({ call }) => call('invitations.create', { invites: [{ email: 'invited@x.test' }] })
  },
  'invitations.resend': {
    actions: ['invitation.resent'],
    prepare: anInvitation,
    run: ({ call }, { invitationId }) => call('invitations.resend', { invitationId })
  },
  'invitations.revoke': {
    actions: ['invitation.revoked'],
    prepare: anInvitation,
    run: ({ call }, { invitationId }) => call('invitations.revoke', { invitationId })
  },
  'invitations.accept': {
    actions: ['invitation.accepted', 'session.created'],
    prepare: async (world) => {
      const { email } = await anInvitation(world)
      return (await world.tokensOf(email)).at(-1)
    },
    run: ({ accept }, token) => accept(token)
  },
  'users.update': {
    actions: ['user.updated'],
    prepare: someone,
    run: ({ call }, userId) => call('users.update', { userId, displayName: 'Another Name' })
  },
  'users.setRole': {
    actions: ['user.roleChanged'],
    prepare: someone,
    run: ({ call }, userId) => call('users.setRole', { userId, role: 'manager' })
  },
  'users.resetSecondFactor': {
    actions: ['user.secondFactorReset'],
    prepare: aFactor,
    run: ({ call }, { userId }) => call('users.resetSecondFactor', { userId })
  },
  'users.deactivate': {
    actions: ['user.deactivated'],
    prepare: someone,
    run: ({ call }, userId) => call('users.deactivate', { userId })
  },
  'users.activate': {
    actions: ['user.activated'],
    prepare: async (world) => {
      const userId = await someone(world)
      await world.call('users.deactivate', { userId })
      return userId
    },
    run: ({ call }, userId) => call('users.activate', { userId })
  },
  'users.lock': {
    actions: ['user.locked'],
    prepare: someone,
    run: ({ call }, userId) => call('users.lock', { userId })
  },
  'users.unlock': {
    actions: ['user.unlocked'],
    prepare: async (world) => {
      const userId = await someone(world)
      await world.call('users.lock', { userId })
      return userId
    },
    run: ({ call }, userId) => call('users.unlock', { userId })
  },
  'users.release': {
    actions: ['user.released'],
    prepare: ({ scim }) => scim.createUser({ userName: `${Math.random()}@x.test` }),
    run: ({ call }, { id }) => call('users.release', { userId: id })
  },
  'users.remove': {
    actions: ['user.removed'],
    prepare: async (world) => {
      const userId = await someone(world)
      await world.call('users.deactivate', { userId })
      return userId
    },
    run: ({ call }, userId) => call('users.remove', { userId })
  },
  'groups.create': {
    actions: ['group.created'],
    run: ({ call, ids }) => call('groups.create', { displayName: 'Made', members: [ids.ben] })
  },
  'groups.update': {
    actions: ['group.updated'],
    prepare: aGroup,
    run: ({ call }, groupId) => call('groups.update', { groupId, displayName: 'Renamed' })
  },
  'groups.release': {
    actions: ['group.released'],
    prepare: ({ scim }) => scim.post('/Groups', { displayName: `${Math.random()}` }),
    run: ({ call }, { body }) => call('groups.release', { groupId: body.id })
  },
  'groups.remove': {
    actions: ['group.removed'],
    prepare: aGroup,
    run: ({ call }, groupId) => call('groups.remove', { groupId })
  },
  'groups.addMembers': {
    actions: ['group.membersChanged'],
    prepare: aGroup,
    run: ({ call, ids }, groupId) => call('groups.addMembers', { groupId, userIds: [ids.ben] })
  },
  'groups.removeMembers': {
    actions: ['group.membersChanged'],
    prepare: aGroup,
    run: ({ call, ids }, groupId) => call('groups.removeMembers', { groupId, userIds: [ids.cleo] })
  },
  'groupRoles.update': {
    actions: ['tenant.groupRolesChanged'],
    prepare: aGroup,
    run: ({ call }, groupId) => call('groupRoles.update', { mapping: [{ groupId, role: 'stakeholder' }] })
  },
  'scimConflicts.decide': {
    actions: ['scimConnection.conflictDecided'],
    prepare: async ({ scim, call, ids }) => {
      await call('users.deactivate', { userId: ids.cleo })
      await scim.post('/Users', { schemas: [USER], userName: 'cleo@acme.test' })
      await call('users.activate', { userId: ids.cleo })
    },
    run: async ({ call, query, cookies }) => {
      const { data } = await query('acme', 'scimConflicts.list', undefined, { cookie: cookies.administrator })
      return call('scimConflicts.decide', { conflictId: data.items[0].id, decision: 'ignore' })
    }
  },
  'brake.update': {
    actions: ['tenant.settingsChanged'],
    run: ({ call }) => call('brake.update', { settings: { percent: 50 } })
  },
  // what it held, released and rejected is test/admin/brake.test.ts's affair: here nothing was held
  'brake.release': {
    actions: ['scimConnection.released'],
    prepare: aToken,
    run: ({ call }, { connectionId }) => call('brake.release', { connectionId })
  },
  'brake.reject': {
    actions: [],
    prepare: aToken,
    run: ({ call }, { connectionId }) => call('brake.reject', { connectionId })
  },
  'brake.lift': {
    actions: [],
    prepare: aToken,
    run: ({ call }, { connectionId }) => call('brake.lift', { connectionId })
  },
  'eventStreams.create': {
    actions: ['eventStream.created'],
    run: ({ call }) => call('eventStreams.create', { kind: 'set', name: 'siem', url: 'https://siem.acme.test/' })
  },
  'eventStreams.update': {
    actions: ['eventStream.updated'],
    prepare: aStream,
    run: ({ call }, streamId) => call('eventStreams.update', { streamId, name: 'renamed' })
  },
  'eventStreams.remove': {
    actions: ['eventStream.removed'],
    prepare: aStream,
    run: ({ call }, streamId) => call('eventStreams.remove', { streamId })
  },
  'eventStreams.rotateSecret': {
    actions: ['eventStream.secretRotated'],
    prepare: aStream,
    run: ({ call }, streamId) => call('eventStreams.rotateSecret', { streamId })
  },
  'eventStreams.test': {
    actions: ['eventStream.tested'],
    prepare: aStream,
    run: ({ call }, streamId) => call('eventStreams.test', { streamId })
  },
  'eventStreams.replay': {
    // nothing was given up
    actions: [],
    prepare: aStream,
    run: ({ call }, streamId) => call('eventStreams.replay', { streamId })
  },
  'scimConnections.update': {
    actions: ['scimConnection.updated'],
    prepare: aToken,
    run: ({ call }, { connectionId }) => call('scimConnections.update', { connectionId, name: 'renamed' })
  },
  'scimConnections.remove': {
    actions: ['scimConnection.removed'],
    prepare: aToken,
    run: ({ call }, { connectionId }) => call('scimConnections.remove', { connectionId })
  },
  'scimShadow.open': {
    actions: ['scimConnection.shadowOpened'],
    prepare: aToken,
    run: ({ call }, { connectionId }) => call('scimShadow.open', { connectionId })
  },
  'scimShadow.refresh': {
    actions: ['scimConnection.shadowRefreshed'],
    prepare: aShadow,
    run: ({ call }, { connectionId }) => call('scimShadow.refresh', { connectionId })
  },
  'scimShadow.decide': {
    actions: ['scimConnection.shadowDecided'],
    // one that is there: there may be three
    prepare: async ({ query }) =>
      (await query('acme', 'scimConnections.list', {}, OPERATOR)).data.items.find(
        (one: { shadow: unknown }) => one.shadow
      ),
    run: ({ call, ids }, { id: connectionId }) =>
      call('scimShadow.decide', { connectionId, kind: 'user', id: ids.ben, prefer: 'provider' })
  },
  'scimShadow.goLive': {
    actions: ['scimConnection.wentLive'],
    prepare: aShadow,
    run: ({ call }, { connectionId }) => call('scimShadow.goLive', { connectionId })
  },
  'scimShadow.discard': {
    actions: ['scimConnection.shadowDiscarded'],
    prepare: aShadow,
    run: ({ call }, { connectionId }) => call('scimShadow.discard', { connectionId })
  },
  'scimConnections.release': {
    actions: ['scimConnection.keptReleased'],
    async prepare(world) {
      const { connectionId } = await aToken(world)
      await world.call('scimConnections.remove', { connectionId, afterwards: 'keep' })
      return connectionId
    },
    run: ({ call }, connectionId) => call('scimConnections.release', { connectionId })
  },
  'scimTokens.create': {
    actions: ['scimToken.created'],
    run: ({ call }) => call('scimTokens.create', { name: 'okta' })
  },
  'scimTokens.rotate': {
    actions: ['scimToken.rotated'],
    prepare: aToken,
    run: ({ call }, { id }) => call('scimTokens.rotate', { scimTokenId: id })
  },
  'scimTokens.revoke': {
    actions: ['scimToken.revoked'],
    prepare: aToken,
    run: ({ call }, { id }) => call('scimTokens.revoke', { scimTokenId: id })
  },
  'scimSchemas.create': {
    actions: ['scimSchema.created'],
    run: (world) => aSchema(world)
  },
  'scimSchemas.remove': {
    actions: ['scimSchema.removed'],
    prepare: (world) => aSchema(world, `${URN}2`),
    run: ({ call }) => call('scimSchemas.remove', { urn: `${URN}2` })
  },
  'apiTokens.create': {
    actions: ['apiToken.created'],
    run: ({ call }) => call('apiTokens.create', { name: 'backend' })
  },
  'apiTokens.revoke': {
    actions: ['apiToken.revoked'],
    prepare: async ({ call }) => (await call('apiTokens.create', { name: 'backend' })).data.apiToken.id,
    run: ({ call }, apiTokenId) => call('apiTokens.revoke', { apiTokenId })
  },
  'history.undo': {
    actions: ['history.undone'],
    prepare: async (world) => {
      const groupId = await aGroup(world)
      await world.call('groups.update', { groupId, displayName: 'Undone soon' })
      const { data } = await world.query(
        'acme',
        'audit.list',
        { filter: { targetId: groupId, action: 'group.updated' } },
        { cookie: world.cookies.administrator }
      )
      return data.items[0].id
    },
    run: ({ call }, eventId) => call('history.undo', { eventId })
  },
  'settings.update': {
    actions: ['tenant.settingsChanged'],
    run: ({ call }) => call('settings.update', { senderName: 'Another' })
  },
  // no tenant's log could hold it: the process's own log tells of it
  'operator.signIn': {
    actions: [],
    run: ({ mutate }) => mutate('', 'operator.signIn', { token: OPERATOR_TOKEN })
  },
  'operator.signOut': {
    actions: [],
    prepare: async ({ mutate }) => (await mutate('', 'operator.signIn', { token: OPERATOR_TOKEN })).cookie,
    run: ({ mutate }, cookie) => mutate('', 'operator.signOut', {}, { cookie })
  },
  'tenants.create': {
    actions: ['tenant.created'],
    by: 'operator',
    run: ({ mutate }) => mutate('', 'tenants.create', { subdomain: 'made', name: 'Made' }, OPERATOR)
  },
  'tenants.update': {
    actions: ['tenant.settingsChanged'],
    by: 'operator',
    run: ({ mutate }) => mutate('', 'tenants.update', { subdomain: 'acme', name: 'Acme again' }, OPERATOR)
  },
  'tenants.suspend': {
    actions: ['tenant.suspended'],
    by: 'operator',
    prepare: aTenant,
    run: ({ mutate }, subdomain) => mutate('', 'tenants.suspend', { subdomain }, OPERATOR)
  },
  // the tenant's log goes with the tenant: the process's own log tells of it
  'tenants.remove': {
    actions: [],
    by: 'operator',
    prepare: async (world) => {
      const subdomain = await aTenant(world)
      await world.mutate('', 'tenants.suspend', { subdomain }, OPERATOR)
      return subdomain
    },
    run: ({ mutate }, subdomain) => mutate('', 'tenants.remove', { subdomain, confirm: subdomain }, OPERATOR)
  }
}

const aScimUser = async ({ scim }: World) => (await scim.createUser({ userName: `${Math.random()}@x.test` })).id
const aScimGroup = async (world: World) => {
  const members = [{ value: await aScimUser(world) }]
  return (await world.scim.post('/Groups', { displayName: `Group ${Math.random()}`, members })).body.id
}
const rename = [{ op: 'replace', path: 'displayName', value: 'Another' }]

const SCIM_WRITES: Record<string, Case> = {
  'POST /Users': { actions: ['user.created'], run: ({ scim }) => scim.post('/Users', { userName: 'scim@x.test' }) },
  'PUT /Users/:id': {
    actions: ['user.updated'],
    prepare: aScimUser,
    run: ({ scim }, id) => scim.put(`/Users/${id}`, { schemas: [USER], userName: `put${id}@x.test` })
  },
  'PATCH /Users/:id': {
    actions: ['user.updated'],
    prepare: aScimUser,
    run: ({ scim }, id) => scim.patch(`/Users/${id}`, rename)
  },
  'DELETE /Users/:id': {
    actions: ['user.removed'],
    prepare: aScimUser,
    run: ({ scim }, id) => scim.delete(`/Users/${id}`)
  },
  'POST /Groups': {
    actions: ['group.created'],
    run: ({ scim }) => scim.post('/Groups', { displayName: 'By an identity provider' })
  },
  'PUT /Groups/:id': {
    actions: ['group.updated'],
    prepare: aScimGroup,
    run: ({ scim }, id) => scim.put(`/Groups/${id}`, { displayName: `Put ${id}` })
  },
  'PATCH /Groups/:id': {
    actions: ['group.updated'],
    prepare: aScimGroup,
    run: ({ scim }, id) => scim.patch(`/Groups/${id}`, rename)
  },
  'DELETE /Groups/:id': {
    actions: ['group.removed'],
    prepare: aScimGroup,
    run: ({ scim }, id) => scim.delete(`/Groups/${id}`)
  },
  'POST /Bulk': {
    actions: ['user.created', 'user.created', 'group.created'],
    run: ({ scim }) =>
      scim.post('/Bulk', {
        schemas: ['urn:ietf:params:scim:api:messages:2.0:BulkRequest'],
        Operations: [
          { method: 'POST', path: '/Users', bulkId: 'a', data: { userName: 'bulk1@x.test' } },
          { method: 'POST', path: '/Users', bulkId: 'b', data: { userName: 'bulk2@x.test' } },
          {
            method: 'POST',
            path: '/Groups',
            bulkId: 'c',
            data: { displayName: 'Of a bulk', members: [{ value: 'bulkId:a' }] }
          }
        ]
      })
  }
}

const anApiToken = async ({ call }: World) => (await call('apiTokens.create', { name: 'mine' })).data.token

/** Whatever /Me is, it is somebody's API token and not an identity provider's. */
const asPerson =
  (method: 'PUT' | 'PATCH', body: object): Case['run'] =>
  async ({ inject }, token) => {
    const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/scim+json' }
    const { statusCode } = await inject('acme', { method, url: '/scim/v2/Me', headers, payload: JSON.stringify(body) })
    return { status: statusCode }
  }

const OF_A_PERSON: Record<string, Case> = {
  'PUT /Me': {
    actions: ['user.updated'],
    by: 'apiToken',
    prepare: anApiToken,
    run: asPerson('PUT', { schemas: [USER], userName: 'ada@acme.test', displayName: 'Augusta' })
  },
  'PATCH /Me': {
    actions: ['user.updated'],
    by: 'apiToken',
    prepare: anApiToken,
    run: asPerson('PATCH', { schemas: [PATCH_OP], Operations: rename })
  }
}

/** They answer that they are not there (RFC 7644 §3.11). */
const CHANGES_NOTHING = ['POST /Me', 'DELETE /Me']
/** Mutations that take back all that they do; test/scim/acceptance and test/admin/wire-log look at every table. */
const TRIALS = ['scimAcceptance.run', 'wireLog.replay']

/**
 * What changes without an event: counts and times of use, what was refused or sent (each kept for its own purpose), and
 * what stands behind rows that have one.
 */
const NOT_AUDITED = [
  'scim_errors',
  'scim_tokens',
  'scim_token_uses',
  'api_tokens',
  'sessions',
  'wire_log',
  'event_deliveries',
  // that one is going live just now
  'scim_shadows'
]

test('the audit log is complete', async (t) => {
  const acme = await startInviting(t)
  const scim = await scimClient(acme, { id: acme.acmeId, subdomain: 'acme' })
  const world: World = { ...acme, scim }
  const { rows: tables } = await sql<{ name: string }>`
    select c.relname as name from pg_class c join pg_attribute a on a.attrelid = c.oid and a.attname = 'tenant_id'
    where c.relnamespace = 'public'::regnamespace and c.relkind = 'r'
      and c.relname <> 'audit_events' and c.relname <> all(${NOT_AUDITED})`.execute(acme.owner)

  /** The transactions since `since` that changed tenants' rows, by the first table, without those that wrote an event. */
  async function unaudited(since: string): Promise<string[]> {
    const changed = tables.map(
      ({ name }) => sql`select xmin::text::bigint as xid, ${name} as name from ${sql.table(name)}`
    )
    const { rows } = await sql<{ name: string }>`
      select distinct name from (${sql.join(changed, sql` union all `)}) r
      where xid >= ${since}::bigint and xid not in (select (xid::text::bigint % 4294967296) from audit_events)`.execute(
      acme.owner
    )
    return rows.map(({ name }) => name)
  }

  async function check(t: Test, { actions, by, prepare, run }: Case, usually: ActorKind): Promise<void> {
    const prepared = await prepare?.(world)
    await acme.settle()
    const { rows } = await sql<{ xid: string; id: string }>`
      select pg_current_xact_id()::text as xid, coalesce(max(id::text), '') as id from audit_events`.execute(acme.owner)
    const { xid, id } = rows[0]!
    const answer = await run(world, prepared)
    t.ok(answer.status < 300, `it works: ${answer.status} ${JSON.stringify('error' in answer ? answer.error : '')}`)
    await acme.settle()
    const { rows: events } = await sql<{ action: string; actor_kind: ActorKind; target_type: string }>`
      select action, actor_kind, target_type from audit_events where id::text > ${id} order by id`.execute(acme.owner)
    for (const action of new Set(actions)) {
      const count = actions.filter((one) => one === action).length
      t.equal(events.filter((event) => event.action === action).length, count, action)
    }
    t.same([...new Set(events.map(({ actor_kind }) => actor_kind))], actions.length > 0 ? [by ?? usually] : [])
    // each node of a cluster has numbers of its own, and addresses lie on another one than the events
    if (!isOnCluster) t.same(await unaudited(xid), [], 'no transaction changed anything without an event')
  }

  t.test('by every procedure that changes something', async (t) => {
    const mutations = Object.entries(appRouter._def.procedures)
      .filter(([, procedure]) => (procedure as unknown as { _def: { type: string } })._def.type === 'mutation')
      .map(([name]) => name)
    t.same(mutations.toSorted(), [...Object.keys(PROCEDURES), ...TRIALS].toSorted(), 'each is listed')
    for (const name of mutations) {
      const listed = PROCEDURES[name]
      if (listed) await t.test(name, (t) => check(t, listed, 'user'))
    }
  })

  t.test('by every write of an identity provider', async (t) => {
    const writes = ROUTES.filter(([method, path]) => method !== 'GET' && !path.endsWith('/.search')).map(
      ([method, path]) => `${method} ${path}`
    )
    const listed = { ...SCIM_WRITES, ...OF_A_PERSON }
    t.same(writes.toSorted(), [...Object.keys(listed), ...CHANGES_NOTHING].toSorted(), 'each is listed')
    for (const [name, one] of Object.entries(listed)) await t.test(name, (t) => check(t, one, 'scimToken'))
  })
})
