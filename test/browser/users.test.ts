// The list of people and the page of a person, in a browser.
import { test } from 'tap'
import { ADA, checkPage, DESKTOP, noBrowser, openSite, PHONE } from '../support/browser.ts'
import type { PersonSpec } from '../support/people.ts'

const ROLES = ['stakeholder', 'responder', 'manager'] as const

const crowd = (count: number): PersonSpec[] =>
  Array.from({ length: count }, (_, index) => ({
    email: `person${String(index).padStart(4, '0')}@acme.test`,
    displayName: `Person ${String(index).padStart(4, '0')}`,
    role: ROLES[index % 3]!,
    state: index % 10 === 0 ? 'deactivated' : 'active',
    ...(index % 4 > 0 && { lastSignInAt: new Date(Date.now() - index * 3_600_000) })
  }))

test('people', { skip: noBrowser, timeout: 120_000 }, async (t) => {
  const site = await openSite(t)
  const [adaId, benId] = await site.people([
    ADA,
    { email: 'ben@acme.test', role: 'responder', displayName: 'Ben Li', lastSignInAt: new Date() },
    { email: 'cleo@acme.test', role: 'manager', displayName: 'Cleo Moss', state: 'deactivated' },
    { email: 'dora@acme.test', role: 'responder', displayName: 'Dora Stone', locked: true },
    ...crowd(600)
  ])

  await t.test('are searched, narrowed and sorted, all of it kept in the page’s address', async (t) => {
    const { page, go } = await site.open({ userId: adaId })
    await go('/')
    await page.getByRole('link', { name: 'Ada Lovelace' }).waitFor()
    t.match(page.url(), /\/users$/, 'the start leads to the people')
    t.equal(await page.title(), 'People · Muster')
    await page.getByText('604 people').waitFor()
    await checkPage(t, page, 'users')

    await page.getByRole('searchbox').fill('ben')
    await page.waitForURL(/search=ben/)
    await page.getByText('1 fits').waitFor()
    t.same(await page.locator('.row .person-name').allTextContents(), ['Ben Li'])

    await page.getByRole('button', { name: 'Clear the search' }).click()
    await page.getByLabel('State', { exact: true }).selectOption('locked')
    await page.waitForURL(/state=locked/)
    await page.getByText('1 fits').waitFor()
    t.same(await page.locator('.row .person-name').allTextContents(), ['Dora Stone'])

    await go('/users?role=manager&sort=displayName&direction=desc')
    await page.getByRole('link', { name: 'Person 0599' }).waitFor()
    t.equal(await page.locator('.row .person-name').first().textContent(), 'Person 0599', 'a deep link shows the same')

    await go('/users?search=nobody-is-called-this')
    await page.getByRole('heading', { name: 'Nobody fits' }).waitFor()
    await page.getByRole('button', { name: 'Show everybody' }).click()
    await page.getByText('604 people').waitFor()
  })

  await t.test('are paged to the end, and the back button returns to the same place', async (t) => {
    const { page, go } = await site.open({ userId: adaId })
    await go('/users')
    const last = page.getByRole('link', { name: 'Person 0599' })
    while (!(await last.isVisible())) {
      await page.evaluate(() => window.scrollTo(0, document.body.scrollHeight))
      await page.waitForTimeout(30)
    }
    t.ok((await page.locator('.row').count()) < 60, 'only what is in sight is in the page')
    // where a click scrolls it into view
    await last.hover()
    const before = await page.evaluate(() => window.scrollY)
    await last.click()
    await page.getByRole('heading', { name: 'Person 0599', level: 1 }).waitFor()
    await page.goBack()
    await last.waitFor()
    await page.waitForFunction((y) => Math.abs(window.scrollY - y) < 100, before)
  })

  await t.test('are shown as cards on a phone', async (t) => {
    const { page, go } = await site.open({ userId: adaId, screen: PHONE, colorScheme: 'dark' })
    await go('/users')
    await page.getByRole('link', { name: 'Ben Li' }).waitFor()
    await checkPage(t, page, 'users-dark')
    await page.getByRole('button', { name: 'Navigation' }).click()
    await page.getByRole('link', { name: 'Invitations' }).waitFor()
    await page.getByRole('link', { name: 'Invitations' }).click()
    await page.getByRole('heading', { name: 'Invitations', level: 1 }).waitFor()
  })

  await t.test('are changed, locked, deactivated and removed by an administrator, who sees who did what', async (t) => {
    const { page, go } = await site.open({ userId: adaId })
    await go('/users?search=ben')
    await page.getByRole('link', { name: 'Ben Li' }).click()
    await page.getByRole('heading', { name: 'Ben Li', level: 1 }).waitFor()
    await page.getByLabel('Role', { exact: true }).selectOption('manager')
    await page.getByText('Ben Li is manager now.').waitFor()

    await page.getByRole('button', { name: 'Edit profile' }).click()
    await page.getByLabel('Given name').fill('Benjamin')
    await page.getByRole('button', { name: 'Save' }).click()
    await page.getByText('The profile is saved.').waitFor()

    await page.getByRole('button', { name: 'Actions' }).click()
    const remove = page.getByRole('menuitem', { name: /Remove/ })
    t.match(await remove.textContent(), /Deactivate them first/, 'what is not possible says why')
    await page.getByRole('menuitem', { name: /Lock out/ }).click()
    await page.getByRole('dialog').getByRole('button', { name: 'Lock out' }).click()
    await page.getByText('Ben Li is locked out.').waitFor()

    await page.getByRole('button', { name: 'Actions' }).click()
    await page.getByRole('menuitem', { name: 'Deactivate', exact: true }).click()
    await page.getByRole('dialog', { name: 'Deactivate Ben Li?' }).waitFor()
    await checkPage(t, page, 'user-confirm')
    await page.getByRole('dialog').getByRole('button', { name: 'Deactivate' }).click()
    await page.getByText('Ben Li is deactivated.').waitFor()
    await page.locator('.timeline').getByText('Role changed').waitFor()
    t.match(await page.locator('.timeline').textContent(), /role Responder → Manager.*/)
    await checkPage(t, page, 'user')

    await page.getByRole('button', { name: 'Actions' }).click()
    await page.getByRole('menuitem', { name: /Remove/ }).click()
    await page.getByRole('dialog').getByRole('button', { name: 'Remove' }).click()
    await page.getByText('Ben Li is removed.').waitFor()
  })

  await t.test('offer each person only the actions that they may do', async (t) => {
    const { page, go } = await site.open({ userId: adaId, screen: PHONE })
    await go(`/users/${adaId}`)
    await page.getByRole('button', { name: 'Actions' }).click()
    t.match(await page.getByRole('menuitem', { name: /^Deactivate/ }).textContent(), /ask another administrator/)
    await page.keyboard.press('Escape')
    await checkPage(t, page, 'user-self')

    const managerId = await site.owner
      .selectFrom('users')
      .select('id')
      .where('email_key', '=', 'person0002@acme.test')
      .executeTakeFirstOrThrow()
    const manager = await site.open({ userId: managerId.id, screen: DESKTOP })
    await manager.go(`/users/${adaId}`)
    await manager.page.getByText('Only administrators change roles and end access.').waitFor()
    t.equal(await manager.page.getByRole('button', { name: 'Actions' }).count(), 0)
    t.equal(await manager.page.getByRole('link', { name: 'Audit log' }).count(), 0)
    await manager.go(`/users/${benId}`)
    await manager.page.getByText('Nobody with this address in the page').waitFor()
  })
})
