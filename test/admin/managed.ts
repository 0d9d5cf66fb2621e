// Look-ups for tests of what an identity provider manages.
import type { HistoryTenant } from '../support/history.ts'
import { clientOf } from '../support/scim.ts'

/** The row of a user. */
export const detailsOf = (acme: HistoryTenant, userId: string) =>
  acme.app.owner.selectFrom('users').selectAll().where('id', '=', userId).executeTakeFirstOrThrow()
/** The owners of attributes that the user’s connection does not own. */
export const exceptionsOf = async (acme: HistoryTenant, userId: string) =>
  JSON.parse((await detailsOf(acme, userId)).authority)

/** The administrator's backend, as a SCIM client. */
export const ownClient = async (acme: HistoryTenant) =>
  clientOf(acme.app, acme.tenant, (await acme.mutate('apiTokens.create', { name: 'backend' })).data.token)
