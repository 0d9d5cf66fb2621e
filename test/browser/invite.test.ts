// Inviting people and managing invitations, in a browser.
import { test } from 'tap'
import { ADA, checkPage, noBrowser, openSite, PHONE } from '../support/browser.ts'

test('invitations', { skip: noBrowser, timeout: 120_000 }, async (t) => {
  const site = await openSite(t)
  const [adaId, benId, staId] = await site.people([
    ADA,
    { email: 'ben@acme.test', role: 'manager', displayName: 'Ben Li' },
    { email: 'sta@acme.test', role: 'stakeholder', displayName: 'Sta Holder' }
  ])

  await t.test('turns pasted addresses into a list with roles, and shows each result', async (t) => {
    const { page, go } = await site.open({ userId: adaId })
    await go('/users')
    await page.getByRole('button', { name: 'Invite people' }).click()
    const dialog = page.getByRole('dialog', { name: 'Invite people' })
    const field = dialog.getByLabel('E-mail addresses')
    await field.fill('Cleo Moss <cleo@acme.test>; ben@acme.test,\n dan@acme.test CLEO@acme.test not-an-address')
    await field.press('Enter')
    await dialog.getByText('4 added').waitFor()
    t.equal(await field.inputValue(), '', 'the field is free for more')
    t.equal(await dialog.locator('.invitee').count(), 4)
    t.match(await dialog.locator('.invitee').nth(3).textContent(), /Not an e-mail address/, 'marked before sending')
    const roles = dialog.getByLabel('Role of cleo@acme.test')
    t.equal(await roles.inputValue(), 'responder', 'responder is first')
    t.same(await roles.locator('option').allTextContents(), ['Responder', 'Stakeholder', 'Manager', 'Administrator'])
    await roles.selectOption('manager')
    await checkPage(t, page, 'invite')
    await dialog.getByRole('button', { name: 'Send 3 invitations' }).click()
    await page.getByRole('dialog', { name: 'What became of your invitations' }).waitFor()
    t.same(
      (await page.locator('.outcomes summary').allTextContents()).map((text) => text.trim()),
      ['2 Invited', '1 Already here']
    )
    t.match(await page.locator('.outcomes').textContent(), /cleo@acme\.test\ndan@acme\.test/)
    await checkPage(t, page, 'invite-summary')
    await page.getByRole('button', { name: 'Done' }).click()
    await page.getByRole('link', { name: 'cleo@acme.test' }).waitFor()
    t.match(page.url(), /\/users$/)
  })

  await t.test('takes a dropped CSV of a thousand, gives all one role in a click, and sends them', async (t) => {
    const { page, go } = await site.open({ userId: adaId })
    await go('/users?invite=true')
    const dialog = page.getByRole('dialog', { name: 'Invite people' })
    await dialog.waitFor()
    const lines = Array.from({ length: 999 }, (_, index) => `"Person, No ${index}",bulk${index}@acme.test,`)
    const csv = ['Name,E-mail,Role', '"One, Boss",boss@acme.test,manager', ...lines].join('\r\n')
    await dialog
      .locator('input[type=file]')
      .setInputFiles({ name: 'people.csv', mimeType: 'text/csv', buffer: Buffer.from(csv) })
    await dialog.getByText('1,000 added from people.csv').waitFor()
    t.ok((await dialog.locator('.invitee').count()) < 40, 'only what is in sight is in the page')
    t.equal(await dialog.getByLabel('Role of boss@acme.test').inputValue(), 'manager', 'the role of the file')
    await dialog.getByLabel('Role for all').selectOption('stakeholder')
    t.equal(await dialog.getByLabel('Role of boss@acme.test').inputValue(), 'stakeholder')
    await checkPage(t, page, 'invite-thousand')
    await dialog.getByRole('button', { name: 'Send 1,000 invitations' }).click()
    await page.locator('.outcomes summary', { hasText: '1,000' }).waitFor()
    await page.getByRole('button', { name: 'Done' }).click()
    await page.getByText('1,005 people').waitFor()
  })

  await t.test('offers a stakeholder only that role, and does not lose a list by accident', async (t) => {
    const { page, go } = await site.open({ userId: staId, screen: PHONE })
    await go('/users?invite=true')
    await page.getByLabel('E-mail addresses').fill('new@acme.test')
    await page.getByRole('button', { name: 'Add to list' }).click()
    t.same(await page.getByLabel('Role of new@acme.test').locator('option').allTextContents(), ['Stakeholder'])
    await checkPage(t, page, 'invite')
    await page.keyboard.press('Escape')
    await page.getByRole('dialog', { name: 'Leave without sending?' }).waitFor()
    await page.getByRole('button', { name: 'Cancel' }).click()
    await page.getByRole('button', { name: 'Take new@acme.test out' }).click()
    t.equal(await page.locator('.invitee').count(), 0)
  })

  await t.test('shows the mails of invitations, and resends or revokes several at once', async (t) => {
    await site.owner
      .updateTable('mails')
      .set({ state: 'failed', error: '550 5.1.1 no such mailbox', attempts: 3 })
      .where('to_address', '=', 'dan@acme.test')
      .execute()
    const { page, go } = await site.open({ userId: benId })
    await go('/invitations?search=dan')
    await page.getByText('550 5.1.1 no such mailbox').waitFor()
    await page.getByText('One mail could not be delivered').waitFor()
    await go('/invitations')
    await page.getByRole('link', { name: 'bulk998@acme.test' }).waitFor()
    await checkPage(t, page, 'invitations')
    for (const name of ['bulk998@acme.test', 'bulk997@acme.test']) await page.getByLabel(`Select ${name}`).check()
    await page.getByText('2 selected').waitFor()
    await page.getByRole('button', { name: 'Send again' }).click()
    await page.getByRole('dialog').getByRole('button', { name: 'Send', exact: true }).click()
    await page.getByText('2 invitations sent again.').waitFor()

    await page.getByLabel('Select bulk996@acme.test').check()
    await page.getByRole('button', { name: 'Revoke' }).click()
    await page.getByRole('dialog').getByRole('button', { name: 'Revoke' }).click()
    await page.getByText('1 invitation revoked.').waitFor()
    await page.getByRole('tab', { name: 'Revoked' }).click()
    await page.getByRole('link', { name: 'bulk996@acme.test' }).waitFor()
    t.match(page.url(), /state=revoked/)
    await page.goBack()
    await page.getByRole('link', { name: 'bulk998@acme.test' }).waitFor()
  })

  await t.test('shows invitations as cards on a phone, and explains an empty tab', async (t) => {
    const { page, go } = await site.open({ userId: adaId, screen: PHONE, colorScheme: 'dark' })
    await go('/invitations')
    await page.getByRole('link', { name: 'bulk998@acme.test' }).waitFor()
    await checkPage(t, page, 'invitations-dark')
    await page.getByRole('tab', { name: 'Expired' }).click()
    await page.getByText('No invitation has run out unused.').waitFor()
  })
})
