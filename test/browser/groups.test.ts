// The groups of an organisation and the people in them, in a browser.
import type { Page } from 'playwright-core'
import { test } from 'tap'
import { ADA, checkPage, noBrowser, openSite, PHONE, type Site } from '../support/browser.ts'
import { signInAs } from '../support/people.ts'

const people = (count: number) =>
  Array.from({ length: count }, (_, index) => ({
    email: `person${String(index).padStart(3, '0')}@acme.test`,
    displayName: `Person ${String(index).padStart(3, '0')}`
  }))

const createGroup = async (site: Site, userId: string, displayName: string, members: string[] = []) => {
  const cookie = await signInAs(site.owner, site.tenantId, userId)
  const { data, error } = await site.mutate('acme', 'groups.create', { displayName, members }, { cookie })
  if (error) throw new Error(error.message)
  return data.group.id as string
}

const names = (page: Page) => page.locator('.row .person-name').allTextContents()

test('groups', { skip: noBrowser, timeout: 120_000 }, async (t) => {
  const site = await openSite(t)
  const [adaId, ritaId, ...crowdIds] = await site.people([
    ADA,
    { email: 'rita@acme.test', role: 'responder', displayName: 'Rita Moss' },
    ...people(240)
  ])

  await t.test('are made, filled, renamed and deleted', async (t) => {
    const { page, go } = await site.open({ userId: adaId })
    await go('/groups')
    await page.getByRole('heading', { name: 'There are no groups yet' }).waitFor()
    await checkPage(t, page, 'groups-empty')

    await page.getByRole('button', { name: 'Create group' }).first().click()
    const dialog = page.getByRole('dialog')
    await dialog.getByRole('button', { name: 'Create group' }).click()
    await dialog.getByText('Give the group a name.').waitFor()
    await dialog.getByLabel('Name').fill('Dispatch')
    await page.keyboard.press('Enter')
    await page.getByRole('heading', { name: 'Dispatch', level: 1 }).waitFor()
    t.match(page.url(), /\/groups\/[\da-f-]{36}$/, 'and leads to its page')
    await page.getByRole('heading', { name: 'Nobody is in this group yet' }).waitFor()

    await page.getByRole('button', { name: 'Add people' }).first().click()
    await dialog.getByRole('searchbox').fill('person00')
    await dialog.getByRole('checkbox', { name: /Person 003/ }).check()
    await dialog.getByRole('checkbox', { name: /Person 004/ }).check()
    await dialog.getByRole('searchbox').fill('rita')
    await dialog.getByRole('checkbox', { name: /Rita Moss/ }).check()
    await dialog.getByRole('button', { name: 'Do not add Person 004' }).click()
    await checkPage(t, page, 'group-add')
    await dialog.getByRole('button', { name: 'Add 2 people' }).click()
    await page.getByText('2 people now in Dispatch.').waitFor()
    await page.getByRole('link', { name: 'Rita Moss' }).waitFor()
    await page.getByText('2 members').waitFor()
    await checkPage(t, page, 'group')

    await page.getByRole('button', { name: 'Remove Rita Moss from the group' }).click()
    await page.getByText('Rita Moss is no longer in Dispatch.').waitFor()
    await page.getByText('1 member ').waitFor()
    t.same(await names(page), ['Person 003'])
    await page.getByRole('button', { name: 'Undo' }).click()
    await page.getByText('2 members').waitFor()
    await page.getByRole('link', { name: 'Rita Moss' }).waitFor()

    await page.getByRole('button', { name: 'More actions' }).click()
    await page.getByRole('menuitem', { name: 'Rename' }).click()
    await dialog.getByLabel('Name').fill('Night shift')
    await dialog.getByRole('button', { name: 'Rename' }).click()
    await page.getByRole('heading', { name: 'Night shift', level: 1 }).waitFor()

    await page.getByRole('button', { name: 'More actions' }).click()
    await page.getByRole('menuitem', { name: 'Delete group' }).click()
    await dialog.getByRole('button', { name: 'Delete group' }).click()
    await page.getByText('The group Night shift is deleted.').waitFor()
    t.match(page.url(), /\/groups$/)
    await page.getByRole('heading', { name: 'There are no groups yet' }).waitFor()
  })

  await t.test('with a taken name are refused beside the field', async () => {
    await createGroup(site, adaId!, 'Board')
    const { page, go } = await site.open({ userId: adaId })
    await go('/groups')
    await page.getByRole('button', { name: 'Create group' }).click()
    await page.getByRole('dialog').getByLabel('Name').fill('BOARD')
    await page.keyboard.press('Enter')
    await page.getByText('Another group has this name.').waitFor()
  })

  await t.test('with many members are searched and paged to the end', async (t) => {
    const groupId = await createGroup(site, adaId!, 'Everybody', crowdIds)
    const { page, go } = await site.open({ userId: adaId })
    await go('/groups')
    await page.getByRole('searchbox').fill('every')
    await page.waitForURL(/search=every/)
    await page.getByRole('link', { name: 'Board' }).waitFor({ state: 'detached' })
    t.same(await names(page), ['Everybody'])
    await page.getByRole('link', { name: 'Everybody' }).click()
    await page.getByText('240 members ·').waitFor()

    await page.getByRole('searchbox').fill('person 117')
    await page.waitForURL(/search=person/)
    await page.getByRole('link', { name: 'Person 000' }).waitFor({ state: 'detached' })
    t.same(await names(page), ['Person 117'])
    await page.reload()
    await page.getByRole('link', { name: 'Person 117' }).waitFor()
    t.same(await names(page), ['Person 117'], 'the address keeps the search')
    await page.getByRole('searchbox').fill('nobody at all')
    await page.getByRole('heading', { name: 'Nobody in this group is called that' }).waitFor()

    await go(`/groups/${groupId}`)
    const last = page.getByRole('link', { name: 'Person 239' })
    while (!(await last.isVisible())) {
      await page.evaluate(() => window.scrollTo(0, document.body.scrollHeight))
      await page.waitForTimeout(30)
    }
    t.ok((await page.locator('.row').count()) < 60, 'only what is in sight is in the page')
  })

  await t.test('can be read on a phone, by somebody who may not change them', async (t) => {
    const { page, go } = await site.open({ userId: ritaId, screen: PHONE, colorScheme: 'dark' })
    await go('/groups')
    await page.getByRole('link', { name: 'Everybody' }).waitFor()
    t.equal(await page.getByRole('button', { name: 'Create group' }).count(), 0, 'what is refused is not offered')
    await checkPage(t, page, 'groups')
    await page.getByRole('link', { name: 'Everybody' }).click()
    await page.getByRole('link', { name: 'Person 000' }).waitFor()
    t.equal(await page.getByRole('button', { name: /Remove/ }).count(), 0)
    await checkPage(t, page, 'group')

    await go('/groups/01960000-0000-7000-8000-000000000000')
    await page.getByRole('heading', { name: 'There is no such group' }).waitFor()
  })
})
