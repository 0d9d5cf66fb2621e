// The inputs with which each tRPC procedure is called by somebody of another tenant. A procedure without an entry fails
// the test: add one that names everything of the neighbour's that its input can name.
import { type Neighbour, PASSWORD, SCHEMA_URNS } from './neighbours.ts'

export interface Probe {
  /** Inputs that name the neighbour's things, one for each call; `own` is the caller's tenant. */
  readonly inputs: (neighbour: Neighbour, own: Neighbour, cursor: string | undefined) => unknown[]
  /**
   * The allowed answers. 200 is for lists and for what concerns only the caller; the answer must then contain nothing
   * of the neighbour.
   */
  readonly statuses: readonly number[]
  /** Whether callers who are not signed in are answered, too. */
  readonly isPublic?: true
  /**
   * The answer of the base domain to a tenant's session: by default 401 for the operator's procedures and 404 for all
   * others.
   */
  readonly onBase?: number
}

const missing = (input: (neighbour: Neighbour) => unknown): Probe => ({
  inputs: (neighbour) => [input(neighbour)],
  statuses: [404]
})
const list = (...filters: ((neighbour: Neighbour) => object)[]): Probe => ({
  inputs: (neighbour, _own, cursor) => [
    {},
    ...(cursor === undefined ? [] : [{ cursor, limit: 200 }]),
    ...filters.map((filter) => filter(neighbour))
  ],
  statuses: [200]
})
const own = (...inputs: unknown[]): Probe => ({ inputs: () => (inputs.length ? inputs : [{}]), statuses: [200] })
const user = missing(({ memberId: userId }) => ({ userId }))
/** Procedures of the operator: a tenant's host does not have them. */
const operator = (input: (neighbour: Neighbour) => unknown): Probe => missing(input)

const LONG_AGO = '2026-01-01T00:00:00Z'
const undoScopes = (ids: Pick<Neighbour, 'memberId' | 'groupId' | 'connectionId'>): object[] => [
  { userId: ids.memberId, at: LONG_AGO },
  { groupId: ids.groupId, at: LONG_AGO },
  { connectionId: ids.connectionId, since: LONG_AGO }
]

