// Plays whole conversations of identity providers (server/scim/acceptance/exchanges) against the real app and database.
import { type Test, test } from 'tap'
import { systemActor } from '../../server/provisioning/actor.ts'
import { createScimToken } from '../../server/provisioning/scim-tokens.ts'
import { goLive } from '../../server/provisioning/shadow/go-live.ts'
import { openShadow } from '../../server/provisioning/shadow/shadow.ts'
import { readConversations, VENDORS } from '../../server/scim/acceptance/conversations.ts'
import { type Conversation, playExchange } from '../../server/scim/acceptance/exchange.ts'
import { startApp } from '../support/app.ts'
import { snapshotOf } from '../support/history.ts'
import { clientOf, type Scim, scimClient } from '../support/scim.ts'
import { addTenant } from '../support/tenants.ts'

test('identity providers', async (t) => {
  const app = await startApp(t)
  let count = 0
  const conversations = VENDORS.flatMap(readConversations)
  t.ok(conversations.length >= VENDORS.length && conversations.every(({ profiles }) => profiles.length > 0))
  for (const conversation of conversations) {
    for (const profile of conversation.profiles) {
      await t.test(`${conversation.title}, profile ${profile}`, async (t) => {
        const tenant = await addTenant(app, `tenant${++count}`)
        await play(t, conversation, await scimClient(app, tenant, { profile }))
      })
    }
    await t.test(`${conversation.title}, in shadow mode, and the result once it is live`, async (t) => {
      const tenant = await addTenant(app, `tenant${++count}`)
      const profile = conversation.profiles[0]!
      const made = await createScimToken(app.deps, tenant, systemActor, { name: 'shadow', profile })
      const connectionId = made.scimToken.connection_id
      await openShadow(app.deps, tenant.id, systemActor, connectionId)
      const nothing = await snapshotOf(app.owner, tenant.id)
      await play(t, conversation, clientOf(app, tenant, made.token))
      t.same(await snapshotOf(app.owner, tenant.id), nothing, 'nothing was changed')
      const { shadow_id } = await app.owner
        .selectFrom('scim_shadows')
        .select('shadow_id')
        .where('tenant_id', '=', tenant.id)
        .executeTakeFirstOrThrow()
      const { addresses: claimed, ...shown } = await snapshotOf(app.owner, shadow_id!)
      await goLive(app.deps, tenant.id, systemActor, {
        connectionId,
        prefer: 'tenant',
        follow: { addressMoved: async () => {}, made: undefined }
      })
      const { addresses, ...live } = await snapshotOf(app.owner, tenant.id)
      t.same(live, shown, 'it is what was shown')
      const prefix = `${shadow_id} `.length
      const stripped = Object.entries(claimed ?? {}).map(([key, id]) => [key.slice(prefix), id])
      t.same(addresses ?? {}, Object.fromEntries(stripped))
    })
  }
})

/** Plays every exchange and expects the given answer. */
async function play(t: Test, conversation: Conversation, scim: Scim): Promise<void> {
  const { subdomain } = scim.tenant
  const saved: Record<string, unknown> = {
    baseUrl: `http://${subdomain}.muster.test/scim/v2`,
    // an address belongs to one person across tenants
    domain: `${subdomain}.test`,
    run: subdomain
  }
  for (const exchange of conversation.exchanges) {
    const { problems, reply } = await playExchange(exchange, saved, ({ method, url, body, headers }) =>
      scim.ask(method, url, body, headers)
    )
    const { id, says } = exchange
    t.same(problems, [], `${id} ${says}`, problems.length > 0 ? { answer: reply.text } : {})
  }
}
