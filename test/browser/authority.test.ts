// What an identity provider manages, in a browser: it is marked where it is shown, and read-only where it would be
// changed.
import { test } from 'tap'
import { ADA, checkPage, noBrowser, openSite, PHONE } from '../support/browser.ts'
import { signInAs } from '../support/people.ts'
import { clientOf } from '../support/scim.ts'

test('what an identity provider manages', { skip: noBrowser, timeout: 120_000 }, async (t) => {
  const site = await openSite(t)
  const [adaId] = (await site.people([ADA])) as [string]
  const cookie = await signInAs(site.owner, site.tenantId, adaId)
  const { data } = await site.mutate('acme', 'scimTokens.create', { name: 'Okta', profile: 'okta' }, { cookie })
  const scim = clientOf(site, { id: site.tenantId, subdomain: 'acme' }, data.token)
  const rita = await scim.createUser({
    userName: 'rita@acme.test',
    externalId: 'rita',
    displayName: 'Rita Moss',
    name: { givenName: 'Rita' },
    roles: [{ value: 'responder', primary: true }]
  })
  const members = [{ value: rita.id }]
  const crew = (await scim.post('/Groups', { displayName: 'Crew', externalId: 'crew', members })).body.id
  await site.mutate('acme', 'groups.addMembers', { groupId: crew, userIds: [adaId] }, { cookie })

  await t.test('is marked on a person’s page, and cannot be changed there', async (t) => {
    const { page, go } = await site.open({ userId: adaId })
    await go(`/users/${rita.id}`)
    const profile = page.getByRole('region', { name: 'Profile' })
    await profile.getByText('Rita Moss Managed by Okta').waitFor()
    await page.getByText('Okta deactivates and reactivates them too').waitFor()
    const role = page.getByRole('combobox', { name: 'Role' })
    const given = (name: string) => role.getByRole('option', { name }).isEnabled()
    t.same([await given('Stakeholder'), await given('Manager')], [false, true], 'what Okta may give is Okta’s')
    t.equal(await role.evaluate(describedBy), 'Managed by Okta')
    await page.getByRole('link', { name: 'Crew Managed by Okta' }).waitFor()
    await checkPage(t, page, 'user-managed')

    await page.getByRole('button', { name: 'Edit profile' }).click()
    const dialog = page.getByRole('dialog')
    for (const name of ['Display name', 'Given name']) {
      const field = dialog.getByLabel(name)
      t.ok(await field.isDisabled(), name)
      t.equal(await field.evaluate(describedBy), 'Managed by Okta', `${name} says why`)
    }
    await checkPage(t, page, 'user-managed-edit')
    await dialog.getByLabel('Family name').fill('Moss')
    await dialog.getByRole('button', { name: 'Save' }).click()
    await profile.getByText('Rita Moss Managed by Okta').nth(1).waitFor()
    t.equal((await scim.get(`/Users/${rita.id}`)).body.name.familyName, 'Moss', 'what it leaves out can be filled in')
  })

  await t.test('is marked on a group’s page', async (t) => {
    const { page, go } = await site.open({ userId: adaId, screen: PHONE })
    await go(`/groups/${crew}`)
    await page.getByText('its name and the memberships that came from there').waitFor()
    await page.getByText('Okta has put Rita Moss here').waitFor()
    t.equal(await page.getByRole('button', { name: /^Remove .* from the group$/ }).count(), 1, 'Ada can be taken out')
    await checkPage(t, page, 'group-managed')
    await page.getByRole('button', { name: 'More actions' }).click()
    const item = page.getByRole('menuitem', { name: 'Rename' })
    t.equal(await item.getAttribute('aria-disabled'), 'true')
    t.match(await item.textContent(), /Managed by Okta/)
    await page.getByRole('menuitem', { name: 'Release' }).waitFor()
  })

  await t.test('stays read-only after the connection’s removal, if so chosen, until it is released', async (t) => {
    const { page, go } = await site.open({ userId: adaId })
    await go(`/provisioning/${data.scimToken.connectionId}`)
    await page.getByRole('button', { name: 'Remove' }).click()
    const dialog = page.getByRole('dialog')
    await dialog.getByText('Its 1 person, 1 group and 1 membership stay').waitFor()
    await dialog.getByRole('radio', { name: 'Read-only, as Okta left them' }).check()
    await checkPage(t, page, 'connection-remove')
    await dialog.getByRole('button', { name: 'Remove connection' }).click()
    await page.getByText('keeps 1 person, 1 group and 1 membership read-only').waitFor()
    await checkPage(t, page, 'provisioning-removed')
    await go(`/users/${rita.id}`)
    await page.getByText('Kept as Okta left it').first().waitFor()
    await page.getByRole('button', { name: 'Actions' }).click()
    await page.getByRole('menuitem', { name: 'Release' }).click()
    await dialog.getByText('becomes an ordinary member').waitFor()
    await dialog.getByRole('button', { name: 'Cancel' }).click()

    await go('/provisioning')
    await page.getByRole('button', { name: 'Release what Okta keeps' }).click()
    await dialog.getByRole('button', { name: 'Release', exact: true }).click()
    await page.getByText('What Okta kept can be changed here now.').waitFor()
    await go(`/users/${rita.id}`)
    await page.getByRole('button', { name: 'Edit profile' }).click()
    await dialog.getByLabel('Display name').fill('Rita M.')
    await dialog.getByRole('button', { name: 'Save' }).click()
    await page.getByRole('heading', { name: 'Rita M.', level: 1 }).waitFor()
  })
})

/** What a screen reader says of a field. */
const describedBy = (field: Element): string =>
  (field.getAttribute('aria-describedby') ?? '')
    .split(' ')
    .map((id) => document.getElementById(id)?.textContent ?? '')
    .join(' ')
    .trim()
