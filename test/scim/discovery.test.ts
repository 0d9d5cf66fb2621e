// What clients can find out before they begin, including a tenant's own schemas.
import { test } from 'tap'
import { startApp } from '../support/app.ts'
import { insertPeople, signInAs } from '../support/people.ts'
import { scimClient } from '../support/scim.ts'
import { addTenant } from '../support/tenants.ts'
import { ENTERPRISE, GROUP, USER } from '../support/urns.ts'

const BADGE = 'urn:example:badge:1.0:User'
const badge = {
  id: BADGE,
  name: 'Badge',
  attributes: [
    { name: 'number', type: 'integer' },
    { name: 'pin', returned: 'never', mutability: 'writeOnly' },
    { name: 'photo', returned: 'request' },
    { name: 'color', mutability: 'immutable' }
  ]
}

test('discovery', async (t) => {
  const app = await startApp(t)
  const acme = await addTenant(app, 'acme')
  const scim = await scimClient(app, acme)
  const anonymous = { authorization: null }
  const endpoints = ['/ServiceProviderConfig', '/ResourceTypes', '/ResourceTypes/User', '/Schemas', `/Schemas/${USER}`]

  t.test('is public, but not with an invalid token', async (t) => {
    for (const endpoint of endpoints) {
      const { status, headers } = await scim.get(endpoint, anonymous)
      t.equal(status, 200, endpoint)
      t.equal(headers['content-type'], 'application/scim+json; charset=utf-8')
      t.equal((await scim.get(endpoint)).status, 200)
      t.equal((await scim.get(endpoint, { authorization: 'Bearer mst_scim_bad' })).status, 401)
    }
  })

  t.test('takes no filter', async (t) => {
    for (const endpoint of ['/ServiceProviderConfig', '/ResourceTypes', '/Schemas']) {
      for (const name of ['filter', 'Filter']) {
        const { status, body } = await scim.get(`${endpoint}?${name}=id%20pr`)
        t.equal(status, 403)
        t.match(body, { status: '403' })
      }
    }
  })

  t.test('describes the service truly in ServiceProviderConfig', async (t) => {
    const { body } = await scim.get('/ServiceProviderConfig', anonymous)
    t.match(body, {
      schemas: ['urn:ietf:params:scim:schemas:core:2.0:ServiceProviderConfig'],
      patch: { supported: true },
      bulk: { supported: true, maxOperations: 1000, maxPayloadSize: 2_097_152 },
      filter: { supported: true, maxResults: 1000 },
      changePassword: { supported: true },
      sort: { supported: true },
      etag: { supported: true },
      pagination: {
        cursor: true,
        index: true,
        defaultPaginationMethod: 'index',
        defaultPageSize: 100,
        maxPageSize: 1000,
        cursorTimeout: 3600
      },
      authenticationSchemes: [{ type: 'oauthbearertoken', name: /./, description: /./, primary: true }],
      meta: { resourceType: 'ServiceProviderConfig', location: 'http://acme.muster.test/scim/v2/ServiceProviderConfig' }
    })
  })

  t.test('lists ResourceTypes', async (t) => {
    const { body } = await scim.get('/ResourceTypes', anonymous)
    t.match(body, { totalResults: 2, startIndex: 1, itemsPerPage: 2 })
    t.match(body.Resources, [
      { id: 'User', endpoint: '/Users', schema: USER, schemaExtensions: [{ schema: ENTERPRISE, required: false }] },
      { id: 'Group', endpoint: '/Groups', schema: GROUP }
    ])
    for (const resource of body.Resources) {
      t.same((await scim.get(`/ResourceTypes/${resource.id}`)).body, resource)
      t.equal(resource.meta.location, `http://acme.muster.test/scim/v2/ResourceTypes/${resource.id}`)
    }
    t.equal((await scim.get('/ResourceTypes/Nothing')).status, 404)
  })

  t.test('lists Schemas, and finds one by its URN in any letter case', async (t) => {
    const { body } = await scim.get('/Schemas', anonymous)
    t.same(
      body.Resources.map(({ id }: { id: string }) => id),
      [USER, ENTERPRISE, GROUP]
    )
    t.notMatch(JSON.stringify(body), /null/)
    t.same((await scim.get(`/Schemas/${ENTERPRISE.toUpperCase()}`)).body, body.Resources[1])
    t.equal((await scim.get('/Schemas/urn:nothing')).status, 404)
    t.equal((await scim.get('/Schemas/schemas')).status, 404)
  })
})

