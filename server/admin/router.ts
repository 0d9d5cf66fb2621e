// Every tRPC procedure by name. The client imports only this file's type.
import { apiTokensRouter } from './api-tokens.ts'
import { auditRouter } from './audit.ts'
import { authRouter } from './auth.ts'
import { brakeRouter } from './brake.ts'
import { eventStreamsRouter, eventsRouter } from './event-streams.ts'
import { groupRolesRouter } from './group-roles.ts'
import { groupsRouter } from './groups.ts'
import { historyRouter } from './history.ts'
import { invitationsRouter } from './invitations.ts'
import { operatorRouter } from './operator.ts'
import { scimAcceptanceRouter } from './scim-acceptance.ts'
import { scimConflictsRouter } from './scim-conflicts.ts'
import { scimConnectionsRouter } from './scim-connections.ts'
import { scimSchemasRouter } from './scim-schemas.ts'
import { scimShadowRouter } from './scim-shadow.ts'
import { scimTokensRouter } from './scim-tokens.ts'
import { secondFactorRouter } from './second-factor.ts'
import { settingsRouter } from './settings.ts'
import { tenantsRouter } from './tenants.ts'
import { router } from './trpc.ts'
import { usersRouter } from './users.ts'
import { wireLogRouter } from './wire-log.ts'

export const appRouter = router({
  auth: authRouter,
  secondFactor: secondFactorRouter,
  invitations: invitationsRouter,
  users: usersRouter,
  groups: groupsRouter,
  groupRoles: groupRolesRouter,
  scimConnections: scimConnectionsRouter,
  scimShadow: scimShadowRouter,
  scimConflicts: scimConflictsRouter,
  brake: brakeRouter,
  scimTokens: scimTokensRouter,
  scimSchemas: scimSchemasRouter,
  scimAcceptance: scimAcceptanceRouter,
  apiTokens: apiTokensRouter,
  audit: auditRouter,
  history: historyRouter,
  wireLog: wireLogRouter,
  events: eventsRouter,
  eventStreams: eventStreamsRouter,
  settings: settingsRouter,
  operator: operatorRouter,
  tenants: tenantsRouter
})

export type AppRouter = typeof appRouter
