// A hundred thousand people in the list.
import { sql } from 'kysely'
import { test } from 'tap'
import { ADA, noBrowser, openSite } from '../support/browser.ts'

const CROWD = 100_000
/** How far the test scrolls the list; the rest looks the same. */
const ROWS = 4_000

test('the list of 100,000 people', { skip: noBrowser, timeout: 120_000 }, async (t) => {
  const site = await openSite(t)
  const [adaId] = await site.people([ADA])
  await sql`
    insert into users (tenant_id, id, state, role, user_name, user_name_key, email, email_key, display_name,
      display_name_key, doc, created_at, updated_at)
    select ${site.tenantId}, gen_random_uuid(), 'active', 'responder', address, address, address, address,
      'Person ' || number, 'person ' || number, '{}', now(), now()
    from (select 'p' || n || '@acme.test' as address, lpad(n::text, 6, '0') as number from generate_series(1, ${CROWD}) n) p
  `.execute(site.owner)
  await sql`analyze users`.execute(site.owner)
  const { page, go } = await site.open({ userId: adaId })
  await go('/users')
  await page.getByRole('link', { name: 'Ada Lovelace' }).waitFor()
  await page.evaluate(() => {
    const seen = { longestTaskMs: 0, mostRows: 0 }
    Object.assign(window, { seen })
    new PerformanceObserver((list) => {
      for (const { duration } of list.getEntries()) seen.longestTaskMs = Math.max(seen.longestTaskMs, duration)
    }).observe({ type: 'longtask' })
    new MutationObserver(() => {
      seen.mostRows = Math.max(seen.mostRows, document.querySelectorAll('.row').length)
    }).observe(document.body, { childList: true, subtree: true })
  })
  const lastIndex = () =>
    page.evaluate(() => Number(document.querySelector('.row:last-child')?.getAttribute('data-index')))
  while ((await lastIndex()) < ROWS) {
    await page.mouse.wheel(0, 5_000)
    // the browser draws a frame between two turns of the wheel
    await page.evaluate(() => new Promise(requestAnimationFrame))
  }
  const seen = await page.evaluate(
    () => (window as unknown as { seen: { longestTaskMs: number; mostRows: number } }).seen
  )
  t.ok(seen.mostRows < 60, `never more than what is in sight: ${seen.mostRows} rows`)
  // the machine's speed decides how long a task takes, so it is reported and not checked
  t.comment(`the longest task took ${Math.round(seen.longestTaskMs)} ms`)

  const index = await lastIndex()
  const shown = await page.locator('.row .person-name').last().textContent()
  t.equal(shown, `Person ${String(index).padStart(6, '0')}`, 'every person once, in order')
})
