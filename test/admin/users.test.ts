// users.*: the list, its order and pages, what each role sees and may do, and what is refused.
import { type Test, test } from 'tap'
import { ROLES } from '../../db/schema.ts'
import { OPERATOR, startApp } from '../support/app.ts'
import { insertGroup } from '../support/groups.ts'
import { giveEverything, insertPeople, insertPerson, type PersonSpec, signInAs } from '../support/people.ts'
import { insertTenant, NOW } from '../support/tenants.ts'

const NOBODY = '018f0000-0000-7000-8000-0000000000ff'

test('users.list', async (t) => {
  const app = await startApp(t)
  const tenantId = await insertTenant(app.owner, 'acme')
  const otherTenantId = await insertTenant(app.owner, 'globex')
  await insertPeople(app.owner, otherTenantId, [{ email: 'other@globex.test' }])
  await insertPeople(app.owner, tenantId, PEOPLE)
  const emails = async (input: object) => {
    const { data, error } = await app.query('acme', 'users.list', input, OPERATOR)
    if (error) throw new Error(error.message)
    return (data.items as { email: string }[]).map(({ email }) => email.split('@')[0])
  }

  t.test('shows the tenant’s users who are not removed, with their shown fields', async (t) => {
    t.same(await emails({}), ['Ada', 'ben', 'cleo', 'dan', 'eve'])
  })

  t.test('searches names and addresses for every word, without wildcards', async (t) => {
    t.same(await emails({ search: 'LOVE' }), ['Ada'])
    t.same(await emails({ search: 'lace ada' }), ['Ada'])
    t.same(await emails({ search: 'ada lovelace nobody' }), [])
    t.same(await emails({ search: 'ACME.test' }), ['Ada', 'ben', 'cleo', 'dan', 'eve'])
    t.same(await emails({ search: '%' }), ['ben'], 'a per cent sign is a letter like any other')
    t.same(await emails({ search: '_' }), [])
    t.same(await emails({ search: '\\' }), [])
    t.same(await emails({ search: '   ' }), ['Ada', 'ben', 'cleo', 'dan', 'eve'])
  })

  t.test('narrows by role, state, lock and source', async (t) => {
    t.same(await emails({ filter: { role: 'manager' } }), ['ben'])
    t.same(await emails({ filter: { state: 'deactivated' } }), ['dan'])
    t.same(await emails({ filter: { locked: true } }), ['eve'])
    t.same(await emails({ filter: { source: 'scim' } }), [])
    t.same(await emails({ filter: { source: 'invitation', state: 'invited' } }), ['cleo'])
    t.same(await emails({ filter: { state: 'removed' } }), ['fay'])
    t.same(await emails({ filter: { role: 'manager', state: 'invited' } }), [])
  })

  t.test('narrows to a group', async (t) => {
    const { data } = await app.query('acme', 'users.list', { search: 'ben' }, OPERATOR)
    const groupId = await insertGroup(app.owner, tenantId, 'Team', [data.items[0].id])
    t.same(await emails({ filter: { groupId } }), ['ben'])
    t.same(await emails({ filter: { groupId: NOBODY } }), [])
  })

  t.test('counts if asked to', async (t) => {
    t.equal((await app.query('acme', 'users.list', { includeTotal: true, limit: 1 }, OPERATOR)).data.total, 5)
    t.equal((await app.query('acme', 'users.list', { includeTotal: true, search: 'love' }, OPERATOR)).data.total, 1)
    t.equal((await app.query('acme', 'users.list', {}, OPERATOR)).data.total, undefined)
  })

  t.test('gives every page of every order once, forwards and backwards', async (t) => {
    const unfiltered = (await emails({ limit: 200 })).sort()
    for (const by of ['displayName', 'email', 'role', 'state', 'createdAt', 'lastSignInAt']) {
      for (const direction of ['asc', 'desc']) {
        const whole = await emails({ sort: { by, direction } })
        const paged: string[] = []
        let cursor: string | null = null
        do {
          const input: object = { sort: { by, direction }, limit: 2, ...(cursor && { cursor }) }
          const { data } = await app.query('acme', 'users.list', input, OPERATOR)
          t.ok(data.items.length <= 2)
          paged.push(...data.items.map(({ email }: { email: string }) => email.split('@')[0]))
          cursor = data.nextCursor
        } while (cursor)
        t.same(paged, whole, `${by} ${direction}`)
        t.same([...paged].sort(), unfiltered)
      }
    }
    t.same(await emails({ sort: { by: 'role', direction: 'desc' } }), ['Ada', 'ben', 'dan', 'eve', 'cleo'])
    t.same(await emails({ sort: { by: 'lastSignInAt', direction: 'desc' } }), ['ben', 'Ada', 'dan', 'cleo', 'eve'])
    t.same(
      await emails({ sort: { by: 'lastSignInAt' } }),
      ['Ada', 'ben', 'eve', 'cleo', 'dan'],
      'nobody’s last sign-in is last'
    )
  })

  t.test('refuses cursors of another order and made-up ones', async (t) => {
    const { data } = await app.query('acme', 'users.list', { limit: 1 }, OPERATOR)
    const made = (...keys: unknown[]) => Buffer.from(JSON.stringify(keys)).toString('base64url')
    const cursors: [string, string][] = [
      ['email', data.nextCursor],
      ['displayName', 'nonsense'],
      ['displayName', made('users displayName asc', 'x')],
      ['displayName', made('users displayName asc', 'x', 'no uuid')],
      ['displayName', made('users displayName asc', '\0', NOBODY)],
      ['role', made('users role asc', 'x', NOBODY)],
      ['createdAt', made('users createdAt asc', '9'.repeat(30), NOBODY)],
      ['lastSignInAt', made('users lastSignInAt asc', 'infinity', NOBODY)]
    ]
    for (const [by, cursor] of cursors) {
      const { status, error } = await app.query('acme', 'users.list', { sort: { by }, cursor }, OPERATOR)
      t.match({ status, reason: error?.reason }, { status: 400, reason: 'invalidCursor' }, `${by} ${cursor}`)
    }
  })

  t.test('refuses unknown filters and bad values', async (t) => {
    for (const input of [
      { limit: 0 },
      { limit: 201 },
      { filter: { state: 'gone' } },
      { filter: { name: 'x' } },
      { sort: { by: 'password' } },
      { search: 'a\0b' },
      { offset: 3 }
    ]) {
      t.equal((await app.query('acme', 'users.list', input, OPERATOR)).status, 400, JSON.stringify(input))
    }
  })
})

