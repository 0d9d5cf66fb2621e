// Requests of identity providers, and trials of what they would send, in a browser.
import { test } from 'tap'
import { OPERATOR } from '../support/app.ts'
import { ADA, checkPage, noBrowser, openSite, PHONE } from '../support/browser.ts'
import { clientOf } from '../support/scim.ts'
import { USER } from '../support/urns.ts'

test('requests of identity providers', { skip: noBrowser, timeout: 120_000 }, async (t) => {
  const site = await openSite(t)
  const [adaId] = await site.people([ADA])
  const made = await site.mutate('acme', 'scimTokens.create', { name: 'Careful', profile: 'strict' }, OPERATOR)
  const { connectionId } = made.data.scimToken
  const ask = clientOf(site, { id: site.tenantId, subdomain: 'acme' }, made.data.token)
  const schemas = [USER]
  const grace = {
    schemas,
    userName: 'grace@acme.test',
    displayName: 'Grace Hopper',
    emails: [{ value: 'grace@acme.test' }]
  }

  await t.test('are searched, explained if refused, and replayed without effect', async (t) => {
    const { body: user } = await ask.post('/Users', grace)
    await ask.get(`/Users/${user.id}`)
    await ask.patch(`/Users/${user.id}`, [{ op: 'replace', path: 'active', value: 'False' }])
    await ask.patch(`/Users/${user.id}`, [{ op: 'replace', path: 'title', value: 'Rear admiral' }])
    const { page, go } = await site.open({ userId: adaId })
    await go(`/provisioning/${connectionId}?tab=log`)
    const list = page.getByRole('list', { name: 'Requests' })
    await list.getByText('201').waitFor()
    t.equal(await list.getByRole('listitem').count(), 4)
    await checkPage(t, page, 'wire-log')

    await page.getByRole('combobox', { name: 'Result' }).click()
    await page.getByRole('option', { name: 'Refused' }).click()
    await list.getByText('201').waitFor({ state: 'detached' })
    await list.getByRole('button', { name: /400 PATCH/ }).click()
    await page.getByText('A value has the wrong form').waitFor()
    await page.getByText('“active”', { exact: false }).or(page.getByText('"path": "active"')).first().waitFor()
    await page.getByRole('button', { name: 'Replay as a dry run' }).click()
    await page.getByText('It would be answered 400 again. It would change nothing.').waitFor()
    await checkPage(t, page, 'wire-log-refused')

    await page.getByRole('combobox', { name: 'Result' }).click()
    await page.getByRole('option', { name: 'Any' }).click()
    await page.getByRole('combobox', { name: 'About' }).fill('Grace')
    await page.getByRole('option', { name: 'Grace Hopper' }).click()
    await page.getByRole('searchbox', { name: 'Search the log' }).fill('rear ADMIRAL')
    const changed = list.getByRole('button', { name: /200 PATCH/ })
    await changed.waitFor()
    await list.getByRole('button', { name: /GET/ }).waitFor({ state: 'detached' })
    await ask.patch(`/Users/${user.id}`, [{ op: 'remove', path: 'title' }])
    await changed.first().click()
    await page.getByRole('button', { name: 'Replay as a dry run' }).click()
    await page.getByText('It would change this:').waitFor()
    await page.getByText('title: Rear admiral').waitFor()
    t.equal((await ask.get(`/Users/${user.id}`)).body.title, undefined, 'nothing has changed')
    await page.getByRole('searchbox', { name: 'Search the log' }).fill('nothing of the kind')
    await page.getByRole('heading', { name: 'Nothing matches' }).waitFor()

    const phone = await site.open({ userId: adaId, screen: PHONE })
    await phone.page.goto(page.url())
    await phone.page.getByRole('button', { name: /400 PATCH/ }).click()
    await phone.page.getByText('A value has the wrong form').waitFor()
    await checkPage(t, phone.page, 'wire-log')
  })

  await t.test('are tried before the provider is connected', async (t) => {
    const { page, go } = await site.open({ userId: adaId })
    await go('/provisioning')
    await page.getByRole('button', { name: 'Test as Okta' }).click()
    await page.getByText(/All \d+ requests of Okta work\./).waitFor()
    const users = page.getByRole('region', { name: 'Okta: users' })
    await users.getByRole('button', { name: 'A user is created Works' }).click()
    await users.getByText('Expected, among others').waitFor()
    await checkPage(t, page, 'trial-passed')
  })

  await t.test('show what a connection with other settings lacks', async (t) => {
    const { page, go } = await site.open({ userId: adaId, screen: PHONE })
    await go(`/provisioning/${connectionId}?tab=test`)
    await page.getByRole('button', { name: 'Test as Microsoft Entra ID' }).click()
    await page.getByText(/\d+ of \d+ requests of Microsoft Entra ID fail/).waitFor()
    const users = page.getByRole('region', { name: 'Microsoft Entra ID: users' })
    await users.getByText('Set the profile of the connection to “entra” or “auto”.', { exact: false }).first().waitFor()
    await users
      .getByRole('button', { name: /^A user is disabled Fails/ })
      .first()
      .click()
    await checkPage(t, page, 'trial-failed')
    await users.getByRole('button', { name: /^Show what works/ }).click()
    await users
      .getByRole('button', { name: /Works$/ })
      .first()
      .waitFor()
  })
})
