// What the audit log must show of each tRPC procedure that changes something.
import { stepAt, totpOf } from '../../server/auth/totp.ts'
import { fromBase32 } from '../auth/acme.ts'
import { PASSWORD } from '../invitations/acme.ts'
import { OPERATOR, OPERATOR_TOKEN } from '../support/app.ts'
import { noteTokens } from '../support/sealed.ts'
import type { AuditCase, World } from './audit-case.ts'
import { CONNECTIONS } from './audit-connections.ts'

const aGroup = async ({ call, ids }: World) =>
  (await call('groups.create', { displayName: `Group ${Math.random()}`, members: [ids.cleo] })).data.group.id
const anInvitation = async ({ invite }: World) => (await invite([`${Math.random()}@x.test`])).results[0]!
const someone = ({ join }: World) => join(`${Math.random()}@x.test`)
/** @param before a procedure that somebody must have been through */
const onSomeone = (procedure: string, action: string, before?: string): AuditCase => ({
  actions: [action],
  prepare: async (world) => {
    const userId = await someone(world)
    if (before !== undefined) await world.call(before, { userId })
    return userId
  },
  run: ({ call }, userId) => call(procedure, { userId })
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
  const tokens = noteTokens(world)
  await world.mutate('acme', 'auth.requestPasswordReset', { email: address })
  await world.settle()
  return tokens.at(-1)
}

/** A new person whose authenticator app has the secret, but who has not confirmed it with a code. */
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

export const PROCEDURES: Record<string, AuditCase> = {
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
  'users.deactivate': onSomeone('users.deactivate', 'user.deactivated'),
  'users.activate': onSomeone('users.activate', 'user.activated', 'users.deactivate'),
  'users.lock': onSomeone('users.lock', 'user.locked'),
  'users.unlock': onSomeone('users.unlock', 'user.unlocked', 'users.lock'),
  'users.release': {
    actions: ['user.released'],
    prepare: ({ scim }) => scim.createUser({ userName: `${Math.random()}@x.test` }),
    run: ({ call }, { id }) => call('users.release', { userId: id })
  },
  'users.remove': onSomeone('users.remove', 'user.removed', 'users.deactivate'),
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
  ...CONNECTIONS,
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
  // no tenant's log could hold it, so the log of the process has it
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
  // the tenant's log is removed with the tenant, so the log of the process has it
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
