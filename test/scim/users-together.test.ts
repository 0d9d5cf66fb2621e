// Changes that arrive at the same time share a transaction: each has its own answer, and none makes another one fail.
import { sql, type Transaction } from 'kysely'
import { test } from 'tap'
import type { Database } from '../../db/schema.ts'
import { startApp } from '../support/app.ts'
import { isOnCluster } from '../support/cluster.ts'
import { lockIsAwaited } from '../support/locks.ts'
import { signInAs } from '../support/people.ts'
import { scimClient } from '../support/scim.ts'
import { addTenant } from '../support/tenants.ts'
import { USER } from '../support/urns.ts'

test('changes that arrive at the same time', async (t) => {
  const app = await startApp(t)
  const acme = await addTenant(app, 'acme')
  const scim = await scimClient(app, acme)
  const make = async (name: string) => {
    const user = { userName: `${name}@acme.test`, externalId: name, name: { familyName: name } }
    return (await scim.post('/Users', user)).body.id as string
  }
  const set = (path: string, value: unknown) => [{ op: 'replace', path, value }]
  const statesOf = async (ids: readonly string[]) => {
    const rows = await app.owner.selectFrom('users').select(['id', 'state', 'version']).where('id', 'in', ids).execute()
    const found = new Map(rows.map(({ id, state, version }) => [id, `${state} ${version}`]))
    return ids.map((id) => found.get(id))
  }
  const eventsOf = async (ids: readonly string[]) =>
    app.owner
      .selectFrom('audit_events')
      .select(['action', 'target_id', 'request_id'])
      .where('target_id', 'in', ids)
      .where('action', '<>', 'user.created')
      .execute()

  t.test('have an answer, a version and an event each', async (t) => {
    const ids = await Promise.all(['a', 'b', 'c', 'd', 'e', 'f'].map(make))
    const [a, b, c, d, e, f] = ids as [string, string, string, string, string, string]
    const answers = await Promise.all([
      scim.patch(`/Users/${a}`, set('name.familyName', 'Alpha')),
      scim.patch(`/Users/${b}`, set('active', false)),
      scim.delete(`/Users/${c}`),
      scim.patch(`/Users/${d}`, set('name.familyName', 'Delta')),
      scim.patch(`/Users/${d}`, set('displayName', 'D. Delta')),
      scim.patch(`/Users/${e}`, set('active', true)),
      scim.patch(`/Users/${f}`, set('userName', 'g@acme.test')),
      scim.delete('/Users/00000000-0000-4000-8000-000000000000')
    ])
    t.same(
      answers.map(({ status }) => status),
      [200, 200, 204, 200, 200, 200, 200, 404]
    )
    t.equal(answers[0].body.name.familyName, 'Alpha')
    t.equal(answers[1].body.active, false)
    const both = (await scim.get(`/Users/${d}`)).body
    t.same([both.name.familyName, both.displayName, both.meta.version], ['Delta', 'D. Delta', 'W/"3"'])
    t.same(await statesOf(ids), ['active 2', 'deactivated 2', 'removed 2', 'active 3', 'active 1', 'active 2'])
    const events = await eventsOf(ids)
    t.same(events.map(({ action }) => action).sort(), [
      'user.deactivated',
      'user.removed',
      'user.updated',
      'user.updated',
      'user.updated',
      'user.updated'
    ])
    t.equal(new Set(events.map(({ request_id }) => request_id)).size, events.length, 'with its own request')
    t.equal((await scim.get('/Users?count=0')).body.totalResults, 5)
  })

  t.test('fail alone', async (t) => {
    const ids = await Promise.all(['k', 'l', 'm', 'n'].map(make))
    const [k, l, m, n] = ids as [string, string, string, string]
    const answers = await Promise.all([
      scim.patch(`/Users/${k}`, set('externalId', 'n')),
      scim.patch(`/Users/${l}`, set('name.familyName', 'Lambda')),
      scim.patch(`/Users/${m}`, set('active', false), { 'if-match': 'W/"7"' }),
      scim.delete(`/Users/${n}`, { 'if-match': 'W/"7"' })
    ])
    t.same(
      answers.map(({ status }) => status),
      [409, 200, 412, 412]
    )
    t.same(await statesOf(ids), ['active 1', 'active 2', 'active 1', 'active 1'])
    t.equal((await eventsOf(ids)).length, 1)
  })

  t.test('of the same user wait for each other', async (t) => {
    const id = await make('same')
    const answers = await Promise.all(
      Array.from({ length: 12 }, (_, index) => scim.patch(`/Users/${id}`, set('nickName', `n${index}`)))
    )
    t.same(new Set(answers.map(({ status }) => status)), new Set([200]))
    t.same(
      answers.map(({ body }) => body.meta.version).sort(),
      Array.from({ length: 12 }, (_, index) => `W/"${index + 2}"`).sort()
    )
  })

  // a rejection that nobody handles would end the process, and with it the requests of every tenant
  t.test('are answered if they are refused after their password was hashed, and end nothing else', async (t) => {
    const id = await make('hashed')
    const above = [{ value: 'administrator', primary: true }]
    const answers = await Promise.all([
      scim.patch(`/Users/${id}`, [...set('password', 'A-walnut-glacier-1'), ...set('roles', above)]),
      scim.patch(`/Users/${id}`, [...set('roles', above), ...set('password', 'A-walnut-glacier-1')]),
      scim.patch(`/Users/${id}`, set('displayName', 'Fine'))
    ])
    t.same(
      answers.map(({ status }) => status),
      [403, 403, 200]
    )
  })
})

