// The operator's page on the base domain, in a browser.
import type { Page } from 'playwright-core'
import { test } from 'tap'
import { OPERATOR_TOKEN } from '../support/app.ts'
import { checkPage, noBrowser, openSite, PHONE } from '../support/browser.ts'

async function giveToken(page: Page): Promise<void> {
  await page.getByLabel('Operator token').fill(OPERATOR_TOKEN)
  await page.keyboard.press('Enter')
  await page.getByText('Acme Rescue').waitFor()
}

test('the operator’s page', { skip: noBrowser, timeout: 120_000 }, async (t) => {
  const site = await openSite(t)

  await t.test('makes, suspends, resumes and removes an organisation', async (t) => {
    const { page, context } = await site.open({ subdomain: '' })
    await page.goto(`${site.urlOf('')}/`)
    await page.waitForURL(/\/tenants$/)
    const token = page.getByLabel('Operator token')
    await token.fill('not the token')
    await page.keyboard.press('Enter')
    await page.getByText('This is not the operator token.').waitFor()
    await checkPage(t, page, 'operator')
    await token.fill(OPERATOR_TOKEN)
    await page.keyboard.press('Enter')
    await page.getByText('Acme Rescue').waitFor()
    await checkPage(t, page, 'tenants')

    await page.getByRole('button', { name: 'Create organisation' }).click()
    const dialog = page.getByRole('dialog')
    const change = async (action: string, state: string) => {
      await page.getByRole('button', { name: 'Actions for Müller & Söhne' }).click()
      await page.getByRole('menuitem', { name: action }).click()
      await dialog.getByRole('button', { name: action }).click()
      await page.getByText(state, { exact: true }).waitFor()
      await dialog.waitFor({ state: 'detached' })
    }
    await dialog.getByLabel('Name').fill('Müller & Söhne')
    t.equal(await dialog.getByLabel('Subdomain').inputValue(), 'muller-sohne', 'the name suggests the subdomain')
    await dialog.getByLabel('Subdomain').fill('acme')
    await dialog.getByLabel('First administrator').fill('eva@mueller.test')
    await checkPage(t, page, 'tenants-create')
    await dialog.getByRole('button', { name: 'Create organisation' }).click()
    await dialog.getByText('Another organisation has this subdomain.').waitFor()
    await dialog.getByLabel('Subdomain').fill('mueller')
    await dialog.getByRole('button', { name: 'Create organisation' }).click()
    await page.getByText('Müller & Söhne is there, and eva@mueller.test is invited.').waitFor()

    await page.getByRole('searchbox').fill('müller')
    await page.waitForURL(/search=/)
    await page.getByText('Acme Rescue').waitFor({ state: 'detached' })

    await page.getByRole('button', { name: 'Actions for Müller & Söhne' }).click()
    await page.getByRole('menuitem', { name: 'Remove for good' }).click()
    await dialog.getByText('Suspend it first').waitFor()
    await dialog.getByRole('button', { name: 'All right' }).click()
    await dialog.waitFor({ state: 'detached' })
    await change('Suspend', 'Suspended')
    await change('Resume', 'Active')
    await change('Suspend', 'Suspended')

    await page.getByRole('button', { name: 'Actions for Müller & Söhne' }).click()
    await page.getByRole('menuitem', { name: 'Remove for good' }).click()
    const remove = dialog.getByRole('button', { name: 'Remove for good' })
    t.equal(await remove.isDisabled(), true, 'only once the subdomain is typed')
    await dialog.getByLabel('Type mueller to confirm').fill('mueller')
    await checkPage(t, page, 'tenants-remove')
    await remove.click()
    await page.getByText('Müller & Söhne is removed.').waitFor()
    await page.getByRole('heading', { name: 'No organisation is called that' }).waitFor()

    await page.reload()
    await page.getByRole('searchbox').waitFor()
    const kept = await page.evaluate(() => [document.cookie, { ...localStorage }, { ...sessionStorage }])
    t.notMatch(JSON.stringify(kept), OPERATOR_TOKEN, 'the token is nowhere in the page')
    t.equal(kept[0], '', 'nor is the session that it began')
    const [cookie, ...others] = await context.cookies()
    t.match(cookie, { name: 'muster_operator', httpOnly: true, sameSite: 'Strict', domain: 'localhost', expires: -1 })
    t.same(others, [])
    await page.getByRole('button', { name: 'Sign out' }).click()
    await page.getByLabel('Operator token').waitFor()
    await page.reload()
    await page.getByLabel('Operator token').waitFor()
    t.same(await context.cookies(), [], 'nothing is left')
  })

  await t.test('tells an operator whose session has ended, and continues where they were', async (t) => {
    const { page } = await site.open({ subdomain: '' })
    await page.goto(`${site.urlOf('')}/tenants`)
    await giveToken(page)
    site.clock.advance({ hours: 2 })
    await page.getByRole('searchbox').fill('acme')
    await page.getByText('Your session has ended').waitFor()
    await checkPage(t, page, 'operator-ended')
    await giveToken(page)
    t.equal(await page.getByRole('searchbox').inputValue(), 'acme')
  })

  await t.test('works on a phone, and not on an organisation’s own address', async (t) => {
    const { page } = await site.open({ subdomain: '', screen: PHONE, colorScheme: 'dark' })
    await page.goto(`${site.urlOf('')}/tenants`)
    await giveToken(page)
    await checkPage(t, page, 'tenants')

    await page.goto(`${site.urlOf('acme')}/tenants`)
    await page.getByRole('heading', { name: 'The operator’s page is elsewhere' }).waitFor()
  })
})
