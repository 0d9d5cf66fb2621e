import { test } from 'tap'
import type { Role } from '../../db/schema.ts'
import { OPERATOR } from '../support/app.ts'
import { startInviting } from './acme.ts'

const NOBODY = '01900000-0000-7000-8000-000000000000'

test('sending an invitation again', async (t) => {
  const acme = await startInviting(t, { env: { INVITATION_TTL_HOURS: '24' } })
  const resend = (invitationId: string | undefined, as?: Role) => acme.call('invitations.resend', { invitationId }, as)

  t.test('gives another link and another term; the old link is dead, role and groups stay', async (t) => {
    const { results } = await acme.invite([{ email: 'dan@acme.test', role: 'manager' }])
    const { userId, invitationId } = results[0]!
    const group = await acme.call('groups.create', { displayName: 'Rota', members: [userId] })
    t.equal(group.status, 200)
    acme.clock.advance({ hours: 20 })
    const { data, status } = await resend(invitationId)
    t.equal(status, 200)
    t.match(data.invitation, {
      id: invitationId,
      email: 'dan@acme.test',
      role: 'manager',
      state: 'pending',
      userId,
      inviterName: 'Ada',
      mail: { state: 'queued', attempts: 0, error: null, sentAt: null }
    })
    t.ok(data.invitation.renewedAt > data.invitation.createdAt)
    const [old, fresh] = await acme.tokensOf('dan@acme.test')
    t.equal((await acme.preview(old!)).error?.reason, 'invitationResent')
    acme.clock.advance({ hours: 20 })
    t.equal((await acme.accept(fresh!)).status, 200, 'with a whole new term')
    const { data: details } = await acme.query('acme', 'users.get', { userId }, { cookie: acme.cookies.administrator })
    t.match(details, { user: { role: 'manager' }, groups: [{ displayName: 'Rota' }] })
    t.match(await acme.auditOf('invitation.resent'), [{ target_id: invitationId }])
  })

  t.test('works for one that has expired', async (t) => {
    const { invitationId } = (await acme.invite(['eve@acme.test'])).results[0]!
    acme.clock.advance({ hours: 25 })
    t.equal((await resend(invitationId)).data.invitation.state, 'pending')
    t.equal((await acme.preview((await acme.tokensOf('eve@acme.test'))[1]!)).status, 200)
  })

  t.test('is refused for one that has ended, and for none', async (t) => {
    const accepted = (await acme.invite(['over1@acme.test'])).results[0]!
    await acme.accept((await acme.tokensOf('over1@acme.test'))[0]!)
    t.match((await resend(accepted.invitationId)).error, { reason: 'invitationAccepted', code: 'CONFLICT' })
    const revoked = (await acme.invite(['over2@acme.test'])).results[0]!
    await acme.call('invitations.revoke', { invitationId: revoked.invitationId })
    t.match((await resend(revoked.invitationId)).error, { reason: 'invitationRevoked', code: 'CONFLICT' })
    t.equal((await resend(NOBODY)).status, 404)
    t.equal((await resend('no id')).status, 400)
    const elsewhere = await acme.mutate(
      'globex',
      'invitations.resend',
      { invitationId: revoked.invitationId },
      OPERATOR
    )
    t.equal(elsewhere.status, 404, 'and another tenant’s is none')
  })

  t.test('is limited for each invitation', async (t) => {
    const { invitationId } = (await acme.invite(['limit@acme.test'])).results[0]!
    for (let count = 0; count < 5; count++) t.equal((await resend(invitationId)).status, 200)
    const refused = await resend(invitationId)
    t.equal(refused.status, 429)
    t.ok(Number(refused.response.headers['retry-after']) > 0)
  })

  t.test('cancels the earlier mails that are still queued', async (t) => {
    const { invitationId } = (await acme.invite(['queue@acme.test'])).results[0]!
    await Promise.all([resend(invitationId), resend(invitationId)])
    const mails = await acme.owner
      .selectFrom('mails')
      .select('state')
      .where('to_address', '=', 'queue@acme.test')
      .orderBy('state')
      .execute()
    t.same(
      mails.map(({ state }) => state),
      ['cancelled', 'cancelled', 'queued']
    )
    const states = []
    for (const token of await acme.tokensOf('queue@acme.test')) states.push((await acme.preview(token)).status)
    t.equal(states.filter((status) => status === 200).length, 1, 'one link is alive')
  })

  t.test('is refused if an IdP has taken the address away', async (t) => {
    const { invitationId, userId } = (await acme.invite(['taken@acme.test'])).results[0]!
    await acme.owner.updateTable('users').set({ email: null, email_key: null }).where('id', '=', userId!).execute()
    t.match((await resend(invitationId)).error, { reason: 'noEmail', code: 'CONFLICT' })
  })
})

