// People whom an identity provider sends and who may be here already, in a browser: compared side by side, and decided.
import { test } from 'tap'
import { ADA, checkPage, noBrowser, openSite, PHONE } from '../support/browser.ts'
import { scimClient } from '../support/scim.ts'
import { USER } from '../support/urns.ts'

test('conflicts', { skip: noBrowser, timeout: 120_000 }, async (t) => {
  const site = await openSite(t)
  const tenant = { id: site.tenantId, subdomain: 'acme' }
  const [adaId, benId, benBellId] = (await site.people([
    ADA,
    { email: 'ben@acme.test', displayName: 'Ben Bell', state: 'deactivated', role: 'stakeholder' },
    { email: 'b.bell@acme.test', displayName: 'Benjamin Bell' }
  ])) as [string, string, string]
  const entra = await scimClient(site, tenant, { name: 'Entra', profile: 'entra' })
  const okta = await scimClient(site, tenant, { name: 'Okta', profile: 'okta' })
  await okta.createUser({ userName: 'cleo@acme.test', displayName: 'Cleo of Okta' })
  const send = (userName: string, email = userName) =>
    entra.post('/Users', {
      schemas: [USER],
      userName,
      externalId: `id of ${userName}`,
      displayName: `${userName.split('@')[0]} of Entra`,
      emails: [{ value: email, type: 'work', primary: true }]
    })
  const sendAll = () =>
    Promise.all([send('ben@acme.test'), send('cleo@acme.test'), send('ben@acme.test', 'b.bell@acme.test')])

  await t.test('wait in the inbox, are counted in the navigation, and are decided side by side', async (t) => {
    for (const { status } of await sendAll()) t.equal(status, 409)
    const { page, go } = await site.open({ userId: adaId })
    await go('/users')
    await page.getByRole('link', { name: 'Provisioning 3 to decide' }).click()
    await page.getByRole('link', { name: 'Conflicts 3 to decide' }).click()
    const deactivated = page.getByRole('region', { name: 'ben of Entra' }).filter({ hasText: 'was deactivated here' })
    await deactivated.getByText('They get access again').waitFor()
    await page.getByText('Another identity provider manages this person.').waitFor()
    await page.getByText('They cannot be kept apart.').first().waitFor()
    await checkPage(t, page, 'conflicts')
    const phone = await site.open({ userId: adaId, screen: PHONE })
    await phone.go('/provisioning/conflicts')
    await phone.page.getByRole('region', { name: 'cleo of Entra' }).waitFor()
    await checkPage(t, phone.page, 'conflicts')

    await deactivated.getByRole('button', { name: 'Adopt Ben Bell' }).click()
    await page.getByRole('heading', { name: 'Is ben of Entra the same person as Ben Bell?' }).waitFor()
    await checkPage(t, page, 'conflicts-adopt')
    await page.getByRole('dialog').getByRole('button', { name: 'Adopt' }).click()
    await page.getByText('Decided. It is carried out when the provider tries again.').waitFor()
    const cleo = page.getByRole('region', { name: 'cleo of Entra' })
    await cleo.getByRole('button', { name: 'Ignore' }).click()
    await page.getByRole('dialog').getByRole('button', { name: 'Ignore' }).click()
    await page.getByText('cleo of Entra is ignored.').waitFor()
    await page.getByRole('link', { name: 'Provisioning 1 to decide' }).waitFor()

    await page.getByRole('tab', { name: 'Decided' }).click()
    await page.getByText('Adopt Ben Bell, by Ada Lovelace').waitFor()
    await checkPage(t, page, 'conflicts-decided')
    const adopted = await send('ben@acme.test')
    t.match([adopted.status, adopted.body.id], [201, benId])
    await page.reload()
    await page.getByText('No decision waits to be carried out').waitFor()
    await page.getByRole('tab', { name: 'Ignored' }).click()
    await cleo.getByText('Ignored, by Ada Lovelace').waitFor()
    t.equal((await send('cleo@acme.test')).status, 409)
    await page.getByRole('tab', { name: 'To decide' }).click()
    await page.getByText('Nobody waits for a decision').waitFor()
    t.match(await site.owner.selectFrom('users').select('connection_id').where('id', '=', benBellId).execute(), [
      { connection_id: null }
    ])
  })

  await t.test('do not arise from inviting: the dialog names the provider that manages somebody', async (t) => {
    const { page, go } = await site.open({ userId: adaId })
    await go('/users?invite=true')
    await page.getByRole('textbox', { name: 'E-mail addresses' }).fill('ben@acme.test, cleo@acme.test')
    await page.keyboard.press('Enter')
    await page.getByRole('button', { name: 'Send 2 invitations' }).click()
    await page.getByText('Managed by your identity provider').waitFor()
    await page.getByText('ben@acme.test (Entra)').waitFor()
    await page.getByText('cleo@acme.test (Okta)').waitFor()
    await checkPage(t, page, 'invite-managed')
  })

  await t.test('are shown to administrators only', async (t) => {
    const { page, go } = await site.open({ userId: benBellId })
    await go('/provisioning/conflicts')
    await page.getByText('Conflicts are for administrators').waitFor()
    t.equal(await page.getByRole('tab').count(), 0)
  })
})
