// Shows the page in a real browser; the real app serves it on a port of its own.
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { AxeBuilder } from '@axe-core/playwright'
import { type Browser, type BrowserContext, chromium, type Page } from 'playwright-core'
import type { Test } from 'tap'
import { ensureBuilt, WEB_DIST } from '../../client/web/build.ts'
import { freePort } from '../../db/embedded.ts'
import type { Role } from '../../db/schema.ts'
import { OPERATOR, startApp, type TestApp } from './app.ts'
import { insertPeople, type PersonSpec, signInAs } from './people.ts'

/** The headless shell comes first: it shows the same pages with a third less CPU than the whole browser. */
const CANDIDATES = [
  process.env.CHROMIUM_PATH ?? '/usr/bin/chromium-headless-shell',
  '/usr/bin/chromium',
  '/usr/bin/chromium-browser',
  '/usr/bin/google-chrome',
  '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome',
  chromium.executablePath()
]
const CHROMIUM = CANDIDATES.find((path) => path && existsSync(path))
/** Folder for screenshots of every page that is checked; without it none are taken. */
const SCREENSHOTS = process.env.BROWSER_SCREENSHOTS

/**
 * For `test(title, { skip: noBrowser }, …)`: why browser tests cannot run here, or false. With REQUIRE_BROWSER=1 it
 * throws.
 */
export const noBrowser: string | false = CHROMIUM ? false : complain()

function complain(): string {
  const reason = `SKIPPED: no Chromium at ${CANDIDATES.join(', ')}; set CHROMIUM_PATH to try the page in a browser`
  if (process.env.REQUIRE_BROWSER === '1') throw new Error(reason)
  process.stderr.write(`\n*** ${reason} ***\n`)
  return reason
}

export const DESKTOP = { name: 'desktop', width: 1280, height: 800 } as const
export const PHONE = { name: 'phone', width: 390, height: 844 } as const
type Screen = typeof DESKTOP | typeof PHONE

export const PASSWORD = 'Glacier-pelican-forty-2'

export interface Site extends TestApp {
  /** `http://acme.localhost:4000`; for `''` the address of the base domain. */
  urlOf(subdomain: string): string
  tenantId: number
  /** Makes people of acme. @returns their ids, in order */
  people(specs: PersonSpec[]): Promise<string[]>
  /** The token in the newest mail to an address. */
  tokenFor(address: string): Promise<string>
  /** Opens a window with cookies of its own, signed in as `userId` if that is given. */
  open(options?: {
    screen?: Screen
    userId?: string
    colorScheme?: 'light' | 'dark'
    subdomain?: string
  }): Promise<Window>
}

export interface Window {
  page: Page
  context: BrowserContext
  /** Loads a path of the web page. */
  go(path: string): Promise<void>
}

/**
 * Starts the app with the tenant `acme`, and a browser. Whatever the browser reports (an error of the page, a violation
 * of its Content-Security-Policy) fails the test at its end.
 */