const PEOPLE: PersonSpec[] = [
  { email: 'eve@acme.test', displayName: 'Éve', role: 'responder', locked: true },
  { email: 'Ada@acme.test', givenName: 'Ada', familyName: 'Lovelace', role: 'administrator', lastSignInAt: NOW },
  { email: 'ben@acme.test', displayName: 'Ben 100%', role: 'manager', lastSignInAt: new Date(NOW.getTime() + 1) },
  { email: 'cleo@acme.test', role: 'stakeholder', state: 'invited' },
  { email: 'dan@acme.test', role: 'responder', state: 'deactivated' },
  { email: 'fay@acme.test', role: 'responder', state: 'removed' }
]

test('users.get and users.history', async (t) => {
  const app = await startApp(t)
  const tenantId = await insertTenant(app.owner, 'acme')
  await insertTenant(app.owner, 'globex')
  const [adaId, benId, cleoId, removedId] = (await insertPeople(app.owner, tenantId, [
    { email: 'ada@acme.test', role: 'administrator' },
    { email: 'ben@acme.test', role: 'manager' },
    { email: 'cleo@acme.test', role: 'responder', displayName: 'Cleo' },
    { email: 'gone@acme.test', state: 'removed' }
  ])) as [string, string, string, string]
  await giveEverything(app.owner, tenantId, cleoId)
  const ada = { cookie: await signInAs(app.owner, tenantId, adaId) }
  const ben = { cookie: await signInAs(app.owner, tenantId, benId) }
  const cleo = { cookie: await signInAs(app.owner, tenantId, cleoId) }

  t.test('get gives groups, ways to sign in, invitation and mail to those whom it concerns', async (t) => {
    const groupId = await insertGroup(app.owner, tenantId, 'Team', [cleoId])
    for (const caller of [ada, ben, cleo]) {
      const { data } = await app.query('acme', 'users.get', { userId: cleoId }, caller)
      t.match(data, {
        user: { id: cleoId, displayName: 'Cleo', state: 'active', source: 'invitation', mustResetPassword: false },
        groups: [{ id: groupId, displayName: 'Team' }],
        groupCount: 1,
        access: { hasPassword: true, hasGoogle: true, sessionCount: 2, apiTokenCount: 1 },
        invitation: { state: 'pending', role: 'responder', inviterName: 'Ada', createdAt: NOW.toISOString() },
        mail: { template: 'password-reset', state: 'queued', attempts: 0, sentAt: null, error: null }
      })
      t.notMatch(JSON.stringify(data), /sealed|hash/, 'no secret is in it')
    }
    const { data } = await app.query('acme', 'users.get', { userId: adaId }, cleo)
    t.match(data, { user: { email: 'ada@acme.test' }, access: null, invitation: null, mail: null })
  })

  t.test('an invitation past its time is shown as expired', async (t) => {
    const earlier = new Date('2020-01-01')
    await app.owner.updateTable('invitations').set({ expires_at: earlier }).where('user_id', '=', cleoId).execute()
    const { data } = await app.query('acme', 'users.get', { userId: cleoId }, ada)
    t.equal(data.invitation.state, 'expired')
  })

  t.test('only administrators see removed users', async (t) => {
    t.equal((await app.query('acme', 'users.get', { userId: removedId }, ada)).data.user.state, 'removed')
    t.equal((await app.query('acme', 'users.get', { userId: removedId }, ben)).status, 404)
    const listed = await app.query('acme', 'users.list', { filter: { state: 'removed' } }, ben)
    t.equal(listed.error?.reason, 'administratorOnly')
  })

  t.test('an unknown id, or one of another tenant, is answered 404, and a malformed one 400', async (t) => {
    t.equal((await app.query('acme', 'users.get', { userId: NOBODY }, ada)).status, 404)
    t.equal((await app.query('globex', 'users.get', { userId: adaId }, OPERATOR)).status, 404)
    t.equal((await app.query('globex', 'users.history', { userId: adaId }, OPERATOR)).status, 404)
    t.equal((await app.query('acme', 'users.get', { userId: 'ada' }, ada)).status, 400)
    for (const step of ['deactivate', 'activate', 'lock', 'unlock', 'remove']) {
      t.equal((await app.mutate('globex', `users.${step}`, { userId: adaId }, OPERATOR)).status, 404)
    }
  })

  t.test('history tells what happened to a user, by whom, newest first', async (t) => {
    await app.mutate('acme', 'users.setRole', { userId: cleoId, role: 'manager' }, ada)
    await app.mutate('acme', 'users.deactivate', { userId: cleoId }, ada)
    const { data } = await app.query('acme', 'users.history', { userId: cleoId, limit: 2 }, ada)
    t.match(data.items, [{ action: 'user.deactivated', actorId: adaId, actorName: 'ada@acme.test', actorKind: 'user' }])
    t.equal(data.items.length, 2)
    const rest = await app.query('acme', 'users.history', { userId: cleoId, cursor: data.nextCursor }, ada)
    t.equal(rest.data.nextCursor, null)
    const actions = [...data.items, ...rest.data.items].map(({ action }: { action: string }) => action)
    t.same(actions.sort(), ['invitation.revoked', 'user.deactivated', 'user.roleChanged'])
    t.equal((await app.query('acme', 'users.history', { userId: cleoId }, ben)).error?.reason, 'administratorOnly')
  })
})

