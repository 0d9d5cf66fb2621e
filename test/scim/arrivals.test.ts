import { test } from 'tap'
import { PASSWORD, startInviting } from '../invitations/acme.ts'
import { type Scim, scimClient } from '../support/scim.ts'
import { countStatements } from '../support/statements.ts'
import { BULK_REQUEST, PATCH_OP, USER } from '../support/urns.ts'
import { arriving, setUp, statusesOf, work } from './arriving.ts'

test('invited people and an identity provider', async (t) => {
  const acme = await startInviting(t)
  const { okta, entra, rowOf, connectionOf, usersWith, actionsOf, list, conflictOf, decide } = await setUp(acme)
  const oktaId = await connectionOf('Okta')
  const mailsTo = (address: string) =>
    acme.owner.selectFrom('mails').select(['template', 'state']).where('to_address', '=', address).execute()

  t.test('an invitation to somebody whom an identity provider manages names that provider', async (t) => {
    const { id } = await okta.createUser(arriving('managed@acme.test'))
    const gone = await okta.createUser(arriving('dormant@acme.test', { active: false }))
    const { results, counts } = await acme.invite(['Managed@acme.test', 'dormant@acme.test', 'cleo@acme.test'])
    const connection = { id: oktaId, name: 'Okta' }
    t.match(results, [
      { result: 'managedByIdp', userId: id, connection },
      { result: 'managedByIdp', userId: gone.id, connection },
      { result: 'alreadyMember' }
    ])
    t.notOk('connection' in results[2]!)
    t.same(counts, { managedByIdp: 2, alreadyMember: 1 })
    t.same(await mailsTo('managed@acme.test'), [], 'no mail')
    const named = await okta.createUser({ userName: 'named@acme.test', ...work('elsewhere@acme.test') })
    t.match((await acme.invite(['named@acme.test'])).results, [
      { result: 'managedByIdp', userId: named.id, connection }
    ])
    const byPerson = await acme.inject('acme', {
      method: 'POST',
      url: '/scim/v2/Users',
      headers: {
        authorization: `Bearer ${(await acme.call('apiTokens.create', { name: 'script' })).data.token}`,
        'content-type': 'application/scim+json'
      },
      payload: JSON.stringify({ schemas: [USER], userName: 'handmade@acme.test' })
    })
    t.equal(byPerson.statusCode, 201)
    t.match((await acme.invite(['handmade@acme.test'])).results, [{ result: 'alreadyMember' }])
    await okta.delete(`/Users/${id}`)
    t.match((await acme.invite(['managed@acme.test'])).results, [{ result: 'reinvited', userId: id }])
  })

  t.test('a pending invitation is adopted: its link is dead, no second mail is sent, the role is kept', async (t) => {
    const { userId } = (await acme.invite([{ email: 'mia@acme.test', role: 'responder' }])).results[0]!
    const [token] = await acme.tokensOf('mia@acme.test')
    t.equal((await acme.preview(token!)).status, 200)
    t.match(await okta.post('/Users', arriving('mia@acme.test')), { status: 201, body: { id: userId } })
    t.match(await rowOf(userId!), { state: 'active', role: 'responder', connection_id: oktaId })
    t.not((await acme.preview(token!)).status, 200)
    t.not((await acme.accept(token!)).status, 200)
    t.same(await mailsTo('mia@acme.test'), [{ template: 'invitation', state: 'cancelled' }])
    t.match((await acme.invite(['mia@acme.test'])).results, [{ result: 'managedByIdp' }])
  })

  t.test('an identity provider that looks people up adopts them when it changes them', async (t) => {
    const found = async (address: string) => {
      const { userId } = (await acme.invite([{ email: address, role: 'responder' }])).results[0]!
      const { body } = await entra.get(`/Users?filter=userName eq "${address}"`)
      t.match(body.Resources, [{ id: userId, active: true }])
      return userId!
    }
    const takesOn = (address: string) => [
      { op: 'Add', path: 'externalId', value: `ext-${address}` },
      { op: 'Replace', path: 'displayName', value: 'Of Entra' }
    ]
    const patched = await found('looked@acme.test')
    t.equal((await entra.patch(`/Users/${patched}`, [{ op: 'replace', path: 'title', value: 'T' }])).status, 200)
    t.match(await rowOf(patched), { state: 'invited' }, 'a change alone takes nobody on')
    t.match(await entra.patch(`/Users/${patched}`, takesOn('looked@acme.test')), {
      status: 200,
      body: { active: true }
    })
    const replaced = await found('lucy@acme.test')
    t.equal((await entra.put(`/Users/${replaced}`, arriving('lucy@acme.test'))).status, 200)
    for (const [id, address] of [
      [patched, 'looked@acme.test'],
      [replaced, 'lucy@acme.test']
    ] as const) {
      t.match(await rowOf(id), { state: 'active', role: 'responder', connection_id: await connectionOf('Entra') })
      t.not((await acme.accept((await acme.tokensOf(address))[0]!)).status, 200)
      t.same(await mailsTo(address), [{ template: 'invitation', state: 'cancelled' }])
      t.ok((await actionsOf(id)).includes('user.adopted'))
    }
    const off = await found('leaver@acme.test')
    const gone = [...takesOn('leaver@acme.test'), { op: 'Replace', path: 'active', value: 'False' }]
    t.equal((await entra.patch(`/Users/${off}`, gone)).status, 200)
    t.match(await rowOf(off), { state: 'deactivated', activated_at: null })
    const moved = await found('moved@acme.test')
    t.equal((await entra.put(`/Users/${moved}`, arriving('moved@acme.test', work('moved-away@acme.test')))).status, 200)
    t.match(await rowOf(moved), { state: 'active', email: 'moved-away@acme.test' })
    t.same(await mailsTo('moved-away@acme.test'), [], 'and no invitation follows the address')
  })

  for (const [way, off] of [
    ['PATCH', (id: string) => okta.patch(`/Users/${id}`, [{ op: 'Replace', path: 'active', value: 'False' }])],
    ['PUT', (id: string) => okta.put(`/Users/${id}`, { ...arriving(`put@acme.test`), active: false })],
    [
      'Bulk',
      (id: string) =>
        okta.post('/Bulk', {
          schemas: [BULK_REQUEST],
          Operations: [
            {
              method: 'PATCH',
              path: `/Users/${id}`,
              data: {
                schemas: [PATCH_OP],
                Operations: [{ op: 'replace', value: { active: false } }]
              }
            }
          ]
        })
    ]
  ] as const) {
    t.test(`active: false by ${way} ends a pending invitation`, async (t) => {
      const address = `${way.toLowerCase()}@acme.test`
      const { userId, invitationId } = (await acme.invite([address])).results[0]!
      const [token] = await acme.tokensOf(address)
      t.equal((await off(userId!)).status, 200)
      t.match(await rowOf(userId!), { state: 'deactivated' })
      t.not((await acme.accept(token!)).status, 200, 'its link is dead')
      t.same(await mailsTo(address), [{ template: 'invitation', state: 'cancelled' }])
      t.same((await actionsOf(invitationId!)).at(-1), 'invitation.revoked')
      const { data } = await acme.query('acme', 'history.user', { userId }, { cookie: acme.cookies.administrator })
      t.match(data.items[0], { action: 'user.deactivated' })
    })
  }

  t.test('many invitations end in the same way at the same time', async (t) => {
    const { results } = await acme.invite(Array.from({ length: 12 }, (_, index) => `crowd${index}@acme.test`))
    const replies = await Promise.all(
      results.map(({ userId }) => okta.patch(`/Users/${userId}`, [{ op: 'replace', path: 'active', value: false }]))
    )
    t.same(new Set(statusesOf(replies)), new Set([200]))
    const ids = results.map(({ invitationId }) => invitationId!)
    const rows = await acme.owner.selectFrom('invitations').select('state').where('id', 'in', ids).execute()
    t.same(new Set(rows.map(({ state }) => state)), new Set(['revoked']))
    t.same(await mailsTo('crowd3@acme.test'), [{ template: 'invitation', state: 'cancelled' }])
  })

  t.test(
    'a member is linked by the address they sign in with: the same user, role, password and session',
    async (t) => {
      const id = await acme.join('lea@acme.test', 'stakeholder')
      const cookie = await acme.cookieOf('lea@acme.test')
      const group = (await acme.call('groups.create', { displayName: 'Kept', members: [id] })).data.group
      const reply = await okta.post('/Users', arriving('lea@acme.test', { displayName: 'Lea of Okta', title: 'T' }))
      t.match(reply, {
        status: 201,
        body: { id, displayName: 'Lea of Okta', externalId: 'ext-lea@acme.test', groups: [{ value: group.id }] }
      })
      t.match(await rowOf(id), {
        role: 'stakeholder',
        state: 'active',
        connection_id: oktaId,
        must_reset_password: false
      })
      t.match(await rowOf(id), { display_name: 'Lea of Okta', time_zone: 'Europe/Zurich', family_name: 'Doe' })
      t.equal((await acme.query('acme', 'auth.me', undefined, { cookie })).status, 200, 'still signed in')
      t.equal((await acme.signIn('lea@acme.test')).status, 200, 'by the same password')
      t.ok((await actionsOf(id)).includes('user.linked'))
      t.match(await usersWith('lea@acme.test'), [{ id }])
      const again = await okta.post('/Users', arriving('lea@acme.test'))
      t.match(again, { status: 409, body: { scimType: 'uniqueness', detail: /userName/ } }, 'once')
      t.same(await list(), [], 'and that is no question to anybody')

      const given = await acme.join('max@acme.test', 'responder')
      const lowered = { userName: 'max', roles: [{ value: 'stakeholder', primary: true }], active: false }
      t.match(await okta.post('/Users', arriving('max@acme.test', lowered)), {
        status: 201,
        body: { id: given, active: false }
      })
      t.match(await rowOf(given), { role: 'stakeholder', state: 'deactivated' })
      t.same((await actionsOf(given)).slice(-2), ['user.linked', 'user.deactivated'])
      t.equal((await acme.signIn('max@acme.test')).status, 403)
    }
  )

  t.test('linking can be undone', async (t) => {
    const id = await acme.join('ulf@acme.test', 'responder')
    const before = await rowOf(id)
    const at = acme.clock.now().toISOString()
    acme.clock.advance({ seconds: 1 })
    t.equal((await okta.post('/Users', arriving('ulf@acme.test', { displayName: 'Ulf of Okta' }))).status, 201)
    acme.clock.advance({ seconds: 1 })
    t.equal((await acme.call('history.undo', { userId: id, at })).status, 200)
    const { display_name, connection_id, external_id, state } = await rowOf(id)
    t.same(
      { display_name, connection_id, external_id, state },
      {
        display_name: before.display_name,
        connection_id: null,
        external_id: null,
        state: 'active'
      }
    )
  })

  t.test('the same person sent ten times at the same time is linked once', async (t) => {
    const id = await acme.join('ten@acme.test')
    const replies = await Promise.all(Array.from({ length: 10 }, () => okta.post('/Users', arriving('ten@acme.test'))))
    t.same(statusesOf(replies), [201, ...Array(9).fill(409)])
    t.equal(replies.find(({ status }) => status === 201)?.body.id, id)
    t.same(await list(), [])
  })

  t.test(
    'two identity providers send a member at the same time: one links, and the other waits for a decision',
    async (t) => {
      for (let round = 0; round < 4; round++) {
        const address = `both${round}@acme.test`
        const id = await acme.join(address)
        const replies = await Promise.all([
          okta.post('/Users', arriving(address)),
          entra.post('/Users', arriving(address))
        ])
        t.same(statusesOf(replies), [201, 409])
        t.equal(replies.find(({ status }) => status === 201)?.body.id, id)
        const { id: conflictId, reason, candidates } = await conflictOf(address)
        t.match({ reason, candidates }, { reason: 'otherConnection', candidates: [{ id }] })
        await decide(conflictId, 'ignore')
      }
    }
  )

  t.test('an invitation and a create at the same time make one user, without a working mail', async (t) => {
    const results: string[] = []
    for (let round = 0; round < 12; round++) {
      const address = `race${round}@acme.test`
      const [invited, created] = await Promise.all([acme.invite([address]), okta.post('/Users', arriving(address))])
      t.equal(created.status, 201)
      results.push(invited.results[0]!.result)
      t.same(await usersWith(address), [{ id: created.body.id, state: 'active' }])
      t.equal(invited.results[0]!.userId, created.body.id)
      for (const token of await acme.tokensOf(address)) t.not((await acme.preview(token)).status, 200)
    }
    for (const result of results) t.ok(result === 'invited' || result === 'managedByIdp', result)
  })
})