export async function openSite(t: Test, env: Record<string, string> = {}): Promise<Site> {
  await ensureBuilt()
  const port = await freePort()
  const app = await startApp(t, {
    env: { BASE_DOMAIN: 'localhost', PUBLIC_PORT: String(port), ...env },
    webFolder: WEB_DIST
  })
  await app.app.listen({ host: '127.0.0.1', port })
  const created = await app.mutate('', 'tenants.create', { subdomain: 'acme', name: 'Acme Rescue' }, OPERATOR)
  if (created.error) throw new Error(created.error.message)
  const tenant = await app.owner
    .selectFrom('tenants')
    .select('id')
    .where('subdomain', '=', 'acme')
    .executeTakeFirstOrThrow()
  const urlOf = (subdomain: string) => `http://${subdomain ? `${subdomain}.` : ''}localhost:${port}`
  const browser = await launch(t)
  const complaints: string[] = []
  t.teardown(() => {
    if (complaints.length > 0) throw new Error(`The browser complains:\n${complaints.join('\n')}`)
  })
  return {
    ...app,
    urlOf,
    tenantId: tenant.id,
    people: (specs) => insertPeople(app.owner, tenant.id, specs),
    tokenFor: (address) => newestToken(app, tenant.id, address),
    async open({ screen = DESKTOP, userId, colorScheme = 'light', subdomain = 'acme' } = {}) {
      const context = await browser.newContext({
        viewport: { width: screen.width, height: screen.height },
        isMobile: screen === PHONE,
        hasTouch: screen === PHONE,
        colorScheme,
        locale: 'en-GB',
        timezoneId: 'Europe/Zurich',
        reducedMotion: 'reduce'
      })
      context.setDefaultTimeout(20_000)
      if (userId) {
        const [name, value] = (await signInAs(app.owner, tenant.id, userId)).split('=') as [string, string]
        await context.addCookies([{ name, value, url: urlOf(subdomain), httpOnly: true, sameSite: 'Lax' }])
      }
      const page = await context.newPage()
      collectComplaints(page, complaints)
      return { page, context, go: async (path) => void (await page.goto(urlOf(subdomain) + path)) }
    }
  }
}

async function launch(t: Test): Promise<Browser> {
  const browser = await chromium.launch({
    executablePath: CHROMIUM,
    args: [
      '--no-sandbox',
      '--disable-gpu',
      '--disable-background-networking',
      '--disable-component-update',
      '--no-first-run'
    ]
  })
  t.teardown(() => browser.close())
  return browser
}

function collectComplaints(page: Page, complaints: string[]): void {
  page.on('pageerror', (error) => complaints.push(`${page.url()}: ${error.stack ?? error.message}`))
  page.on('console', (message) => {
    // a refused call is an answer that the page shows, not a fault of the page
    if (message.type() !== 'error' || message.text().startsWith('Failed to load resource')) return
    complaints.push(`${page.url()}: ${message.text()}`)
  })
}

async function newestToken(app: TestApp, tenantId: number, address: string): Promise<string> {
  const mail = await app.owner
    .selectFrom('mails')
    .select('token_sealed')
    .where('tenant_id', '=', tenantId)
    .where('to_address', '=', address)
    .orderBy('id', 'desc')
    .executeTakeFirstOrThrow()
  return app.deps.sealer.open('mail', mail.token_sealed!)!
}

/** An administrator, for tests that are about something else. */
export const ADA: PersonSpec = {
  email: 'ada@acme.test',
  role: 'administrator' satisfies Role,
  displayName: 'Ada Lovelace',
  givenName: 'Ada',
  familyName: 'Lovelace'
}

/**
 * Checks that axe finds nothing serious or critical on the page (WCAG 2.2 AA), and that nothing is wider than the
 * window.
 */
export async function checkPage(t: Test, page: Page, name: string): Promise<void> {
  const width = page.viewportSize()!.width
  if (SCREENSHOTS) await page.screenshot({ path: join(SCREENSHOTS, `${name}-${width}.png`) })
  const { violations } = await new AxeBuilder({ page })
    // within the page, which has no frames: otherwise each check opens another window and copies all results to it
    .setLegacyMode()
    .options({ resultTypes: ['violations'] })
    .withTags(['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'])
    .analyze()
  const serious = violations
    .filter(({ impact }) => impact === 'serious' || impact === 'critical')
    .map(
      ({ id, help, nodes }) =>
        `${id}: ${help}: ${nodes
          .map(({ html }) => html)
          .slice(0, 3)
          .join(' ')}`
    )
  t.same(serious, [], `axe finds nothing serious: ${name} at ${width}`)
  // not window.innerWidth: a phone lays out a page that is too wide on a wider window
  const overflow = (await page.evaluate(() => document.documentElement.scrollWidth)) - width
  t.ok(overflow <= 0, `nothing is wider than the window: ${name} at ${width}`)
}
