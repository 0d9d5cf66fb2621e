// Security event tokens (RFC 8417) with SCIM events (RFC 9967), pushed (RFC 8935).
import { createLocalJWKSet, decodeProtectedHeader, jwtVerify } from 'jose'
import { test } from 'tap'
import { cleanUp } from '../../jobs/handlers/clean-up.ts'
import { OPERATOR } from '../support/app.ts'
import { startReceiver } from '../support/receiver.ts'
import { PATCH_OP } from '../support/urns.ts'
import { startStreaming } from './acme.ts'

const PROV = 'urn:ietf:params:scim:event:prov:'

test('security event tokens', async (t) => {
  const acme = await startStreaming(t)
  const receiver = await startReceiver(t, () => 202)
  const { streamId } = await acme.createStream({
    kind: 'set',
    url: receiver.url,
    audience: 'https://receiver.acme.test',
    authorization: 'Bearer of-the-receiver'
  })
  const { data: made } = await acme.call('scimTokens.create', { name: 'okta' })
  const scim = (method: 'POST' | 'PATCH' | 'DELETE', path: string, payload?: object) =>
    acme.inject('acme', {
      method,
      url: `/scim/v2${path}`,
      headers: { authorization: `Bearer ${made.token}`, 'content-type': 'application/scim+json' },
      ...(payload && { payload })
    })
  const jwks = async () => (await acme.inject('acme', { url: '/.well-known/jwks.json' })).json()
  const claimsOf = async (index: number) => {
    const { body, headers } = (await receiver.takes(index + 1))[index]!
    const keys = createLocalJWKSet(await jwks())
    const options = { issuer: 'http://acme.muster.test', audience: 'https://receiver.acme.test', typ: 'secevent+jwt' }
    const { payload } = await jwtVerify(body, keys, options)
    t.match(headers, { 'content-type': 'application/secevent+jwt', authorization: 'Bearer of-the-receiver' })
    return payload
  }

  t.test('describe a user’s life in SCIM events, each signed with the tenant’s published key', async (t) => {
    const created = (await scim('POST', '/Users', { userName: 'eve@acme.test', externalId: 'e-1' })).json()
    const uri = `/Users/${created.id}`
    t.match(await claimsOf(0), {
      jti: /^[0-9a-f-]{36}$/,
      txn: /./,
      sub_id: { format: 'scim', uri, externalId: 'e-1' },
      events: { [`${PROV}create:notice`]: { attributes: /userName/ } }
    })
    const patch = (value: object) =>
      scim('PATCH', uri, {
        schemas: [PATCH_OP],
        Operations: [{ op: 'replace', value }]
      })
    await patch({ displayName: 'Eve' })
    const patched = await claimsOf(1)
    t.same(patched['events'], { [`${PROV}patch:notice`]: { attributes: ['displayName'] } })
    await patch({ active: false })
    t.same((await claimsOf(2))['events'], { [`${PROV}deactivate`]: {} })
    await patch({ active: true })
    t.same((await claimsOf(3))['events'], { [`${PROV}activate`]: {} })
    await scim('DELETE', uri)
    t.same((await claimsOf(4))['events'], { [`${PROV}delete`]: {} })
  })

  t.test('describe groups and their members', async (t) => {
    const { data } = await acme.call('groups.create', { displayName: 'Staff', members: [acme.ids.ben] })
    const { group } = data
    t.match(await claimsOf(5), { sub_id: { uri: `/Groups/${group.id}` } })
    await acme.call('groups.removeMembers', { groupId: group.id, userIds: [acme.ids.ben] })
    t.same((await claimsOf(6))['events'], { [`${PROV}patch:notice`]: { attributes: ['members'] } })
  })

  t.test('leave out what is no SCIM event, and test a receiver with a verification event', async (t) => {
    await acme.call('users.lock', { userId: acme.ids.ben })
    await acme.call('eventStreams.test', { streamId })
    const claims = await claimsOf(7)
    t.match(Object.keys(claims['events'] as object), [
      'https://schemas.openid.net/secevent/ssf/event-type/verification'
    ])
    t.equal(receiver.received.length, 8)
    t.match((await acme.call('eventStreams.rotateSecret', { streamId })).error, { reason: 'notOfThisKind' })
  })

  t.test('have published keys without the secret half, and events listed in the configuration', async (t) => {
    const { keys } = await jwks()
    t.match(keys, [{ kty: 'EC', crv: 'P-256', alg: 'ES256', use: 'sig' }])
    t.notOk('d' in keys[0])
    const config = (await acme.inject('acme', { url: '/scim/v2/ServiceProviderConfig' })).json()
    t.equal(config.securityEvents.asyncRequest, 'none')
    t.ok(config.securityEvents.eventUris.includes(`${PROV}delete`))
    t.same((await acme.inject('globex', { url: '/.well-known/jwks.json' })).json(), { keys: [] })
  })

  t.test('are signed with another key after a year, which was published before', async (t) => {
    const published = async () => (await jwks()).keys.map(({ kid }: { kid: string }) => kid)
    const signedBy = async () => {
      const count = receiver.taken.length
      // a year ends every session
      t.equal((await acme.mutate('acme', 'eventStreams.test', { streamId }, OPERATOR)).status, 200)
      return decodeProtectedHeader((await receiver.takes(count + 1))[count]!.body).kid
    }
    const clean = () => cleanUp(acme.deps, AbortSignal.timeout(60_000))
    const [old] = await published()
    acme.clock.advance({ hours: 364 * 24 })
    await clean()
    t.same(await published(), [old])
    acme.clock.advance({ hours: 24 })
    await clean()
    await clean()
    const [young, ...others] = await published()
    t.same(others, [old])
    t.equal(await signedBy(), old, 'at first')
    acme.clock.advance({ hours: 24 })
    t.equal(await signedBy(), young)
    acme.clock.advance({ hours: 29 * 24 })
    await clean()
    t.same(await published(), [young, old], 'for tokens that are looked at late')
    acme.clock.advance({ hours: 24 })
    await clean()
    t.same(await published(), [young])
    t.equal(await signedBy(), young)
  })
})

