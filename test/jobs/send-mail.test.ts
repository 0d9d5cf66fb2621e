import { setTimeout } from 'node:timers/promises'
import { test } from 'tap'
import { createSealer } from '../../server/secrets.ts'
import { PASSWORD } from '../invitations/acme.ts'
import { smtpError, startSmtpServer } from '../support/smtp-server.ts'
import { startMailing } from './acme.ts'

const linkIn = (text: string | undefined) => /https?:\/\/\S+token=[\w-]{43}/.exec(text ?? '')?.[0]

test('a queued mail', async (t) => {
  const refusals = new Map<string, Error[]>()
  const smtp = await startSmtpServer(t, {
    onRcptTo: ({ address }, _session, done) => done(refusals.get(address)?.shift())
  })
  const acme = await startMailing(t, { smtpUrl: smtp.url })

  t.test('leaves with the link, in the tenant’s name, and is shown as sent', async (t) => {
    await acme.invite([{ email: 'dan@acme.test', role: 'manager' }])
    const { parsed, envelope } = (await smtp.mailsTo('dan@acme.test'))[0]!
    const [token] = await acme.tokensOf('dan@acme.test')
    t.same(envelope, { from: 'muster@muster.test', to: ['dan@acme.test'] })
    t.match(parsed.from?.value, [{ name: 'acme', address: 'muster@muster.test' }])
    t.equal(parsed.subject, 'Ada invited you to acme')
    t.equal(linkIn(parsed.text), `http://acme.muster.test/accept?token=${token}`)
    t.match(parsed.text, /Your role: +Manager/)
    t.match(String(parsed.html), token)
    const mail = await acme.mailIs('dan@acme.test', 'sent')
    t.match(mail, { attempts: 1, error: null })
    t.ok(mail.sent_at)
    const row = await acme.owner
      .selectFrom('mails')
      .select(['id', 'token_sealed'])
      .where('to_address', '=', 'dan@acme.test')
      .executeTakeFirstOrThrow()
    t.equal(row.token_sealed, null, 'and the token is nowhere any more')
    t.equal(parsed.messageId, `<${row.id}@muster.test>`)
    t.equal((await acme.accept(token!)).status, 200)
  })

  /** An earlier invitation may have been accepted before its mail left, which is then not sent. */
  async function mailOf(address: string, subject: string) {
    for (;;) {
      const found = (await smtp.mailsTo(address)).find(({ parsed }) => parsed.subject?.includes(subject))
      if (found) return found.parsed
      await setTimeout(50)
    }
  }

  t.test('to somebody who comes back says so', async (t) => {
    await acme.removeMember(await acme.join('back@acme.test'))
    await acme.invite(['back@acme.test'])
    const parsed = await mailOf('back@acme.test', 'Welcome back to acme')
    t.match(linkIn(parsed.text), 'http://acme.muster.test/accept?token=')
  })

  t.test('that resets a password leads to the reset', async (t) => {
    await acme.mutate('acme', 'auth.requestPasswordReset', { email: 'cleo@acme.test' })
    const { parsed } = (await smtp.mailsTo('cleo@acme.test'))[0]!
    t.match(parsed.text, /once, for 1 hour/)
    const link = linkIn(parsed.text)!
    t.match(link, 'http://acme.muster.test/reset?token=')
    const token = new URL(link).searchParams.get('token')
    const { status } = await acme.mutate('acme', 'auth.resetPassword', { token, password: PASSWORD })
    t.equal(status, 200)
  })

  t.test('to somebody without a password does not say that one was forgotten', async (t) => {
    const userId = await acme.join('new@acme.test')
    await acme.owner.deleteFrom('user_credentials').where('user_id', '=', userId).execute()
    await acme.mutate('acme', 'auth.requestPasswordReset', { email: 'new@acme.test' })
    const parsed = await mailOf('new@acme.test', 'Choose your password for acme')
    t.match(parsed.text, /You have access to acme, but no password yet/)
    const token = new URL(linkIn(parsed.text)!).searchParams.get('token')
    t.equal((await acme.mutate('acme', 'auth.resetPassword', { token, password: PASSWORD })).status, 200)
    await acme.mutate('acme', 'auth.requestPasswordReset', { email: 'new@acme.test' })
    const second = await mailOf('new@acme.test', 'Choose a new password')
    t.equal(second.subject, 'Choose a new password for acme', 'from then on it is another one')
  })

  t.test('to a recipient that the server refuses for good is shown as failed, with the reason', async (t) => {
    refusals.set('nobody@acme.test', [smtpError(550, '5.1.1 No such user')])
    await acme.invite(['nobody@acme.test', 'somebody@acme.test'])
    t.match(await acme.mailIs('nobody@acme.test', 'failed'), {
      attempts: 1,
      sent_at: null,
      error: '550 5.1.1 No such user'
    })
    t.equal((await smtp.mailsTo('somebody@acme.test')).length, 1, 'and spoils no other')
    const { data } = await acme.query(
      'acme',
      'invitations.list',
      { filter: { mailState: 'failed' } },
      { cookie: acme.cookies.manager }
    )
    t.match(data.items, [
      { email: 'nobody@acme.test', state: 'pending', mail: { state: 'failed', error: '550 5.1.1 No such user' } }
    ])
    t.match(
      await acme.owner
        .selectFrom('mails')
        .select('token_sealed')
        .where('to_address', '=', 'nobody@acme.test')
        .execute(),
      [{ token_sealed: null }]
    )
    await acme.call('invitations.resend', { invitationId: data.items[0].id })
    t.equal((await smtp.mailsTo('nobody@acme.test')).length, 1, 'until it is sent again')
  })

  t.test('that the server puts off is tried again as the same mail', async (t) => {
    refusals.set('later@acme.test', [smtpError(451, '4.7.1 Greylisted, try again')])
    await acme.invite(['later@acme.test'])
    t.match(await acme.mailHasFailed('later@acme.test'), {
      state: 'queued',
      attempts: 1,
      error: '451 4.7.1 Greylisted, try again'
    })
    t.equal((await smtp.mailsTo('later@acme.test')).length, 1)
    t.match(await acme.mailIs('later@acme.test', 'sent'), { attempts: 2, error: null })
  })

  t.test('has only its own headers, whatever people are called', async (t) => {
    const name = 'Ada\r\nBcc: all@evil.test\r\n\r\nHello'
    await acme.owner.updateTable('users').set({ display_name: name }).where('id', '=', acme.ids.ada).execute()
    acme.deps.auth.principals.forget(acme.acmeId)
    await acme.call('settings.update', { senderName: 'Acme "IT", <all@evil.test>' })
    await acme.invite(['header@acme.test'])
    const { parsed, envelope } = (await smtp.mailsTo('header@acme.test'))[0]!
    t.same(envelope.to, ['header@acme.test'])
    t.equal(parsed.headers.has('bcc'), false)
    t.match(parsed.from?.value, [{ name: 'Acme "IT", <all@evil.test>', address: 'muster@muster.test' }])
    t.match(parsed.subject, /^Ada Bcc: all@evil\.test +Hello invited you to acme$/)
  })

  t.test('leads to its own tenant', async (t) => {
    await acme.inviteElsewhere('there@x.test')
    t.match(linkIn((await smtp.mailsTo('there@x.test'))[0]!.parsed.text), 'http://globex.muster.test/accept?token=')
  })

  t.test('leaves once if there are hundreds', async (t) => {
    const emails = Array.from({ length: 300 }, (_, index) => `bulk${index}@bulk.test`)
    await Promise.all([acme.invite(emails), acme.inviteElsewhere('also@bulk.test')])
    for (const email of emails) await smtp.mailsTo(email)
    await acme.mailIs('bulk299@bulk.test', 'sent')
    t.equal(smtp.mails.filter(({ envelope }) => envelope.to[0]!.endsWith('@bulk.test')).length, 301)
  })
})

