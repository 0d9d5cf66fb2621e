// The main purpose from end to end: the real process as `npm start` runs it, used over HTTP only.
import { type Test, test } from 'tap'
import { createClient, reasonOf } from '../../client/index.ts'
import { fetchOf } from '../../client/transport-node.ts'
import { person } from '../support/browserless.ts'
import { type RunningProcess, startProcess } from '../support/process.ts'
import { startSmtpServer } from '../support/smtp-server.ts'

const OPERATOR_TOKEN = 'operator-token-of-the-scenario-0123456789'
const PASSWORD = 'Correct-horse-battery-7'
const NEW_PASSWORD = 'Another-staple-glacier-9'

/** Returns the newest mail to an address once there are at least `count`; its text contains the link. */
type ReadMail = (address: string, count: number) => Promise<{ subject: string; text: string; html: string }>

test('the whole lifecycle works with a real SMTP server', { timeout: 120_000 }, async (t) => {
  const smtp = await startSmtpServer(t)
  const service = await startProcess(t, {
    OPERATOR_TOKEN,
    SMTP_URL: smtp.url,
    MAIL_FROM: 'Muster <muster@muster.test>',
    INVITATION_TTL_HOURS: '24'
  })
  await playLifecycle(t, service, async (address, count) => {
    const mails = await smtp.mailsTo(address, count)
    const { parsed } = mails[mails.length - 1]!
    return { subject: parsed.subject ?? '', text: parsed.text ?? '', html: String(parsed.html) }
  })
})

test('the whole lifecycle works with the development mailbox', { timeout: 120_000 }, async (t) => {
  const service = await startProcess(t, { OPERATOR_TOKEN })
  await playLifecycle(t, service, async (address, count) => {
    for (;;) {
      const answer = await fetch(
        `http://127.0.0.1:${service.port}/mailbox/messages.json?to=${encodeURIComponent(address)}`
      )
      const messages = (await answer.json()) as { subject: string; text: string; html: string }[]
      if (messages.length >= count) return messages[0]!
      await new Promise((done) => setTimeout(done, 50))
    }
  })
})

