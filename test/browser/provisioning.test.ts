// Connecting an identity provider, in a browser.
import type { Page } from 'playwright-core'
import { type Test, test } from 'tap'
import { ADA, checkPage, noBrowser, openSite, PHONE, type Site } from '../support/browser.ts'

const shownToken = (page: Page) => page.getByRole('dialog').getByLabel('Token', { exact: true }).inputValue()

const askScim = async (site: Site, token: string, path = '/Users?count=1') => {
  const headers = { authorization: `Bearer ${token}` }
  return (await site.inject('acme.localhost', { method: 'GET', url: `/scim/v2${path}`, headers })).statusCode
}

test('provisioning', { skip: noBrowser, timeout: 120_000 }, async (t) => {
  const site = await openSite(t)
  const [adaId] = await site.people([ADA])

  await t.test('makes, uses, rotates and revokes a token', async (t) => {
    const { page, go } = await site.open({ userId: adaId })
    await go('/provisioning')
    await page.getByRole('heading', { name: 'No identity provider is connected' }).waitFor()
    t.equal(await page.getByRole('textbox', { name: 'Base URL' }).inputValue(), `${site.urlOf('acme')}/scim/v2`)
    await checkPage(t, page, 'provisioning-empty')

    const first = await makeToken(t, page)
    t.equal(await askScim(site, first), 200, 'the token works')
    await page.getByRole('dialog').getByRole('button', { name: 'I have copied it' }).click()
    await page.getByRole('heading', { name: 'Okta', level: 3 }).waitFor()
    t.match(page.url(), /guide=okta/, 'the guide of the provider is shown')
    t.notMatch(await page.content(), first, 'the token is not shown again')

    await go('/provisioning')
    await page.getByText('Connected', { exact: true }).waitFor()
    t.equal(await askScim(site, first, '/Users?filter=nonsense'), 400)
    await page.reload()
    await page.getByText('1 error in the last day.').waitFor()
    await page.getByText('Connected, with errors').waitFor()
    await page.getByRole('button', { name: 'Rotate the token of Okta' }).click()
    await page.getByRole('button', { name: 'Create new token' }).click()
    const second = await shownToken(page)
    t.not(second, first)
    t.same([await askScim(site, first), await askScim(site, second)], [200, 200], 'both work for a while')
    await page.getByRole('button', { name: 'I have copied it' }).click()
    await page.getByText('Replaced token').waitFor()
    await checkPage(t, page, 'provisioning')

    await page.getByRole('button', { name: 'Revoke the replaced token of Okta' }).click()
    await page.getByRole('dialog').getByRole('button', { name: 'Revoke token' }).click()
    await page.getByText('The token is revoked.').waitFor()
    t.same([await askScim(site, first), await askScim(site, second)], [401, 200])
    await page.getByRole('button', { name: 'Show ended tokens (1)' }).click()
    await page.getByText('Revoked token').waitFor()

    await page.getByRole('button', { name: 'Revoke the token of Okta' }).click()
    await page.getByRole('dialog').getByRole('button', { name: 'Revoke token' }).click()
    await page.getByText('No working token').waitFor()
    await page.getByRole('button', { name: 'New token for Okta' }).waitFor()
  })

  await t.test('has a page for each connection, where it is renamed and removed', async (t) => {
    const { page, go } = await site.open({ userId: adaId })
    await go('/provisioning')
    await page.getByRole('link', { name: 'Okta' }).click()
    await page.getByRole('heading', { name: 'Okta', level: 1 }).waitFor()
    await page.getByText('No working token').waitFor()
    await checkPage(t, page, 'connection')
    await page.getByRole('button', { name: 'Change', exact: true }).click()
    const dialog = page.getByRole('dialog')
    await dialog.getByLabel('Name').fill('Okta Workforce')
    await checkPage(t, page, 'connection-edit')
    await dialog.getByRole('button', { name: 'Save' }).click()
    await page.getByRole('heading', { name: 'Okta Workforce', level: 1 }).waitFor()
    const phone = await site.open({ userId: adaId, screen: PHONE })
    await phone.page.goto(page.url())
    await phone.page.getByRole('heading', { name: 'Okta Workforce', level: 1 }).waitFor()
    await checkPage(t, phone.page, 'connection')
    await page.getByRole('button', { name: 'Remove', exact: true }).click()
    await dialog.getByRole('button', { name: 'Remove connection' }).click()
    await page.getByRole('heading', { name: 'No identity provider is connected' }).waitFor()
  })

  await t.test('has steps for each provider, with the tenant’s own address in them', async (t) => {
    const { page, go } = await site.open({ userId: adaId, screen: PHONE })
    await go('/provisioning?guide=onelogin')
    await page.getByText('SCIM JSON Template').waitFor()
    await checkPage(t, page, 'provisioning')
    for (const [tab, field] of [
      ['Microsoft Entra ID', 'Tenant URL'],
      ['Okta', 'SCIM connector base URL'],
      ['OneLogin', 'SCIM Base URL'],
      ['JumpCloud', 'Base URL'],
      ['Google Workspace', 'Endpoint URL']
    ] as const) {
      await page.getByRole('tab', { name: tab }).click()
      const panel = page.getByRole('tabpanel')
      await panel.locator('dt', { hasText: field }).first().waitFor()
      t.match(await panel.textContent(), `${site.urlOf('acme')}/scim/v2`, `${tab} gets the base URL`)
      t.match(await panel.textContent(), /Test/, `${tab} has a test`)
    }
    t.match(page.url(), /guide=google/)
    await checkPage(t, page, 'provisioning-google')
  })
})

async function makeToken(t: Test, page: Page): Promise<string> {
  const dialog = page.getByRole('dialog')
  await page.getByRole('button', { name: 'Create token' }).first().click()
  await dialog.getByRole('combobox', { name: 'Identity provider' }).click()
  await page.getByRole('option', { name: 'Okta' }).click()
  t.equal(await dialog.getByLabel('Name').inputValue(), 'Okta', 'the provider gives the name')
  await dialog.getByRole('combobox', { name: 'Highest role' }).click()
  await page.getByRole('option', { name: 'Manager' }).click()
  await dialog.getByRole('combobox', { name: 'Expires' }).click()
  await page.getByRole('option', { name: 'In 90 days' }).click()
  await checkPage(t, page, 'provisioning-create')
  await dialog.getByRole('button', { name: 'Create token' }).click()
  await dialog.getByText('Copy it now').waitFor()
  await checkPage(t, page, 'provisioning-token')
  return shownToken(page)
}