test('changes of users whom somebody else changes at the same time', async (t) => {
  const app = await startApp(t)
  const acme = await addTenant(app, 'acme')
  const scim = await scimClient(app, acme)
  const make = async (name: string) => (await scim.post('/Users', { userName: `${name}@acme.test` })).body.id as string
  const set = (path: string, value: unknown) => [{ op: 'replace', path, value }]

  /** Commits what `elsewhere` does while `request` waits for it. */
  async function overtaken<T>(elsewhere: (trx: Transaction<Database>) => Promise<unknown>, request: () => Promise<T>) {
    let answer: Promise<T> | undefined
    await app.owner.transaction().execute(async (trx) => {
      await elsewhere(trx)
      answer = request()
      await lockIsAwaited(app.owner)
    })
    return answer!
  }

  t.test('apply to the user as it is then', async (t) => {
    const [id, other] = [await make('one'), await make('other')]
    const [answer, ofOther] = await overtaken(
      (trx) => sql`update users set version = version + 1, doc = ${RETITLED('one')} where id = ${id}`.execute(trx),
      () =>
        Promise.all([
          scim.patch(`/Users/${id}`, set('nickName', 'Uno')),
          scim.patch(`/Users/${other}`, set('nickName', 'Due'))
        ])
    )
    t.match(answer.body, { title: 'Boss', nickName: 'Uno', meta: { version: 'W/"3"' } })
    t.match(ofOther.body, { nickName: 'Due', meta: { version: 'W/"2"' } })
  })

  t.test('are refused if the version that they name is outdated then', async (t) => {
    const id = await make('two')
    const answer = await overtaken(
      (trx) => sql`update users set version = version + 1, doc = ${RETITLED('two')} where id = ${id}`.execute(trx),
      () => scim.patch(`/Users/${id}`, set('nickName', 'Due'), { 'if-match': 'W/"1"' })
    )
    t.equal(answer.status, 412)
  })

  t.test('end a session that began meanwhile', async (t) => {
    const id = await make('three')
    const signIn = async (trx: Transaction<Database>) => {
      await sql`update users set last_sign_in_at = now() where id = ${id}`.execute(trx)
      await signInAs(trx, acme.id, id)
    }
    const answer = await overtaken(signIn, () => scim.patch(`/Users/${id}`, set('active', false)))
    t.match(answer.body, { active: false })
    t.same(await app.owner.selectFrom('sessions').selectAll().where('user_id', '=', id).execute(), [])
  })

  t.test('end a membership that began meanwhile, and log it', async (t) => {
    const [id, early, late] = [await make('four'), await group('Early'), await group('Late')]
    await scim.patch(`/Groups/${early}`, [{ op: 'add', path: 'members', value: [{ value: id }] }])
    const join = async (trx: Transaction<Database>) => {
      await sql`select from users where tenant_id = ${acme.id} and id = ${id} for share`.execute(trx)
      await sql`insert into group_members (tenant_id, group_id, user_id) values (${acme.id}, ${late}, ${id})`.execute(
        trx
      )
    }
    const answer = await overtaken(join, () => scim.delete(`/Users/${id}`))
    t.equal(answer.status, 204)
    t.same(await app.owner.selectFrom('group_members').selectAll().where('user_id', '=', id).execute(), [])
    const { before } = await app.owner
      .selectFrom('audit_events')
      .select('before')
      .where('target_id', '=', id)
      .where('action', '=', 'user.removed')
      .executeTakeFirstOrThrow()
    t.same(JSON.parse(before!).groupIds.sort(), [early, late].sort())
  })

  t.test('remove people from their groups if nobody is in the way', async (t) => {
    const [id, first, second] = [await make('five'), await group('First'), await group('Second')]
    for (const groupId of [first, second]) {
      await scim.patch(`/Groups/${groupId}`, [{ op: 'add', path: 'members', value: [{ value: id }] }])
    }
    t.equal((await scim.delete(`/Users/${id}`)).status, 204)
    const { id: eventId, before } = await app.owner
      .selectFrom('audit_events')
      .select(['id', 'before'])
      .where('target_id', '=', id)
      .where('action', '=', 'user.removed')
      .executeTakeFirstOrThrow()
    t.same(JSON.parse(before!).groupIds.sort(), [first, second].sort())
    const past = await app.owner.selectFrom('past_memberships').selectAll().where('user_id', '=', id).execute()
    t.same(
      past.map(({ group_id, removed_event_id }) => `${group_id} ${removed_event_id}`).sort(),
      [`${first} ${eventId}`, `${second} ${eventId}`].sort()
    )
    t.match((await scim.get(`/Groups/${first}`)).body, { meta: { version: 'W/"3"' } })
  })

  const group = async (displayName: string) => (await scim.post('/Groups', { displayName })).body.id as string
})

