// An assumed name is shown because Okta requires one, and belongs to nobody: a client that writes it back does not
// change that.
import { test } from 'tap'
import { type Inviting, PROFILE, startInviting } from '../invitations/acme.ts'
import { insertPerson } from '../support/people.ts'
import { type Scim, type ScimReply, scimClient } from '../support/scim.ts'
import { BULK_REQUEST, PATCH_OP, USER } from '../support/urns.ts'

interface Name {
  givenName: string
  familyName: string
}

/** Ways to write back a user as read, with a name. */
type Write = (scim: Scim, user: ScimReply['body'], name: Name) => Promise<{ status: number | string }>

const patchWith =
  (operations: (user: ScimReply['body'], name: Name) => unknown[]): Write =>
  (scim, user, name) =>
    scim.patch(`/Users/${user.id}`, operations(user, name))

async function inBulk(scim: Scim, method: string, user: ScimReply['body'], data: unknown) {
  const operation = { method, path: `/Users/${user.id}`, data }
  return (await scim.post('/Bulk', { schemas: [BULK_REQUEST], Operations: [operation] })).body.Operations[0]
}

const replacesName = (name: Name) => ({
  schemas: [PATCH_OP],
  Operations: [{ op: 'replace', path: 'name', value: name }]
})

const WRITES: Record<string, Write> = {
  PUT: (scim, user, name) => scim.put(`/Users/${user.id}`, { ...user, name }),
  'PATCH of the whole user': patchWith((user, name) => [{ op: 'replace', value: { ...user, name } }]),
  'PATCH of the name': patchWith((_, name) => [{ op: 'replace', path: 'name', value: name }]),
  'PATCH that adds the name': patchWith((_, name) => [{ op: 'add', path: 'name', value: name }]),
  'PATCH of each part': patchWith((_, { givenName, familyName }) => [
    { op: 'replace', path: 'name.givenName', value: givenName },
    { op: 'add', path: `${USER}:name.familyName`, value: familyName }
  ]),
  'PATCH with paths as keys': patchWith((_, { givenName, familyName }) => [
    { op: 'replace', value: { 'name.givenName': givenName, 'name.familyName': familyName } }
  ]),
  'PUT in /Bulk': (scim, user, name) => inBulk(scim, 'PUT', user, { ...user, name }),
  'PATCH in /Bulk': (scim, user, name) => inBulk(scim, 'PATCH', user, replacesName(name))
}

const rowOf = (acme: Inviting, id: string) =>
  acme.owner.selectFrom('users').selectAll().where('id', '=', id).executeTakeFirstOrThrow()
const countEvents = async (acme: Inviting, id: string) =>
  (await acme.owner.selectFrom('audit_events').select('id').where('target_id', '=', id).execute()).length

test('an assumed name that is written back', async (t) => {
  const acme = await startInviting(t)
  const tenant = { id: acme.acmeId, subdomain: 'acme' }
  const scim = await scimClient(acme, tenant, { name: 'Okta', highestRole: 'administrator' })
  const read = async (id: string) => (await scim.get(`/Users/${id}`)).body

  let count = 0
  const invited = async () => {
    const email = `jo.ann.ng${++count}@acme.test`
    const { results } = await acme.invite([email])
    return { id: results[0]!.userId!, email, name: { givenName: 'jo ann', familyName: `ng${count}` } }
  }
  const member = async () => {
    const email = `m${++count}@acme.test`
    const id = await insertPerson(acme.owner, tenant.id, { email, displayName: 'Katherine Johnson' })
    return { id: id, email, name: { givenName: 'Katherine', familyName: 'Johnson' } }
  }

  for (const [who, make] of Object.entries({ 'somebody invited': invited, 'a member with a display name': member })) {
    for (const [way, write] of Object.entries(WRITES)) {
      t.test(`of ${who}, by ${way}, changes nothing`, async (t) => {
        const { id, name } = await make()
        const [user, row, events] = [await read(id), await rowOf(acme, id), await countEvents(acme, id)]
        t.same(user.name, name)
        t.equal(String((await write(scim, user, user.name)).status), '200')
        t.same(await rowOf(acme, id), row, 'not even the version')
        t.equal(await countEvents(acme, id), events)
        t.same(await read(id), user, 'it is still shown')
      })

      t.test(`of ${who}, by ${way}, is a real name if it differs`, async (t) => {
        const { id } = await make()
        const given = { givenName: 'Other', familyName: 'Person' }
        await write(scim, await read(id), given)
        t.match(JSON.parse((await rowOf(acme, id)).doc), { name: given })
        t.match((await acme.call('users.update', { userId: id, givenName: 'Mine' })).error, {
          reason: 'managedByConnection'
        })
        const { id: half, name: assumed } = await make()
        await write(scim, await read(half), { ...assumed, familyName: 'Person' })
        t.same(JSON.parse((await rowOf(acme, half)).doc).name, { ...assumed, familyName: 'Person' }, 'as a whole')
      })
    }
  }

  t.test('leaves it to the person to give their name when they accept the invitation', async (t) => {
    for (const write of Object.values(WRITES)) {
      const { id, email } = await invited()
      const { body } = await scim.get(`/Users/${id}`)
      await write(scim, body, body.name)
      const { data, error } = await acme.accept((await acme.tokensOf(email)).at(-1)!)
      t.notOk(error)
      t.match(data.user, PROFILE)
    }
  })

  t.test('becomes the connection’s name if the connection takes the person on', async (t) => {
    for (const { id, name } of [await invited(), await member()]) {
      const put = await scim.put(`/Users/${id}`, { ...(await read(id)), externalId: `ext-${id}` })
      t.match(put, { status: 200, body: { name } })
      const row = await rowOf(acme, id)
      t.match(row, { state: 'active', given_name: name.givenName, family_name: name.familyName })
      t.ok(row.connection_id)
    }
  })

  t.test('becomes a real name if another one would be assumed afterwards', async (t) => {
    const { id, name } = await member()
    const { body } = await scim.put(`/Users/${id}`, { ...(await read(id)), displayName: 'Kate J' })
    t.match(body, { displayName: 'Kate J', name })
  })

  t.test('is a real name from a strict token, which is not shown assumed ones', async (t) => {
    const strict = await scimClient(acme, tenant, { profile: 'strict' })
    const { id, name } = await invited()
    const { body } = await strict.get(`/Users/${id}`)
    t.notOk('name' in body)
    t.equal((await strict.put(`/Users/${id}`, { ...body, name })).status, 200)
    t.same(JSON.parse((await rowOf(acme, id)).doc).name, { familyName: name.familyName, givenName: name.givenName })
  })

  t.test('is a real name if another part of a name comes with it', async (t) => {
    const { id } = await invited()
    const user = await read(id)
    const { body } = await scim.put(`/Users/${id}`, { ...user, title: 'Dr', name: { ...user.name, middleName: 'M' } })
    t.match(body, { title: 'Dr', name: { ...user.name, middleName: 'M' } })
  })
})
