// Histories and undo, in a browser.
import { test } from 'tap'
import { ADA, checkPage, noBrowser, openSite, PHONE } from '../support/browser.ts'
import { signInAs } from '../support/people.ts'
import { scimClient } from '../support/scim.ts'

test('history and undo', { skip: noBrowser, timeout: 120_000 }, async (t) => {
  const site = await openSite(t)
  const [adaId, patId] = (await site.people([
    ADA,
    { email: 'pat@acme.test', role: 'responder', displayName: 'Pat Doe' }
  ])) as [string, string]
  const cookie = await signInAs(site.owner, site.tenantId, adaId)
  const call = async (procedure: string, input: unknown) =>
    (await site.mutate('acme', procedure, input, { cookie })).data
  const tenant = { id: site.tenantId, subdomain: 'acme' }
  const scim = await scimClient(site, tenant, { name: 'Okta' })
  const entra = await scimClient(site, tenant, { name: 'Entra' })
  const rex = await scim.createUser({ userName: 'rex@acme.test', displayName: 'Rex Hill' })
  const { group } = await call('groups.create', { displayName: 'Night shift', members: [patId, rex.id] })
  await call('users.setRole', { userId: patId, role: 'manager' })
  await call('users.update', { userId: patId, displayName: 'Pat Moss' })

  await t.test('preview and undo a person’s change, which is then a change itself', async (t) => {
    const { page, go } = await site.open({ userId: adaId })
    await go(`/users/${patId}`)
    await page.getByRole('heading', { name: 'Pat Moss', level: 1 }).waitFor()
    const history = page.getByRole('region', { name: 'History' })
    await history.getByText('role Responder → Manager').waitFor()
    await history.getByText('joined Night shift').waitFor()
    await history.getByRole('button', { name: 'Undo: Profile changed' }).click()
    const dialog = page.getByRole('dialog')
    await dialog.getByText('This changes 1 person.').waitFor()
    await dialog.getByText('display name Pat Moss → Pat Doe').waitFor()
    await checkPage(t, page, 'undo')
    await dialog.getByRole('button', { name: 'Undo', exact: true }).click()
    await page.getByText('Undone: 1 person.').waitFor()
    await page.getByRole('heading', { name: 'Pat Doe', level: 1 }).waitFor()
    await checkPage(t, page, 'user-history')
  })

  await t.test('take a person back to a moment', async () => {
    const { page, go } = await site.open({ userId: adaId })
    await go(`/users/${patId}`)
    await page.getByRole('button', { name: 'Restore to this moment: Group created' }).click()
    await page.getByRole('dialog').getByText('role Manager → Responder').waitFor()
    await page.getByRole('dialog').getByRole('button', { name: 'Undo', exact: true }).click()
    await page.getByText('Undone: 1 person.').waitFor()
  })

  await t.test('bring removed members back', async (t) => {
    await call('groups.removeMembers', { groupId: group.id, userIds: [patId, rex.id] })
    const { page, go } = await site.open({ userId: adaId })
    await go(`/groups/${group.id}`)
    await page.getByRole('tab', { name: 'History' }).click()
    await page.waitForURL(/tab=history/)
    await page.getByText('2 taken out').waitFor()
    await checkPage(t, page, 'group-history')
    await page.getByRole('button', { name: 'Undo: Members changed' }).first().click()
    await page.getByRole('dialog').getByText('is in Night shift again').first().waitFor()
    await page.getByRole('dialog').getByRole('button', { name: 'Undo', exact: true }).click()
    await page.getByText('Undone: 2 memberships.').waitFor()
    await page.getByText('2 members ·').waitFor()
  })

  await t.test('bring a deleted group back with its members, from the audit log', async () => {
    await call('groups.remove', { groupId: group.id })
    const { page, go } = await site.open({ userId: adaId })
    await go('/audit')
    await page.getByRole('button', { name: /deleted the group Night shift/ }).click()
    await page.getByRole('button', { name: 'Undo…' }).click()
    await page.getByRole('dialog').getByText('This changes 1 group and 2 memberships.').waitFor()
    await page.getByRole('dialog').getByRole('button', { name: 'Undo', exact: true }).click()
    await page.getByText('Undone: 1 group and 2 memberships.').waitFor()
    await go(`/groups/${group.id}`)
    await page.getByText('2 members ·').waitFor()
  })

  await t.test('undo all that an identity provider did since a moment, except what others changed', async (t) => {
    site.clock.advance({ minutes: 2 })
    const since = site.clock.now()
    await scim.patch(`/Users/${rex.id}`, [
      { op: 'replace', path: 'title', value: 'Boss' },
      { op: 'replace', path: 'displayName', value: 'R. Hill' }
    ])
    await scim.patch(`/Groups/${group.id}`, [{ op: 'remove', path: 'members' }])
    await entra.patch(`/Users/${rex.id}`, [{ op: 'replace', path: 'displayName', value: 'Rex' }])
    const { page, go } = await site.open({ userId: adaId, screen: PHONE })
    await go('/provisioning')
    await page.getByRole('link', { name: 'Okta' }).click()
    await page.getByRole('tab', { name: 'History' }).click()
    await page.getByText('2 taken out').waitFor()
    await checkPage(t, page, 'connection-history')
    const local = since.toLocaleString('sv-SE', { timeZone: 'Europe/Zurich' })
    await page.getByLabel('Since').fill(local.slice(0, 16).replace(' ', 'T'))
    await page.getByRole('button', { name: 'Undo everything since…' }).click()
    const dialog = page.getByRole('dialog')
    const refused = dialog.getByRole('region', { name: 'Not undone' })
    await refused.getByText('Rex Display name: It was changed later, by Entra').waitFor()
    const changed = dialog.getByRole('region', { name: 'What changes' })
    await changed.getByText('title Boss → none').waitFor()
    t.equal(await changed.getByText('is in Night shift again').count(), 2)
    await checkPage(t, page, 'undo-connection')
    await dialog.getByRole('button', { name: 'Undo', exact: true }).click()
    await page.getByText('Undone: 1 person and 2 memberships; 1 could not be undone.').waitFor()
    await page.getByText('Members changed').first().waitFor()
  })
})
