import { test } from 'tap'
import { inTenant } from '../../db/connect.ts'
import { lockUser } from '../../db/users.ts'
import type { OpenIdIdentity } from '../../server/auth/id-token.ts'
import { acceptWithGoogle } from '../../server/invitations/accept.ts'
import { randomToken } from '../../server/secrets.ts'
import { isOnCluster } from '../support/cluster.ts'
import { lockIsAwaited } from '../support/locks.ts'
import { scimClient } from '../support/scim.ts'
import { countStatements } from '../support/statements.ts'
import { PASSWORD, PROFILE, startInviting } from './acme.ts'

test('an invitation’s link', async (t) => {
  const acme = await startInviting(t, { env: { INVITATION_TTL_HOURS: '24' } })
  const linkTo = async (email: string, role: 'responder' | 'manager' = 'responder') => {
    const { results } = await acme.invite([{ email, role }], { as: 'manager' })
    return { token: (await acme.tokensOf(email)).at(-1)!, ...results[0]! }
  }

  t.test('shows what it invites to, in one statement', async (t) => {
    const { token } = await linkTo('Dan@acme.test', 'manager')
    const expiresAt = (await acme.owner.selectFrom('invitations').select('expires_at').executeTakeFirstOrThrow())
      .expires_at
    t.same((await acme.preview(token)).data, {
      email: 'Dan@acme.test',
      tenant: { name: 'acme', subdomain: 'acme' },
      inviterName: 'Ben',
      role: 'manager',
      mustResetPassword: false,
      expiresAt: expiresAt.toISOString()
    })
    const withoutLimits = await countStatements(() => acme.preview(token))
    // on a cluster BEGIN, the setting and COMMIT are around each statement
    t.ok(withoutLimits <= (isOnCluster ? 6 : 3), `${withoutLimits}, with those that count wrong links`)
  })

  t.test('signs a person up and in with a password and a profile', async (t) => {
    const { token, userId, invitationId } = await linkTo('eve@acme.test')
    const { data, cookie, status } = await acme.accept(token)
    t.equal(status, 200)
    t.match(data.user, {
      id: userId,
      email: 'eve@acme.test',
      state: 'active',
      role: 'responder',
      source: 'invitation',
      mustResetPassword: false,
      ...PROFILE
    })
    t.ok(data.user.activatedAt)
    t.equal((await acme.query('acme', 'auth.me', undefined, { cookie })).data.user.id, userId)
    t.equal((await acme.signIn('eve@acme.test', PASSWORD)).status, 200)
    const row = await acme.owner.selectFrom('users').selectAll().where('id', '=', userId!).executeTakeFirstOrThrow()
    t.match(row, { version: 2, display_name: 'Dan Doe', family_name_key: 'doe' })
    t.match(JSON.parse(row.doc), {
      displayName: 'Dan Doe',
      name: { givenName: 'Dan', familyName: 'Doe' },
      timezone: 'Europe/Zurich',
      locale: 'de-CH'
    })
    t.match(await acme.auditOf('invitation.accepted'), [{ target_id: invitationId, actor_kind: 'user' }])
    t.match(await acme.auditOf('user.activated'), [{ target_id: userId }])
  })

  t.test('keeps what an identity provider has sent meanwhile', async (t) => {
    const { token, userId } = await linkTo('sent@acme.test')
    const scim = await scimClient(acme, { id: acme.acmeId, subdomain: 'acme' })
    await scim.patch(`/Users/${userId}`, [{ op: 'add', path: 'displayName', value: 'Sent' }])
    const { data } = await acme.accept(token)
    t.match(data.user, {
      displayName: 'Sent',
      givenName: PROFILE.givenName,
      timeZone: PROFILE.timeZone,
      source: 'invitation'
    })
    const { authority } = (await acme.query('acme', 'users.get', { userId }, { cookie: acme.cookies.administrator }))
      .data
    t.match([authority.displayName, authority.timeZone], [{ kind: 'connection' }, { kind: 'person' }])
  })

  t.test('works once', async (t) => {
    const { token } = await linkTo('once@acme.test')
    t.equal((await acme.accept(token)).status, 200)
    t.equal((await acme.accept(token, { password: 'another one entirely 3' })).error?.reason, 'invitationUsed')
    t.equal((await acme.preview(token)).error?.reason, 'invitationUsed')
    t.equal((await acme.signIn('once@acme.test', PASSWORD)).status, 200, 'and keeps the first password')
  })

  t.test('gives one account and one session if it is accepted twice at the same time', async (t) => {
    for (let round = 0; round < 5; round++) {
      const { token, userId } = await linkTo(`twice${round}@acme.test`)
      const answers = await Promise.all([
        acme.accept(token, { password: 'the first password 1' }),
        acme.accept(token, { password: 'the second password 2' })
      ])
      t.same(answers.map(({ status, error }) => error?.reason ?? status).sort(), [200, 'invitationUsed'])
      const sessions = await acme.owner.selectFrom('sessions').select('id').where('user_id', '=', userId!).execute()
      t.equal(sessions.length, 1)
    }
  })

  t.test('is either accepted or revoked if both happen at the same time', async (t) => {
    for (let round = 0; round < 5; round++) {
      const { token, userId, invitationId } = await linkTo(`either${round}@acme.test`)
      const [accepted, revoked] = await Promise.all([
        acme.accept(token),
        acme.call('invitations.revoke', { invitationId })
      ])
      const { state } = await acme.owner
        .selectFrom('users')
        .select('state')
        .where('id', '=', userId!)
        .executeTakeFirstOrThrow()
      if (accepted.status === 200) {
        t.equal(revoked.error?.reason, 'invitationAccepted')
        t.equal(state, 'active')
      } else {
        t.equal(accepted.error?.reason, 'invitationRevoked')
        t.equal(state, 'removed')
      }
    }
  })

  t.test('says so if it is revoked while accepting waits', async (t) => {
    const { token, userId, invitationId } = await linkTo('waits@acme.test')
    const held = Promise.withResolvers<void>()
    const holding = inTenant(acme.deps.db, acme.acmeId, async (trx) => {
      await lockUser(trx, acme.acmeId, userId!, 'for update')
      held.resolve()
      await lockIsAwaited(acme.owner)
      await trx
        .updateTable('invitations')
        .set({ state: 'revoked' })
        .where('tenant_id', '=', acme.acmeId)
        .where('id', '=', invitationId!)
        .execute()
    })
    await held.promise
    t.equal((await acme.accept(token)).error?.reason, 'invitationRevoked')
    await holding
  })

  t.test('says how it ended, and tells strangers nothing', async (t) => {
    const reasons = async (token: string) => [
      (await acme.preview(token)).error?.reason,
      (await acme.accept(token)).error?.reason,
      (await acme.mutate('acme', 'auth.resetPassword', { token, password: PASSWORD })).error?.reason
    ]
    const resent = await linkTo('ends1@acme.test')
    await acme.call('invitations.resend', { invitationId: resent.invitationId })
    t.same(await reasons(resent.token), Array(3).fill('invitationResent'))
    const revoked = await linkTo('ends2@acme.test')
    await acme.call('invitations.revoke', { invitationId: revoked.invitationId })
    t.same(await reasons(revoked.token), Array(3).fill('invitationRevoked'))
    const adopted = await linkTo('ends3@acme.test')
    await acme.owner
      .updateTable('invitations')
      .set({ state: 'adopted' })
      .where('tenant_id', '=', acme.acmeId)
      .where('id', '=', adopted.invitationId!)
      .execute()
    t.same(await reasons(adopted.token), Array(3).fill('invitationUsed'))
    const locked = await linkTo('ends4@acme.test')
    await acme.call('users.lock', { userId: locked.userId })
    t.same(await reasons(locked.token), Array(3).fill('userLocked'))
    const deactivated = await linkTo('ends5@acme.test')
    await acme.call('users.deactivate', { userId: deactivated.userId })
    t.same(await reasons(deactivated.token), Array(3).fill('invitationRevoked'))
    const expired = await linkTo('ends6@acme.test')
    acme.clock.advance({ hours: 24 })
    t.same(await reasons(expired.token), Array(3).fill('invitationExpired'))
    t.same(await reasons(randomToken()), ['invitationInvalid', 'invitationInvalid', 'resetLinkInvalid'])
    t.same(await reasons('x'), ['invitationInvalid', 'invitationInvalid', 'resetLinkInvalid'])
    const messages = [revoked, expired].map(({ token }) => acme.preview(token))
    for (const { response } of await Promise.all(messages)) t.notMatch(response.body, /ends\d@acme/)
  })

  t.test('is unknown to another tenant', async (t) => {
    const { token } = await linkTo('only@acme.test')
    t.equal((await acme.query('globex', 'invitations.preview', { token })).error?.reason, 'invitationInvalid')
    t.equal(
      (await acme.mutate('globex', 'invitations.accept', { token, password: PASSWORD, profile: PROFILE })).error
        ?.reason,
      'invitationInvalid'
    )
    t.equal((await acme.preview(token)).status, 200)
  })

  t.test('is not looked at any more after too many guesses', async (t) => {
    const { token } = await linkTo('guess@acme.test')
    await Promise.all(Array.from({ length: 300 }, () => acme.preview(randomToken())))
    t.equal((await acme.preview(randomToken())).status, 429)
    acme.clock.advance({ minutes: 16 })
    await acme.owner.deleteFrom('rate_limits').execute()
    t.equal((await acme.preview(token)).status, 200)
  })

  t.test('refuses a weak password and a bad profile, and changes nothing then', async (t) => {
    const { token, userId } = await linkTo('strict@acme.test')
    const reason = async (overrides: Record<string, unknown>) => (await acme.accept(token, overrides)).error?.reason
    t.equal(await reason({ password: 'short' }), 'weakPassword')
    t.equal(await reason({ password: 'strict@acme.test' }), 'weakPassword')
    t.equal(await reason({ password: 'x'.repeat(2_000) }), 'weakPassword')
    const badProfiles = [
      {},
      { displayName: '' },
      { displayName: '   ' },
      { displayName: 'x'.repeat(201) },
      { displayName: 'Dan\r\nBcc: x@y.test' },
      { ...PROFILE, timeZone: 'Mars/Olympus' },
      { ...PROFILE, timeZone: '+01:00' },
      { ...PROFILE, locale: 'not a tag' },
      { ...PROFILE, admin: true },
      { ...PROFILE, displayName: 7 }
    ]
    for (const profile of badProfiles) t.equal(await reason({ profile }), 'invalid', JSON.stringify(profile))
    const user = await acme.owner
      .selectFrom('users')
      .select(['state', 'version'])
      .where('id', '=', userId!)
      .executeTakeFirst()
    t.same(user, { state: 'invited', version: 1 })
    t.equal((await acme.accept(token, { profile: { displayName: ' Dan ' } })).data.user.displayName, 'Dan')
  })

  t.test('keeps the names of somebody who comes back, and requires a new password', async (t) => {
    const userId = await acme.join('again@acme.test', 'manager')
    await acme.removeMember(userId)
    await acme.invite(['again@acme.test'])
    const token = (await acme.tokensOf('again@acme.test')).at(-1)!
    const { data } = await acme.accept(token, {
      password: 'a new one for again 5',
      profile: { displayName: 'Dan the Second' }
    })
    t.match(data.user, {
      id: userId,
      displayName: 'Dan the Second',
      familyName: 'Doe',
      role: 'responder',
      mustResetPassword: false
    })
    t.equal((await acme.signIn('again@acme.test', 'a new one for again 5')).status, 200)
  })

  t.test('of a first invitation does not reset a password', async (t) => {
    const { token } = await linkTo('first@acme.test')
    const { error } = await acme.mutate('acme', 'auth.resetPassword', { token, password: PASSWORD })
    t.equal(error?.reason, 'notAReset')
  })

  t.test('is used once if it is accepted by a reset twice at the same time', async (t) => {
    const userId = await acme.join('resets@acme.test')
    await acme.removeMember(userId)
    await acme.invite(['resets@acme.test'])
    const token = (await acme.tokensOf('resets@acme.test')).at(-1)!
    const answers = await Promise.all(
      ['the first password 1', 'the second password 2'].map((password) =>
        acme.mutate('acme', 'auth.resetPassword', { token, password })
      )
    )
    t.same(answers.map(({ status, error }) => error?.reason ?? status).sort(), [200, 'invitationUsed'])
  })

  t.test('cancels its mail if it is accepted before the mail has left', async (t) => {
    const { token } = await linkTo('quick@acme.test')
    await acme.accept(token)
    const mails = await acme.owner
      .selectFrom('mails')
      .select(['state', 'token_sealed'])
      .where('to_address', '=', 'quick@acme.test')
      .execute()
    t.same(mails, [{ state: 'cancelled', token_sealed: null }])
  })
})

