// The audit log, in a browser.
import { readFileSync } from 'node:fs'
import { test } from 'tap'
import { ADA, checkPage, noBrowser, openSite, PHONE } from '../support/browser.ts'
import { signInAs } from '../support/people.ts'

test('the audit log', { skip: noBrowser, timeout: 120_000 }, async (t) => {
  const site = await openSite(t)
  const [adaId, benId, cleoId] = await site.people([
    ADA,
    { email: 'ben@acme.test', role: 'administrator', displayName: 'Ben Li' },
    { email: 'cleo@acme.test', role: 'responder', displayName: '=HYPERLINK("https://x.test")' }
  ])
  const ada = { cookie: await signInAs(site.owner, site.tenantId, adaId!) }
  const ben = { cookie: await signInAs(site.owner, site.tenantId, benId!) }
  const { data } = await site.mutate('acme', 'groups.create', { displayName: 'Dispatch' }, ada)
  await site.mutate('acme', 'groups.addMembers', { groupId: data.group.id, userIds: [benId, cleoId] }, ada)
  await site.mutate('acme', 'users.setRole', { userId: cleoId, role: 'manager' }, ada)
  await site.mutate('acme', 'settings.update', { passwordMinLength: 14 }, ben)
  await site.mutate('acme', 'users.deactivate', { userId: cleoId }, ben)
  for (let count = 0; count < 70; count++) {
    const displayName = `Dispatch ${count}`
    await site.mutate('acme', 'groups.update', { groupId: data.group.id, displayName }, ada)
  }

  await t.test('shows the newest entry first, and each entry’s changes', async (t) => {
    const { page, go } = await site.open({ userId: adaId })
    await go('/audit')
    const line = (text: RegExp) => page.getByRole('button', { name: text })
    await line(/Ada Lovelace changed the group Dispatch 69/).waitFor()
    t.match(await page.locator('.row').first().textContent(), /Dispatch 69/)
    await checkPage(t, page, 'audit')

    await page.getByRole('searchbox').fill('role')
    await page.waitForURL(/search=role/)
    await line(/Ada Lovelace changed the role of/).click()
    const changes = page.getByRole('table')
    t.match(await changes.textContent(), /Role.*responder.*manager/, 'before and after')
    await page.getByText('user.roleChanged').waitFor()
    await checkPage(t, page, 'audit-details')
    await page.getByRole('button', { name: /^Only about =HYPER/ }).click()
    await page.waitForURL(new RegExp(`target=${cleoId}`))
    await page.getByRole('button', { name: 'Clear', exact: true }).click()
    await page.waitForURL((url) => url.search === '')
    await go('/audit?action=group.membersChanged')
    await line(/Ada Lovelace changed the members of Dispatch/).click()
    await page.getByText('Added (2)').waitFor()
    await page.getByRole('link', { name: 'Ben Li' }).waitFor()
  })

  await t.test('keeps filters in the page’s address', async (t) => {
    const { page, go } = await site.open({ userId: adaId })
    await go('/audit')
    await page.getByRole('combobox', { name: 'Done by' }).fill('ben')
    await page.getByRole('option', { name: 'Ben Li' }).click()
    await page.waitForURL(new RegExp(`actor=${benId}`))
    await page.getByText('Ben Li deactivated').waitFor()
    await page.locator('.row', { hasText: 'Ada Lovelace' }).first().waitFor({ state: 'detached' })
    await page.getByRole('combobox', { name: 'Action' }).click()
    await page.getByRole('option', { name: 'Settings changed' }).click()
    await page.waitForURL(/action=tenant.settingsChanged/)
    await page.getByText('Ben Li deactivated').waitFor({ state: 'detached' })
    t.equal(await page.locator('.row').count(), 1)
    await page.reload()
    await page.getByText('Ben Li changed the settings of').waitFor()
    t.equal(await page.getByRole('combobox', { name: 'Done by' }).inputValue(), 'Ben Li', 'with the name, not the id')

    await page.getByLabel('Until').fill('2020-01-01')
    await page.getByRole('heading', { name: 'Nothing matches' }).waitFor()
    await page.getByRole('button', { name: 'Clear the filters' }).click()
    await page.getByText('Dispatch 69').waitFor()

    await go('/audit?actor=nonsense&from=never&action=drop%20table')
    await page.getByText('Dispatch 69').waitFor()
  })

  await t.test('pages to the first entry, and exports CSV without formulas', async (t) => {
    const { page, go } = await site.open({ userId: adaId })
    await go('/audit?search=dispatch')
    const oldest = page.getByText('created the group')
    while (!(await oldest.isVisible())) {
      await page.evaluate(() => window.scrollTo(0, document.body.scrollHeight))
      await page.waitForTimeout(30)
    }
    await go(`/audit?target=${cleoId}`)
    await page.getByText('Ben Li deactivated').waitFor()
    const exported = async (item: string) => {
      await page.getByRole('button', { name: 'Export' }).click()
      const link = page.getByRole('menuitem', { name: item })
      await link.waitFor()
      const [file] = await Promise.all([page.waitForEvent('download'), link.click()])
      return file
    }
    const jsonl = await exported('JSON lines')
    t.match(jsonl.suggestedFilename(), /^audit-log-acme-\d{4}-\d\d-\d\d\.jsonl$/)
    t.equal(readFileSync(await jsonl.path(), 'utf8').split('\n').length, 3)
    const file = await exported('CSV')
    t.match(file.suggestedFilename(), /^audit-log-acme-\d{4}-\d\d-\d\d\.csv$/)
    const lines = readFileSync(await file.path(), 'utf8').split('\r\n')
    t.match(lines[0], /^\ufeffat,action,/)
    t.match(lines[1], `"'=HYPERLINK(""https://x.test"")"`, 'a name that is a formula is text')
  })

  await t.test('has the filters behind a button on a phone', async (t) => {
    const { page, go } = await site.open({ userId: adaId, screen: PHONE, colorScheme: 'dark' })
    await go('/audit')
    await page.getByText('Dispatch 69').waitFor()
    t.equal(await page.getByLabel('Until').isVisible(), false)
    await checkPage(t, page, 'audit')
    await page.getByRole('button', { name: 'Filters' }).click()
    await page.getByLabel('Until').waitFor()
    await page.getByRole('button', { name: /changed the group Dispatch 69/ }).click()
    await page.getByRole('table').waitFor()
    await checkPage(t, page, 'audit-filters')
  })
})
