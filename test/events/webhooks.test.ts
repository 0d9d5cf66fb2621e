import { sql } from 'kysely'
import { Webhook } from 'standardwebhooks'
import { test } from 'tap'
import { type Received, startReceiver } from '../support/receiver.ts'
import { startSmtpServer } from '../support/smtp-server.ts'
import { startStreaming } from './acme.ts'

const typeOf = ({ body }: Received) => JSON.parse(body).type
const targetOf = ({ body }: Received) => JSON.parse(body).data.target.name
const verify = (secret: string, { body, headers }: Received) =>
  new Webhook(secret).verify(body, headers as Record<string, string>)
/** Whether one of the signatures is by this secret, whatever the time. */
function isSignedBy(secret: string, { body, headers }: Received): boolean {
  const time = new Date(Number(headers['webhook-timestamp']) * 1000)
  const signature = new Webhook(secret).sign(headers['webhook-id'] as string, time, body)
  return (headers['webhook-signature'] as string).split(' ').includes(signature)
}

test('webhooks', async (t) => {
  const smtp = await startSmtpServer(t)
  const acme = await startStreaming(t, { smtpUrl: smtp.url })

  t.test('tell of each change from then on, signed as Standard Webhooks requires', async (t) => {
    await acme.invite(['before@acme.test'])
    const receiver = await startReceiver(t)
    const { streamId, secret } = await acme.createStream({ url: receiver.url, eventTypes: ['user.*'] })
    const { results } = await acme.invite(['dan@acme.test'])
    const [first] = await receiver.takes(1)
    const message = verify(secret, first!) as Record<string, unknown>
    t.match(message, {
      type: 'user.invited',
      timestamp: /Z$/,
      data: {
        tenant: 'acme',
        target: { type: 'user', id: results[0]!.userId },
        actor: { kind: 'user', name: 'Ada' },
        after: { email: 'dan@acme.test' }
      }
    })
    t.throws(() => verify(`whsec_${Buffer.alloc(32).toString('base64')}`, first!), 'by this secret alone')
    t.notMatch(first!.body, /127\.0\.0\.1/, 'without network addresses of people')
    const [delivery] = await acme.settled(streamId)
    t.match(delivery, { type: 'user.invited', state: 'delivered', attempts: 1, status: 204, error: null })
    await acme.call('eventStreams.remove', { streamId })
  })

  t.test('are for administrators', async (t) => {
    for (const role of ['stakeholder', 'responder', 'manager'] as const) {
      t.equal(
        (await acme.call('eventStreams.create', { kind: 'webhook', name: 'x', url: 'https://a.test' }, role)).status,
        403
      )
    }
    const elsewhere = await acme.cookieOf('grace@globex.test')
    const streamId = (await acme.createStream({ url: 'https://hooks.acme.test/' })).streamId
    const { status } = await acme.mutate('globex', 'eventStreams.remove', { streamId }, { cookie: elsewhere })
    t.equal(status, 404)
    await acme.call('eventStreams.remove', { streamId })
  })

  t.test('are repeated until they are taken, in order for each person, with the same id', async (t) => {
    const refused = new Set<string>()
    const receiver = await startReceiver(t, ({ body }) => {
      const { type, data } = JSON.parse(body)
      // the first attempt at the first change of Cleo fails
      if (data.target.name !== 'Cleo' || type !== 'user.deactivated') return 200
      if (receiver.received.filter((entry) => entry.body === body).length > 1) return 200
      refused.add(data.id)
      return 503
    })
    const { streamId } = await acme.createStream({
      url: receiver.url,
      eventTypes: ['user.deactivated', 'user.activated', 'user.locked']
    })
    const cleo = { userId: acme.ids.cleo }
    for (const procedure of ['users.deactivate', 'users.activate', 'users.lock', 'users.unlock']) {
      t.equal((await acme.call(procedure, cleo)).status, 200)
    }
    await acme.call('users.lock', { userId: acme.ids.ben })
    const taken = await receiver.takes(4)
    const ofCleo = taken.filter((entry) => targetOf(entry) === 'Cleo')
    t.same(ofCleo.map(typeOf), ['user.deactivated', 'user.activated', 'user.locked'])
    t.ok(
      taken.some((entry) => targetOf(entry) === 'Ben'),
      'and others do not wait'
    )
    const attempts = receiver.received.filter(({ headers }) => refused.has(headers['webhook-id'] as string))
    t.equal(attempts.length, 2)
    const rows = await acme.settled(streamId)
    t.equal(rows.find(({ type }) => type === 'user.deactivated')!.attempts, 2)
    await acme.call('users.unlock', { userId: acme.ids.ben })
    await acme.call('eventStreams.remove', { streamId })
  })

  t.test('are given up after three days, of which administrators hear once, and can be replayed', async (t) => {
    let isUp = false
    const receiver = await startReceiver(t, () => (isUp ? 200 : 500))
    const { streamId } = await acme.createStream({ url: receiver.url, name: 'crm', eventTypes: ['user.locked'] })
    await acme.call('users.lock', { userId: acme.ids.ben })
    while (receiver.received.length === 0) await new Promise(setImmediate)
    acme.clock.advance({ hours: 73 })
    const isDead = async () => (await acme.deliveries(streamId))[0]?.state === 'dead'
    // the session has expired meanwhile
    acme.cookies.administrator = await acme.cookieOf('ada@acme.test')
    while (!(await isDead())) await new Promise((done) => setTimeout(done, 20))
    const mails = await smtp.mailsTo('ada@acme.test')
    t.match(mails.at(-1)!.parsed.subject, 'Events for crm were given up')
    const { data: listed } = await acme.query('acme', 'eventStreams.list', {}, { cookie: acme.cookies.administrator })
    t.match(listed.items, [{ name: 'crm', deliveries: { queued: 0, dead: 1 }, lastError: 'not now' }])
    isUp = true
    const { data } = await acme.call('eventStreams.replay', { streamId })
    t.equal(data.count, 1)
    await receiver.takes(1)
    t.equal((await acme.call('eventStreams.replay', { streamId })).data.count, 0, 'of the dead none is left')
    const [delivered] = await acme.settled(streamId)
    t.equal((await acme.call('eventStreams.replay', { streamId, deliveryIds: [delivered!.id] })).data.count, 1)
    const taken = await receiver.takes(2)
    t.equal(taken[0]!.headers['webhook-id'], taken[1]!.headers['webhook-id'], 'a receiver knows what it had')
    t.equal(mails.length, (await smtp.mailsTo('ada@acme.test')).length)
    await acme.call('users.unlock', { userId: acme.ids.ben })
    await acme.call('eventStreams.remove', { streamId })
  })

  t.test('are signed with both secrets while a new one is introduced', async (t) => {
    const receiver = await startReceiver(t)
    const { streamId, secret: old } = await acme.createStream({ url: receiver.url, eventTypes: ['group.*'] })
    const { data } = await acme.call('eventStreams.rotateSecret', { streamId, overlapHours: 2 })
    t.equal((await acme.call('eventStreams.test', { streamId })).status, 200, 'a test goes out whatever is wanted')
    const [both] = await receiver.takes(1)
    t.equal(typeOf(both!), 'eventStream.tested')
    for (const secret of [old, data.secret]) t.ok(isSignedBy(secret, both!))
    acme.clock.advance({ hours: 3 })
    acme.cookies.administrator = await acme.cookieOf('ada@acme.test')
    await acme.call('eventStreams.test', { streamId })
    const [, one] = await receiver.takes(2)
    t.ok(isSignedBy(data.secret, one!))
    t.notOk(isSignedBy(old, one!))
    await acme.call('eventStreams.remove', { streamId })
  })

  t.test('stop if the receiver answers 410, until they are resumed', async (t) => {
    let status = 410
    const receiver = await startReceiver(t, () => status)
    const { streamId } = await acme.createStream({ url: receiver.url, eventTypes: ['group.created'] })
    await acme.call('groups.create', { displayName: 'One' })
    const stream = async () =>
      (await acme.query('acme', 'eventStreams.get', { streamId }, { cookie: acme.cookies.administrator })).data.stream
    while ((await stream()).state !== 'paused') await new Promise((done) => setTimeout(done, 20))
    t.match(await stream(), { pausedBecause: 'The receiver answered 410 Gone' })
    t.match((await acme.call('eventStreams.test', { streamId })).error, { reason: 'streamPaused' })
    status = 200
    await acme.call('groups.create', { displayName: 'Two' })
    await acme.call('eventStreams.update', { streamId, state: 'enabled' })
    t.same((await receiver.takes(2)).map(targetOf).sort(), ['One', 'Two'], 'nothing was lost meanwhile')
    await acme.call('eventStreams.remove', { streamId })
  })

  t.test('reach each receiver once if two workers share the work', async (t) => {
    await acme.work()
    const receivers = await Promise.all([startReceiver(t), startReceiver(t)])
    for (const { url } of receivers) await acme.createStream({ url, eventTypes: ['user.invited'] })
    const emails = Array.from({ length: 60 }, (_, index) => `many${index}@acme.test`)
    await Promise.all([acme.invite(emails.slice(0, 30)), acme.invite(emails.slice(30))])
    for (const receiver of receivers) {
      const taken = await receiver.takes(60)
      t.equal(new Set(taken.map(({ headers }) => headers['webhook-id'])).size, 60)
      t.equal(receiver.received.length, 60)
    }
  })

  t.test('miss and repeat nothing if transactions are counted from the start again', async (t) => {
    const receiver = await startReceiver(t)
    const { streamId } = await acme.createStream({ url: receiver.url, eventTypes: ['group.created'] })
    await acme.call('groups.create', { displayName: 'Before' })
    await receiver.takes(1)
    await acme.settled(streamId)
    // as if the tenant's rows had moved to another node, with smaller numbers
    await sql`update event_streams set cursor_node = '7.16384', cursor_xid = '99999999999'
      where tenant_id = ${acme.acmeId} and id = ${streamId}`.execute(acme.owner)
    await acme.call('groups.create', { displayName: 'After' })
    t.same((await receiver.takes(2)).map(targetOf), ['Before', 'After'])
    await acme.call('groups.create', { displayName: 'Later' })
    t.same((await receiver.takes(3)).map(targetOf), ['Before', 'After', 'Later'])
    const known = await acme.owner
      .selectFrom('event_streams')
      .select('cursor_node')
      .where('id', '=', streamId)
      .execute()
    t.match(known, [{ cursor_node: /^\d{5,}\.\d+$/ }])
    await acme.call('eventStreams.remove', { streamId })
  })

  t.test('refuse settings that make no sense', async (t) => {
    const refusals: [Record<string, unknown>, string][] = [
      [{ url: 'ftp://a.test' }, 'badUrl'],
      [{ url: 'https://ada:secret@a.test' }, 'badUrl'],
      [{ url: 'https://a.test', eventTypes: ['*'] }, 'invalid'],
      [{ url: 'https://a.test', audience: 'x' }, 'notOfThisKind']
    ]
    for (const [facts, reason] of refusals) {
      const { error } = await acme.call('eventStreams.create', { kind: 'webhook', name: 'x', ...facts })
      t.equal(error?.reason, reason, JSON.stringify(facts))
    }
  })
})
