// An organisation's settings, in a browser.
import { test } from 'tap'
import { ADA, checkPage, noBrowser, openSite, PHONE } from '../support/browser.ts'

test('settings', { skip: noBrowser, timeout: 120_000 }, async (t) => {
  const site = await openSite(t)
  const [adaId, ritaId] = await site.people([ADA, { email: 'rita@acme.test', displayName: 'Rita Moss' }])

  await t.test('are saved and shown at once', async (t) => {
    const { page, go } = await site.open({ userId: adaId })
    await go('/settings')
    await page.getByRole('textbox', { name: 'Name', exact: true }).waitFor()
    t.equal(await page.getByRole('button', { name: 'Save' }).isDisabled(), true, 'there is nothing to save yet')
    await checkPage(t, page, 'settings')

    await page.getByRole('textbox', { name: 'Name', exact: true }).fill('Acme Alpine')
    await page.getByLabel('Sender’s name').fill('Acme Bergrettung')
    await page.getByLabel('Lifetime of an invitation').fill('48')
    await page.getByRole('combobox', { name: 'Allowed address domains' }).fill('Acme.test, @acme.example,')
    await page.getByLabel('Minimum length of passwords').fill('14')
    await page.getByLabel('Only what it provisioned itself').check()
    await page.getByLabel('Welcome mail').check({ force: true })
    await page.getByLabel('Keep removed people, in days').fill('90')
    await page.getByText('Unsaved changes').waitFor()
    await checkPage(t, page, 'settings-changed')
    await page.getByRole('button', { name: 'Save' }).click()
    await page.getByText('The settings are saved.').waitFor()
    await page.getByRole('link', { name: /Acme Alpine/ }).waitFor()
    const { settings } = await site.owner
      .selectFrom('tenants')
      .select('settings')
      .where('id', '=', site.tenantId)
      .executeTakeFirstOrThrow()
    t.same(settings, {
      senderName: 'Acme Bergrettung',
      invitationTtlHours: 48,
      allowedDomains: ['acme.test', 'acme.example'],
      passwordMinLength: 14,
      scimScope: 'own',
      scimWelcomeMail: true,
      removedUserRetentionDays: 90
    })
    await page.reload()
    await page.getByText('acme.example').waitFor()
    t.equal(await page.getByLabel('Minimum length of passwords').inputValue(), '14')
  })

  await t.test('say what is wrong beside the field, and send nothing', async (t) => {
    const { page, go } = await site.open({ userId: adaId, screen: PHONE })
    await go('/settings')
    await page.getByLabel('Logo').fill('http://acme.test/logo.svg')
    await page.getByLabel('Minimum length of passwords').fill('3')
    await page.getByRole('combobox', { name: 'Allowed address domains' }).fill('nonsense,')
    await page.getByLabel('Keep the audit log, in days').fill('7')
    await page.getByRole('button', { name: 'Save' }).click()
    await page.getByText('Enter a whole address that begins with https://').waitFor()
    await page.getByText('Enter a length from 8 to 128.').waitFor()
    await page.getByText('Enter a number of days from 30, or nothing to keep them for ever.').waitFor()
    await page.getByText('Not a domain such as example.com: nonsense.').waitFor()
    t.equal(await page.evaluate(() => document.activeElement?.getAttribute('aria-invalid')), 'true')
    await checkPage(t, page, 'settings-wrong')
    await page.getByRole('button', { name: 'Discard' }).click()
    t.equal(await page.getByLabel('Logo').inputValue(), '')
    t.equal(await page.getByText('Enter a length').count(), 0)
  })

  await t.test('are not left unsaved without a question', async (t) => {
    const { page, go } = await site.open({ userId: adaId })
    await go('/settings')
    await page.getByLabel('Sender’s name').fill('Somebody else')
    await page.getByRole('link', { name: 'Groups' }).click()
    const question = page.getByRole('dialog', { name: 'Leave without saving?' })
    await question.getByRole('button', { name: 'Cancel' }).click()
    await question.waitFor({ state: 'detached' })
    t.match(page.url(), /\/settings$/)
    t.equal(await page.getByLabel('Sender’s name').inputValue(), 'Somebody else')
    await page.getByRole('link', { name: 'Groups' }).click()
    await question.getByRole('button', { name: 'Leave' }).click()
    await page.getByRole('heading', { name: 'Groups', level: 1 }).waitFor()
  })

  await t.test('are not shown to others than administrators', async () => {
    const { page, go } = await site.open({ userId: ritaId })
    await go('/settings')
    await page.getByRole('heading', { name: 'Settings are for administrators' }).waitFor()
  })
})
