// A held mass deprovisioning, in a browser: administrators see it on every page and decide in one click.
import { test } from 'tap'
import { ADA, checkPage, noBrowser, openSite, PHONE } from '../support/browser.ts'
import { deactivate, inParallel } from '../support/deprovisioning.ts'
import { insertUsers } from '../support/groups.ts'
import { scimClient } from '../support/scim.ts'

test('the brake', { skip: noBrowser, timeout: 120_000 }, async (t) => {
  const site = await openSite(t)
  const [adaId] = await site.people([ADA])
  const scim = await scimClient(site, { id: site.tenantId, subdomain: 'acme' }, { name: 'Entra', profile: 'entra' })
  const ids = await insertUsers(site.owner, site.tenantId, 60, { prefix: 'member' })
  const group = (await scim.post('/Groups', { displayName: 'Everybody', members: ids.map((value) => ({ value })) }))
    .body
  const activeCount = async () =>
    (
      await site.owner
        .selectFrom('users')
        .select('id')
        .where('tenant_id', '=', site.tenantId)
        .where('state', '=', 'active')
        .execute()
    ).length

  await t.test('shows what is held on every page, person by person, and releases it in one click', async (t) => {
    await inParallel(ids.slice(0, 30), 8, (id) => deactivate(scim, id))
    t.equal((await scim.delete(`/Groups/${group.id}`)).status, 429)
    const { page, go } = await site.open({ userId: adaId })
    await go('/users')
    await page.getByText('Entra asked to take away more people than it may').waitFor()
    await checkPage(t, page, 'held-banner')
    await page.getByRole('link', { name: 'See who is affected and decide' }).click()
    await page.getByText('11 changes held, of 60 people').waitFor()
    await page.getByText('Everybody', { exact: true }).waitFor()
    await page.getByText('be deleted, with everybody’s membership').waitFor()
    await page.getByText('be deactivated').first().waitFor()
    t.equal(
      await page.getByRole('link', { name: 'See who is affected and decide' }).count(),
      0,
      'the page says it itself'
    )
    await checkPage(t, page, 'brake-held')
    const phone = await site.open({ userId: adaId, screen: PHONE })
    await phone.page.goto(page.url())
    await phone.page.getByText('11 changes held, of 60 people').waitFor()
    await checkPage(t, phone.page, 'brake-held')

    await page.getByRole('button', { name: 'Release all' }).click()
    await page.getByText('11 changes carried out.').waitFor()
    await page.getByText('Everything is let through until').waitFor()
    t.equal(await activeCount(), 31)
    t.equal((await scim.get(`/Groups/${group.id}`)).status, 404)
  })

  await t.test('takes new limits, and rejects changes until the rejection is lifted', async (t) => {
    const { page, go } = await site.open({ userId: adaId })
    site.clock.advance({ hours: 3 })
    const { id } = await site.owner.selectFrom('scim_connections').select('id').executeTakeFirstOrThrow()
    await go(`/provisioning/${id}?tab=brake`)
    await page.getByRole('button', { name: 'Change limits' }).click()
    await page.getByLabel('Its own limits').check()
    await page.getByLabel('People at least').fill('2')
    await checkPage(t, page, 'brake-limits')
    await page.getByRole('button', { name: 'Save' }).click()
    await page.getByText('10 % of the active people within an hour, 2 at least').waitFor()
    await inParallel(ids.slice(30, 36), 4, (userId) => scim.delete(`/Users/${userId}`))
    await page.reload()
    await page.getByText('3 changes held, of 3 people').waitFor()
    await page.getByRole('button', { name: 'Reject all' }).click()
    await page.getByText('3 changes rejected: everything stays as it is.').waitFor()
    await page.getByRole('heading', { name: '3 changes rejected' }).waitFor()
    await checkPage(t, page, 'brake-rejected')
    await page.getByRole('button', { name: 'Lift all' }).click()
    await page.getByText('3 rejections lifted.').waitFor()
    t.equal(await activeCount(), 28)
  })
})
