// Words for the audit log's actions.

interface Words {
  /** Between actor and target. */
  verb: string
  /** In a list of actions. */
  label: string
  /** Replaces verb and target where people do it to themselves. */
  own?: string
}

const ACTIONS: Record<string, Words> = {
  'user.invited': { verb: 'invited', label: 'Person invited' },
  'user.created': { verb: 'added', label: 'Person added' },
  'user.adopted': { verb: 'took over', label: 'Invited person taken over' },
  'user.linked': { verb: 'took on', label: 'Member taken on' },
  'user.updated': { verb: 'changed the profile of', label: 'Profile changed', own: 'changed their own profile' },
  'user.roleChanged': { verb: 'changed the role of', label: 'Role changed' },
  'user.groupRoleChanged': { verb: 'changed, by a group, the role of', label: 'Role changed by a group' },
  'user.activated': { verb: 'activated', label: 'Person activated', own: 'set up their account' },
  'user.deactivated': { verb: 'deactivated', label: 'Person deactivated' },
  'user.released': { verb: 'ended what a connection had of', label: 'Person released' },
  'user.locked': { verb: 'locked', label: 'Person locked' },
  'user.unlocked': { verb: 'unlocked', label: 'Person unlocked' },
  'user.removed': { verb: 'removed', label: 'Person removed' },
  'user.revived': { verb: 'brought back', label: 'Person brought back' },
  'user.googleLinked': {
    verb: 'linked a Google account to',
    label: 'Google account linked',
    own: 'linked their Google account'
  },
  'user.passwordChanged': {
    verb: 'changed the password of',
    label: 'Password changed',
    own: 'changed their password'
  },
  'user.passwordReset': { verb: 'set a new password for', label: 'Password reset', own: 'set a new password' },
  'user.passwordResetRequested': {
    verb: 'asked for a new password for',
    label: 'Password reset asked for',
    own: 'asked for a new password'
  },
  'user.secondFactorPrepared': {
    verb: 'began to set up a second factor for',
    label: 'Second factor begun',
    own: 'began to set up a second factor'
  },
  'user.secondFactorEnabled': {
    verb: 'turned on a second factor for',
    label: 'Second factor turned on',
    own: 'turned on a second factor'
  },
  'user.secondFactorDisabled': {
    verb: 'took away the second factor of',
    label: 'Second factor taken away',
    own: 'took away their second factor'
  },
  'user.secondFactorReset': { verb: 'took away the second factor of', label: 'Second factor reset' },
  'user.recoveryCodeUsed': {
    verb: 'used a recovery code of',
    label: 'Recovery code used',
    own: 'used a recovery code'
  },
  'user.sessionsEnded': {
    verb: 'ended the sessions of',
    label: 'All sessions ended',
    own: 'ended their other sessions'
  },
  'invitation.created': { verb: 'invited', label: 'Invited' },
  'invitation.resent': { verb: 'sent a new invitation to', label: 'Invitation sent again' },
  'invitation.revoked': { verb: 'revoked the invitation of', label: 'Invitation revoked' },
  'invitation.accepted': { verb: 'accepted the invitation of', label: 'Invitation accepted' },
  'invitation.adopted': { verb: 'took the place of the invitation of', label: 'Invitation taken over' },
  'invitation.reopened': { verb: 'reopened the invitation of', label: 'Invitation reopened' },
  'group.created': { verb: 'created the group', label: 'Group created' },
  'group.updated': { verb: 'changed the group', label: 'Group changed' },
  'group.restored': { verb: 'brought back the group', label: 'Group brought back' },
  'group.removed': { verb: 'deleted the group', label: 'Group deleted' },
  'group.membersChanged': { verb: 'changed the members of', label: 'Members changed' },
  'group.released': { verb: 'ended what a connection had of the group', label: 'Group released' },
  'history.undone': { verb: 'undid changes of', label: 'Changes undone' },
  'session.created': { verb: 'signed in as', label: 'Signed in', own: 'signed in' },
  'session.ended': { verb: 'ended a session of', label: 'Session ended', own: 'signed out' },
  'session.confirmed': {
    verb: 'proved again to be',
    label: 'Identity proved again',
    own: 'entered their password again'
  },
  'session.refused': { verb: 'refused a sign-in of', label: 'Sign-in refused', own: 'was refused to sign in' },
  'scimConnection.updated': { verb: 'changed the connection', label: 'Connection changed' },
  'scimConnection.held': {
    verb: 'was held by the brake as',
    own: 'was held by the brake',
    label: 'Mass deprovisioning held'
  },
  'scimConnection.released': { verb: 'released what was held of', label: 'Held changes released' },
  'scimConnection.rejected': { verb: 'rejected what was held of', label: 'Held changes rejected' },
  'scimConnection.rejectionsLifted': { verb: 'lifted rejections of', label: 'Rejections lifted' },
  'scimConnection.conflictFound': { verb: 'sent somebody who may be here, as', label: 'Conflict found' },
  'scimConnection.conflictDecided': { verb: 'decided on a conflict of', label: 'Conflict decided' },
  'scimConnection.keptReleased': { verb: 'released what was kept of', label: 'Kept people released' },
  'scimConnection.shadowOpened': { verb: 'put into shadow mode', label: 'Connection put into shadow mode' },
  'scimConnection.shadowRefreshed': { verb: 'refreshed the shadow of', label: 'Shadow refreshed' },
  'scimConnection.shadowDecided': { verb: 'decided on a conflict in the shadow of', label: 'Shadow decided on' },
  'scimConnection.wentLive': { verb: 'had go live', label: 'Connection went live' },
  'scimConnection.shadowDiscarded': { verb: 'discarded the shadow of', label: 'Shadow discarded' },
  'scimConnection.removed': { verb: 'removed the connection', label: 'Connection removed' },
  'eventStream.created': { verb: 'created the event stream', label: 'Event stream created' },
  'eventStream.updated': { verb: 'changed the event stream', label: 'Event stream changed' },
  'eventStream.removed': { verb: 'removed the event stream', label: 'Event stream removed' },
  'eventStream.secretRotated': { verb: 'rotated the secret of', label: 'Event stream’s secret rotated' },
  'eventStream.tested': { verb: 'tested the event stream', label: 'Event stream tested' },
  'eventStream.replayed': { verb: 'replayed events of', label: 'Events replayed' },
  'scimToken.created': { verb: 'created a SCIM token for', label: 'SCIM token created' },
  'scimToken.rotated': { verb: 'rotated the SCIM token of', label: 'SCIM token rotated' },
  'scimToken.revoked': { verb: 'revoked a SCIM token of', label: 'SCIM token revoked' },
  'scimSchema.created': { verb: 'registered the SCIM schema', label: 'SCIM schema registered' },
  'scimSchema.removed': { verb: 'removed the SCIM schema', label: 'SCIM schema removed' },
  'apiToken.created': { verb: 'created the API token', label: 'API token created' },
  'apiToken.revoked': { verb: 'revoked the API token', label: 'API token revoked' },
  'tenant.created': { verb: 'created the organisation', label: 'Organisation created' },
  'tenant.settingsChanged': { verb: 'changed the settings of', label: 'Settings changed' },
  'tenant.groupRolesChanged': { verb: 'changed which groups give roles in', label: 'Roles of groups changed' },
  'tenant.suspended': { verb: 'suspended', label: 'Organisation suspended' },
  'tenant.retentionApplied': { verb: 'deleted what was too old of', label: 'Retention applied' },
  'tenant.exported': { verb: 'exported', label: 'Organisation exported' },
  'tenant.imported': { verb: 'imported', label: 'Organisation imported' },
  'tenant.resumed': { verb: 'resumed', label: 'Organisation resumed' }
}