const RETITLED = (name: string) => JSON.stringify({ schemas: [USER], userName: `${name}@acme.test`, title: 'Boss' })

test('users that are created at the same time', async (t) => {
  const app = await startApp(t)
  const acme = await addTenant(app, 'acme')
  const scim = await scimClient(app, acme)

  t.test('have an answer and an event each', async (t) => {
    const names = Array.from({ length: 12 }, (_, index) => `new-${index}@acme.test`)
    const answers = await Promise.all(names.map((userName) => scim.post('/Users', { userName })))
    t.same(
      answers.map(({ status, body }) => `${status} ${body.userName}`),
      names.map((name) => `201 ${name}`)
    )
    const events = await app.owner
      .selectFrom('audit_events')
      .select(['target_id', 'request_id'])
      .where('action', '=', 'user.created')
      .execute()
    t.same(new Set(events.map(({ target_id }) => target_id)), new Set(answers.map(({ body }) => body.id)))
    t.equal(new Set(events.map(({ request_id }) => request_id)).size, names.length)
    t.equal((await scim.get('/Users?count=0')).body.totalResults, names.length)
  })

  t.test('are refused alone', async (t) => {
    const post = (userName: string, rest = {}) => scim.post('/Users', { userName, ...rest })
    const answers = await Promise.all([
      post('fresh@acme.test'),
      post('NEW-1@acme.test'),
      post('twice@acme.test'),
      post('twice@acme.test'),
      post('above@acme.test', { roles: [{ value: 'administrator', primary: true }] })
    ])
    const statuses = answers.map(({ status }) => status)
    t.same([statuses[0], statuses[1], statuses[4]], [201, 409, 403])
    t.same(statuses.slice(2, 4).sort(), [201, 409], 'one of two with the same name is made')
  })
})

test('writes of several tenants at the same time', async (t) => {
  const app = await startApp(t)
  const clients = await Promise.all(
    ['one', 'two', 'three', 'four', 'five', 'six'].map(async (name) => scimClient(app, await addTenant(app, name)))
  )
  const sharedTransactions = async (action: string) => {
    const { rows } = await sql<{ most: number }>`
      select max(tenants)::int as most from (
        select count(distinct tenant_id) as tenants from audit_events where action = ${action} group by xid) as x`.execute(
      app.owner
    )
    return rows[0]!.most
  }
  const totals = () =>
    Promise.all(clients.map(async (scim) => (await scim.get('/Users?count=0')).body.totalResults as number))
  // the same people in each tenant, except for the addresses, which belong to one tenant
  const moment = (scim: (typeof clients)[number], round: number) => ({
    userName: `user${round}`,
    externalId: `id${round}`,
    emails: [{ value: `user${round}@${scim.tenant.subdomain}.test` }]
  })

  t.test('share transactions and nothing else', async (t) => {
    const made = await Promise.all(clients.map((scim) => scim.post('/Users', moment(scim, 1))))
    t.same(
      made.map(({ status, body }) => `${status} ${body.emails[0].value}`),
      clients.map(({ tenant }) => `201 user1@${tenant.subdomain}.test`)
    )
    // on a cluster each has a transaction of its own
    t.ok(isOnCluster || (await sharedTransactions('user.created')) > 1, 'some are made in one transaction')
    const changed = await Promise.all(
      clients.map((scim, index) =>
        scim.patch(`/Users/${made[index]!.body.id}`, [{ op: 'replace', path: 'active', value: false }])
      )
    )
    t.same(
      changed.map(({ status, body }) => `${status} ${body.id} ${body.active}`),
      made.map(({ body }) => `200 ${body.id} false`)
    )
    t.ok(isOnCluster || (await sharedTransactions('user.deactivated')) > 1, 'and changed')
    const strange = await Promise.all(
      clients.map((scim, index) => scim.delete(`/Users/${made[(index + 1) % clients.length]!.body.id}`))
    )
    t.same(new Set(strange.map(({ status }) => status)), new Set([404]), 'another tenant’s users are nobody’s')
    t.same(
      await totals(),
      clients.map(() => 1)
    )
  })

  t.test('are refused alone', async (t) => {
    const answers = await Promise.all(
      clients.map((scim, index) => {
        if (index === 1) return scim.post('/Users', moment(scim, 1))
        // the address of the first tenant's user
        if (index === 3)
          return scim.post('/Users', { ...moment(clients[0]!, 1), userName: 'other', externalId: 'other' })
        return scim.post('/Users', moment(scim, 2))
      })
    )
    t.same(
      answers.map(({ status }) => status),
      [201, 409, 201, 409, 201, 201]
    )
    t.same(await totals(), [2, 1, 2, 1, 2, 2])
  })
})
