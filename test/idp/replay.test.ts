// Replays whole conversations of identity providers against the real app and database: test/idp/<vendor>/<name>.json.
import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Test, test } from 'tap'
import { startApp } from '../support/app.ts'
import { addTenant, type Scim, scimClient } from '../support/scim.ts'
import { type Conversation, differences, type Exchange, fill, valueAt } from './exchange.ts'

test('identity providers', async (t) => {
  const app = await startApp(t)
  const files = globSync('*/*.json', { cwd: import.meta.dirname }).sort()
  let count = 0
  for (const file of files) {
    const conversation = JSON.parse(readFileSync(join(import.meta.dirname, file), 'utf8')) as Conversation
    for (const profile of conversation.profiles) {
      await t.test(`${conversation.title}, profile ${profile}`, async (t) => {
        const tenant = await addTenant(app, `tenant${++count}`)
        const scim = await scimClient(app, tenant, { profile })
        const saved: Record<string, unknown> = {
          baseUrl: `http://${tenant.subdomain}.muster.test/scim/v2`,
          // an address is one person across tenants
          domain: `${tenant.subdomain}.test`
        }
        for (const exchange of conversation.exchanges) await replay(t, scim, exchange, saved)
      })
    }
  }
})

async function replay(t: Test, scim: Scim, exchange: Exchange, saved: Record<string, unknown>): Promise<void> {
  const { id, says, times = 1, expect, save = {} } = exchange
  const replies = await Promise.all(
    Array.from({ length: times }, async (_, index) => {
      const { method, url, headers, body } = fill(exchange.request, { ...saved, index })
      return scim.ask(method, url, body, headers)
    })
  )
  const wanted = fill(expect, saved)
  for (const reply of replies) {
    const problems = [
      ...([wanted.status].flat().includes(reply.status) ? [] : [`status ${reply.status}`]),
      ...differences(reply.headers, wanted.headers ?? {}, 'headers'),
      ...(wanted.body === undefined ? [] : differences(reply.body, wanted.body)),
      ...(wanted.absent ?? [])
        .filter((path) => valueAt(reply.body, path) !== undefined)
        .map((path) => `${path} is there`)
    ]
    t.same(problems, [], `${id} ${says}`, problems.length > 0 ? { answer: reply.text } : {})
  }
  for (const [name, path] of Object.entries(save)) saved[name] = valueAt(replies[0]?.body, path)
}
