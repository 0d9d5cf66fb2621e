// A connection in shadow mode, in a browser: made, inspected, and put live.
import { setTimeout } from 'node:timers/promises'
import { test } from 'tap'
import { OPERATOR } from '../support/app.ts'
import { ADA, checkPage, noBrowser, openSite, PHONE } from '../support/browser.ts'
import { clientOf } from '../support/scim.ts'

test('shadow mode', { skip: noBrowser, timeout: 120_000 }, async (t) => {
  const site = await openSite(t)
  const [adaId, patId, tomId] = (await site.people([
    ADA,
    { email: 'pat@acme.test', role: 'responder', displayName: 'Pat Doe' },
    { email: 'tom@acme.test', role: 'responder', displayName: 'Tom Doe' }
  ])) as [string, string, string]
  const { page, go } = await site.open({ userId: adaId })
  let connectionId = ''

  await t.test('begins with a token for a shadow, and the page says so', async (t) => {
    await go('/provisioning')
    await page.getByRole('button', { name: 'Create token' }).first().click()
    const dialog = page.getByRole('dialog')
    await dialog.getByLabel('Name').fill('Okta')
    await dialog.getByRole('switch', { name: 'Try it in shadow first' }).check({ force: true })
    await dialog.getByRole('button', { name: 'Create token' }).click()
    await page.getByText('The token is ready').waitFor()
    const token = await dialog
      .getByText(/^mst_scim_/)
      .first()
      .textContent()
      .catch(() => null)
    const secret = token ?? (await dialog.locator('input[value^="mst_scim_"]').inputValue())
    const scim = clientOf(site, { id: site.tenantId, subdomain: 'acme' }, secret.trim())
    await scim.createUser({ userName: 'new@acme.test', displayName: 'New Person' })
    await scim.patch(`/Users/${patId}`, [
      { op: 'replace', path: 'title', value: 'Boss' },
      { op: 'replace', path: 'displayName', value: 'Pat Roe' }
    ])
    await scim.patch(`/Users/${tomId}`, [{ op: 'replace', path: 'active', value: false }])
    const { id } = await site.owner.selectFrom('scim_connections').select('id').executeTakeFirstOrThrow()
    connectionId = id
    await go('/provisioning')
    await page.getByText('Shadow', { exact: true }).waitFor()
    await page.getByRole('link', { name: 'Okta' }).click()
    await page.getByText('Shadow: nothing is changed yet').waitFor()
    await checkPage(t, page, 'shadow-banner')
  })

  await t.test('shows the numbers, and each person before and after', async (t) => {
    await page.getByRole('link', { name: 'See what it would do, and decide' }).click()
    await page.getByRole('tab', { name: 'Shadow', selected: true }).waitFor()
    const section = page.getByRole('region', { name: 'What going live would do' })
    await section.getByText('Would create').waitFor()
    const list = page.getByRole('region', { name: 'One by one' })
    await list.getByText('New Person').first().waitFor()
    await list.getByText('title none → Boss').waitFor()
    await list.getByText('state active → deactivated').waitFor()
    await checkPage(t, page, 'shadow')
    await section.getByRole('combobox', { name: 'Where both have changed the same' }).click()
    await page.getByRole('option', { name: 'The provider’s value counts' }).click()
    await section.getByRole('combobox', { name: 'Where both have changed the same' }).click()
    await page.getByRole('option', { name: 'What was changed here stays' }).click()
    await section.getByRole('button', { name: 'Show it who came and went here since' }).click()
    await page.getByText('0 people were taken over into the shadow.').waitFor()
    await list.getByRole('combobox', { name: 'What happens' }).click()
    await page.getByRole('option', { name: 'Deactivated' }).click()
    await list.getByText('Tom Doe').waitFor()
    await list.getByText('New Person', { exact: true }).waitFor({ state: 'detached' })
    const phone = await site.open({ userId: adaId, screen: PHONE })
    await phone.go(`/provisioning/${connectionId}?tab=shadow`)
    await phone.page.getByText('title none → Boss').waitFor()
    await checkPage(t, phone.page, 'shadow')
  })

  await t.test('has a decision for each person whom both sides have changed', async (t) => {
    const { error } = await site.mutate('acme', 'users.update', { userId: patId, displayName: 'Pat D.' }, OPERATOR)
    t.notOk(error)
    await go(`/provisioning/${connectionId}?tab=shadow`)
    const list = page.getByRole('region', { name: 'One by one' })
    await list.getByText('Stays: Display name Pat D., not Pat Roe: it was changed here since').waitFor()
    await checkPage(t, page, 'shadow-contested')
    await list.getByRole('button', { name: 'Let the provider’s count: Pat Roe' }).click()
    await list.getByText('display name Pat D. → Pat Roe').waitFor()
    await list.getByRole('button', { name: 'Keep what is here: Pat Roe' }).click()
    await list.getByText('Stays: Display name Pat D., not Pat Roe').waitFor()
    await list.getByRole('button', { name: 'Let the provider’s count: Pat Roe' }).click()
    await list.getByText('display name Pat D. → Pat Roe').waitFor()
  })

  await t.test('goes live once the numbers were seen and the name was typed', async (t) => {
    await page.getByRole('button', { name: 'Go live…' }).click()
    const dialog = page.getByRole('dialog')
    await dialog.getByText('This will create 1 person, change 1 person, deactivate 1 person.').waitFor()
    await checkPage(t, page, 'shadow-go-live')
    t.ok(await dialog.getByRole('button', { name: 'Go live' }).isDisabled())
    await dialog.getByLabel('Type Okta to confirm').fill('Okta')
    const isOpen = async () => {
      const rows = await site.owner.selectFrom('scim_shadows').select('closed_until').execute()
      return rows.some(({ closed_until }) => closed_until === null)
    }
    // a proxy in front of the service stops waiting, while the service continues
    let answered: Promise<unknown> | undefined
    await page.route('**/trpc/scimShadow.goLive*', async (route) => {
      const asked = route.request().postDataJSON()
      answered = site.mutate('acme', 'scimShadow.goLive', asked[0] ?? asked, OPERATOR)
      while (await isOpen()) await setTimeout(20)
      await route.fulfill({ status: 504, contentType: 'text/html', body: '<h1>Gateway Time-out</h1>' })
    })
    await dialog.getByRole('button', { name: 'Go live' }).click()
    await page.getByText('Okta is live.').waitFor()
    await answered
    await page.getByText('Shadow: nothing is changed yet').waitFor({ state: 'detached' })
    await go('/users')
    await page.getByText('New Person').first().waitFor()
  })

  await t.test('can be entered by a working connection, and be discarded', async (t) => {
    await go(`/provisioning/${connectionId}`)
    await page.getByRole('button', { name: 'Shadow mode…' }).click()
    await page.getByRole('dialog').getByRole('button', { name: 'Enter shadow mode' }).click()
    await page.getByText('Shadow: nothing is changed yet').waitFor()
    await page.getByRole('tab', { name: 'Shadow' }).click()
    await page.getByText('Nothing happens to anybody.').waitFor()
    const closeUntil = (until: Date | null) =>
      site.owner.updateTable('scim_shadows').set({ closed_until: until }).execute()
    await closeUntil(new Date(site.clock.now().getTime() + 60_000))
    await page.reload()
    await page.getByText('It goes on if you leave this page.').waitFor()
    t.equal(await page.getByRole('button', { name: 'Discard…' }).count(), 0)
    await checkPage(t, page, 'shadow-goes-live')
    await closeUntil(null)
    await page.getByText('Okta did not go live: nothing was changed.').waitFor()
    await page.getByRole('button', { name: 'Discard…' }).click()
    await page.getByRole('dialog').getByRole('button', { name: 'Discard', exact: true }).click()
    await page.getByText('The shadow is discarded.').waitFor()
    await page.getByText('Shadow: nothing is changed yet').waitFor({ state: 'detached' })
  })
})
