// /Me, and what the API tokens of people may do over SCIM.
import { test } from 'tap'
import type { Role } from '../../db/schema.ts'
import { startApp } from '../support/app.ts'
import { insertPeople, insertPerson, signInAs } from '../support/people.ts'
import { clientOf, type Scim, scimClient } from '../support/scim.ts'
import { addTenant } from '../support/tenants.ts'
import { BULK_REQUEST, PATCH_OP, SCIM_ERROR, USER } from '../support/urns.ts'

test('/Me', async (t) => {
  const app = await startApp(t)
  const acme = await addTenant(app, 'acme')
  const scim = await scimClient(app, acme)
  const person = async (role: Role): Promise<{ id: string; cookie: string; client: Scim }> => {
    const id = await insertPerson(app.owner, acme.id, { email: `${role}@acme.test`, role })
    const cookie = await signInAs(app.owner, acme.id, id)
    const { data } = await app.mutate('acme', 'apiTokens.create', { name: 'backend' }, { cookie })
    return { id: id, cookie, client: clientOf(app, acme, data.token) }
  }
  const administrator = await person('administrator')
  const second = await insertPeople(app.owner, acme.id, [{ email: 'second@acme.test', role: 'administrator' }])
  const responder = await person('responder')

  t.test('is answered 501 for an identity provider’s token, which belongs to nobody', async (t) => {
    for (const method of ['GET', 'POST', 'PUT', 'PATCH', 'DELETE']) {
      const { status, body } = await scim.ask(method, '/Me', method === 'GET' ? undefined : {})
      t.equal(status, 501, method)
      t.match(body, { schemas: [SCIM_ERROR], status: '501' })
    }
    t.equal((await scim.get('/Me', { authorization: null })).status, 401)
  })

  t.test('is the owner of an API token', async (t) => {
    for (const { id, client } of [administrator, responder]) {
      const { status, body, headers } = await client.get('/Me')
      t.equal(status, 200)
      t.equal(body.id, id)
      t.equal(headers.location, `http://acme.muster.test/scim/v2/Users/${id}`, 'and says where it always is')
      t.equal(body.meta.location, headers.location)
      t.same(Object.keys((await client.get('/Me?attributes=userName')).body).sort(), ['id', 'schemas', 'userName'])
      t.equal((await client.get('/Me', { 'if-none-match': body.meta.version })).status, 304)
      t.equal((await client.get('/Me', { 'if-match': 'W/"9"' })).status, 412)
    }
  })

  t.test('is all of SCIM that others than administrators can reach', async (t) => {
    for (const reply of await Promise.all([
      responder.client.get('/Users'),
      responder.client.get(`/Users/${responder.id}`),
      responder.client.post('/Users', { schemas: [USER], userName: 'x' }),
      responder.client.get('/Groups'),
      responder.client.post('/.search', {}),
      responder.client.patch('/Me', [{ op: 'replace', path: 'userName', value: 'ceo@acme.test' }]),
      responder.client.put('/Me', { schemas: [USER], userName: 'x' }),
      responder.client.delete('/Me')
    ])) {
      t.equal(reply.status, 403)
      t.match(reply.body, { status: '403' })
    }
    t.equal((await responder.client.get('/Schemas')).status, 200, 'beside discovery')
  })

  t.test('is not needed by an administrator’s API token, which provisions without a connection', async (t) => {
    const user = await administrator.client.createUser({
      userName: 'made@acme.test',
      externalId: 'x',
      roles: [{ value: 'administrator' }]
    })
    const row = await app.owner.selectFrom('users').selectAll().where('id', '=', user.id).executeTakeFirstOrThrow()
    t.match(row, { connection_id: null, role: 'administrator', external_id: 'x' })
    const event = await app.owner
      .selectFrom('audit_events')
      .selectAll()
      .where('target_id', '=', user.id)
      .executeTakeFirstOrThrow()
    t.match(event, { actor_kind: 'apiToken', actor_id: administrator.id })
    t.ok((await administrator.client.get('/Users')).body.totalResults >= 4)
    t.equal((await administrator.client.delete(`/Users/${second[0]}`)).status, 204)
  })

  t.test('does not let anybody deactivate, demote or remove themselves', async (t) => {
    const { client, id } = administrator
    for (const reply of [
      await client.patch('/Me', [{ op: 'replace', path: 'active', value: false }]),
      await client.patch(`/Users/${id}`, [{ op: 'replace', path: 'roles', value: [{ value: 'responder' }] }]),
      await client.delete('/Me')
    ]) {
      t.equal(reply.status, 403)
      t.match(reply.body.detail, /yourself|your own/)
    }
    const { status, body } = await client.patch('/Me', [{ op: 'add', path: 'nickName', value: 'Ada' }])
    t.equal(status, 200)
    t.match(body, { id, nickName: 'Ada' })
  })

  t.test('gives nobody who has the token a way into the owner’s account', async (t) => {
    const { client, id } = administrator
    const before = await app.owner.selectFrom('users').selectAll().where('id', '=', id).executeTakeFirstOrThrow()
    const elsewhere = [{ value: 'mallory@elsewhere.test', type: 'work', primary: true }]
    for (const path of ['/Me', `/Users/${id}`]) {
      for (const reply of [
        await client.patch(path, [{ op: 'replace', path: 'password', value: 'Mallory-glacier-1' }]),
        await client.patch(path, [{ op: 'remove', path: 'password' }]),
        await client.patch(path, [{ op: 'replace', path: 'emails', value: elsewhere }]),
        await client.put(path, { schemas: [USER], userName: 'administrator@acme.test', password: 'Mallory-glacier-1' }),
        await client.put(path, { schemas: [USER], userName: 'mallory@elsewhere.test' })
      ]) {
        t.match(reply, { status: 403, body: { detail: /password nor the login address/ } }, path)
      }
    }
    const bulk = await client.post('/Bulk', {
      schemas: [BULK_REQUEST],
      Operations: [
        {
          method: 'PATCH',
          path: `/Users/${id}`,
          data: { schemas: [PATCH_OP], Operations: [{ op: 'replace', path: 'password', value: 'Mallory-glacier-1' }] }
        }
      ]
    })
    t.match(bulk.body.Operations, [{ status: '403' }])
    t.same(await app.owner.selectFrom('users').selectAll().where('id', '=', id).executeTakeFirstOrThrow(), before)
    t.same(await app.owner.selectFrom('user_credentials').selectAll().where('user_id', '=', id).execute(), [])
  })

  t.test('ends with the person’s access', async (t) => {
    t.equal((await responder.client.get('/Me')).status, 200)
    await scim.patch(`/Users/${responder.id}`, [{ op: 'replace', path: 'active', value: false }])
    t.equal((await responder.client.get('/Me')).status, 401)
  })

  t.test('works only in the owner’s tenant', async (t) => {
    const globex = await addTenant(app, 'globex')
    t.equal((await clientOf(app, globex, administrator.client.token).get('/Me')).status, 401)
  })
})
