// SCIM tokens grouped by connection, and what the page says of each.
import { test } from 'tap'
import { connectionsOf, expiresSoon, statusOf, type Token } from '../../client/web/pages/provisioning/connections.ts'
import { EMPTY } from '../support/empty.ts'

const NOW = Date.parse('2027-03-01T12:00:00.000Z')
const at = (hours: number) => new Date(NOW + hours * 3_600_000).toISOString()

const token = (facts: Partial<Token> = {}): Token => ({
  id: 't1',
  connectionId: 'okta',
  name: 'Okta',
  profile: 'okta',
  highestRole: 'responder',
  createdAt: at(-100),
  expiresAt: null,
  lastUsedAt: null,
  lastUsedFrom: [],
  revoked: false,
  shadow: false,
  revokedAt: null,
  ...facts
})
const error = { connectionId: 'okta', count: 1, last: { at: at(-1), status: 409, detail: 'taken' } }
const labelOf = (tokens: Token[], errors = [] as (typeof error)[]) =>
  statusOf(connectionsOf(tokens, errors, NOW)[0]!, NOW).label

test('connections group their tokens and describe them', async (t) => {
  t.equal(labelOf([token()]), 'Waiting for its first request')
  t.equal(labelOf([token({ lastUsedAt: at(-2) })]), 'Connected')
  t.equal(labelOf([token({ lastUsedAt: at(-2) })], [error]), 'Connected, with errors')
  t.equal(labelOf([token({ lastUsedAt: at(-25) })]), 'Quiet for over a day')
  t.equal(labelOf([token({ lastUsedAt: at(-2), revoked: true, revokedAt: at(-1) })]), 'No working token')
  t.equal(labelOf([token({ lastUsedAt: at(-2), expiresAt: at(-1) })]), 'No working token')
  t.equal(labelOf([token({ id: 't2' }), token({ lastUsedAt: at(-2), expiresAt: at(22) })]), 'New token not used yet')

  const [live, ended] = connectionsOf(
    [token({ connectionId: 'old', revoked: true }), token({ id: 't2', lastUsedAt: at(-9) }), token({ revoked: true })],
    [],
    NOW
  )
  t.match(
    live,
    { id: 'okta', live: [{ id: 't2' }], ended: [{ id: 't1' }], lastUsedAt: at(-9) },
    'those that work first'
  )
  t.match(ended, { id: 'old', live: EMPTY })

  const soon = (...tokens: Token[]) => expiresSoon(connectionsOf(tokens, [], NOW)[0]!, NOW)
  t.equal(soon(token({ expiresAt: at(24 * 13) })), true)
  t.equal(soon(token({ expiresAt: at(24 * 15) })), false)
  t.equal(soon(token({ id: 't2' }), token({ expiresAt: at(24) })), false, 'a newer one lasts')
})
