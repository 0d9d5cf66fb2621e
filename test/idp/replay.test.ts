// Plays whole conversations of identity providers against the real app and database: server/scim/acceptance/exchanges.
import { test } from 'tap'
import { readConversations, VENDORS } from '../../server/scim/acceptance/conversations.ts'
import { playExchange } from '../../server/scim/acceptance/exchange.ts'
import { startApp } from '../support/app.ts'
import { addTenant, scimClient } from '../support/scim.ts'

test('identity providers', async (t) => {
  const app = await startApp(t)
  let count = 0
  for (const conversation of VENDORS.flatMap(readConversations)) {
    for (const profile of conversation.profiles) {
      await t.test(`${conversation.title}, profile ${profile}`, async (t) => {
        const tenant = await addTenant(app, `tenant${++count}`)
        const scim = await scimClient(app, tenant, { profile })
        const saved: Record<string, unknown> = {
          baseUrl: `http://${tenant.subdomain}.muster.test/scim/v2`,
          // an address is one person across tenants
          domain: `${tenant.subdomain}.test`,
          run: tenant.subdomain
        }
        for (const exchange of conversation.exchanges) {
          const { problems, reply } = await playExchange(exchange, saved, ({ method, url, body, headers }) =>
            scim.ask(method, url, body, headers)
          )
          const { id, says } = exchange
          t.same(problems, [], `${id} ${says}`, problems.length > 0 ? { answer: reply.text } : {})
        }
      })
    }
  }
})
