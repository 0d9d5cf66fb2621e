// Pages far down a list: the same rows as with an offset, without reading all those before them.
import { sql } from 'kysely'
import { test } from 'tap'
import { MIN_ANCHORED_OFFSET } from '../../server/scim/anchors.ts'
import { startApp } from '../support/app.ts'
import { insertPeople } from '../support/people.ts'
import { scimClient } from '../support/scim.ts'
import { addTenant } from '../support/tenants.ts'

const COUNT = 900

test('pages far down a list', async (t) => {
  const app = await startApp(t)
  const acme = await addTenant(app, 'acme')
  const people = Array.from({ length: MIN_ANCHORED_OFFSET + 1_000 }, (_, index) => ({ email: `u${index}@acme.test` }))
  const ids = await insertPeople(app.owner, acme.id, people)
  const inOrder = (
    await app.owner.selectFrom('users').select('id').where('tenant_id', '=', acme.id).orderBy('ordinal').execute()
  ).map(({ id }) => id)
  const scim = await scimClient(app, acme)
  const page = async (startIndex: number, rest = '') => {
    const { body } = await scim.get(`/Users?startIndex=${startIndex}&count=${COUNT}&attributes=id${rest}`)
    return { total: body.totalResults, ids: body.Resources.map(({ id }: { id: string }) => id) }
  }
  t.test('are together the whole list', async (t) => {
    const seen: string[] = []
    for (let startIndex = 1; startIndex <= ids.length; startIndex += COUNT) {
      const { total, ids: found } = await page(startIndex)
      t.equal(total, ids.length)
      seen.push(...found)
    }
    t.same(seen, inOrder)
    t.same((await page(1 + 3 * COUNT)).ids, inOrder.slice(3 * COUNT), 'also when one is asked for again')
  })

  t.test('of another order or filter belong to another list', async (t) => {
    const byName = [...inOrder].reverse()
    await app.owner
      .updateTable('users')
      .set({ user_name_key: sql<string>`'n' || (10000000 - ordinal)` })
      .where('tenant_id', '=', acme.id)
      .execute()
    for (let startIndex = 1; startIndex <= ids.length; startIndex += COUNT) {
      const { ids: found } = await page(startIndex, '&sortBy=userName')
      t.same(found, byName.slice(startIndex - 1, startIndex - 1 + COUNT))
    }
    const active = await page(1 + 3 * COUNT, `&filter=${encodeURIComponent('active eq false')}`)
    t.same(active, { total: 0, ids: [] })
  })

  t.test('are right again after users have come or gone', async (t) => {
    for (const startIndex of [1, 901, 1801]) await page(startIndex)
    await scim.delete(`/Users/${inOrder[0]}`)
    t.same(await page(2701), { total: ids.length - 1, ids: inOrder.slice(2701) })
  })

  t.test('are right in any order of requests while users come and go', async (t) => {
    const current = async () =>
      (
        await app.owner
          .selectFrom('users')
          .select('id')
          .where('tenant_id', '=', acme.id)
          .where('state', '<>', 'removed')
          .orderBy('ordinal')
          .execute()
      ).map(({ id }) => id)
    const check = async (message: string) => {
      const all = await current()
      for (const startIndex of [2001, 350, 1234, 1, all.length - 10, 777]) {
        const { total, ids: found } = await page(startIndex)
        t.equal(total, all.length, message)
        t.same(found, all.slice(startIndex - 1, startIndex - 1 + COUNT), `${message}: from ${startIndex} on`)
      }
    }
    await check('at first')
    await scim.post('/Users', { userName: 'new@acme.test' })
    await check('with somebody new')
    await scim.delete(`/Users/${(await current())[500]}`)
    await scim.post('/Users', { userName: 'newer@acme.test' })
    await check('with as many as before')
    await insertPeople(app.owner, acme.id, [{ email: 'late@acme.test' }])
    await app.owner
      .updateTable('users')
      .set({ ordinal: sql<string>`ordinal - 100000` })
      .where('tenant_id', '=', acme.id)
      .where('email', '=', 'late@acme.test')
      .execute()
    await sql`update resource_counts set moves = moves - 1 where tenant_id = ${acme.id}`.execute(app.owner)
    await check('with somebody whose transaction ended later than those behind')
  })
})