test('a mail that is no longer wanted is not sent', async (t) => {
  const smtp = await startSmtpServer(t)
  const acme = await startMailing(t, { smtpUrl: smtp.url, isWorker: false })
  const stateOf = (email: string) =>
    acme.owner
      .selectFrom('mails')
      .select(['state', 'token_sealed'])
      .where('to_address', '=', email)
      .orderBy('id')
      .execute()

  const { results } = await acme.invite([
    'revoked@x.test',
    'resent@x.test',
    'replaced@x.test',
    'wanted@x.test',
    'sealed@x.test'
  ])
  await acme.call('invitations.revoke', { invitationId: results[0]!.invitationId })
  await acme.call('invitations.resend', { invitationId: results[1]!.invitationId })
  // as if the job had read its mail before the link was replaced
  await acme.owner
    .updateTable('invitation_links')
    .set({ replaced_at: acme.clock.now() })
    .where('invitation_id', '=', results[2]!.invitationId!)
    .execute()
  await acme.owner
    .updateTable('mails')
    .set({ token_sealed: createSealer(['another key of at least 32 characters']).seal('mail', 'x') })
    .where('to_address', '=', 'sealed@x.test')
    .execute()
  await acme.mutate('acme', 'auth.requestPasswordReset', { email: 'cleo@acme.test' })
  await acme.settle()
  await acme.owner.updateTable('password_resets').set({ used_at: acme.clock.now() }).execute()
  await acme.call('settings.update', { invitationTtlHours: 1 })
  await acme.invite(['expired@x.test'])
  acme.clock.advance({ hours: 2 })

  await acme.work()
  await smtp.mailsTo('wanted@x.test')
  await smtp.mailsTo('resent@x.test')
  await acme.queueIsEmpty()

  const cancelled = { state: 'cancelled', token_sealed: null }
  t.same(await stateOf('revoked@x.test'), [cancelled], 'of a revoked invitation')
  t.same(
    await stateOf('resent@x.test'),
    [cancelled, { state: 'sent', token_sealed: null }],
    'of a link that was replaced'
  )
  t.same(await stateOf('replaced@x.test'), [cancelled])
  t.same(await stateOf('cleo@acme.test'), [cancelled], 'of a reset that was made')
  t.same(await stateOf('expired@x.test'), [cancelled], 'of an invitation that has expired')
  t.same(await stateOf('sealed@x.test'), [{ state: 'failed', token_sealed: null }], 'nor one whose key is gone')
  t.same(smtp.mails.map(({ envelope }) => envelope.to[0]).sort(), ['resent@x.test', 'wanted@x.test'])
})