test('a tenant’s own schemas', async (t) => {
  const app = await startApp(t)
  const acme = await addTenant(app, 'acme')
  const scim = await scimClient(app, acme)
  const [adaId, bobId] = await insertPeople(app.owner, acme.id, [
    { email: 'ada@acme.test', role: 'administrator' },
    { email: 'bob@acme.test', role: 'manager' }
  ])
  const ada = { cookie: await signInAs(app.owner, acme.id, adaId!) }
  const create = (definition: unknown, resourceType = 'User') =>
    app.mutate('acme', 'scimSchemas.create', { definition, resourceType }, ada)
  const strayBefore = await scim.createUser({ userName: 'stray', [BADGE]: { number: 1 } })
  t.notOk(BADGE in strayBefore, 'before, it is stray')

  t.test('are registered by administrators', async (t) => {
    const bob = { cookie: await signInAs(app.owner, acme.id, bobId!) }
    t.match(await app.mutate('acme', 'scimSchemas.create', { definition: badge }, bob), { status: 403 })
    t.match(await create({ ...badge, id: USER }), { status: 400, error: { reason: 'invalidSchema' } })
    t.match(await create({ ...badge, attributes: [{ name: 'userName' }] }), {
      status: 400,
      error: { reason: 'invalidSchema' }
    })
    t.match((await create(badge)).data, {
      scimSchema: { urn: BADGE, resourceType: 'User', definition: { name: 'Badge' } }
    })
    t.match(await create(badge), { status: 400, error: { reason: 'invalidSchema' } }, 'once')
    const { data } = await app.query('acme', 'scimSchemas.list', undefined, ada)
    t.match(data.items, [{ urn: BADGE }])
  })

  t.test('are published only in that tenant', async (t) => {
    const { body } = await scim.get('/ResourceTypes/User')
    t.match(body.schemaExtensions, [{ schema: ENTERPRISE }, { schema: BADGE, required: false }])
    t.match((await scim.get(`/Schemas/${BADGE}`)).body, {
      id: BADGE,
      attributes: [{ name: 'number', type: 'integer' }]
    })
    const globex = await scimClient(app, await addTenant(app, 'globex'))
    t.equal((await globex.get(`/Schemas/${BADGE}`)).status, 404)
    t.notOk(BADGE in (await globex.createUser({ userName: 'x', [BADGE]: { number: 1 } })))
  })

  t.test('have values that are stored, checked, filtered, sorted and changed like any other', async (t) => {
    // E13: the URN need not be in `schemas`
    const user = await scim.createUser({ userName: 'eve', [BADGE]: { number: 7, color: 'red', pin: '1', photo: 'p' } })
    t.same(user.schemas, [USER, BADGE])
    t.same(user[BADGE], { number: 7, color: 'red' }, 'what is never or only on request returned is not')
    t.same((await scim.get(`/Users/${user.id}?attributes=${BADGE}:photo,${BADGE}:pin`)).body[BADGE], { photo: 'p' })
    t.match((await scim.post('/Users', { schemas: [USER], userName: 'x', [BADGE]: { number: 'many' } })).body, {
      scimType: 'invalidValue'
    })
    const found = await scim.get(`/Users?filter=${encodeURIComponent(`${BADGE}:number gt 6`)}&sortBy=${BADGE}:number`)
    t.match(found.body, { totalResults: 1, Resources: [{ id: user.id }] })
    const patched = await scim.patch(`/Users/${user.id}`, [{ op: 'replace', path: `${BADGE}:number`, value: 8 }])
    t.equal(patched.body[BADGE].number, 8)
    t.match((await scim.patch(`/Users/${user.id}`, [{ op: 'replace', path: `${BADGE}:color`, value: 'blue' }])).body, {
      scimType: 'mutability'
    })
    const replaced = await scim.put(`/Users/${user.id}`, { schemas: [USER], userName: 'eve' })
    t.same(replaced.body[BADGE], { color: 'red' }, 'PUT keeps what is immutable')
  })

  t.test('can only be removed if nobody uses them', async (t) => {
    const remove = (urn: string) => app.mutate('acme', 'scimSchemas.remove', { urn }, ada)
    t.match(await remove(BADGE), { status: 409, error: { reason: 'schemaInUse' } })
    t.match(await remove('urn:nothing:at:all'), { status: 404 })
    const room = { id: 'urn:example:room:1.0:Group', attributes: [{ name: 'floor' }] }
    await create(room, 'Group')
    t.equal((await scim.get(`/Schemas/${room.id}`)).status, 200)
    t.match((await scim.get('/ResourceTypes/Group')).body.schemaExtensions, [{ schema: room.id }])
    t.equal((await remove(room.id)).status, 200)
    t.equal((await scim.get(`/Schemas/${room.id}`)).status, 404)
  })
})
