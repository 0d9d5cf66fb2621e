// An externalId belongs to the identity provider that gives it (RFC 7643 §3.1): filters and answers agree on whose it
// is.
import { test } from 'tap'
import { startApp } from '../support/app.ts'
import { type Scim, scimClient } from '../support/scim.ts'
import { addTenant } from '../support/tenants.ts'
import { USER } from '../support/urns.ts'

test('externalIds of two identity providers', async (t) => {
  const app = await startApp(t)
  const acme = await addTenant(app, 'acme')
  const okta = await scimClient(app, acme, { name: 'Okta' })
  const entra = await scimClient(app, acme, { name: 'Entra' })
  const find = async (scim: Scim, filter: string) => {
    const { body } = await scim.get(`/Users?filter=${encodeURIComponent(filter)}`)
    return body.Resources.map(({ userName }: { userName: string }) => userName)
  }
  const shown = async (scim: Scim, id: string) => {
    const { body: got } = await scim.get(`/Users/${id}`)
    const [filtered] = (await scim.get(`/Users?filter=${encodeURIComponent(`id eq "${id}"`)}`)).body.Resources
    const [named] = (await scim.get(`/Users?filter=${encodeURIComponent(`userName eq "${got.userName}"`)}`)).body
      .Resources
    const chosen = (await scim.get(`/Users/${id}?attributes=externalId`)).body
    t.same([filtered.externalId, named.externalId, chosen.externalId], Array(3).fill(got.externalId))
    return got.externalId
  }
  const ada = await okta.createUser({ userName: 'ada', externalId: '5', title: 'Engineer' })

  t.test('are neither found by nor shown to the other one', async (t) => {
    const ben = await entra.createUser({ userName: 'ben', externalId: '5' })
    for (const filter of ['externalId eq "5"', 'externalId sw "5"', 'externalId pr', 'externalId le "5"']) {
      t.same(await find(okta, filter), ['ada'], filter)
      t.same(await find(entra, filter), ['ben'], filter)
    }
    t.same(await find(okta, 'externalId ne "5"'), ['ben'])
    t.equal(await shown(okta, ada.id), '5')
    t.equal(await shown(entra, ada.id), undefined)
    t.equal(await shown(okta, ben.id), undefined)
    const listed = (await entra.get('/Users')).body.Resources
    t.same(
      listed.map(({ externalId }: { externalId?: string }) => externalId),
      [undefined, '5']
    )
    t.same(listed[0].title, 'Engineer', 'and nothing else is left out')
    await entra.delete(`/Users/${ben.id}`)
  })

  t.test('stay, whatever else the other one writes', async (t) => {
    const patched = await entra.patch(`/Users/${ada.id}`, [{ op: 'replace', path: 'title', value: 'Chief' }])
    t.match(patched, { status: 200, body: { title: 'Chief', externalId: undefined } })
    await entra.patch(`/Users/${ada.id}`, [{ op: 'remove', path: 'externalId' }])
    await entra.put(`/Users/${ada.id}`, { schemas: [USER], userName: 'ada', title: 'Boss' })
    t.equal(await shown(okta, ada.id), '5')
    const before = (await okta.get(`/Users/${ada.id}`)).body
    await entra.patch(`/Users/${ada.id}`, [{ op: 'replace', path: 'title', value: 'Boss' }])
    t.same((await okta.get(`/Users/${ada.id}`)).body, before, 'what changes nothing is no change')
  })

  t.test('are found by each that has sent them, even if they are the same', async (t) => {
    const said = await entra.patch(`/Users/${ada.id}`, [{ op: 'add', path: 'externalId', value: '5' }])
    t.match(said, { status: 200, body: { externalId: '5' } })
    for (const scim of [okta, entra]) {
      t.same(await find(scim, 'externalId eq "5"'), ['ada'])
      t.equal(await shown(scim, ada.id), '5')
    }
  })

  t.test('of a user without a connection are found by any', async (t) => {
    const cy = await okta.createUser({ userName: 'cy', externalId: 'c' })
    await app.owner.updateTable('users').set({ connection_id: null }).where('id', '=', cy.id).execute()
    t.same(await find(entra, 'externalId eq "c"'), ['cy'])
    t.equal(await shown(entra, cy.id), 'c')
  })
})