test('a stored Authorization header goes only to the origin that it was given for', async (t) => {
  const acme = await startStreaming(t)
  const receiver = await startReceiver(t, () => 202)
  const other = await startReceiver(t, () => 202)
  const authorization = 'Bearer of-the-receiver'
  const { streamId } = await acme.createStream({ kind: 'set', url: receiver.url, authorization })
  const update = (patch: object) => acme.call('eventStreams.update', { streamId, ...patch })
  const send = () => acme.call('eventStreams.test', { streamId })
  const sentTo = async ({ takes, taken }: typeof receiver) => {
    const count = taken.length
    await send()
    return (await takes(count + 1))[count]!.headers['authorization']
  }

  t.test('and another URL without a new one is refused', async (t) => {
    const answer = await update({ url: other.url, name: 'another' })
    t.match(answer, { status: 400, error: { reason: 'authorizationRequired' } })
    t.match(answer.error?.message, `for ${new URL(receiver.url).origin} alone`)
    await send()
    await Promise.race([receiver.takes(1), other.takes(1)])
    t.match(receiver.received, [{ headers: { authorization } }])
    t.same(other.received, [])
    const { cookies } = acme
    const { data } = await acme.query('acme', 'eventStreams.get', { streamId }, { cookie: cookies.administrator })
    t.match(data.stream, { name: 'backend', url: receiver.url }, 'nothing else of the change was made')
  })

  t.test('and is kept if the origin stays', async (t) => {
    const url = new URL('/moved', receiver.url).href
    t.match(await update({ url }), { status: 200, data: { stream: { url, hasAuthorization: true } } })
    t.equal(await sentTo(receiver), authorization)
  })

  t.test('and is replaced by the one that comes with a URL, or dropped', async (t) => {
    const anew = { url: other.url, authorization: 'Bearer of-the-other' }
    t.match(await update(anew), { status: 200, data: { stream: { url: other.url, hasAuthorization: true } } })
    t.equal(await sentTo(other), 'Bearer of-the-other')
    const none = { url: receiver.url, authorization: null }
    t.match(await update(none), { status: 200, data: { stream: { url: receiver.url, hasAuthorization: false } } })
    t.equal(await sentTo(receiver), undefined)
    t.match(await update({ url: other.url }), { status: 200 }, 'where there is none, none is asked for')
  })
})
