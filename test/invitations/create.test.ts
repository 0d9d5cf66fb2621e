import { test } from 'tap'
import type { Role } from '../../db/schema.ts'
import { OPERATOR } from '../support/app.ts'
import { insertPerson } from '../support/people.ts'
import { PASSWORD, startInviting } from './acme.ts'

test('inviting an address', async (t) => {
  const acme = await startInviting(t, { env: { INVITATION_TTL_HOURS: '24' } })
  const { invite } = acme

  const mailsTo = (address: string) =>
    acme.owner
      .selectFrom('mails')
      .select(['id', 'template', 'state', 'token_sealed', 'invitation_id'])
      .where('to_address', '=', address)
      .orderBy('queued_at')
      .execute()
  const userOf = (userId: string) =>
    acme.owner.selectFrom('users').selectAll().where('id', '=', userId).executeTakeFirstOrThrow()
  const jobs = async () => {
    const found = await acme.owner.executeQuery<{ data: { mailId: string } }>(
      (await import('kysely')).CompiledQuery.raw("select data from pgboss.job where name = 'send-mail'")
    )
    return found.rows.map(({ data }) => data.mailId)
  }

  t.test('creates a user and queues one mail if it is new', async (t) => {
    const { results, counts } = await invite([{ email: 'Dan@Acme.test', role: 'manager' }])
    t.same(counts, { invited: 1 })
    t.match(results, [{ email: 'Dan@Acme.test', result: 'invited' }])
    const { userId, invitationId } = results[0]!
    t.match(await userOf(userId!), {
      state: 'invited',
      role: 'manager',
      user_name: 'Dan@Acme.test',
      email: 'Dan@Acme.test',
      email_key: 'dan@acme.test',
      version: 1,
      must_reset_password: false,
      activated_at: null
    })
    const mails = await mailsTo('Dan@Acme.test')
    t.match(mails, [{ template: 'invitation', state: 'queued', invitation_id: invitationId }])
    t.ok((await jobs()).includes(mails[0]!.id), 'with a job')
    t.match(await acme.auditOf('invitation.created'), [{ target_id: invitationId, actor_kind: 'user' }])
    t.equal(
      (await acme.query('acme', 'users.get', { userId }, { cookie: acme.cookies.responder })).data.user.state,
      'invited'
    )
  })

  t.test('changes nothing if it is invited already, not even the role', async (t) => {
    const before = await acme.owner.selectFrom('mails').select('id').execute()
    const { results, counts } = await invite([{ email: 'DAN@acme.test', role: 'stakeholder' }])
    t.same(counts, { alreadyInvited: 1 })
    t.ok(results[0]!.userId && results[0]!.invitationId, 'and says which user and invitation')
    t.equal((await userOf(results[0]!.userId!)).role, 'manager')
    t.equal((await acme.owner.selectFrom('mails').select('id').execute()).length, before.length)
  })

  t.test('sends another link to one that is invited already, if asked to', async (t) => {
    const [old] = await acme.tokensOf('dan@acme.test')
    const { results } = await invite([{ email: 'dan@acme.test', role: 'stakeholder' }], { resend: true })
    t.match(results, [{ result: 'resent' }])
    t.equal((await acme.preview(old!)).error?.reason, 'invitationResent')
    const [, fresh] = await acme.tokensOf('dan@acme.test')
    t.match((await acme.preview(fresh!)).data, { role: 'manager' })
    t.same(
      (await mailsTo('Dan@Acme.test')).map(({ state, token_sealed }) => [state, token_sealed === null]),
      [
        ['cancelled', true],
        ['queued', false]
      ],
      'and the mail with the dead link is not sent any more'
    )
  })

  t.test('sends another link only so often in an hour', async (t) => {
    const seen: string[] = []
    for (let count = 0; count < 6; count++) {
      seen.push((await invite(['often@acme.test'], { resend: true })).results[0]!.result)
    }
    t.same(seen, ['invited', 'resent', 'resent', 'resent', 'resent', 'alreadyInvited'])
    acme.clock.advance({ minutes: 61 })
    t.match((await invite(['often@acme.test'], { resend: true })).results, [{ result: 'resent' }])
  })

  t.test('sends a new link if the invitation has expired, with the role that it had', async (t) => {
    const { results } = await invite([{ email: 'eve@acme.test', role: 'manager' }])
    acme.clock.advance({ hours: 25 })
    const [old] = await acme.tokensOf('eve@acme.test')
    t.equal((await acme.preview(old!)).error?.reason, 'invitationExpired')
    const again = await invite([{ email: 'eve@acme.test', role: 'stakeholder' }], { as: 'manager' })
    t.match(again.results, [{ result: 'resent', invitationId: results[0]!.invitationId, userId: results[0]!.userId }])
    t.equal((await acme.preview(old!)).error?.reason, 'invitationResent')
    const [, fresh] = await acme.tokensOf('eve@acme.test')
    t.match((await acme.preview(fresh!)).data, { role: 'manager', inviterName: 'Ben' })
    t.match((await invite(['eve@acme.test'])).results, [{ result: 'alreadyInvited' }])
  })

  t.test('refuses to renew an invitation whose role is above the inviter’s', async (t) => {
    await invite([{ email: 'boss@acme.test', role: 'administrator' }])
    acme.clock.advance({ hours: 25 })
    t.match((await invite(['boss@acme.test'], { as: 'manager' })).results, [{ result: 'roleNotAllowed' }])
    t.match((await invite(['boss@acme.test'])).results, [{ result: 'resent' }])
  })

  t.test('sends nothing to a member, active or deactivated', async (t) => {
    await acme.addPerson({ email: 'gone@acme.test', state: 'deactivated' })
    await acme.owner
      .updateTable('users')
      .set({ user_name: 'Ada1', user_name_key: 'ada1@acme.test' })
      .where('id', '=', acme.ids.ada)
      .execute()
    const { results, counts } = await invite(['ben@acme.test', 'Gone@acme.test', 'ada1@acme.test'])
    t.same(counts, { alreadyMember: 3 })
    t.equal(results[0]!.userId, acme.ids.ben)
    t.equal(results[2]!.userId, acme.ids.ada, 'also of one who has it as a userName alone')
    t.same(await mailsTo('ben@acme.test'), [])
    t.equal(await acme.inviteElsewhere('ada1@acme.test'), 'invited', 'whose address it is not')
  })

  t.test('says that another tenant has the address, and no more', async (t) => {
    t.equal(await acme.inviteElsewhere('held@x.test'), 'invited')
    const { results } = await invite(['held@x.test', 'grace@globex.test'])
    t.same(results, [
      { email: 'held@x.test', result: 'emailInOtherTenant' },
      { email: 'grace@globex.test', result: 'emailInOtherTenant' }
    ])
    t.same(
      await acme.owner
        .selectFrom('users')
        .select('id')
        .where('email_key', '=', 'held@x.test')
        .where('tenant_id', '=', acme.acmeId)
        .execute(),
      []
    )
  })

  t.test('refuses only the one that is no address, too high a role, or of a domain that is not allowed', async (t) => {
    await acme.call('settings.update', { allowedDomains: ['Acme.test'] })
    const { results, counts } = await invite(
      [
        { email: 'nonsense' },
        { email: 'high@acme.test', role: 'administrator' },
        { email: 'a@elsewhere.test' },
        { email: 'a@sub.acme.test' },
        { email: 'fine@acme.test' }
      ],
      { as: 'manager' }
    )
    await acme.call('settings.update', { allowedDomains: [] })
    t.same(
      results.map(({ result }) => result),
      ['invalidEmail', 'roleNotAllowed', 'domainNotAllowed', 'domainNotAllowed', 'invited']
    )
    t.same(counts, { invalidEmail: 1, roleNotAllowed: 1, domainNotAllowed: 2, invited: 1 })
    t.equal(await acme.inviteElsewhere('high@acme.test'), 'invited', 'and takes no address')
  })

  t.test('invites nobody if it has a smuggled header', async (t) => {
    const before = await acme.owner.selectFrom('mails').select('id').execute()
    const email = 'a@smuggled.test\r\nBcc: b@smuggled.test'
    t.match(await invite([email, 'a@smuggled.test\u0000']), {
      results: [{ email, result: 'invalidEmail' }, { result: 'invalidEmail' }],
      counts: { invalidEmail: 2 }
    })
    t.equal((await acme.owner.selectFrom('mails').select('id').execute()).length, before.length)
  })

  t.test('answers once if asked several times, in the order asked, for what was asked first', async (t) => {
    const { results } = await invite([
      { email: 'Zoe <zoe@acme.test>; yan@acme.test', role: 'stakeholder' },
      { email: 'ZOE@acme.test', role: 'manager' },
      { email: 'nonsense, nonsense' }
    ])
    t.match(results, [
      { email: 'zoe@acme.test', result: 'invited' },
      { email: 'yan@acme.test', result: 'invited' },
      { email: 'nonsense', result: 'invalidEmail' }
    ])
    t.equal((await userOf(results[0]!.userId!)).role, 'stakeholder')
  })

  t.test('gives the role that is offered first if none is named', async (t) => {
    const first: Record<Role, Role> = {
      stakeholder: 'stakeholder',
      responder: 'responder',
      manager: 'responder',
      administrator: 'responder'
    }
    for (const [as, role] of Object.entries(first) as [Role, Role][]) {
      const { results } = await invite([`first-${as}@acme.test`], { as })
      t.equal((await userOf(results[0]!.userId!)).role, role, as)
    }
  })

  t.test('gives each role up to the inviter’s own', async (t) => {
    const allowed: Record<Role, Role[]> = {
      stakeholder: ['stakeholder'],
      responder: ['stakeholder', 'responder'],
      manager: ['stakeholder', 'responder', 'manager'],
      administrator: ['stakeholder', 'responder', 'manager', 'administrator']
    }
    for (const [as, roles] of Object.entries(allowed) as [Role, Role[]][]) {
      const { results } = await invite(
        allowed.administrator.map((role) => ({ email: `${as}-${role}@roles.test`, role })),
        { as }
      )
      t.same(
        results.map(({ result }) => result),
        allowed.administrator.map((role) => (roles.includes(role) ? 'invited' : 'roleNotAllowed')),
        as
      )
    }
  })

  t.test('takes the tenant’s own validity period', async (t) => {
    await acme.call('settings.update', { invitationTtlHours: 2 })
    await invite(['brief@acme.test'])
    await acme.call('settings.update', { invitationTtlHours: null })
    const [token] = await acme.tokensOf('brief@acme.test')
    acme.clock.advance({ minutes: 119 })
    t.equal((await acme.preview(token!)).status, 200)
    acme.clock.advance({ minutes: 2 })
    t.equal((await acme.preview(token!)).error?.reason, 'invitationExpired')
  })

  t.test('by the operator invites in the service’s name', async (t) => {
    const { data } = await acme.mutate(
      'acme',
      'invitations.create',
      { invites: [{ email: 'op@acme.test', role: 'administrator' }] },
      OPERATOR
    )
    t.same(data.counts, { invited: 1 })
    const [token] = await acme.tokensOf('op@acme.test')
    t.equal((await acme.preview(token!)).data.inviterName, 'Muster')
  })
})