test('revoking an invitation', async (t) => {
  const acme = await startInviting(t, { env: { INVITATION_TTL_HOURS: '24' } })
  const revoke = (invitationId: string | undefined, as?: Role) => acme.call('invitations.revoke', { invitationId }, as)

  t.test('ends the link and the mail, removes the person from groups and frees the address', async (t) => {
    const { userId, invitationId } = (await acme.invite(['dan@acme.test'])).results[0]!
    const group = (await acme.call('groups.create', { displayName: 'Rota', members: [userId] })).data.group
    const { data } = await revoke(invitationId)
    t.match(data.invitation, { id: invitationId, state: 'revoked', mail: { state: 'cancelled' } })
    t.ok(data.invitation.endedAt)
    t.equal((await acme.preview((await acme.tokensOf('dan@acme.test'))[0]!)).error?.reason, 'invitationRevoked')
    const user = await acme.owner.selectFrom('users').select('state').where('id', '=', userId!).executeTakeFirst()
    t.same(user, { state: 'removed' })
    const { data: after } = await acme.query(
      'acme',
      'groups.get',
      { groupId: group.id },
      { cookie: acme.cookies.administrator }
    )
    t.equal(after.group.memberCount, 0)
    t.equal(await acme.inviteElsewhere('dan@acme.test'), 'invited')
    t.match(await acme.auditOf('invitation.revoked'), [{ target_id: invitationId }])
    t.match((await revoke(invitationId)).error, { reason: 'invitationRevoked' })
  })

  t.test('works for one that has expired', async (t) => {
    const { invitationId } = (await acme.invite(['eve@acme.test'])).results[0]!
    acme.clock.advance({ hours: 25 })
    t.equal((await revoke(invitationId)).data.invitation.state, 'revoked')
  })

  t.test('is refused once it is accepted', async (t) => {
    const { invitationId } = (await acme.invite(['in@acme.test'])).results[0]!
    await acme.accept((await acme.tokensOf('in@acme.test'))[0]!)
    t.match((await revoke(invitationId)).error, { reason: 'invitationAccepted' })
  })

  t.test('leaves somebody who was invited back needing a new password', async (t) => {
    const userId = await acme.join('back@acme.test')
    await acme.removeMember(userId)
    const { invitationId } = (await acme.invite(['back@acme.test'])).results[0]!
    await revoke(invitationId)
    t.match((await acme.invite(['back@acme.test'])).results, [{ result: 'reinvited', userId }])
  })
})

test('the right to manage an invitation', async (t) => {
  const acme = await startInviting(t)
  const byManager = (await acme.invite([{ email: 'a@acme.test', role: 'manager' }], { as: 'manager' })).results[0]!
  const byResponder = (await acme.invite(['b@acme.test'], { as: 'responder' })).results[0]!
  const forAdministrator = (await acme.invite([{ email: 'c@acme.test', role: 'administrator' }])).results[0]!
  const reason = async (as: Role, invitationId: string | undefined, procedure = 'invitations.resend') =>
    (await acme.call(procedure, { invitationId }, as)).error?.reason ?? 'done'

  t.test('belongs to the inviter, and to managers and administrators up to their role', async (t) => {
    const cases: [as: Role, invitationId: string | undefined, expected: string][] = [
      ['responder', byResponder.invitationId, 'done'],
      ['manager', byResponder.invitationId, 'done'],
      ['administrator', byManager.invitationId, 'done'],
      ['administrator', forAdministrator.invitationId, 'done'],
      ['stakeholder', byResponder.invitationId, 'roleNotAllowed'],
      ['responder', byManager.invitationId, 'roleNotAllowed'],
      ['manager', forAdministrator.invitationId, 'roleNotAllowed']
    ]
    for (const [as, invitationId, expected] of cases)
      t.equal(await reason(as, invitationId), expected, `${as} ${expected}`)
    t.equal(await reason('manager', forAdministrator.invitationId, 'invitations.revoke'), 'roleNotAllowed')
  })

  t.test('belongs to nobody else', async (t) => {
    const low = (await acme.invite([{ email: 'd@acme.test', role: 'stakeholder' }], { as: 'manager' })).results[0]!
    t.equal(await reason('stakeholder', low.invitationId), 'notYourInvitation')
    t.equal(await reason('responder', low.invitationId, 'invitations.revoke'), 'notYourInvitation')
    t.match((await acme.invite(['d@acme.test'], { as: 'responder', resend: true })).results, [
      { result: 'alreadyInvited' }
    ])
    t.match((await acme.invite(['d@acme.test'], { as: 'administrator', resend: true })).results, [{ result: 'resent' }])
  })

  t.test('needs a session', async (t) => {
    for (const procedure of ['invitations.resend', 'invitations.revoke']) {
      t.equal((await acme.mutate('acme', procedure, { invitationId: byManager.invitationId })).status, 401)
    }
  })
})

