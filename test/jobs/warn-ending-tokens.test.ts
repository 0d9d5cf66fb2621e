import { test } from 'tap'
import { warnOfEndingTokens } from '../../jobs/handlers/warn-ending-tokens.ts'
import { systemActor } from '../../server/provisioning/actor.ts'
import { createScimToken, rotateScimToken } from '../../server/provisioning/scim-tokens.ts'
import { startSmtpServer } from '../support/smtp-server.ts'
import { startMailing } from './acme.ts'

const DAY_MS = 24 * 3_600_000

test('warnings of SCIM tokens that expire', async (t) => {
  const smtp = await startSmtpServer(t)
  const acme = await startMailing(t, { smtpUrl: smtp.url })
  const { signal } = new AbortController()
  const tenant = { id: acme.acmeId, subdomain: 'acme' }
  const daysLater = (days: number) => new Date(acme.clock.now().getTime() + days * DAY_MS)
  const wait = (days: number) => acme.clock.advance({ hours: 24 * days })
  const create = (name: string, days?: number) =>
    createScimToken(acme.deps, tenant, systemActor, { name, ...(days && { expiresAt: daysLater(days) }) })
  const rotate = (scimTokenId: string) =>
    rotateScimToken(acme.deps, tenant, systemActor, { scimTokenId, overlapHours: 48 })
  const warn = () => warnOfEndingTokens(acme.deps, signal)
  const use = (token: string) =>
    acme.inject('acme', { url: '/scim/v2/Users?count=0', headers: { authorization: `Bearer ${token}` } })
  /** Uses are noted after the request's answer. */
  const isNoted = async (id: string) => {
    const query = acme.owner.selectFrom('scim_tokens').select('last_used_at').where('id', '=', id)
    while (!(await query.executeTakeFirstOrThrow()).last_used_at) await new Promise(setImmediate)
  }
  const subjects = async (count: number) =>
    (await smtp.mailsTo('ada@acme.test', count)).map(({ parsed }) => parsed.subject).slice(-1)

  t.test('are mailed to each administrator 30, 7 and 1 days before, each once', async (t) => {
    await create('okta', 90)
    await create('for ever')
    t.equal(await warn(), 0, 'not 90 days before')
    wait(60)
    t.equal(await warn(), 1)
    t.equal(await warn(), 0, 'once')
    t.same(await subjects(1), ['The SCIM token of okta expires in 30 days (acme)'])
    wait(23)
    t.equal(await warn(), 1)
    t.same(await subjects(2), ['The SCIM token of okta expires in 7 days (acme)'])
    wait(6)
    t.same(await Promise.all([warn(), warn()]).then((counts) => counts.sort()), [0, 1], 'once, by two workers too')
    t.same(await subjects(3), ['The SCIM token of okta expires in 1 day (acme)'])
    const { parsed } = (await smtp.mailsTo('ada@acme.test', 3)).at(-1)!
    t.match(parsed.text, 'This token has never been used.')
    t.match(parsed.text, /http:\/\/acme\.muster\.test\/provisioning\/[0-9a-f-]{36}/)
    wait(2)
    t.equal(await warn(), 0, 'not of one that has ended')
  })

  t.test('are not sent for a token that was made for less', async (t) => {
    await create('short', 5)
    t.equal(await warn(), 0)
    wait(4)
    t.equal(await warn(), 1, 'before its last day')
    wait(2)
  })

  t.test('are sent for a replaced token until its replacement is used', async (t) => {
    const old = await create('entra', 60)
    t.equal((await use(old.token)).statusCode, 200)
    await isNoted(old.scimToken.id)
    wait(20)
    const newer = await rotate(old.scimToken.id)
    wait(1)
    t.equal(await warn(), 1)
    const { parsed } = (await smtp.mailsTo('ada@acme.test', 5)).at(-1)!
    t.match(parsed.text, /A newer token was made, but nobody has used it yet/)
    t.match(parsed.text, /It was last used on .* from 127\.0\.0\.1\./)
    const another = await create('jumpcloud', 60)
    wait(20)
    const third = await rotate(another.scimToken.id)
    t.equal((await use(third.token)).statusCode, 200)
    wait(1)
    await isNoted(third.scimToken.id)
    t.equal(await warn(), 0, `${newer.scimToken.connection_name} and one in use are no news`)
  })
})
