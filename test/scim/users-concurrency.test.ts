// Many writes at the same time: no update is lost, nobody is made twice, nobody waits in a circle.
import { test } from 'tap'
import { startApp } from '../support/app.ts'
import { insertPerson } from '../support/people.ts'
import { type ScimReply, scimClient } from '../support/scim.ts'
import { addTenant } from '../support/tenants.ts'
import { USER } from '../support/urns.ts'

const statusesOf = (replies: readonly ScimReply[]) => {
  const counts: Record<number, number> = {}
  for (const { status } of replies) counts[status] = (counts[status] ?? 0) + 1
  return counts
}
const times = <T>(count: number, work: (index: number) => Promise<T>): Promise<T[]> =>
  Promise.all(Array.from({ length: count }, (_, index) => work(index)))

test('writes at the same time', async (t) => {
  const app = await startApp(t)
  const acme = await addTenant(app, 'acme')
  const scim = await scimClient(app, acme)

  t.test('20 PATCHes of one user lose nothing', async (t) => {
    const { id } = await scim.createUser({ userName: 'ada@acme.test' })
    const replies = await times(20, (index) =>
      scim.patch(`/Users/${id}`, [{ op: 'add', path: 'phoneNumbers', value: [{ value: String(index), type: 'work' }] }])
    )
    t.same(statusesOf(replies), { 200: 20 })
    const { body } = await scim.get(`/Users/${id}`)
    t.same(
      body.phoneNumbers.map(({ value }: { value: string }) => Number(value)).sort((a: number, b: number) => a - b),
      Array.from({ length: 20 }, (_, index) => index)
    )
    t.equal(body.meta.version, 'W/"21"', 'and each has its version')
    const events = await app.owner.selectFrom('audit_events').select('id').where('target_id', '=', id).execute()
    t.equal(events.length, 21, 'and its event')
  })

  t.test('changes of one user’s e-mail addresses do not wait for each other in a circle', async (t) => {
    const { id } = await scim.createUser({ userName: 'many@acme.test' })
    const replies = await times(20, async (writer) => {
      const ownReplies: ScimReply[] = []
      for (const turn of ['a', 'b', 'c', 'd', 'e']) {
        const value = [{ value: `${turn}${writer}@acme.test`, type: 'other' }]
        ownReplies.push(await scim.patch(`/Users/${id}`, [{ op: 'add', path: 'emails', value }]))
      }
      return ownReplies
    })
    t.same(statusesOf(replies.flat()), { 200: 100 })
    t.equal((await scim.get(`/Users/${id}`)).body.emails.length, 100)
  })

  t.test('one of 20 PATCHes that name the same version succeeds, and 19 learn that it has changed', async (t) => {
    const { id } = await scim.createUser({ userName: 'bob@acme.test' })
    const replies = await times(20, (index) =>
      scim.patch(`/Users/${id}`, [{ op: 'replace', path: 'title', value: String(index) }], { 'if-match': 'W/"1"' })
    )
    t.same(statusesOf(replies), { 200: 1, 412: 19 })
    const won = replies.find(({ status }) => status === 200)
    t.equal((await scim.get(`/Users/${id}`)).body.title, won?.body.title)
  })

  t.test('one userName POSTed 20 times makes one user', async (t) => {
    for (const attributes of [
      { userName: 'cy@acme.test' },
      { userName: 'robot' },
      { userName: 'dee', emails: [{ value: 'dee@acme.test' }], externalId: 'D' }
    ]) {
      const replies = await times(20, () => scim.post('/Users', { schemas: [USER], ...attributes }))
      t.same(statusesOf(replies), { 201: 1, 409: 19 })
      for (const { status, body } of replies) if (status === 409) t.equal(body.scimType, 'uniqueness')
      const found = await scim.get(`/Users?filter=userName%20eq%20%22${attributes.userName}%22`)
      t.equal(found.body.totalResults, 1)
    }
  })

  t.test('one of two tenants that POST an address at the same time gets it', async (t) => {
    const globex = await scimClient(app, await addTenant(app, 'globex'))
    for (let round = 0; round < 5; round++) {
      const emails = [{ value: `shared${round}@x.test` }]
      const replies = await Promise.all([
        scim.post('/Users', { schemas: [USER], userName: `s${round}`, emails }),
        globex.post('/Users', { schemas: [USER], userName: `s${round}`, emails })
      ])
      t.same(statusesOf(replies), { 201: 1, 409: 1 })
      const holders = await app.owner
        .selectFrom('addresses')
        .select('user_id')
        .where('address_key', '=', `shared${round}@x.test`)
        .execute()
      t.same(holders, [{ user_id: replies.find(({ status }) => status === 201)?.body.id }])
    }
  })

  t.test('one invitation is adopted once', async (t) => {
    const id = await insertPerson(app.owner, acme.id, { email: 'invited@acme.test', state: 'invited' })
    const replies = await times(10, () => scim.post('/Users', { schemas: [USER], userName: 'invited@acme.test' }))
    t.same(statusesOf(replies), { 201: 1, 409: 9 })
    t.equal(replies.find(({ status }) => status === 201)?.body.id, id)
  })

  t.test('a removed user comes back once', async (t) => {
    const { id } = await scim.createUser({ userName: 'back@acme.test' })
    await scim.delete(`/Users/${id}`)
    const replies = await times(10, () => scim.post('/Users', { schemas: [USER], userName: 'back@acme.test' }))
    t.same(statusesOf(replies), { 201: 1, 409: 9 })
    t.equal(replies.find(({ status }) => status === 201)?.body.id, id)
  })

  t.test('users who exchange their addresses do not wait for each other for ever', async (t) => {
    const users = await times(4, (index) => scim.createUser({ userName: `swap${index}@acme.test` }))
    const replies = await times(24, (index) =>
      scim.patch(`/Users/${users[index % 4].id}`, [
        { op: 'replace', path: 'userName', value: `swap${(index * 7 + 1) % 4}@acme.test` }
      ])
    )
    for (const { status } of replies) t.ok(status === 200 || status === 409, String(status))
    const rows = await app.owner
      .selectFrom('users')
      .select(['id', 'email_key'])
      .where('user_name', 'like', 'swap%')
      .execute()
    // two queries, since addresses may lie on other nodes than their users
    const addresses = await app.owner.selectFrom('addresses').select(['user_id', 'address_key']).execute()
    t.equal(rows.length, users.length)
    for (const { id, email_key } of rows) {
      const held = addresses.filter(({ user_id }) => user_id === id).map(({ address_key }) => address_key)
      t.same(held, [email_key], 'each holds what is theirs')
    }
  })

  t.test('activation, deactivation, rename and profile end in one of the states', async (t) => {
    const { id } = await scim.createUser({ userName: 'busy@acme.test' })
    const replies = await times(20, (index) =>
      index % 4 === 0
        ? scim.patch(`/Users/${id}`, [{ op: 'replace', path: 'active', value: index % 8 === 0 }])
        : index % 4 === 1
          ? scim.patch(`/Users/${id}`, [{ op: 'replace', path: 'userName', value: `busy${index}@acme.test` }])
          : scim.patch(`/Users/${id}`, [{ op: 'add', path: 'entitlements', value: [{ value: String(index) }] }])
    )
    t.same(statusesOf(replies), { 200: 20 })
    t.equal((await scim.get(`/Users/${id}`)).body.entitlements.length, 10)
  })

  t.test('the total is the number of existing users', async (t) => {
    const made = await times(15, (index) => scim.createUser({ userName: `n${index}@acme.test` }))
    await times(5, (index) => scim.delete(`/Users/${made[index].id}`))
    const { count } = await app.owner
      .selectFrom('users')
      .select((eb) => eb.fn.countAll<string>().as('count'))
      .where('tenant_id', '=', acme.id)
      .where('state', '<>', 'removed')
      .executeTakeFirstOrThrow()
    const { body } = await scim.get('/Users?count=1000')
    t.equal(body.totalResults, Number(count))
    t.equal(body.Resources.length, Number(count))
  })
})