test('inviting a removed person', async (t) => {
  const acme = await startInviting(t, { env: { INVITATION_TTL_HOURS: '24' } })
  const { invite } = acme

  t.test('invites a former member again: the link requires a new password, and nothing else signs in', async (t) => {
    const userId = await acme.join('dan@acme.test', 'manager')
    await acme.removeMember(userId)
    const { results, counts } = await invite([{ email: 'Dan@acme.test', role: 'responder' }])
    t.same(counts, { reinvited: 1 })
    t.equal(results[0]!.userId, userId, 'the same user')
    const mail = await acme.owner
      .selectFrom('mails')
      .select('template')
      .where('invitation_id', '=', results[0]!.invitationId!)
      .execute()
    t.same(mail, [{ template: 'welcome-back' }])
    t.equal((await acme.signIn('dan@acme.test', PASSWORD)).error?.reason, 'invalidCredentials')
    const token = (await acme.tokensOf('dan@acme.test')).at(-1)!
    t.match((await acme.preview(token)).data, { mustResetPassword: true, role: 'responder' })

    const reset = await acme.mutate('acme', 'auth.resetPassword', { token, password: 'quite another one 7' })
    t.match(reset.data?.user, {
      id: userId,
      state: 'active',
      role: 'responder',
      displayName: 'Dan Doe',
      mustResetPassword: false
    })
    t.ok(reset.cookie, 'which signs in')
    t.equal((await acme.signIn('dan@acme.test', 'quite another one 7')).status, 200)
    t.equal((await acme.preview(token)).error?.reason, 'invitationUsed')
    t.equal(
      (await acme.mutate('acme', 'auth.resetPassword', { token, password: 'and another one 8' })).error?.reason,
      'invitationUsed'
    )
  })

  t.test('starts without the IdP that had made the user', async (t) => {
    const connectionId = '01900000-0000-7000-8000-000000000001'
    const id = await insertPerson(acme.owner, acme.acmeId, {
      email: 'idp@acme.test',
      state: 'removed',
      connectionId,
      displayName: 'Ida'
    })
    const { doc } = await acme.owner.selectFrom('users').select('doc').where('id', '=', id).executeTakeFirstOrThrow()
    await acme.owner
      .updateTable('users')
      .set({
        user_name: 'emp-7',
        user_name_key: 'emp-7',
        external_id: 'x7',
        doc: JSON.stringify({ ...JSON.parse(doc), userName: 'emp-7', externalId: 'x7' })
      })
      .where('id', '=', id)
      .execute()
    t.match((await invite(['idp@acme.test'])).results, [{ result: 'reinvited', userId: id }])
    const user = await acme.owner.selectFrom('users').selectAll().where('id', '=', id).executeTakeFirstOrThrow()
    t.match(user, {
      connection_id: null,
      external_id: null,
      user_name: 'idp@acme.test',
      display_name: 'Ida',
      version: 2
    })
    t.match(JSON.parse(user.doc), { userName: 'idp@acme.test', displayName: 'Ida', externalId: undefined })
  })

  t.test('starts again with the same user if they had never accepted', async (t) => {
    const first = (await invite([{ email: 'never@acme.test', role: 'manager' }])).results[0]!
    await acme.call('invitations.revoke', { invitationId: first.invitationId })
    const again = await invite([{ email: 'NEVER@acme.test', role: 'stakeholder' }])
    t.same(again.counts, { invited: 1 })
    t.equal(again.results[0]!.userId, first.userId)
    t.not(again.results[0]!.invitationId, first.invitationId)
    const token = (await acme.tokensOf('never@acme.test')).at(-1)!
    t.match((await acme.preview(token)).data, {
      mustResetPassword: false,
      role: 'stakeholder',
      email: 'NEVER@acme.test'
    })
  })

  t.test('may be done by another tenant', async (t) => {
    const userId = await acme.join('moving@x.test')
    await acme.removeMember(userId)
    t.equal(await acme.inviteElsewhere('moving@x.test'), 'invited')
    t.match((await invite(['moving@x.test'])).results, [{ result: 'emailInOtherTenant' }])
    const user = await acme.owner.selectFrom('users').select('state').where('id', '=', userId).executeTakeFirst()
    t.same(user, { state: 'removed' }, 'and then nothing comes back here')
  })
})

