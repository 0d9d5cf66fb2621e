// Arrivals on which an administrator must decide: the inbox, the decisions, and what the next try then does.
import { sql } from 'kysely'
import { test } from 'tap'
import { deleteExpiredOfTenant } from '../../db/expired.ts'
import { startInviting } from '../invitations/acme.ts'
import { BULK_REQUEST } from '../support/urns.ts'
import { arriving, setUp, statusesOf, work } from './arriving.ts'

test('the inbox of conflicts', async (t) => {
  const acme = await startInviting(t)
  const { okta, entra, rowOf, connectionOf, usersWith, list, conflictOf, openCount, decide, notices } =
    await setUp(acme)

  t.test('shows what needs a decision, once for each person', async (t) => {
    await okta.createUser(arriving('theirs@acme.test'))
    const off = await acme.join('off@acme.test')
    await acme.call('users.deactivate', { userId: off })
    const named = await acme.join('named-here@acme.test')
    const one = await acme.join('one@acme.test')
    const two = await acme.join('two@acme.test')
    const second = await acme.join('private@acme.test')
    const ada = (await acme.query('acme', 'auth.me', undefined, { cookie: acme.cookies.administrator })).data.user.id
    const { userId: chief } = (await acme.invite([{ email: 'chief@acme.test', role: 'administrator' }])).results[0]!
    await entra.createUser(arriving('shared@acme.test'))
    const cases = [
      ['otherConnection', arriving('theirs@acme.test'), /another connection/],
      ['deactivated', arriving('off@acme.test'), /deactivated/, off],
      ['otherAddress', arriving('named-here@acme.test', work('new-address@acme.test')), /userName/, named],
      ['twoPeople', arriving('one@acme.test', work('two@acme.test')), /e-mail address/, one, two],
      [
        'secondAddress',
        arriving('office@acme.test', {
          emails: [{ value: 'office@acme.test', primary: true }, { value: 'private@acme.test' }]
        }),
        /signs in/,
        second
      ],
      ['roleAbove', arriving('ada@acme.test'), /role is above/, ada],
      ['roleAbove', arriving('chief@acme.test'), /role is above/, chief],
      ['sameConnection', arriving('adm-shared', work('shared@acme.test')), /already in use/]
    ] as const
    const before = (await notices()).length
    const found = async () => (await acme.auditOf('scimConnection.conflictFound')).length
    const foundBefore = await found()
    for (const [reason, sent, detail, ...people] of cases) {
      const replies = await Promise.all([1, 2, 3].map(() => entra.post('/Users', sent)))
      const status = sent.userName === 'chief@acme.test' ? 403 : 409
      for (const reply of replies) t.match(reply, { status, body: { detail } }, sent.userName)
      if (status === 409) t.equal(replies[0]!.body.scimType, 'uniqueness')
      const shown = (await list()).filter(
        (item: { sent: { userName: string } }) => item.sent.userName === sent.userName
      )
      t.match(shown, [{ reason, tries: 3, connection: { name: 'Entra' }, sent: { active: true }, decision: null }])
      if (people.length > 0) t.same(shown[0].candidates.map(({ id }: { id: string }) => id).sort(), [...people].sort())
    }
    t.equal(await openCount(), cases.length)
    const administrators = acme.owner
      .selectFrom('users')
      .select('id')
      .where('tenant_id', '=', acme.acmeId)
      .where('role', '=', 'administrator')
      .where('state', '=', 'active')
      .execute()
    t.equal((await notices()).length - before, (await administrators).length, 'one mail to each administrator')
    t.match((await notices()).at(-1)!.notice, { actionPath: '/provisioning/conflicts', subject: /^Entra/ })
    t.match(await rowOf(ada), { connection_id: null, role: 'administrator' })
    t.equal((await found()) - foundBefore, cases.length)
    const bulk = await entra.post('/Bulk', {
      schemas: [BULK_REQUEST],
      Operations: ['off@acme.test', 'fresh1@acme.test', 'fresh2@acme.test'].map((address) => ({
        method: 'POST',
        path: '/Users',
        bulkId: address,
        data: arriving(address)
      }))
    })
    t.same(
      bulk.body.Operations.map(({ status }: { status: string }) => status),
      ['409', '201', '201']
    )
    t.match(await conflictOf('off@acme.test'), { tries: 4 })
  })

  t.test('links the chosen user at the next try after “adopt”, whatever prevented it before', async (t) => {
    for (const [userName, sent] of [
      ['theirs@acme.test', arriving('theirs@acme.test')],
      ['off@acme.test', arriving('off@acme.test')],
      ['named-here@acme.test', arriving('named-here@acme.test', work('new-address@acme.test'))],
      [
        'office@acme.test',
        arriving('office@acme.test', {
          emails: [{ value: 'office@acme.test', primary: true }, { value: 'private@acme.test' }]
        })
      ],
      [
        'chief@acme.test',
        arriving('chief@acme.test', { roles: [{ value: 'stakeholder' }], password: 'correct horse 1' })
      ]
    ] as const) {
      const { id, candidates } = await conflictOf(userName)
      t.match(candidates[0].adopt, { isPossible: true })
      const decided = await decide(id, 'adopt', candidates[0].id)
      t.match(decided.data.conflict, { decision: 'adopt', adoptUserId: candidates[0].id, decidedBy: 'Ada' })
      t.notOk(await conflictOf(userName))
      t.ok(await conflictOf(userName, 'decided'))
      t.match(await entra.post('/Users', sent), { status: 201, body: { id: candidates[0].id } }, userName)
      t.notOk(await conflictOf(userName, 'decided'), 'and nothing is left of it')
      t.match(await rowOf(candidates[0].id), { state: 'active', connection_id: await connectionOf('Entra') })
      t.match(await entra.post('/Users', sent), { status: 409 })
    }
    t.equal((await acme.signIn('named-here@acme.test')).status, 401, 'the address is the identity provider’s')
    t.equal((await acme.signIn('new-address@acme.test')).status, 200)
    const chief = await acme.owner
      .selectFrom('users')
      .selectAll()
      .where('user_name', '=', 'chief@acme.test')
      .executeTakeFirstOrThrow()
    t.equal(chief.role, 'administrator', 'a role above the token’s is not the token’s to take')
    t.equal((await acme.signIn('chief@acme.test', 'correct horse 1')).status, 401, 'nor is a password its to give')
    t.equal((await entra.patch(`/Users/${chief.id}`, [{ op: 'replace', path: 'title', value: 'x' }])).status, 403)
  })

  t.test('applies a decision to the person that was shown, and to nobody else with the same name', async (t) => {
    const { id, candidates } = await conflictOf('ada@acme.test')
    await decide(id, 'adopt', candidates[0].id)
    const other = arriving('ada@acme.test', work('attacker@acme.test'))
    t.match(await entra.post('/Users', other), { status: 409 })
    t.equal((await entra.post('/Users', arriving('ada@acme.test', { active: false }))).status, 409)
    t.match(await rowOf(candidates[0].id), { email: 'ada@acme.test', connection_id: null, state: 'active' })
    t.match(
      (await list()).filter((item: { sent: { userName: string } }) => item.sent.userName === 'ada@acme.test'),
      [
        { tries: 1, decision: null, sent: { emails: ['ada@acme.test'], active: false } },
        { tries: 1, decision: null, sent: { emails: ['attacker@acme.test'], active: true } }
      ]
    )
    t.match((await decide(id, 'ignore')).data.conflict, { decision: 'ignore', adoptUserId: null }, 'and can be changed')
    const refused = await entra.post('/Users', arriving('ada@acme.test'))
    t.match(refused, { status: 409, body: { scimType: 'uniqueness', detail: /has decided to leave it so/ } })
    t.match(await conflictOf('ada@acme.test', 'ignored'), { id, decision: 'ignore', tries: 4 })
  })

  t.test('adopts one of two people once the other is out of the way', async (t) => {
    const { id, candidates } = await conflictOf('one@acme.test')
    const holder = candidates.find(({ email }: { email: string }) => email === 'two@acme.test')
    const named = candidates.find(({ email }: { email: string }) => email === 'one@acme.test')
    t.match(named, { matches: ['userName'], adopt: { isPossible: false, text: /signs in by this address/ } })
    t.match(holder, { matches: ['address'], adopt: { isPossible: true, text: /userName/ } })
    t.match(await decide(id, 'adopt', named.id), { status: 409, error: { reason: 'addressTaken' } })
    t.match(await decide(id, 'adopt'), { status: 400, error: { reason: 'userIdMissing' } })
    t.match(await decide(id, 'adopt', chance(candidates)), { status: 409, error: { reason: 'userGone' } })
    t.equal((await decide(id, 'adopt', holder.id)).status, 200)
    const sent = arriving('one@acme.test', work('two@acme.test'))
    t.match(await entra.post('/Users', sent), { status: 201, body: { id: holder.id, userName: 'one@acme.test' } })
    t.match(await rowOf(named.id), { email: 'one@acme.test', user_name: /^one@acme\.test#/, connection_id: null })
    t.equal((await acme.signIn('one@acme.test')).status, 200, 'who gave up the name signs in as before')
  })

  t.test('makes a separate user without the address at the next try after “apart”', async (t) => {
    const shared = await entra.get('/Users?filter=userName eq "shared@acme.test"')
    const { id, candidates, apart } = await conflictOf('adm-shared')
    t.match(apart, { isPossible: true, text: /no login address/ })
    t.match(candidates, [{ id: shared.body.Resources[0].id, matches: ['address'] }])
    await decide(id, 'apart')
    const made = await entra.post('/Users', arriving('adm-shared', work('shared@acme.test')))
    t.match(made, { status: 201, body: { userName: 'adm-shared', emails: [{ value: 'shared@acme.test' }] } })
    t.not(made.body.id, candidates[0].id)
    t.match(await rowOf(made.body.id), { email: null, email_key: null, apart_key: 'shared@acme.test' })
    t.equal((await entra.patch(`/Users/${made.body.id}`, [{ op: 'replace', path: 'title', value: 'T' }])).status, 200)
    const put = await entra.put(
      `/Users/${made.body.id}`,
      arriving('adm-shared', { ...work('Shared@acme.test'), title: 'U' })
    )
    t.match(put, { status: 200, body: { emails: [{ value: 'Shared@acme.test' }], title: 'U' } })
    t.equal((await acme.call('users.update', { userId: made.body.id, displayName: 'Adm' })).status, 200)
    t.match(await rowOf(made.body.id), { email: null })
    t.equal(
      (
        await entra.patch(`/Users/${made.body.id}`, [
          { op: 'replace', path: 'emails', value: work('own@acme.test').emails }
        ])
      ).status,
      200
    )
    t.match(await rowOf(made.body.id), { email: 'own@acme.test' }, 'an address of their own is theirs')
    t.match(await entra.get(`/Users/${candidates[0].id}`), { status: 200, body: { userName: 'shared@acme.test' } })

    const kim = await acme.join('kim@acme.test')
    await acme.call('users.deactivate', { userId: kim })
    t.equal((await entra.post('/Users', arriving('kim@acme.test'))).status, 409)
    await decide((await conflictOf('kim@acme.test')).id, 'apart')
    const other = await entra.post('/Users', arriving('kim@acme.test'))
    t.equal(other.status, 201)
    t.not(other.body.id, kim)
    t.match(await rowOf(kim), { email: 'kim@acme.test', state: 'deactivated' })
    await acme.call('users.activate', { userId: kim })
    t.equal((await acme.signIn('kim@acme.test')).status, 200, 'the address is still theirs')

    const mine = await acme.join('mine@acme.test')
    const sent = arriving('aside@acme.test', {
      emails: [{ value: 'aside@acme.test', primary: true }, { value: 'mine@acme.test' }]
    })
    t.equal((await entra.post('/Users', sent)).status, 409)
    await decide((await conflictOf('aside@acme.test')).id, 'apart')
    const aside = await entra.post('/Users', sent)
    t.equal(aside.status, 201)
    t.match(await rowOf(aside.body.id), { email: 'aside@acme.test', apart_key: null })
    t.match(await rowOf(mine), { connection_id: null })
  })

  t.test('offers no “apart” from somebody with an identity provider’s userName', async (t) => {
    await okta.createUser(arriving('fixed@acme.test'))
    t.equal((await entra.post('/Users', arriving('fixed@acme.test'))).status, 409)
    const { id, apart } = await conflictOf('fixed@acme.test')
    t.match(apart, { isPossible: false, text: /userName/ })
    t.match(await decide(id, 'apart'), { status: 409, error: { reason: 'userNameTaken' } })
  })

  t.test('closes a conflict by itself when whoever was in the way is gone', async (t) => {
    const gone = await okta.createUser(arriving('closing@acme.test'))
    t.equal((await entra.post('/Users', arriving('closing@acme.test'))).status, 409)
    t.ok(await conflictOf('closing@acme.test'))
    await okta.delete(`/Users/${gone.id}`)
    t.notOk(await conflictOf('closing@acme.test'))
    t.equal((await entra.post('/Users', arriving('closing@acme.test'))).status, 201)
    t.notOk(await conflictOf('closing@acme.test'))
  })

  t.test('keeps every decision whole that is made while the connection tries again', async (t) => {
    for (let round = 0; round < 8; round++) {
      const address = `while${round}@acme.test`
      const id = await acme.join(address)
      await acme.call('users.deactivate', { userId: id })
      t.equal((await entra.post('/Users', arriving(address))).status, 409)
      const conflict = await conflictOf(address)
      const [adopted, ignored, ...tries] = await Promise.all([
        decide(conflict.id, 'adopt', id),
        decide(conflict.id, 'ignore'),
        ...[1, 2, 3].map(() => entra.post('/Users', arriving(address)))
      ])
      const linked = tries.filter(({ status }) => status === 201)
      for (const { status } of [adopted, ignored]) t.ok(status === 200 || (status === 404 && linked.length === 1))
      t.match(
        await rowOf(id),
        linked.length === 1 ? { state: 'active' } : { state: 'deactivated', connection_id: null }
      )
      t.ok(linked.length <= 1)
      t.equal((await usersWith(address)).length, 1)
    }
  })

  t.test('is for administrators only', async (t) => {
    for (const procedure of ['scimConflicts.list', 'scimConflicts.count']) {
      const { error } = await acme.query('acme', procedure, undefined, { cookie: acme.cookies.manager })
      t.equal(error?.reason, 'administratorOnly')
    }
    const [open] = await list()
    const { error } = await acme.call('scimConflicts.decide', { conflictId: open.id, decision: 'ignore' }, 'manager')
    t.equal(error?.reason, 'administratorOnly')
  })

  t.test('keeps a decision to adopt for 30 days, and one to ignore for good', async (t) => {
    await okta.createUser(arriving('late@acme.test'))
    t.equal((await entra.post('/Users', arriving('late@acme.test'))).status, 409)
    const { id, candidates } = await conflictOf('late@acme.test')
    await decide(id, 'adopt', candidates[0].id)
    acme.clock.advance({ hours: 24 * 31 })
    for (const address of ['late@acme.test', 'ada@acme.test']) {
      t.equal((await entra.post('/Users', arriving(address))).status, 409)
    }
    const rows = await acme.owner.selectFrom('scim_conflicts').selectAll().execute()
    t.match(
      rows.find((row) => row.id === id),
      { decision: null, adopt_id: null, decided_by: null, tries: 2 }
    )
    t.match(
      rows.find(({ sent }) => sent.emails?.[0] === 'ada@acme.test' && sent.active),
      { decision: 'ignore', tries: 5 }
    )
  })
})

/** An id that nobody has. */
const chance = (candidates: { id: string }[]) => candidates[0]!.id.replace(/.$/, (last) => (last === '0' ? '1' : '0'))

test('conflicts of a token that sees only its own people, and of very many people', async (t) => {
  const acme = await startInviting(t)
  await acme.call('settings.update', { scimScope: 'own' })
  const { okta, entra, list, connectionOf, openCount } = await setUp(acme)
  await okta.createUser(arriving('theirs@acme.test'))
  const { results } = await acme.invite([{ email: 'chief@acme.test', role: 'administrator' }])
  const off = await acme.join('off@acme.test')
  await acme.call('users.deactivate', { userId: off })
  const replies = []
  for (const address of ['theirs@acme.test', 'chief@acme.test', 'off@acme.test', 'ada@acme.test']) {
    replies.push(await entra.post('/Users', arriving(address)))
  }
  t.same(statusesOf(replies), [409, 409, 409, 409])
  t.equal(new Set(replies.map(({ body }) => body.detail)).size, 1, 'it learns nothing of those that it does not see')
  t.equal((await list()).length, 4, 'administrators do')
  t.ok(results[0]!.userId)

  const entraId = await connectionOf('Entra')
  await sql`
    insert into scim_conflicts (tenant_id, id, connection_id, subject, reason, sent, user_name_key, other_keys, first_at, last_at)
    select ${acme.acmeId}, gen_random_uuid(), ${entraId}::uuid, sha256(n::text::bytea), 'otherConnection', '{}', 'x' || n, '{}',
      now() - interval '1 day', now() - interval '1 day'
    from generate_series(1, 1200) n`.execute(acme.owner)
  const kim = await acme.join('kim@acme.test')
  await acme.call('users.deactivate', { userId: kim })
  t.equal((await entra.post('/Users', arriving('kim@acme.test'))).status, 409)
  const { count } = await acme.owner
    .selectFrom('scim_conflicts')
    .select((eb) => eb.fn.countAll<string>().as('count'))
    .executeTakeFirstOrThrow()
  t.equal(Number(count), 1_000, 'those that were tried last')
  t.equal(await openCount(), 5, 'of whom nobody is in the way are none')
  acme.clock.advance({ hours: 24 * 31 })
  await deleteExpiredOfTenant(acme.deps.db, acme.acmeId, acme.clock.now())
  t.same(
    await acme.owner.selectFrom('scim_conflicts').select('id').execute(),
    [],
    'what is not tried again is forgotten'
  )
})