async function playLifecycle(t: Test, service: RunningProcess, readMail: ReadMail): Promise<void> {
  const base = `http://localhost:${service.port}`
  const host = (subdomain: string) => `http://${subdomain}.localhost:${service.port}`
  const operator = createClient({ url: base, token: OPERATOR_TOKEN })
  const operatorAt = (subdomain: string) => createClient({ url: host(subdomain), token: OPERATOR_TOKEN })
  const tokenIn = (text: string) => /token=([\w-]{43})/.exec(text)![1]!
  const reason = (call: Promise<unknown>) =>
    call.then(
      () => 'accepted',
      (error) => reasonOf(error)
    )

  await operator.tenants.create.mutate({ subdomain: 'globex', name: 'Globex', admin: 'ada@globex.test' })
  await operator.tenants.create.mutate({ subdomain: 'initech', name: 'Initech' })

  // the first administrator accepts
  const ada = person(host('globex'))
  const first = await readMail('ada@globex.test', 1)
  t.match(first.subject, /Globex/)
  t.match(first.html, /accept\?token=/, 'the HTML part has the link too')
  const preview = await ada.client.invitations.preview.query({ token: tokenIn(first.text) })
  t.match(preview, { email: 'ada@globex.test', role: 'administrator', mustResetPassword: false })
  t.match(preview.tenant, { name: 'Globex', subdomain: 'globex' })
  await ada.client.invitations.accept.mutate({
    token: tokenIn(first.text),
    password: PASSWORD,
    profile: {
      displayName: 'Ada Lovelace',
      givenName: 'Ada',
      familyName: 'Lovelace',
      timeZone: 'Europe/London',
      locale: 'en-GB'
    }
  })
  t.equal((await ada.client.auth.me.query()).user?.displayName, 'Ada Lovelace', 'accepting signs in')
  t.equal(
    await reason(
      ada.client.invitations.accept.mutate({
        token: tokenIn(first.text),
        password: PASSWORD,
        profile: { displayName: 'Eve' }
      })
    ),
    'invitationUsed',
    'the link works once'
  )

  // several addresses with different roles in one call
  const invited = await ada.client.invitations.create.mutate({
    invites: [
      { email: 'Ben <ben@globex.test>', role: 'manager' },
      { email: 'cleo@globex.test', role: 'responder' },
      { email: 'dan@globex.test' },
      { email: 'not an address' }
    ]
  })
  t.same(invited.counts, { invited: 3, invalidEmail: 1 })
  t.equal(
    (await ada.client.invitations.create.mutate({ invites: [{ email: 'DAN@globex.test' }] })).results[0]?.result,
    'alreadyInvited'
  )
  t.equal(
    (await operatorAt('initech').invitations.create.mutate({ invites: [{ email: 'dan@globex.test' }] })).results[0]
      ?.result,
    'emailInOtherTenant',
    'a pending invitation holds the address'
  )

  // a manager may not give a higher role than their own
  const ben = person(host('globex'))
  await ben.client.invitations.accept.mutate({
    token: tokenIn((await readMail('ben@globex.test', 1)).text),
    password: PASSWORD,
    profile: { displayName: 'Ben' }
  })
  t.match(
    await ben.client.invitations.create.mutate({ invites: [{ email: 'x@globex.test', role: 'administrator' }] }),
    {
      counts: { roleNotAllowed: 1 }
    }
  )
  const benId = (await ben.client.auth.me.query()).user!.id
  t.equal(await reason(ben.client.users.setRole.mutate({ userId: benId, role: 'administrator' })), 'administratorOnly')

  // a resent link replaces the old one
  const cleosOld = tokenIn((await readMail('cleo@globex.test', 1)).text)
  const cleosInvitation = invited.results[1]!.invitationId!
  await ada.client.invitations.resend.mutate({ invitationId: cleosInvitation })
  const cleosNew = tokenIn((await readMail('cleo@globex.test', 2)).text)
  t.not(cleosNew, cleosOld)
  t.equal(await reason(ada.client.invitations.preview.query({ token: cleosOld })), 'invitationResent')
  const cleo = person(host('globex'))
  await cleo.client.invitations.accept.mutate({ token: cleosNew, password: PASSWORD, profile: { displayName: 'Cleo' } })

  // a revoked link says so, and the address is free again
  const dansToken = tokenIn((await readMail('dan@globex.test', 1)).text)
  await ada.client.invitations.revoke.mutate({ invitationId: invited.results[2]!.invitationId! })
  t.equal(await reason(ada.client.invitations.preview.query({ token: dansToken })), 'invitationRevoked')
  t.match(await operatorAt('initech').invitations.create.mutate({ invites: [{ email: 'dan@globex.test' }] }), {
    counts: { invited: 1 }
  })

  // deactivate, remove
  const cleoId = (await cleo.client.auth.me.query()).user!.id
  t.equal(await reason(ada.client.users.remove.mutate({ userId: cleoId })), 'notDeactivated')
  await ada.client.users.deactivate.mutate({ userId: cleoId })
  t.equal(await reason(cleo.client.users.list.query({})), 'unauthenticated', 'deactivation ends the session')
  t.equal(
    (await ada.client.invitations.create.mutate({ invites: [{ email: 'cleo@globex.test' }] })).results[0]?.result,
    'alreadyMember'
  )
  await ada.client.users.remove.mutate({ userId: cleoId })
  t.equal(
    await reason(cleo.client.auth.signIn.mutate({ email: 'cleo@globex.test', password: PASSWORD })),
    'invalidCredentials'
  )

  // invited again: nothing but the reset signs them in
  t.match(await ada.client.invitations.create.mutate({ invites: [{ email: 'cleo@globex.test', role: 'responder' }] }), {
    results: [{ result: 'reinvited', userId: cleoId }]
  })
  const welcomeBack = tokenIn((await readMail('cleo@globex.test', 3)).text)
  t.equal((await cleo.client.invitations.preview.query({ token: welcomeBack })).mustResetPassword, true)
  t.equal(
    await reason(cleo.client.auth.signIn.mutate({ email: 'cleo@globex.test', password: PASSWORD })),
    'invalidCredentials',
    'the old password does not work again'
  )
  await cleo.client.auth.resetPassword.mutate({ token: welcomeBack, password: NEW_PASSWORD })
  cleo.forget()
  const signedIn = await cleo.client.auth.signIn.mutate({ email: 'Cleo@Globex.test', password: NEW_PASSWORD })
  t.match(signedIn.user, { id: cleoId, state: 'active', displayName: 'Cleo' }, 'the history goes on')

  // a password was forgotten
  cleo.forget()
  t.same(await cleo.client.auth.requestPasswordReset.mutate({ email: 'cleo@globex.test' }), {})
  t.same(await cleo.client.auth.requestPasswordReset.mutate({ email: 'nobody@globex.test' }), {})
  const reset = tokenIn((await readMail('cleo@globex.test', 4)).text)
  await cleo.client.auth.resetPassword.mutate({ token: reset, password: PASSWORD })
  await cleo.client.auth.signIn.mutate({ email: 'cleo@globex.test', password: PASSWORD })

  // an expired invitation is sent again, with the role that it had
  await ada.client.settings.update.mutate({ invitationTtlHours: 0.0002 })
  const eve = (await ada.client.invitations.create.mutate({ invites: [{ email: 'eve@globex.test', role: 'manager' }] }))
    .results[0]!
  const evesToken = tokenIn((await readMail('eve@globex.test', 1)).text)
  while ((await reason(ada.client.invitations.preview.query({ token: evesToken }))) !== 'invitationExpired') {
    await new Promise((done) => setTimeout(done, 100))
  }
  await ada.client.settings.update.mutate({ invitationTtlHours: 24 })
  t.match(
    await ada.client.invitations.create.mutate({ invites: [{ email: 'eve@globex.test', role: 'stakeholder' }] }),
    {
      results: [{ result: 'resent', invitationId: eve.invitationId! }]
    }
  )
  const evesNew = tokenIn((await readMail('eve@globex.test', 2)).text)
  t.match(await ada.client.invitations.preview.query({ token: evesNew }), { role: 'manager' })

  // a suspended tenant answers nobody
  await operator.tenants.suspend.mutate({ subdomain: 'globex' })
  t.equal(await reason(ada.client.auth.me.query()), 'tenantSuspended')
  t.equal((await fetchOf()(`${host('globex')}/scim/v2/Users`)).status, 403)
  await operator.tenants.suspend.mutate({ subdomain: 'globex', suspended: false })
  t.equal((await ada.client.auth.me.query()).user?.displayName, 'Ada Lovelace')

  for (const secret of [PASSWORD, NEW_PASSWORD, welcomeBack, reset, evesNew, OPERATOR_TOKEN]) {
    t.notOk(service.output().includes(secret), 'no secret is in the log')
  }
}
