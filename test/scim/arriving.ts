import type { Inviting } from '../invitations/acme.ts'
import { scimClient } from '../support/scim.ts'
import { USER } from '../support/urns.ts'

/** A user as the identity provider sends them; what is not given follows from the address. */
export const arriving = (address: string, rest: object = {}) => ({
  schemas: [USER],
  userName: address,
  externalId: `ext-${address}`,
  emails: [{ value: address, type: 'work', primary: true }],
  ...rest
})
export const work = (value: string) => ({ emails: [{ value, type: 'work', primary: true }] })
export const statusesOf = (replies: readonly { status: number }[]) => replies.map(({ status }) => status).sort()

export async function setUp(acme: Inviting) {
  const tenant = { id: acme.acmeId, subdomain: 'acme' }
  const rowOf = (id: string) =>
    acme.owner.selectFrom('users').selectAll().where('id', '=', id).executeTakeFirstOrThrow()
  const connectionOf = async (name: string) =>
    (await acme.owner.selectFrom('scim_connections').select('id').where('name', '=', name).executeTakeFirstOrThrow()).id
  const list = async (state = 'open') =>
    (await acme.query('acme', 'scimConflicts.list', { state }, { cookie: acme.cookies.administrator })).data.items
  return {
    tenant,
    rowOf,
    connectionOf,
    okta: await scimClient(acme, tenant, { name: 'Okta' }),
    entra: await scimClient(acme, tenant, { name: 'Entra' }),
    usersWith: (address: string) =>
      acme.owner
        .selectFrom('users')
        .select(['id', 'state'])
        .where('user_name_key', 'like', `${address}%`)
        .where('state', '<>', 'removed')
        .execute(),
    actionsOf: async (id: string) =>
      (
        await acme.owner.selectFrom('audit_events').select('action').where('target_id', '=', id).orderBy('id').execute()
      ).map(({ action }) => action),
    list,
    conflictOf: async (userName: string, state?: string) =>
      // biome-ignore lint/suspicious/noExplicitAny: what the procedure gives
      (await list(state)).find((item: any) => item.sent.userName === userName),
    openCount: async () =>
      (await acme.query('acme', 'scimConflicts.count', undefined, { cookie: acme.cookies.administrator })).data.open,
    decide: (conflictId: string, decision: string, userId?: string) =>
      acme.call('scimConflicts.decide', { conflictId, decision, userId }),
    notices: () => acme.owner.selectFrom('mails').select('notice').where('template', '=', 'notice').execute()
  }
}