const THINGS: Record<string, string> = {
  user: 'People',
  invitation: 'Invitations',
  group: 'Groups',
  scimConnection: 'Connections',
  scimToken: 'SCIM tokens',
  apiToken: 'API tokens',
  session: 'Sessions',
  tenant: 'Organisation',
  scimSchema: 'SCIM schemas'
}

/** `membersChanged` -> `members changed` */
const spaced = (camel: string) => camel.replace(/([a-z0-9])([A-Z])/g, '$1 $2').toLowerCase()

/** `deactivated`, between actor and target; an unknown action is described by its own name. */
export const verbOf = (action: string) => ACTIONS[action]?.verb ?? `${spaced(action.slice(action.indexOf('.') + 1))}:`

/** `changed their password`, for people who do it to themselves. */
export const ownVerbOf = (action: string) => ACTIONS[action]?.own ?? `${verbOf(action)} themselves`

export const labelOf = (action: string) => ACTIONS[action]?.label ?? sentence(spaced(action.replace('.', ': ')))

/** Choices for filtering the log: everything about a thing (`user.`), or one action. */
export const ACTION_CHOICES = Object.entries(THINGS).map(([thing, group]) => ({
  group,
  items: [
    { value: `${thing}.`, label: `${group}: everything` },
    ...Object.entries(ACTIONS)
      .filter(([action]) => action.startsWith(`${thing}.`))
      .map(([value, { label }]) => ({ value, label }))
  ]
}))

const FIELDS: Record<string, string> = {
  displayName: 'Display name',
  givenName: 'Given name',
  familyName: 'Family name',
  userName: 'User name',
  externalId: 'External id',
  connectionId: 'Connection',
  invitationTtlHours: 'Invitation lifetime, hours',
  googleSignIn: 'Sign-in with Google',
  scimScope: 'What SCIM tokens see',
  scimWelcomeMail: 'Welcome mail',
  logoUrl: 'Logo'
}

/** `scimWelcomeMail` -> `Welcome mail`, `authority:title` -> `Who manages title` */
export function fieldName(path: string): string {
  if (path.startsWith('authority:')) return `Who manages ${fieldName(path.slice('authority:'.length)).toLowerCase()}`
  return FIELDS[path] ?? sentence(path.split('.').map(spaced).join(' › '))
}

const sentence = (text: string) => text.charAt(0).toUpperCase() + text.slice(1)
