// The page of one's own account, in a browser.
import { test } from 'tap'
import { encode } from 'uqr'
import { stepAt, totpOf } from '../../server/auth/totp.ts'
import { fromBase32 } from '../auth/acme.ts'
import { OPERATOR } from '../support/app.ts'
import { ADA, checkPage, noBrowser, openSite, PASSWORD, PHONE } from '../support/browser.ts'
import { signInAs } from '../support/people.ts'

test('my account', { skip: noBrowser, timeout: 120_000 }, async (t) => {
  const site = await openSite(t)
  const [adaId] = await site.people([ADA])
  await signInAs(site.owner, site.tenantId, adaId!)

  await t.test('shows profile, sessions and API tokens, and changes them', async (t) => {
    const { page, go, context } = await site.open({ userId: adaId })
    await context.grantPermissions(['clipboard-read', 'clipboard-write'])
    await go('/account')
    await page.getByLabel('Given name').fill('Augusta')
    await page.getByRole('button', { name: 'Save profile' }).click()
    await page.getByText('Your profile is saved.').waitFor()

    await page.getByText('This session').waitFor()
    await page
      .getByRole('button', { name: /^End the session/ })
      .first()
      .click()
    await page.getByText('That session has ended.').waitFor()

    await page.getByRole('button', { name: 'New token' }).click()
    await page.getByLabel('Name', { exact: true }).fill('Payroll sync')
    await page.getByLabel('Role', { exact: true }).selectOption('responder')
    await page.getByRole('button', { name: 'Make token' }).click()
    const field = page.getByRole('textbox', { name: 'API token' })
    const token = await field.inputValue()
    await page.getByRole('button', { name: 'Copy API token' }).click()
    await page.getByText('Copied', { exact: true }).waitFor()
    t.equal(await page.evaluate(() => navigator.clipboard.readText()), token)
    await checkPage(t, page, 'account-token')
    const me = await site.query('acme', 'auth.me', undefined, { token })
    t.match(me.data, { role: 'responder', via: 'apiToken' }, 'the token works, with the least that was given')
    await page.getByRole('button', { name: 'I have copied it' }).click()
    await page.getByRole('button', { name: 'Revoke the token Payroll sync' }).click()
    await page.getByRole('dialog').getByRole('button', { name: 'Revoke' }).click()
    await page.getByText('The token Payroll sync is revoked.').waitFor()
    await page.getByText('No token yet.').waitFor()
    t.equal((await site.query('acme', 'auth.me', undefined, { token })).status, 401)
  })

  await t.test('replaces the old password by a new one', async (t) => {
    await site.owner
      .insertInto('user_credentials')
      .values({
        tenant_id: site.tenantId,
        user_id: adaId!,
        password_hash: await site.deps.auth.passwords.hash(PASSWORD),
        updated_at: new Date()
      })
      .execute()
    const { page, go } = await site.open({ userId: adaId })
    await go('/account')
    await page.getByLabel('Current password').fill('not this one')
    await page.getByLabel('New password').fill('Another-staple-glacier-9')
    await page.getByRole('button', { name: 'Change password' }).click()
    await page.getByText('That is not your current password.').waitFor()
    await page.getByLabel('Current password').fill(PASSWORD)
    await page.getByRole('button', { name: 'Change password' }).click()
    await page.getByText('Your password is changed.').waitFor()
    const old = await site.mutate('acme', 'auth.signIn', { email: ADA.email, password: PASSWORD })
    t.equal(old.error?.reason, 'invalidCredentials')
    const { status } = await site.mutate('acme', 'auth.signIn', {
      email: ADA.email,
      password: 'Another-staple-glacier-9'
    })
    t.equal(status, 200)
  })

  await t.test('leads to sign-in after signing out everywhere, on a phone', async (t) => {
    const { page, go } = await site.open({ userId: adaId, screen: PHONE })
    await go('/account?welcome=true')
    await page.getByText('One last step').waitFor()
    await page.getByText('This session').waitFor()
    await checkPage(t, page, 'account')
    await page.getByRole('button', { name: 'Sign out everywhere' }).click()
    await page.getByRole('dialog').getByRole('button', { name: 'Sign out everywhere' }).click()
    await page.getByRole('heading', { name: 'Sign in' }).waitFor()
  })

  await t.test('sets up a second factor, which sign-in then asks for, and removes it with the password', async (t) => {
    const [benId] = await site.people([{ email: 'ben@acme.test', displayName: 'Ben' }])
    await givePassword(benId!)
    const { page, go } = await site.open({ userId: benId })
    const codeOf = (secret: string) => totpOf(fromBase32(secret), stepAt(site.clock.now()))
    await go('/account')
    const section = page.getByRole('region', { name: 'Second factor' })
    await section.getByRole('button', { name: 'Set it up' }).click()
    const secret = await section.getByRole('textbox', { name: 'Key' }).inputValue()
    const uri = (await section.getByRole('link', { name: 'open the app' }).getAttribute('href'))!
    t.match(uri, `secret=${secret}`)
    const drawn = await section.getByRole('img', { name: 'QR code' }).locator('path').getAttribute('d')
    const { data } = encode(uri, { ecc: 'M', border: 4 })
    t.same(modulesOf(drawn!, data.length), data)
    await section.getByRole('textbox', { name: 'Code' }).fill('000000')
    await section.getByRole('button', { name: 'Turn it on' }).click()
    await section.getByText('That code is wrong').waitFor()
    await checkPage(t, page, 'account-second-factor')
    await section.getByRole('textbox', { name: 'Code' }).fill(codeOf(secret))
    await section.getByRole('button', { name: 'Turn it on' }).click()
    const codes = (await section.locator('pre').textContent())!.split('\n')
    t.equal(codes.length, 10)
    await checkPage(t, page, 'account-recovery-codes')
    await section.getByRole('button', { name: 'I have kept them' }).click()
    await section.getByText('10 recovery codes left').waitFor()

    const other = await site.open()
    await other.go('/sign-in')
    await other.page.getByLabel('E-mail address').fill('ben@acme.test')
    await other.page.getByLabel('Password', { exact: true }).fill(PASSWORD)
    await other.page.getByRole('button', { name: 'Sign in' }).click()
    await other.page.getByLabel('Code').fill(codes[0]!)
    await checkPage(t, other.page, 'sign-in-code')
    await other.page.getByRole('button', { name: 'Sign in' }).click()
    await other.page.getByRole('heading', { name: 'People' }).waitFor()

    site.clock.advance({ minutes: 20 })
    await section.getByRole('button', { name: 'Take it away' }).click()
    await page.getByRole('dialog').getByRole('button', { name: 'Take it away' }).click()
    const dialog = page.getByRole('dialog', { name: 'Is it still you?' })
    await dialog.getByLabel('Password', { exact: true }).fill(PASSWORD)
    await dialog.getByRole('button', { name: 'Go on' }).click()
    await dialog.getByLabel('Code').fill(codeOf(secret))
    await checkPage(t, page, 'ask-again')
    await dialog.getByRole('button', { name: 'Go on' }).click()
    await section.getByRole('button', { name: 'Set it up' }).waitFor()

    site.clock.advance({ minutes: 20 })
    await page.getByRole('button', { name: 'New token' }).click()
    await page.getByLabel('Name', { exact: true }).fill('Nightly sync')
    await page.getByRole('button', { name: 'Make token' }).click()
    await dialog.getByLabel('Password', { exact: true }).fill(PASSWORD)
    await dialog.getByRole('button', { name: 'Go on' }).click()
    await page.getByRole('textbox', { name: 'API token' }).waitFor()
    await page.getByRole('button', { name: 'I have copied it' }).click()

    await site.mutate('acme', 'settings.update', { secondFactor: 'everybody' }, OPERATOR)
    await go('/users')
    await page.getByRole('heading', { name: 'One more step' }).waitFor()
    await checkPage(t, page, 'must-set-up')
    await site.mutate('acme', 'settings.update', { secondFactor: null }, OPERATOR)
  })

  await t.test(
    'lets an administrator remove somebody else’s second factor after giving the password again',
    async (t) => {
      const [cleoId, danaId] = await site.people([
        { email: 'cleo@acme.test', displayName: 'Cleo' },
        { email: 'dana@acme.test', displayName: 'Dana', role: 'administrator' }
      ])
      const now = site.clock.now()
      await site.owner
        .insertInto('second_factors')
        .values({
          tenant_id: site.tenantId,
          user_id: cleoId!,
          secret_sealed: Buffer.from('sealed'),
          last_step: '0',
          recovery_hashes: [],
          created_at: now,
          confirmed_at: now
        })
        .execute()
      await givePassword(danaId!)
      const { page, go } = await site.open({ userId: danaId })
      await go(`/users/${cleoId}`)
      site.clock.advance({ minutes: 20 })
      await page.getByRole('button', { name: 'Actions' }).click()
      await page.getByRole('menuitem', { name: 'Take the second factor away' }).click()
      await page.getByRole('dialog').getByRole('button', { name: 'Take the second factor away' }).click()
      const dialog = page.getByRole('dialog', { name: 'Is it still you?' })
      await dialog.getByLabel('Password', { exact: true }).fill(PASSWORD)
      await checkPage(t, page, 'reset-ask-again')
      await dialog.getByRole('button', { name: 'Go on' }).click()
      await page.getByText('Cleo has no second factor now.').waitFor()
    }
  )

  async function givePassword(userId: string): Promise<void> {
    const password_hash = await site.deps.auth.passwords.hash(PASSWORD)
    await site.owner
      .insertInto('user_credentials')
      .values({ tenant_id: site.tenantId, user_id: userId, password_hash, updated_at: new Date() })
      .execute()
  }
})

/** Whether each square of a picture is dark, from the path that fills the dark ones. */
function modulesOf(path: string, size: number): boolean[][] {
  const dark = new Set(path.match(/\d+ \d+(?=h1v1h-1z)/g))
  return Array.from({ length: size }, (_, y) => Array.from({ length: size }, (_, x) => dark.has(`${x} ${y}`)))
}