test('the list of invitations', async (t) => {
  const acme = await startInviting(t, { env: { INVITATION_TTL_HOURS: '24' } })
  const list = async (input: Record<string, unknown> = {}, as: Role = 'administrator') => {
    const { data, error, status } = await acme.query('acme', 'invitations.list', input, { cookie: acme.cookies[as] })
    const emails = data?.items.map(({ email }: { email: string }) => email.split('@')[0])
    return { data, error, status, emails: emails as string[] }
  }
  await acme.invite(['expired@acme.test'])
  acme.clock.advance({ hours: 25 })
  await acme.join('accepted@acme.test')
  const revoked = (await acme.invite([{ email: 'revoked@acme.test', role: 'manager' }])).results[0]!
  await acme.call('invitations.revoke', { invitationId: revoked.invitationId })
  await acme.invite([{ email: 'Pending@acme.test', role: 'stakeholder' }], { as: 'responder' })

  t.test('shows everything about an invitation, newest first', async (t) => {
    const { data, emails } = await list()
    t.same(emails, ['Pending', 'revoked', 'accepted', 'expired'])
    t.equal(data.nextCursor, null)
    const { id, userId, createdAt, renewedAt, expiresAt, mail, ...item } = data.items[0]
    t.same(item, {
      email: 'Pending@acme.test',
      role: 'stakeholder',
      state: 'pending',
      inviterName: 'Cleo',
      endedAt: null
    })
    const { queuedAt, ...rest } = mail
    t.same(rest, { state: 'queued', sentAt: null, attempts: 0, error: null })
    t.equal(queuedAt, createdAt)
    t.equal(new Date(expiresAt).getTime() - new Date(renewedAt).getTime(), 24 * 3_600_000)
    t.ok(id !== userId)
  })

  t.test('is narrowed by state, mail, role and words', async (t) => {
    for (const state of ['pending', 'expired', 'accepted', 'revoked', 'adopted']) {
      const expected = state === 'adopted' ? [] : [state === 'pending' ? 'Pending' : state]
      t.same((await list({ filter: { state } })).emails, expected, state)
    }
    t.same((await list({ filter: { mailState: 'queued' } })).emails, ['Pending', 'expired'])
    t.same((await list({ filter: { mailState: 'sent' } })).emails, [])
    t.same((await list({ filter: { role: 'manager' } })).emails, ['revoked'])
    t.same((await list({ search: 'PEND' })).emails, ['Pending'])
    t.same((await list({ search: 'dan doe' })).emails, ['accepted'], 'also of the name')
    t.same((await list({ search: '%' })).emails, [])
    t.equal((await list({ filter: { mood: 'good' } })).status, 400)
  })

  t.test('is sorted and paged in every order', async (t) => {
    const byEmail = ['accepted', 'expired', 'Pending', 'revoked']
    const byTime = ['expired', 'accepted', 'revoked', 'Pending']
    const orders: [by: string, direction: string, expected: string[]][] = [
      ['email', 'asc', byEmail],
      ['email', 'desc', [...byEmail].reverse()],
      ['createdAt', 'asc', byTime],
      ['createdAt', 'desc', [...byTime].reverse()],
      ['expiresAt', 'asc', byTime],
      ['expiresAt', 'desc', [...byTime].reverse()]
    ]
    for (const [by, direction, expected] of orders) {
      const seen: string[] = []
      let cursor: string | undefined
      do {
        const { data, emails } = await list({ sort: { by, direction }, limit: 1, cursor, includeTotal: true })
        seen.push(...emails)
        t.equal(data.total, 4)
        cursor = data.nextCursor ?? undefined
      } while (cursor)
      t.same(seen, expected, `${by} ${direction}`)
    }
    t.same((await list({ sort: { by: 'email' } })).emails, byEmail, 'upwards unless asked for')
  })

  t.test('refuses a cursor of another order, or a made-up one', async (t) => {
    const { data } = await list({ limit: 1 })
    t.equal((await list({ sort: { by: 'email' }, cursor: data.nextCursor })).error?.reason, 'invalidCursor')
    t.equal((await list({ cursor: 'nonsense' })).error?.reason, 'invalidCursor')
  })

  t.test('shows people below managers only what they have sent', async (t) => {
    t.same((await list({}, 'manager')).emails.length, 4)
    t.same((await list({}, 'responder')).emails, ['Pending'])
    t.same((await list({}, 'stakeholder')).emails, [])
    t.same((await list({ includeTotal: true }, 'responder')).data.total, 1)
    t.equal((await acme.query('acme', 'invitations.list', {})).status, 401)
    t.same((await acme.query('globex', 'invitations.list', {}, OPERATOR)).data.items, [])
  })
})
