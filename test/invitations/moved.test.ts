// An identity provider changes the login address of somebody whose links were mailed to the old one.
import { sql } from 'kysely'
import { test } from 'tap'
import { hashToken } from '../../server/secrets.ts'
import { scimClient } from '../support/scim.ts'
import { ENTERPRISE, USER } from '../support/urns.ts'
import { PASSWORD, startInviting } from './acme.ts'

test('a login address that an identity provider changes', async (t) => {
  const acme = await startInviting(t, { env: { INVITATION_TTL_HOURS: '24' } })
  const idp = await scimClient(acme, { id: acme.acmeId, subdomain: 'acme' })
  const invite = async (email: string) => {
    const { userId, invitationId } = (await acme.invite([email])).results[0]!
    return { userId: userId!, invitationId: invitationId!, token: (await acme.tokensOf(email))[0]! }
  }
  const emails = (value: string) => [{ op: 'replace', path: 'emails', value: [{ value, primary: true, type: 'work' }] }]
  const mailsOf = (userId: string) =>
    acme.owner
      .selectFrom('mails')
      .select(['to_address', 'state', 'template'])
      .where('user_id', '=', userId)
      .orderBy('id')
      .execute()

  t.test('takes the invitation along: the old link is dead, and the new address gets another one', async (t) => {
    const { userId, invitationId, token } = await invite('old@acme.test')
    t.equal((await idp.patch(`/Users/${userId}`, emails('new@acme.test'))).status, 200)
    t.equal((await acme.preview(token)).error?.reason, 'invitationResent')
    t.equal((await acme.accept(token)).error?.reason, 'invitationResent')
    t.same(await mailsOf(userId), [
      { to_address: 'old@acme.test', state: 'cancelled', template: 'invitation' },
      { to_address: 'new@acme.test', state: 'queued', template: 'invitation' }
    ])
    const events = await acme.auditOf('invitation.resent')
    t.match(events, [{ target_id: invitationId, actor_kind: 'scimToken' }])
    const fresh = (await acme.tokensOf('new@acme.test')).at(-1)!
    t.match((await acme.preview(fresh)).data, { email: 'new@acme.test' })
    t.equal((await acme.accept(fresh)).data.user.id, userId)
    const job = await sql<{ count: string }>`select count(*) from pgboss.job where name = 'send-mail'`.execute(
      acme.owner
    )
    t.equal(job.rows[0]!.count, '2')
  })

  t.test('leaves the link valid if another attribute changes, or only the letter case', async (t) => {
    const { userId, token } = await invite('same@acme.test')
    await idp.patch(`/Users/${userId}`, [{ op: 'replace', path: 'displayName', value: 'Sam' }])
    await idp.patch(`/Users/${userId}`, [{ op: 'replace', path: `${ENTERPRISE}:department`, value: 'IT' }])
    await idp.patch(`/Users/${userId}`, emails('Same@acme.test'))
    t.equal((await acme.preview(token)).status, 200)
    t.equal((await mailsOf(userId)).length, 1)
  })

  t.test('sends no link if no address is left; then the invitation waits', async (t) => {
    const { userId, invitationId, token } = await invite('gone@acme.test')
    const { status, text } = await idp.put(`/Users/${userId}`, { schemas: [USER], userName: 'gone' })
    t.equal(status, 200, text)
    t.equal((await acme.preview(token)).error?.reason, 'invitationResent')
    t.match(await mailsOf(userId), [{ state: 'cancelled' }])
    t.equal((await acme.call('invitations.resend', { invitationId })).error?.reason, 'noEmail')
    await idp.patch(`/Users/${userId}`, emails('back@acme.test'))
    t.match(await mailsOf(userId), [{ state: 'cancelled' }, { to_address: 'back@acme.test', state: 'queued' }])
  })

  t.test('does not renew an invitation that has expired', async (t) => {
    const { userId, token } = await invite('late@acme.test')
    acme.clock.advance({ hours: 25 })
    await idp.patch(`/Users/${userId}`, emails('later@acme.test'))
    t.match(await mailsOf(userId), [{ to_address: 'late@acme.test', state: 'cancelled' }])
    t.equal((await acme.preview(token)).error?.reason, 'invitationResent')
  })

  t.test('ends the invitation if the same request deactivates the person', async (t) => {
    const { userId } = await invite('leaver@acme.test')
    const deactivation = { op: 'replace', path: 'active', value: false }
    await idp.patch(`/Users/${userId}`, [...emails('elsewhere@acme.test'), deactivation])
    t.same(new Set((await mailsOf(userId)).map(({ state }) => state)), new Set(['cancelled']))
  })

  t.test('ends reset links that were mailed to the old one', async (t) => {
    await acme.mutate('acme', 'auth.requestPasswordReset', { email: 'cleo@acme.test' })
    await acme.settle()
    const link = acme.owner.selectFrom('password_resets').select('token_hash').where('user_id', '=', acme.ids.cleo)
    t.equal((await link.execute()).length, 1)
    await acme.owner
      .updateTable('password_resets')
      .set({ token_hash: hashToken('reset token') })
      .where('user_id', '=', acme.ids.cleo)
      .execute()
    t.equal((await idp.patch(`/Users/${acme.ids.cleo}`, emails('cleo@new.test'))).status, 200)
    const reset = await acme.mutate('acme', 'auth.resetPassword', { token: 'reset token', password: `${PASSWORD}!` })
    t.equal(reset.error?.reason, 'resetLinkExpired')
    t.match(await mailsOf(acme.ids.cleo), [{ template: 'password-reset', state: 'cancelled' }])
  })
})
