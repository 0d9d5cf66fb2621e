// Which groups give which roles, in a browser: drafted, previewed, applied, and shown on a person's page.
import { test } from 'tap'
import { ADA, checkPage, noBrowser, openSite, PHONE } from '../support/browser.ts'

test('roles by group', { skip: noBrowser, timeout: 120_000 }, async (t) => {
  const site = await openSite(t)
  const [adaId, benId] = (await site.people([
    ADA,
    { email: 'ben@acme.test', displayName: 'Ben Bell', role: 'responder' }
  ])) as [string, string]
  const caller = { token: site.deps.operatorToken }
  for (const [displayName, members] of [
    ['Team leads', [benId]],
    ['Night shift', []]
  ] as const) {
    await site.mutate('acme', 'groups.create', { displayName, members }, caller)
  }

  await t.test('are previewed before they apply', async (t) => {
    const { page, go } = await site.open({ userId: adaId })
    await go('/groups')
    await page.getByRole('link', { name: 'Roles by group' }).click()
    await page.getByText('No group gives a role').waitFor()
    await page.getByRole('combobox', { name: 'Add a group' }).fill('team')
    await page.getByRole('option', { name: 'Team leads' }).click()
    await page.getByRole('combobox', { name: 'Role of Team leads' }).waitFor()
    await checkPage(t, page, 'group-roles-draft')
    await page.getByRole('button', { name: 'See who would change' }).click()
    await page.getByRole('heading', { name: '1 role would change' }).waitFor()
    await page.getByText('Ben Bell').waitFor()
    await page.getByText('by Team leads').waitFor()
    await checkPage(t, page, 'group-roles-preview')
    await page.getByRole('button', { name: 'Let it count' }).click()
    await page.getByText('1 person has their role from a group.').waitFor()
    const { role } = await site.owner
      .selectFrom('users')
      .select('role')
      .where('id', '=', benId)
      .executeTakeFirstOrThrow()
    t.equal(role, 'manager')

    await go(`/users/${benId}`)
    await page.getByText('Manager by a group; without groups responder.').waitFor()
    await page.getByText('gives manager').waitFor()
    t.equal(await page.getByRole('combobox', { name: 'Own role' }).inputValue(), 'responder')
    await checkPage(t, page, 'user-role-by-group')
    const phone = await site.open({ userId: adaId, screen: PHONE })
    await phone.go('/group-roles')
    await phone.page.getByText('1 person has their role from a group.').waitFor()
    await checkPage(t, phone.page, 'group-roles')

    await go('/group-roles')
    await page.getByRole('button', { name: 'Team leads gives no role' }).click()
    await page.getByRole('button', { name: 'See who would change' }).click()
    await page.getByText('0 would become higher, 1 lower.').waitFor()
    await page.getByRole('button', { name: 'Let it count' }).click()
    await page.getByText('Nobody has their role from a group yet.').waitFor()
  })

  await t.test('are for administrators only', async (t) => {
    const { page, go } = await site.open({ userId: benId })
    await go('/groups')
    await page.getByText('Night shift').waitFor()
    t.equal(await page.getByRole('link', { name: 'Roles by group' }).count(), 0)
    await go('/group-roles')
    await page.getByText('Roles are for administrators').waitFor()
  })
})
