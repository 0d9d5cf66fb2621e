// Accepting an invitation, signing in and choosing a new password, in a browser.
import { test } from 'tap'
import { OPERATOR } from '../support/app.ts'
import { ADA, checkPage, noBrowser, openSite, PASSWORD, PHONE, type Site } from '../support/browser.ts'

const invite = async (site: Site, email: string) => {
  const { data } = await site.mutate('acme', 'invitations.create', { invites: [{ email }] }, OPERATOR)
  const { invitationId, userId } = data.results[0]
  return { invitationId, userId, token: await site.tokenFor(email) }
}

test('the way in', { skip: noBrowser, timeout: 120_000 }, async (t) => {
  const site = await openSite(t, { GOOGLE_CLIENT_ID: 'client', GOOGLE_CLIENT_SECRET: 'secret' })
  await site.people([ADA])

  await t.test('lets an invited person choose a password and set up a profile', async (t) => {
    const { token } = await invite(site, 'ben@acme.test')
    const { page, go } = await site.open({ screen: PHONE })
    await go(`/accept?token=${token}`)
    await page.getByRole('heading', { name: 'Join Acme Rescue' }).waitFor()
    await page.waitForURL(`${site.urlOf('acme')}/accept`)
    const addresses: string[] = []
    page.on('request', (request) => addresses.push(request.url()))
    await page.reload()
    await page.getByRole('heading', { name: 'Join Acme Rescue' }).waitFor()
    await page.route('**/auth/google/start**', (way) => way.fulfill({ status: 204 }))
    const [asked] = await Promise.all([
      page.waitForRequest('**/auth/google'),
      page.waitForRequest('**/auth/google/start?ticket=*'),
      page.getByRole('button', { name: 'Continue with Google' }).click()
    ])
    t.same(asked.postDataJSON(), { invitation: token })
    t.match(addresses.join(' '), '/trpc/invitations.preview')
    t.notMatch(addresses.join(' '), token, 'the token is in no address but the link’s')
    await page.getByLabel('Password', { exact: true }).fill('acme rescue')
    await page.getByText('Easy to guess').waitFor()
    await page.getByLabel('Password', { exact: true }).fill('password1')
    await page.getByText('Very easy to guess').waitFor()
    await checkPage(t, page, 'accept')
    await page.getByRole('button', { name: 'Continue', exact: true }).click()
    await page.getByLabel('Display name').fill('Ben Li')
    t.equal(await page.getByRole('combobox', { name: 'Time zone' }).inputValue(), 'Europe/Zurich', 'from the browser')
    t.match(await page.getByRole('combobox', { name: 'Language' }).inputValue(), /English/)
    await checkPage(t, page, 'accept-profile')
    await page.getByRole('button', { name: 'Finish and sign in' }).click()
    await page.getByText('That password is easy to guess').waitFor()
    await page.getByLabel('Password', { exact: true }).fill(PASSWORD)
    await page.getByText(/^(Strong|Very strong)/).waitFor()
    await page.getByRole('button', { name: 'Continue', exact: true }).click()
    t.equal(await page.getByLabel('Display name').inputValue(), 'Ben Li', 'what was typed is still there')
    await page.getByRole('button', { name: 'Finish and sign in' }).click()
    await page.getByRole('heading', { name: 'People' }).waitFor()
    await page.getByRole('link', { name: 'Ben Li' }).waitFor()

    await go(`/accept?token=${token}`)
    await page.getByRole('heading', { name: 'This invitation was used already' }).waitFor()
    await page.getByRole('link', { name: 'Sign in' }).waitFor()
  })

  await t.test('says of each dead link why it is dead and what to do', async (t) => {
    const { page, go } = await site.open()
    const resent = await invite(site, 'cleo@acme.test')
    await site.mutate('acme', 'invitations.resend', { invitationId: resent.invitationId }, OPERATOR)
    const revoked = await invite(site, 'dan@acme.test')
    await site.mutate('acme', 'invitations.revoke', { invitationId: revoked.invitationId }, OPERATOR)
    const expired = await invite(site, 'eve@acme.test')
    await site.owner
      .updateTable('invitations')
      .set({ expires_at: new Date('2020-01-01') })
      .where('id', '=', expired.invitationId)
      .execute()
    const titles = {
      [resent.token]: 'There is a newer invitation',
      [revoked.token]: 'This invitation was taken back',
      [expired.token]: 'This invitation has expired',
      'half-a-link': 'This link is not complete'
    }
    for (const [token, title] of Object.entries(titles)) {
      await go(`/accept?token=${token}`)
      await page.getByRole('heading', { name: title }).waitFor()
    }
    await checkPage(t, page, 'accept-dead')
  })

  await t.test('asks whoever is invited back for a new password first, and offers no Google', async (t) => {
    const [userId] = await site.people([{ email: 'finn@acme.test', state: 'deactivated', displayName: 'Finn Old' }])
    await site.mutate('acme', 'users.remove', { userId }, OPERATOR)
    const { token } = await invite(site, 'finn@acme.test')
    const { page, go } = await site.open()
    await go(`/accept?token=${token}`)
    await page.getByRole('heading', { name: 'Welcome back: choose a new password first' }).waitFor()
    t.equal(await page.getByText('Continue with Google').count(), 0)
    await checkPage(t, page, 'accept-back')
  })

  await t.test('leads from sign-in to where the link pointed, and says why sign-in failed', async (t) => {
    const { page, go } = await site.open({ screen: PHONE, colorScheme: 'dark' })
    await go('/users?search=ben')
    await page.getByRole('heading', { name: 'Sign in' }).waitFor()
    t.equal(await page.getByRole('link', { name: 'Continue with Google' }).getAttribute('href'), '/auth/google')
    await page.getByLabel('E-mail address').fill('ben@acme.test')
    await page.getByLabel('Password', { exact: true }).fill('not this one')
    await page.getByRole('button', { name: 'Sign in' }).click()
    await page.getByRole('alert').getByText('do not belong together').waitFor()
    await checkPage(t, page, 'sign-in-dark')
    await page.getByLabel('Password', { exact: true }).fill(PASSWORD)
    await page.getByRole('button', { name: 'Sign in' }).click()
    await page.getByText('1 fits').waitFor()
    t.match(page.url(), /\/users\?search=ben$/)

    await page.getByRole('button', { name: 'Account of Ben Li' }).click()
    await page.getByRole('menuitem', { name: 'Sign out' }).click()
    await page.getByRole('heading', { name: 'Sign in' }).waitFor()
    await go('/sign-in?error=unknownGoogleAccount&next=https://elsewhere.test/')
    await page.getByText('Nobody here has that Google account’s address').waitFor()
    await page.getByLabel('E-mail address').fill('ben@acme.test')
    await page.getByLabel('Password', { exact: true }).fill(PASSWORD)
    await page.getByRole('button', { name: 'Sign in' }).click()
    await page.waitForURL(`${site.urlOf('acme')}/users`)
  })

  await t.test('replaces a forgotten password by mail', async (t) => {
    const { page, go } = await site.open()
    await go('/forgot-password?email=ben%40acme.test')
    await checkPage(t, page, 'forgot-password')
    await page.getByRole('button', { name: 'Send the link' }).click()
    await page.getByRole('heading', { name: 'Look into your mail' }).waitFor()
    await checkPage(t, page, 'forgot-password-sent')
    // the answer comes before the mail is made, so that its time reveals nothing
    let token: string | undefined
    while (!token) {
      const mail = await site.owner
        .selectFrom('mails')
        .select('id')
        .where('template', '=', 'password-reset')
        .executeTakeFirst()
      if (mail) token = await site.tokenFor('ben@acme.test')
    }
    await go(`/reset?token=${token}`)
    await page.waitForURL(`${site.urlOf('acme')}/reset`)
    await page.reload()
    await page.getByLabel('New password').fill('Another-staple-glacier-9')
    await checkPage(t, page, 'reset')
    await page.getByRole('button', { name: 'Set the password and sign in' }).click()
    await page.getByRole('heading', { name: 'People' }).waitFor()
    await page.context().clearCookies()
    await go(`/reset?token=${token}`)
    await page.getByLabel('New password').fill('Another-staple-glacier-9')
    await page.getByRole('button', { name: 'Set the password and sign in' }).click()
    await page.getByRole('heading', { name: 'This link does not work any longer' }).waitFor()
  })

  await t.test('says what is missing in incomplete links', async () => {
    const { page, go } = await site.open()
    await go('/reset')
    await page.getByRole('link', { name: 'Send me a new link' }).waitFor()
    await go('/accept')
    await page.getByRole('heading', { name: 'This link is not complete' }).waitFor()
  })
})
