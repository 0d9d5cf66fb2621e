// What the audit log's actions are called where people read them.

/** Actions as `somebody <verb> something`; the group that a filter lists them in. */
const ACTIONS: Record<string, { verb: string; label: string }> = {
  'user.created': { verb: 'added', label: 'Person added' },
  'user.updated': { verb: 'changed the profile of', label: 'Profile changed' },
  'user.roleChanged': { verb: 'changed the role of', label: 'Role changed' },
  'user.activated': { verb: 'reactivated', label: 'Person reactivated' },
  'user.deactivated': { verb: 'deactivated', label: 'Person deactivated' },
  'user.locked': { verb: 'locked', label: 'Person locked' },
  'user.unlocked': { verb: 'unlocked', label: 'Person unlocked' },
  'user.removed': { verb: 'removed', label: 'Person removed' },
  'user.revived': { verb: 'brought back', label: 'Person brought back' },
  'user.googleLinked': { verb: 'linked a Google account to', label: 'Google account linked' },
  'user.passwordChanged': { verb: 'set the password of', label: 'Password set' },
  'user.passwordReset': { verb: 'set a new password for', label: 'Password reset' },
  'user.signedIn': { verb: 'signed in as', label: 'Signed in' },
  'invitation.created': { verb: 'invited', label: 'Invited' },
  'invitation.resent': { verb: 'sent a new invitation to', label: 'Invitation sent again' },
  'invitation.revoked': { verb: 'revoked the invitation of', label: 'Invitation revoked' },
  'invitation.accepted': { verb: 'accepted the invitation of', label: 'Invitation accepted' },
  'group.created': { verb: 'created the group', label: 'Group created' },
  'group.updated': { verb: 'changed the group', label: 'Group changed' },
  'group.removed': { verb: 'deleted the group', label: 'Group deleted' },
  'group.membersChanged': { verb: 'changed the members of', label: 'Members changed' },
  'scimToken.created': { verb: 'created the SCIM token', label: 'SCIM token created' },
  'scimToken.rotated': { verb: 'rotated the SCIM token', label: 'SCIM token rotated' },
  'scimToken.revoked': { verb: 'revoked the SCIM token', label: 'SCIM token revoked' },
  'apiToken.created': { verb: 'created the API token', label: 'API token created' },
  'apiToken.revoked': { verb: 'revoked the API token', label: 'API token revoked' },
  'session.created': { verb: 'signed in', label: 'Signed in' },
  'session.revoked': { verb: 'ended a session of', label: 'Session ended' },
  'tenant.created': { verb: 'created the organisation', label: 'Organisation created' },
  'tenant.updated': { verb: 'changed the settings of', label: 'Settings changed' },
  'tenant.suspended': { verb: 'suspended', label: 'Organisation suspended' },
  'tenant.resumed': { verb: 'resumed', label: 'Organisation resumed' }
}

const THINGS: Record<string, string> = {
  user: 'People',
  invitation: 'Invitations',
  group: 'Groups',
  scimToken: 'SCIM tokens',
  apiToken: 'API tokens',
  session: 'Sessions',
  tenant: 'Organisation',
  scimSchema: 'SCIM schemas'
}

/** `membersChanged` -> `members changed` */
const spaced = (camel: string) => camel.replace(/([a-z0-9])([A-Z])/g, '$1 $2').toLowerCase()

/** `deactivated`, between who and whom; an action that is new here is put in words by its own name. */
export const verbOf = (action: string) => ACTIONS[action]?.verb ?? `${spaced(action.slice(action.indexOf('.') + 1))}:`

export const labelOf = (action: string) => ACTIONS[action]?.label ?? sentence(spaced(action.replace('.', ': ')))

/** What the log may be narrowed to: all of a thing (`user.`), or one action. */
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
  invitationTtlHours: 'Invitation lifetime, hours',
  googleSignIn: 'Sign-in with Google',
  scimScope: 'What SCIM tokens see',
  scimWelcomeMail: 'Welcome mail',
  logoUrl: 'Logo',
  addedCount: 'Members added',
  removedCount: 'Members removed',
  added: 'Added',
  removed: 'Taken out'
}

/** `scimWelcomeMail` -> `Welcome mail`, `passwordMinLength` -> `Password min length` */
export const fieldName = (path: string) => FIELDS[path] ?? sentence(path.split('.').map(spaced).join(' › '))

const sentence = (text: string) => text.charAt(0).toUpperCase() + text.slice(1)
