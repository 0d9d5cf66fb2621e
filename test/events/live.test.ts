import { type IncomingMessage, request } from 'node:http'
import type { AddressInfo } from 'node:net'
import { createInterface } from 'node:readline'
import { setTimeout as wait } from 'node:timers/promises'
import { test } from 'tap'
import { startInviting } from '../invitations/acme.ts'

test('the live feed', async (t) => {
  const acme = await startInviting(t)
  await acme.app.listen({ host: '127.0.0.1', port: 0 })
  const { port } = acme.app.server.address() as AddressInfo

  /** Opens a stream of server-sent events. @returns the answer, and its events one by one */
  async function open(cookie: string, lastEventId?: string, tenant = 'acme') {
    const input = lastEventId ? `?input=${encodeURIComponent(JSON.stringify({ lastEventId }))}` : ''
    const answer = await new Promise<IncomingMessage>((resolve, reject) => {
      request({ port, path: `/trpc/events.live${input}`, headers: { host: `${tenant}.muster.test`, cookie } }, resolve)
        .on('error', reject)
        .end()
    })
    t.teardown(() => answer.destroy())
    return { answer, events: readEvents(answer) }
  }

  /** Reads events; the lines of each come in any order and end with an empty one. */
  async function* readEvents(answer: IncomingMessage) {
    let fields: Record<string, string> = {}
    for await (const line of createInterface({ input: answer })) {
      const [, name, value] = /^(\w+): (.*)$/.exec(line) ?? []
      if (name) fields[name] = value!
      if (line !== '') continue
      const event = fields['id'] && JSON.parse(fields['data']!)
      // sign-ins of these tests may be among the events
      if (event && event.type !== 'session.created') yield { place: fields['id'], ...event }
      fields = {}
    }
  }

  let invited = 0
  /**
   * Makes changes until the feed tells of one, since it begins some time after the head of its answer. @returns that
   * event
   */
  async function firstOf(events: ReturnType<typeof readEvents>) {
    const told = events.next()
    for (;;) {
      await acme.invite([`guest${invited++}@acme.test`])
      const first = await Promise.race([told, wait(2_000)])
      if (first) return first.value
    }
  }

  t.test('tells of changes as they happen, and continues where it broke off', async (t) => {
    const { answer, events } = await open(acme.cookies.administrator)
    t.equal(answer.headers['content-type'], 'text/event-stream')
    const first = await firstOf(events)
    t.match(first, { type: /^(user\.invited|invitation\.created)$/, actorName: 'Ada', at: /Z$/ })
    const second = (await events.next()).value
    answer.destroy()
    await acme.invite(['eve@acme.test'])
    const again = await open(acme.cookies.administrator, second.place)
    const missed = (await again.events.next()).value
    t.not(missed.id, second.id)
    t.match(missed, { type: /^(user\.invited|invitation\.created)$/ })
    again.answer.destroy()
  })

  t.test('tells another tenant nothing, whatever place it names', async (t) => {
    const grace = await acme.cookieOf('grace@globex.test')
    const { answer, events } = await open(grace, '1:00000000-0000-0000-0000-000000000000', 'globex')
    await acme.invite(['fay@acme.test'])
    await acme.inviteElsewhere('gus@globex.test')
    const seen: string[] = []
    for await (const event of events) {
      seen.push(JSON.stringify(event))
      if (event.target.name === 'gus@globex.test') break
    }
    answer.destroy()
    t.ok(seen.length >= 1)
    t.notMatch(seen.join('\n'), /acme\.test/)
  })

  t.test('is for administrators, and ends when rights change', async (t) => {
    const { answer: refused } = await open(acme.cookies.manager)
    refused.setEncoding('utf8')
    const text = (await refused.toArray()).join('')
    t.match(text, /event: serialized-error/)
    t.match(text, /"reason":"administratorOnly"/)
    const { answer, events } = await open(acme.cookies.administrator)
    t.equal(answer.statusCode, 200)
    await firstOf(events)
    await acme.call('users.lock', { userId: acme.ids.ben })
    for await (const event of events) t.match(event, { type: /./ })
    t.pass('the stream has ended')
  })
})