export const PROBES: Record<string, Probe> = {
  'auth.me': own(),
  'auth.signIn': {
    inputs: ({ memberEmail: email }) => [{ email, password: PASSWORD }],
    statuses: [401],
    isPublic: true
  },
  'auth.signOut': { ...own(), isPublic: true },
  'auth.requestPasswordReset': {
    inputs: ({ memberEmail: email }) => [{ email }],
    statuses: [200],
    isPublic: true
  },
  'auth.resetPassword': {
    inputs: ({ secrets }) =>
      [secrets.resetToken, secrets.invitationToken, secrets.code].map((token) => ({ token, password: PASSWORD })),
    statuses: [404],
    isPublic: true
  },
  'auth.changePassword': {
    inputs: () => [{ currentPassword: 'not it', newPassword: PASSWORD }],
    statuses: [403]
  },
  'auth.confirm': {
    inputs: () => [{ password: 'not it' }],
    statuses: [403]
  },
  'auth.sessions': list(),
  'auth.revokeSession': missing(({ sessionId }) => ({ sessionId })),
  'auth.signOutEverywhere': own(),

  'secondFactor.get': own(),
  'secondFactor.prepare': own(),
  'secondFactor.enable': { inputs: () => [{ code: '000000' }], statuses: [403, 409] },
  'secondFactor.disable': { inputs: () => [{}], statuses: [409] },

  'invitations.create': {
    inputs: ({ memberEmail, invitedEmail, userName }) => [
      { invites: [memberEmail, invitedEmail, userName].map((email) => ({ email })), resend: true }
    ],
    statuses: [200]
  },
  'invitations.list': list(({ addressMark: search }) => ({ search })),
  'invitations.resend': missing(({ invitationId }) => ({ invitationId })),
  'invitations.revoke': missing(({ invitationId }) => ({ invitationId })),
  'invitations.preview': {
    inputs: ({ secrets }) => [{ token: secrets.invitationToken }],
    statuses: [404],
    isPublic: true
  },
  'invitations.accept': {
    inputs: ({ secrets }) => [
      { token: secrets.invitationToken, password: PASSWORD, profile: { displayName: 'Eve' } },
      { token: secrets.resetToken, password: PASSWORD, profile: { displayName: 'Eve' } }
    ],
    statuses: [404],
    isPublic: true
  },

  'users.list': list(
    ({ nameMark: search }) => ({ search }),
    ({ groupId }) => ({ filter: { groupId } }),
    () => ({ filter: { state: 'removed' }, includeTotal: true })
  ),
  'users.get': user,
  'users.history': user,
  'users.update': missing(({ memberId: userId }) => ({ userId, displayName: 'Eve' })),
  'users.setRole': missing(({ memberId: userId }) => ({ userId, role: 'stakeholder' })),
  'users.deactivate': user,
  'users.activate': user,
  'users.lock': user,
  'users.unlock': user,
  'users.release': user,
  'users.resetSecondFactor': user,
  'users.remove': user,

  'groups.list': list(
    ({ nameMark: search }) => ({ search }),
    ({ memberId: userId }) => ({ filter: { userId } })
  ),
  'groups.get': missing(({ groupId }) => ({ groupId })),
  'groups.members': missing(({ groupId }) => ({ groupId })),
  'groups.create': {
    inputs: ({ memberId }) => [{ displayName: 'Theirs', members: [memberId] }],
    statuses: [400, 404]
  },
  'groups.update': missing(({ groupId }) => ({ groupId, displayName: 'Eve' })),
  'groups.release': missing(({ groupId }) => ({ groupId })),
  'groups.remove': missing(({ childGroupId: groupId }) => ({ groupId })),
  'groups.addMembers': {
    inputs: ({ memberId, groupId, adminId }, { groupId: ownGroup, memberId: ownMember }) => [
      { groupId: ownGroup, userIds: [memberId] },
      { groupId: ownGroup, userIds: [adminId, ownMember] },
      { groupId, userIds: [ownMember] }
    ],
    statuses: [400, 404]
  },
  'groups.removeMembers': {
    inputs: ({ memberId, groupId }, { groupId: ownGroup }) => [
      { groupId, userIds: [memberId] },
      // nobody with that id is in the group, which is what the call wants
      { groupId: ownGroup, userIds: [memberId] }
    ],
    statuses: [200, 404]
  },

  'groupRoles.get': own(),
  'groupRoles.preview': {
    inputs: ({ groupId }) => [{ mapping: [{ groupId, role: 'manager' }] }],
    statuses: [200]
  },
  'groupRoles.update': missing(({ groupId }) => ({ mapping: [{ groupId, role: 'manager' }] })),
  'scimConflicts.list': list(({ connectionId }) => ({ connectionId })),
  'scimConflicts.count': own(),
  'scimConflicts.decide': missing(({ connectionId: conflictId }) => ({ conflictId, decision: 'ignore' })),
  'brake.get': missing(({ connectionId }) => ({ connectionId })),
  'brake.update': missing(({ connectionId }) => ({ connectionId, settings: { off: true } })),
  'brake.holding': own(),
  'brake.held': { inputs: ({ connectionId }) => [{ connectionId }], statuses: [404] },
  'brake.release': missing(({ connectionId }) => ({ connectionId })),
  'brake.reject': missing(({ connectionId }) => ({ connectionId })),
  'brake.lift': missing(({ connectionId }) => ({ connectionId })),
  'history.user': { inputs: ({ memberId }) => [{ userId: memberId }], statuses: [200, 404] },
  'history.group': { inputs: ({ groupId }) => [{ groupId }], statuses: [200, 404] },
  'history.connection': { inputs: ({ connectionId }) => [{ connectionId }], statuses: [200, 404] },
  'history.preview': {
    inputs: ({ memberId, groupId, connectionId }) => undoScopes({ memberId, groupId, connectionId }),
    statuses: [200, 404]
  },
  'history.undo': {
    inputs: ({ memberId, groupId, connectionId }) => undoScopes({ memberId, groupId, connectionId }),
    statuses: [200, 404]
  },
  'eventStreams.list': own(),
  'eventStreams.get': missing(({ streamId }) => ({ streamId })),
  'eventStreams.create': own({ kind: 'webhook', name: 'mine', url: 'https://hooks.mine.test/' }),
  'eventStreams.update': missing(({ streamId }) => ({ streamId, name: 'Eve', state: 'enabled' })),
  'eventStreams.remove': missing(({ streamId }) => ({ streamId })),
  'eventStreams.rotateSecret': missing(({ streamId }) => ({ streamId })),
  'eventStreams.test': missing(({ streamId }) => ({ streamId })),
  'eventStreams.deliveries': { inputs: ({ streamId }) => [{ streamId }], statuses: [404] },
  'eventStreams.replay': missing(({ streamId }) => ({ streamId })),
  'scimConnections.list': list(),
  'scimConnections.get': missing(({ connectionId }) => ({ connectionId })),
  'scimConnections.update': missing(({ connectionId }) => ({ connectionId, name: 'Eve' })),
  'scimConnections.remove': missing(({ connectionId }) => ({ connectionId })),
  'scimShadow.open': missing(({ connectionId }) => ({ connectionId })),
  'scimShadow.summary': missing(({ connectionId }) => ({ connectionId })),
  'scimShadow.list': missing(({ connectionId }) => ({ connectionId })),
  'scimShadow.decide': missing(({ connectionId }) => ({
    connectionId,
    kind: 'user',
    id: connectionId,
    prefer: 'provider'
  })),
  'scimShadow.refresh': missing(({ connectionId }) => ({ connectionId })),
  'scimShadow.goLive': missing(({ connectionId }) => ({ connectionId })),
  'scimShadow.discard': missing(({ connectionId }) => ({ connectionId })),
  'scimConnections.removed': own(),
  'scimConnections.release': missing(({ connectionId }) => ({ connectionId })),
  'scimTokens.list': list(),
  'scimTokens.errors': own(),
  'scimTokens.create': own({ name: 'mine', highestRole: 'administrator' }),
  'scimTokens.rotate': missing(({ scimTokenId }) => ({ scimTokenId })),
  'scimTokens.revoke': missing(({ scimTokenId }) => ({ scimTokenId })),
  'scimSchemas.list': own(),
  // each tenant has its own schemas, so the neighbour's schema of the same name stays
  'scimSchemas.create': {
    inputs: () => [{ definition: { id: SCHEMA_URNS[0], name: 'Mine', attributes: [{ name: 'x', type: 'string' }] } }],
    statuses: [400]
  },
  'scimSchemas.remove': { inputs: () => [{ urn: SCHEMA_URNS[1] }], statuses: [200, 404] },

  'apiTokens.list': list(),
  'apiTokens.create': own({ name: 'mine' }),
  'apiTokens.revoke': missing(({ apiTokenId }) => ({ apiTokenId })),

  'audit.list': list(
    ({ nameMark: search }) => ({ search }),
    ({ memberId: targetId }) => ({ filter: { targetId } }),
    ({ adminId: actorId }) => ({ filter: { actorId } })
  ),
  'wireLog.list': list(
    ({ nameMark: search }) => ({ search }),
    ({ memberId: userId }) => ({ userId }),
    ({ groupId }) => ({ groupId }),
    ({ connectionId }) => ({ connectionId })
  ),
  'wireLog.get': missing(({ exchangeId: id }) => ({ id })),
  'wireLog.replay': missing(({ exchangeId: id }) => ({ id })),
  'scimAcceptance.run': missing(({ connectionId }) => ({ as: 'okta', connectionId })),

  'settings.get': { ...own(), isPublic: true },
  'settings.update': own({ senderName: 'Acme' }),

  'operator.session': { ...operator(() => ({})), onBase: 200 },
  'operator.signIn': operator(({ secrets }) => ({ token: secrets.apiToken })),
  'operator.signOut': { ...operator(() => ({})), onBase: 200 },
  'tenants.list': operator(() => ({})),
  'tenants.get': operator(({ tenant: { id: tenantId } }) => ({ tenantId })),
  'tenants.create': operator(({ memberEmail: admin }) => ({ subdomain: 'mine', name: 'Mine', admin })),
  'tenants.update': operator(({ tenant: { subdomain } }) => ({ subdomain, name: 'Eve' })),
  'tenants.suspend': operator(({ tenant: { subdomain } }) => ({ subdomain })),
  'tenants.remove': operator(({ tenant: { subdomain } }) => ({ subdomain, confirm: subdomain }))
}