test('accepting with Google', async (t) => {
  const acme = await startInviting(t)
  const tenant = await acme.deps.tenancy.getTenant({ kind: 'tenant', subdomain: 'acme' })
  const origin = { requestId: null, ip: '192.0.2.7' }
  const linkTo = async (email: string) => {
    await acme.invite([email])
    return (await acme.tokensOf(email)).at(-1)!
  }
  const identityOf = (email: string): OpenIdIdentity => ({
    issuer: 'https://issuer.test',
    subject: email,
    email,
    name: 'Dan Doe',
    givenName: 'Dan',
    locale: 'de'
  })
  const accept = (token: string, identity: OpenIdIdentity) =>
    acceptWithGoogle(acme.deps, tenant, token, identity, origin).catch(({ reason }) => reason)

  t.test('needs the invited address, in any letter case, and takes the name from Google', async (t) => {
    const token = await linkTo('dan@acme.test')
    t.equal(await accept(token, identityOf('other@acme.test')), 'invitationForAnother')
    const userId = await accept(token, identityOf('DAN@acme.test'))
    const { data } = await acme.query('acme', 'users.get', { userId }, { cookie: acme.cookies.administrator })
    t.match(data.user, {
      email: 'dan@acme.test',
      state: 'active',
      displayName: 'Dan Doe',
      givenName: 'Dan',
      locale: 'de'
    })
    t.equal(await accept(token, identityOf('dan@acme.test')), 'invitationUsed')
    t.match(await acme.auditOf('invitation.accepted'), [{ ip: '192.0.2.7', after: /"method":"google"/ }])
  })

  t.test('is not enough for somebody who is invited again', async (t) => {
    const userId = await acme.join('eve@acme.test')
    await acme.removeMember(userId)
    const token = await linkTo('eve@acme.test')
    t.equal(await accept(token, identityOf('eve@acme.test')), 'mustResetPassword')
    t.match((await acme.preview(token)).data, { mustResetPassword: true }, 'whose link goes on working')
  })

  t.test('works once if it happens twice at the same time', async (t) => {
    const token = await linkTo('zoe@acme.test')
    const answers = await Promise.all([
      accept(token, identityOf('zoe@acme.test')),
      accept(token, identityOf('zoe@acme.test'))
    ])
    t.equal(answers.filter((answer) => answer === 'invitationUsed').length, 1)
  })
})