test('mails leave when a mail server that was down comes back', async (t) => {
  const first = await startSmtpServer(t)
  await first.close()
  const port = Number(new URL(first.url).port)
  const acme = await startMailing(t, { smtpUrl: first.url })
  await acme.invite(['patient@x.test'])
  t.match(await acme.mailHasFailed('patient@x.test'), { state: 'queued', error: /ECONNREFUSED/ })
  const second = await startSmtpServer(t, {}, port)
  t.equal((await second.mailsTo('patient@x.test')).length, 1, 'gets the mail once it is up')
  await acme.mailIs('patient@x.test', 'sent')
})

test('a mail without further attempts is shown as failed', async (t) => {
  const smtp = await startSmtpServer(t, {
    onRcptTo: (_address, _session, done) => done(smtpError(451, '4.3.0 Come back never'))
  })
  const acme = await startMailing(t, { smtpUrl: smtp.url, retryLimit: 1 })
  await acme.invite(['hopeless@x.test'])
  t.match(await acme.mailIs('hopeless@x.test', 'failed'), { attempts: 2, error: '451 4.3.0 Come back never' })
  const row = await acme.owner
    .selectFrom('mails')
    .select('token_sealed')
    .where('to_address', '=', 'hopeless@x.test')
    .executeTakeFirst()
  t.same(row, { token_sealed: null })
})

test('mails of a suspended tenant leave when it is resumed', async (t) => {
  const smtp = await startSmtpServer(t)
  const acme = await startMailing(t, { smtpUrl: smtp.url, isWorker: false })
  await acme.invite(['paused@x.test'])
  await acme.owner.updateTable('tenants').set({ state: 'suspended' }).where('id', '=', acme.acmeId).execute()
  await acme.work()
  t.match(await acme.mailHasFailed('paused@x.test'), { state: 'queued', attempts: 0, error: 'The tenant is suspended' })
  await acme.owner.updateTable('tenants').set({ state: 'active' }).where('id', '=', acme.acmeId).execute()
  t.equal((await smtp.mailsTo('paused@x.test')).length, 1)
})

test('without a mail server mails are kept in the mailbox', async (t) => {
  const acme = await startMailing(t)
  await acme.invite(['box@x.test'])
  await acme.mailIs('box@x.test', 'sent')
  const message = await acme.owner
    .selectFrom('mailbox_messages')
    .selectAll()
    .where('to_address', '=', 'box@x.test')
    .executeTakeFirstOrThrow()
  t.match(linkIn(message.text), (await acme.tokensOf('box@x.test'))[0])
})
