// Look-ups by id and by userName are gathered: what is true of one is true of many at the same time.
import { test } from 'tap'
import { startApp } from '../support/app.ts'
import { type Scim, scimClient } from '../support/scim.ts'
import { addTenant } from '../support/tenants.ts'

const byName = (userName: string, rest = '') =>
  `/Users?filter=${encodeURIComponent(`userName eq ${JSON.stringify(userName)}`)}${rest}`
/** The same user, as the statement of lists finds them. */
const byNameInList = (userName: string, rest = '') =>
  `/Users?filter=${encodeURIComponent(`userName eq ${JSON.stringify(userName)} and userName pr`)}${rest}`

test('a look-up of a user', async (t) => {
  const app = await startApp(t)
  const [acme, globex] = [await addTenant(app, 'acme'), await addTenant(app, 'globex', { scimScope: 'own' })]
  const [scim, other] = [await scimClient(app, acme), await scimClient(app, globex)]

  t.test('by userName answers as a list does', async (t) => {
    const { id } = await scim.createUser({ userName: 'Ada@acme.test', name: { familyName: 'Lovelace' } })
    await scim.createUser({ userName: 'ΟΔΟΣ' })
    await scim.createUser({ userName: 'with "quotes" and \\' })
    await scim.post('/Groups', { displayName: 'Engineers', members: [{ value: id }] })
    for (const name of ['ada@ACME.test', 'οδοσ', 'οδος', 'with "quotes" and \\', 'nobody', 'ad', '%', '']) {
      for (const rest of [
        '',
        '&attributes=userName',
        '&attributes=groups',
        '&excludedAttributes=groups',
        '&excludedAttributes=name,emails',
        '&count=1',
        '&count=0',
        '&startIndex=2',
        '&startIndex=-3',
        '&cursor=',
        '&sortBy=userName&sortOrder=descending'
      ]) {
        const [looked, listed] = [await scim.get(byName(name, rest)), await scim.get(byNameInList(name, rest))]
        t.equal(looked.status, 200)
        t.equal(looked.text, listed.text, `${name} ${rest}`)
      }
    }
    t.match((await scim.get(byName('ada@acme.test'))).body, {
      totalResults: 1,
      Resources: [{ id, groups: [{ display: 'Engineers' }] }]
    })
  })

  t.test('finds only what the token may see', async (t) => {
    const { id } = await other.createUser({ userName: 'own@globex.test' })
    const stranger = await scimClient(app, globex)
    t.equal((await other.get(byName('own@globex.test'))).body.totalResults, 1)
    t.equal((await stranger.get(byName('own@globex.test'))).body.totalResults, 0)
    t.equal((await stranger.get(`/Users/${id}`)).status, 404)
    await other.delete(`/Users/${id}`)
    t.equal((await other.get(byName('own@globex.test'))).body.totalResults, 0)
    t.equal((await other.get(`/Users/${id}`)).status, 404)
  })

  t.test('tells tenants apart that look for the same at the same time', async (t) => {
    const make = (client: Scim) => client.createUser({ userName: 'same', title: client.tenant.subdomain })
    const [ours, theirs] = [await make(scim), await make(other)]
    const asked = Array.from({ length: 40 }, (_, index) => (index % 3 === 0 ? other : scim))
    const replies = await Promise.all(
      asked.map(async (client) => ({
        client,
        named: await client.get(byName('same')),
        our: await client.get(`/Users/${ours.id}`),
        their: await client.get(`/Users/${theirs.id}`)
      }))
    )
    for (const { client, named, our, their } of replies) {
      t.strictSame(named.body.Resources, [client === scim ? ours : theirs])
      t.equal(our.status, client === scim ? 200 : 404)
      t.equal(their.status, client === scim ? 404 : 200)
    }
  })

  t.test('sees its caller’s own write, while others write and look up', async (t) => {
    const walk = async (walker: number) => {
      const { id } = await scim.createUser({ userName: `walker-${walker}` })
      for (let step = 1; step <= 5; step++) {
        const title = `step ${step}`
        await scim.patch(`/Users/${id}`, [{ op: 'replace', path: 'title', value: title }])
        const [looked, named] = await Promise.all([scim.get(`/Users/${id}`), scim.get(byName(`walker-${walker}`))])
        t.equal(looked.body.title, title)
        t.equal(named.body.Resources[0].title, title)
      }
      await scim.delete(`/Users/${id}`)
      t.equal((await scim.get(`/Users/${id}`)).status, 404)
    }
    await Promise.all(Array.from({ length: 12 }, (_, walker) => walk(walker)))
  })
})
