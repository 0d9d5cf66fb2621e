// Event streams in a browser, and open pages that follow other people's changes.
import { test } from 'tap'
import { ADA, checkPage, noBrowser, openSite, PHONE } from '../support/browser.ts'
import { signInAs } from '../support/people.ts'

test('events', { skip: noBrowser, timeout: 120_000 }, async (t) => {
  const site = await openSite(t)
  const [adaId, benId] = await site.people([ADA, { email: 'ben@acme.test', displayName: 'Ben', role: 'manager' }])

  await t.test('create, test, rotate, pause and remove a webhook', async (t) => {
    const { page, go } = await site.open({ userId: adaId })
    await go('/events')
    await page.getByRole('heading', { name: 'No events leave yet' }).waitFor()
    await checkPage(t, page, 'events-empty')
    await page.getByRole('button', { name: 'New stream' }).first().click()
    const dialog = page.getByRole('dialog')
    await dialog.getByRole('button', { name: 'Create stream' }).click()
    await dialog.getByText('Give the stream a name.').waitFor()
    await dialog.getByLabel('Name').fill('CRM')
    await dialog.getByLabel('URL').fill('https://127.0.0.1/hook')
    await dialog.getByRole('button', { name: 'Create stream' }).click()
    await dialog.getByText('The URL leads to a private address').waitFor()
    await dialog.getByLabel('URL').fill('https://hooks.acme.test/muster')
    await checkPage(t, page, 'events-new')
    await dialog.getByRole('button', { name: 'Create stream' }).click()
    t.match(await dialog.getByLabel('Secret', { exact: true }).inputValue(), /^whsec_/)
    await dialog.getByRole('button', { name: 'I have copied it' }).click()

    await page.getByRole('link', { name: 'Open CRM' }).click()
    await page.getByRole('heading', { name: 'CRM', level: 1 }).waitFor()
    await page.getByRole('heading', { name: 'Nothing was delivered yet' }).waitFor()
    await page.getByRole('button', { name: 'Send a test' }).click()
    await page.getByText('A test is on its way.').waitFor()
    await page.getByRole('button', { name: 'Rotate secret' }).click()
    await page.getByRole('button', { name: 'Make a new secret' }).click()
    t.match(await dialog.getByLabel('Secret', { exact: true }).inputValue(), /^whsec_/)
    await dialog.getByRole('button', { name: 'I have copied it' }).click()
    await page.getByRole('button', { name: 'Pause' }).click()
    await page.getByRole('button', { name: 'Resume' }).waitFor()
    await page.getByText('Paused', { exact: true }).waitFor()
    await checkPage(t, page, 'event-stream')
    await page.getByRole('button', { name: 'Remove' }).click()
    await dialog.getByRole('button', { name: 'Remove stream' }).click()
    await page.getByRole('heading', { name: 'No events leave yet' }).waitFor()
  })

  await t.test('show deliveries that were given up, and replay them', async (t) => {
    const { page, go } = await site.open({ userId: adaId, screen: PHONE })
    const { owner } = site
    const { data } = await site.mutate(
      'acme.localhost',
      'eventStreams.create',
      {
        kind: 'webhook',
        name: 'Warehouse',
        url: 'https://hooks.acme.test/warehouse'
      },
      { cookie: await signInAs(site.owner, site.tenantId, adaId!) }
    )
    const streamId = data.stream.id
    const event = await owner.selectFrom('audit_events').selectAll().limit(1).executeTakeFirstOrThrow()
    await owner
      .insertInto('event_deliveries')
      .values({
        tenant_id: event.tenant_id,
        id: crypto.randomUUID(),
        stream_id: streamId,
        event_id: event.id,
        state: 'dead',
        attempts: 28,
        queued_at: new Date(),
        attempted_at: new Date(),
        status: 503,
        error: 'Service Unavailable'
      })
      .execute()
    await go(`/events/${streamId}`)
    await page.getByText('1 given up').waitFor()
    await page.getByText('503: Service Unavailable').waitFor()
    await checkPage(t, page, 'event-stream-dead')
    await page.getByRole('button', { name: 'Replay all given up' }).click()
    await page.getByText('1 event is on its way again.').waitFor()
    await page.getByText('On its way').first().waitFor()
  })

  await t.test('update an open page when others change something', async (t) => {
    const { page, go } = await site.open({ userId: adaId })
    await go('/users')
    const row = page.locator('.row', { hasText: 'Ben' })
    await row.waitFor()
    const locked = await site.mutate(
      'acme.localhost',
      'users.lock',
      { userId: benId },
      { cookie: await signInAs(site.owner, site.tenantId, adaId!) }
    )
    t.equal(locked.status, 200)
    await row.getByText('Locked').waitFor()
    t.pass('within a moment')
  })
})
