// What the command line leaves to the page and to people's own clients.

/** Procedures that no command calls, by the reason. */
export const NO_COMMAND = {
  'a person’s own, by a session or their token': [
    'apiTokens.create',
    'auth.changePassword',
    'auth.confirm',
    'auth.me',
    'auth.requestPasswordReset',
    'auth.resetPassword',
    'auth.revokeSession',
    'auth.sessions',
    'auth.signIn',
    'auth.signOut',
    'auth.signOutEverywhere',
    'invitations.accept',
    'invitations.preview',
    'secondFactor.disable',
    'secondFactor.enable',
    'secondFactor.get',
    'secondFactor.prepare'
  ],
  'the page’s: the command line signs each call with the operator token': [
    'operator.session',
    'operator.signIn',
    'operator.signOut'
  ],
  'tells open pages to look again': ['events.live'],
  'said by another command: history user; connection update and settings update; conflict list': [
    'users.history',
    'brake.update',
    'scimConflicts.count'
  ]
}