test('invitations.create refuses', async (t) => {
  const acme = await startInviting(t, { env: { INVITATION_TTL_HOURS: '24' } })
  const reasonOf = async (input: unknown) => {
    const { status, error } = await acme.call('invitations.create', input)
    return `${status} ${error?.reason}`
  }
  t.test('more than 1,000 different addresses, but not 1,000', async (t) => {
    const addresses = Array.from({ length: 1_000 }, (_, index) => `p${index}@many.test`).join(', ')
    t.equal(await reasonOf({ invites: [{ email: `${addresses}, one.more@many.test` }] }), '400 tooManyAddresses')
    t.same(await acme.owner.selectFrom('mails').select('id').execute(), [], 'and then invites nobody')
    t.same((await acme.invite([`${addresses}; ${addresses.toUpperCase()}`])).counts, { invited: 1_000 })
  })
  t.test('a text that repeats addresses without end', async (t) => {
    t.equal(await reasonOf({ invites: [{ email: 'a@x.test,'.repeat(200_000) }] }), '400 tooManyAddresses')
  })
  t.test('unknown fields, wrong types, an empty list', async (t) => {
    t.equal(await reasonOf({ invites: [{ email: 'a@x.test', admin: true }] }), '400 invalid')
    t.equal(await reasonOf({ invites: [{ email: 7 }] }), '400 invalid')
    t.equal(await reasonOf({ invites: [{ email: 'a@x.test', role: 'owner' }] }), '400 invalid')
    t.equal(await reasonOf({ invites: [] }), '400 invalid')
    t.equal(await reasonOf({ invites: [{ email: 'a@x.test' }], resend: 'yes' }), '400 invalid')
    t.equal(await reasonOf({}), '400 invalid')
  })
  t.test('callers who are not signed in', async (t) => {
    t.equal((await acme.mutate('acme', 'invitations.create', { invites: [{ email: 'a@x.test' }] })).status, 401)
  })
})