test('users: what each role may do', async (t) => {
  const app = await startApp(t)
  const tenantId = await insertTenant(app.owner, 'acme')
  const ids = await insertPeople(
    app.owner,
    tenantId,
    ROLES.map((role) => ({ email: `${role}@acme.test`, role }))
  )
  const targetId = await insertPerson(app.owner, tenantId, { email: 'target@acme.test' })
  const callers = Object.fromEntries(
    await Promise.all(
      ROLES.map(async (role, index) => [role, { cookie: await signInAs(app.owner, tenantId, ids[index]!) }])
    )
  )
  const administratorId = ids[3]!

  t.test('every member may list users; nobody may without a session', async (t) => {
    for (const role of ROLES) t.equal((await app.query('acme', 'users.list', {}, callers[role])).data.items.length, 5)
    t.equal((await app.query('acme', 'users.list', {})).error?.reason, 'unauthenticated')
  })

  t.test('only administrators change others', async (t) => {
    for (const role of ROLES.slice(0, 3)) {
      for (const [procedure, input] of [
        ['setRole', { role: 'stakeholder' }],
        ['deactivate', {}],
        ['activate', {}],
        ['lock', {}],
        ['unlock', {}],
        ['remove', {}],
        ['update', { displayName: 'X' }]
      ] as const) {
        const answer = await app.mutate('acme', `users.${procedure}`, { userId: targetId, ...input }, callers[role])
        t.match(answer, { status: 403, error: { reason: 'administratorOnly' } }, `${role} ${procedure}`)
      }
    }
  })

  t.test('everybody may change their own profile, but not their own role', async (t) => {
    const own = { userId: ids[0], displayName: ' Stan ', timeZone: 'Europe/Zurich', locale: 'de-CH' }
    const { data } = await app.mutate('acme', 'users.update', own, callers['stakeholder'])
    t.match(data.user, { displayName: 'Stan', timeZone: 'Europe/Zurich', locale: 'de-CH' })
    const promoted = { userId: administratorId, role: 'stakeholder' }
    t.equal(
      (await app.mutate('acme', 'users.setRole', promoted, callers['administrator'])).error?.reason,
      'notYourself'
    )
  })

  t.test('a bad profile is refused with the name of the field', async (t) => {
    for (const [field, value] of [
      ['displayName', 'a\r\nBcc: x'],
      ['displayName', 'x'.repeat(201)],
      ['displayName', 'lone \ud800'],
      ['timeZone', 'Mars/Base'],
      ['timeZone', '+01:00'],
      ['locale', 'no language'],
      ['role', 'administrator'],
      ['email', 'x@acme.test']
    ]) {
      const input = { userId: ids[0], [field!]: value }
      const { status, error } = await app.mutate('acme', 'users.update', input, callers['stakeholder'])
      t.equal(status, 400)
      t.match(error?.message, field!)
    }
  })

  t.test('a session has the role that its user has now, and ends with the user’s access', async (t) => {
    const manager = { userId: ids[2], role: 'administrator' }
    await app.mutate('acme', 'users.setRole', manager, callers['administrator'])
    t.equal((await app.mutate('acme', 'users.lock', { userId: targetId }, callers['manager'])).status, 200)
    await app.mutate('acme', 'users.setRole', { ...manager, role: 'responder' }, callers['administrator'])
    t.equal((await app.mutate('acme', 'users.unlock', { userId: targetId }, callers['manager'])).status, 403)
    await app.mutate('acme', 'users.deactivate', { userId: ids[2] }, callers['administrator'])
    t.equal((await app.query('acme', 'users.list', {}, callers['manager'])).error?.reason, 'unauthenticated')
  })

  t.test('the last administrator stays, even against the operator', async (t: Test) => {
    for (const [procedure, input] of [
      ['deactivate', {}],
      ['lock', {}],
      ['setRole', { role: 'manager' }]
    ] as const) {
      const answer = await app.mutate('acme', `users.${procedure}`, { userId: administratorId, ...input }, OPERATOR)
      t.match(answer, { status: 403, error: { reason: 'lastAdministrator' } })
    }
  })
})