test('a tenant of invited people moves to an identity provider', async (t) => {
  const acme = await startInviting(t)
  const { okta, entra, rowOf, connectionOf, usersWith, list } = await setUp(acme)
  const members = ['a', 'b', 'c', 'd'].map((name) => `${name}@acme.test`)
  const ids: Record<string, string> = {}
  for (const address of members.slice(0, 2)) ids[address] = await acme.join(address)
  for (const { email, userId } of (await acme.invite(members.slice(2))).results) ids[email] = userId!
  const send = (scim: Scim) =>
    Promise.all([...members, 'new@acme.test', 'ada@acme.test'].map((address) => scim.post('/Users', arriving(address))))
  t.same(statusesOf(await send(okta)), [201, 201, 201, 201, 201, 409])
  for (const address of members) {
    t.match(await usersWith(address), [{ id: ids[address], state: 'active' }])
    t.ok((await rowOf(ids[address]!)).connection_id)
  }
  t.match(await list(), [{ reason: 'roleAbove', sent: { userName: 'ada@acme.test' } }])
  t.same(statusesOf(await send(okta)), [409, 409, 409, 409, 409, 409], 'and once')
  t.equal((await list()).length, 1)
  t.equal((await acme.signIn('a@acme.test', PASSWORD)).status, 200)

  t.test('and from there to the next one, after its connection is removed', async (t) => {
    const oktaId = await connectionOf('Okta')
    t.equal((await acme.call('scimConnections.remove', { connectionId: oktaId })).status, 200)
    t.match(await entra.post('/Users', arriving('b@acme.test', { title: 'of Entra' })), {
      status: 201,
      body: { id: ids['b@acme.test'], title: 'of Entra' }
    })
    const replies = await send(entra)
    t.same(statusesOf(replies), [201, 201, 201, 201, 409, 409])
    t.match(await rowOf(ids['c@acme.test']!), { connection_id: await connectionOf('Entra'), state: 'active' })
    for (const address of [...members, 'new@acme.test']) t.equal((await usersWith(address)).length, 1)
  })

  t.test('an administrator is linked if the token’s role allows it, and the last one stays', async (t) => {
    const chief = await scimClient(acme, { id: acme.acmeId, subdomain: 'acme' }, { highestRole: 'administrator' })
    for (const rest of [{ active: false }, { roles: [{ value: 'stakeholder', primary: true }] }]) {
      const { status, body } = await chief.post('/Users', arriving('ada@acme.test', rest))
      t.equal(status, 403)
      t.match(body.detail, /last|at least one active administrator/)
    }
    t.match(await rowOf(acme.ids.ada), { role: 'administrator', state: 'active', connection_id: null })
    t.match(await chief.post('/Users', arriving('ada@acme.test')), { status: 201, body: { id: acme.ids.ada } })
    t.match(await rowOf(acme.ids.ada), { role: 'administrator', state: 'active' })
  })

  t.test('looking for more addresses of a new user takes no more statements', async (t) => {
    await acme.call('settings.update', { wireLogDays: 0 })
    const first = () => `${Math.random()}@acme.test`
    const withOne = () => entra.createUser(arriving(first()))
    const withTwo = () => {
      const emails = [{ value: first(), primary: true }, { value: 'second@acme.test' }]
      return entra.createUser(arriving(first(), { emails }))
    }
    // the first requests read what is remembered afterwards
    const leastOf = async (work: () => Promise<unknown>) => {
      let least = await countStatements(work)
      for (let again = 1; again < 5; again++) least = Math.min(least, await countStatements(work))
      return least
    }
    t.equal(await leastOf(withTwo), await leastOf(withOne), 'also where another address is looked for')
  })
})
