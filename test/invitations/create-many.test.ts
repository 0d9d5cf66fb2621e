import { sql } from 'kysely'
import { test } from 'tap'
import { v7 as uuidv7 } from 'uuid'
import { claimAddresses } from '../../db/addresses.ts'
import { inTenant } from '../../db/connect.ts'
import { lockUser } from '../../db/users.ts'
import { isOnCluster } from '../support/cluster.ts'
import { lockIsAwaited } from '../support/locks.ts'
import { insertPerson } from '../support/people.ts'
import { countStatements } from '../support/statements.ts'
import { startInviting } from './acme.ts'

const addresses = (count: number, domain: string) => Array.from({ length: count }, (_, index) => `p${index}@${domain}`)

test('a call with many addresses', async (t) => {
  const acme = await startInviting(t, { env: { INVITATION_TTL_HOURS: '24' } })
  const count = async (emails: string[], options?: { resend?: boolean }) => {
    let counts: Record<string, number> = {}
    const statements = await countStatements(async () => {
      counts = (await acme.invite(emails, options)).counts
    })
    return { statements, counts }
  }

  t.test('takes as many statements as one with a single address', async (t) => {
    await acme.invite(['warm@up.test'])
    const one = await count(['one@few.test'])
    const all = await count(addresses(1_000, 'many.test'))
    t.same(all.counts, { invited: 1_000 })
    t.equal(all.statements, one.statements)
    t.ok(one.statements <= 20, `${one.statements} of them, with BEGIN and COMMIT, session and rate limit`)
  })

  t.test('only reads if everybody is invited already', async (t) => {
    const { statements, counts } = await count(addresses(1_000, 'many.test'))
    t.same(counts, { alreadyInvited: 1_000 })
    t.ok(statements <= 8, `${statements}`)
  })

  t.test('takes a bounded number of statements if every result occurs', async (t) => {
    const mixed = (prefix: string, size: number) => ({
      members: addresses(size, `${prefix}-member.test`),
      removed: addresses(size, `${prefix}-removed.test`),
      expired: addresses(size, `${prefix}-expired.test`),
      elsewhere: addresses(size, `${prefix}-elsewhere.test`),
      fresh: addresses(size, `${prefix}-new.test`)
    })
    const prepare = async (people: ReturnType<typeof mixed>) => {
      await acme.invite([...people.members, ...people.removed, ...people.expired])
      await acme.inviteElsewhere(people.elsewhere.join('\n'))
      const setState = (emails: string[], state: 'active' | 'removed') =>
        acme.owner
          .updateTable('users')
          .set({ state, activated_at: acme.clock.now() })
          .where('email_key', 'in', emails)
          .execute()
      await setState(people.members, 'active')
      await setState(people.removed, 'removed')
      await acme.owner.deleteFrom('addresses').where('address_key', 'in', people.removed).execute()
      await acme.owner
        .updateTable('invitations')
        .set({ state: 'revoked' })
        .where('user_id', 'in', (users) => users.selectFrom('users').select('id').where('state', '=', 'removed'))
        .execute()
      acme.clock.advance({ hours: 25 })
      return count([...Object.values(people).flat(), 'no address'])
    }
    const few = await prepare(mixed('few', 1))
    const many = await prepare(mixed('many', 100))
    t.same(few.counts, {
      alreadyMember: 1,
      reinvited: 1,
      resent: 1,
      emailInOtherTenant: 1,
      invited: 1,
      invalidEmail: 1
    })
    t.same(many.counts, {
      alreadyMember: 100,
      reinvited: 100,
      resent: 100,
      emailInOtherTenant: 100,
      invited: 100,
      invalidEmail: 1
    })
    t.equal(many.statements, few.statements)
  })

  t.test('writes each person’s rows once, and counts them', async (t) => {
    const { rows } = await sql<Record<string, number>>`
      select (select count(*)::int from users where email_key like '%@many.test') as users,
        (select count(*)::int from user_emails where value_key like '%@many.test') as emails,
        (select count(*)::int from addresses where address_key like '%@many.test') as addresses,
        (select count(*)::int from mails where to_address like '%@many.test') as mails,
        (select count(distinct l.invitation_id)::int from invitation_links l
          join invitations i on i.tenant_id = l.tenant_id and i.id = l.invitation_id
          join users u on u.tenant_id = i.tenant_id and u.id = i.user_id where u.email_key like '%@many.test') as links,
        (select count(*)::int from audit_events where target_name like '%@many.test') as events,
        (select count(*)::int from pgboss.job where data->>'mailId' in
          (select id::text from mails where to_address like '%@many.test')) as jobs`.execute(acme.owner)
    t.same(rows[0], {
      users: 1_000,
      emails: 1_000,
      addresses: 1_000,
      mails: 1_000,
      links: 1_000,
      events: 2_000,
      jobs: 1_000
    })
  })

  t.test('lists invitations in the order asked, newest first', async (t) => {
    await acme.invite(['first@order.test', 'second@order.test', 'third@order.test'])
    const { data } = await acme.query(
      'acme',
      'invitations.list',
      { search: 'order.test' },
      { cookie: acme.cookies.manager }
    )
    t.same(
      data.items.map(({ email }: { email: string }) => email),
      ['third@order.test', 'second@order.test', 'first@order.test']
    )
  })
})

test('calls at the same time', async (t) => {
  const acme = await startInviting(t)

  t.test('from two tenants for the same address give one invitation, 20 times', async (t) => {
    for (let round = 0; round < 20; round++) {
      const email = `race${round}@x.test`
      const [here, there] = await Promise.all([
        acme.invite([email]).then(({ results }) => results[0]!.result),
        acme.inviteElsewhere(email)
      ])
      t.same([here, there].sort(), ['emailInOtherTenant', 'invited'], email)
    }
  })

  t.test('from two tenants, 20 each, for the same address give one invitation', async (t) => {
    const results = await Promise.all(
      Array.from({ length: 20 }, () => [
        acme.invite(['popular@x.test']).then(({ results }) => results[0]!.result),
        acme.inviteElsewhere('popular@x.test')
      ]).flat()
    )
    t.equal(results.filter((result) => result === 'invited').length, 1)
    const others = new Set(results.filter((result) => result !== 'invited'))
    t.same(others, new Set(['alreadyInvited', 'emailInOtherTenant']))
    t.equal(
      (await acme.owner.selectFrom('mails').select('id').where('to_address', '=', 'popular@x.test').execute()).length,
      1
    )
  })

  t.test('for many addresses in opposite orders all end, each address in one tenant', async (t) => {
    const emails = addresses(200, 'opposite.test')
    const [here, there] = await Promise.all([
      acme.invite(emails).then(({ counts }) => counts),
      acme.mutate(
        'globex',
        'invitations.create',
        { invites: [{ email: [...emails].reverse().join(',') }] },
        { cookie: await acme.cookieOf('grace@globex.test') }
      )
    ])
    t.equal((here.invited ?? 0) + (there.data.counts.invited ?? 0), 200)
    t.equal((here.emailInOtherTenant ?? 0) + (there.data.counts.emailInOtherTenant ?? 0), 200)
  })

  // a cluster locks them shard by shard: of two calls with the same addresses, one waits for the other there, too
  const inOrder = { skip: isOnCluster }
  t.test('lock addresses in the same order, so that none waits in a circle', inOrder, async (t) => {
    const claim = (address_key: string) => ({ address_key, user_id: uuidv7() })
    const hasFirst = Promise.withResolvers<void>()
    const here = inTenant(acme.deps.db, acme.acmeId, async (trx) => {
      await claimAddresses(trx, acme.acmeId, [claim('1@circle.test')])
      hasFirst.resolve()
      await lockIsAwaited(acme.owner)
      // a call that waits for the first address must not hold the second one
      return claimAddresses(trx, acme.acmeId, [claim('2@circle.test')])
    })
    await hasFirst.promise
    const there = await inTenant(acme.deps.db, acme.globexId, (trx) =>
      claimAddresses(trx, acme.globexId, [claim('2@circle.test'), claim('1@circle.test')])
    )
    t.equal((await here).size, 1)
    t.equal(there.size, 0)
  })

  t.test('from several inviters of a tenant invite somebody once', async (t) => {
    const results = await Promise.all(
      (['administrator', 'manager', 'responder', 'administrator', 'manager'] as const).map((as) =>
        acme.invite(['same@x.test', 'also@x.test'], { as }).then(({ results }) => results.map(({ result }) => result))
      )
    )
    for (const index of [0, 1]) {
      t.same(results.map((of) => of[index]).sort(), [...Array(4).fill('alreadyInvited'), 'invited'])
    }
  })

  t.test('bring a removed person back once', async (t) => {
    await acme.removeMember(await acme.join('back@x.test'))
    const results = await Promise.all(
      Array.from({ length: 5 }, () => acme.invite(['back@x.test']).then(({ results }) => results[0]!.result))
    )
    t.same(results.sort(), [...Array(4).fill('alreadyInvited'), 'reinvited'])
  })

  t.test('renew an expired invitation once', async (t) => {
    await acme.invite(['late@x.test'])
    await acme.owner
      .updateTable('invitations')
      .set({ expires_at: acme.clock.now() })
      .where('state', '=', 'pending')
      .execute()
    const results = await Promise.all(
      Array.from({ length: 5 }, () => acme.invite(['late@x.test']).then(({ results }) => results[0]!.result))
    )
    t.same(results.sort(), [...Array(4).fill('alreadyInvited'), 'resent'])
    t.equal((await acme.tokensOf('late@x.test')).length, 2)
  })

  t.test('look again if the person was accepted while they waited', async (t) => {
    const userId = (await acme.invite(['soon@x.test'])).results[0]!.userId!
    const resending = Promise.withResolvers<void>()
    const invited = inTenant(acme.deps.db, acme.acmeId, async (trx) => {
      await lockUser(trx, acme.acmeId, userId, 'for update')
      resending.resolve()
      await lockIsAwaited(acme.owner)
      await trx
        .updateTable('users')
        .set({ state: 'active' })
        .where('tenant_id', '=', acme.acmeId)
        .where('id', '=', userId)
        .execute()
    })
    await resending.promise
    const { results } = await acme.invite(['soon@x.test'], { resend: true })
    await invited
    t.match(results, [{ result: 'alreadyMember' }])
  })

  t.test('look again if an IdP took the userName while they waited', async (t) => {
    const begun = Promise.withResolvers<void>()
    const made = acme.owner.transaction().execute(async (trx) => {
      const id = await insertPerson(trx, acme.acmeId, { email: 'mail.of@x.test' })
      await trx
        .updateTable('users')
        .set({ user_name: 'name@x.test', user_name_key: 'name@x.test' })
        .where('id', '=', id)
        .execute()
      begun.resolve()
      await lockIsAwaited(acme.owner)
      return id
    })
    await begun.promise
    const { results } = await acme.invite(['name@x.test', 'other@x.test'])
    t.match(results, [{ result: 'alreadyMember', userId: await made }, { result: 'invited' }])
    t.equal(await acme.inviteElsewhere('name@x.test'), 'invited', 'and nobody holds the address')
  })

  t.test('wait for the address of somebody who is being removed, and then take it', async (t) => {
    await acme.inviteElsewhere('leaving@x.test')
    const waiting = Promise.withResolvers<void>()
    const removal = inTenant(acme.deps.db, acme.globexId, async (trx) => {
      await trx.deleteFrom('addresses').where('address_key', '=', 'leaving@x.test').execute()
      waiting.resolve()
      await lockIsAwaited(acme.owner)
    })
    await waiting.promise
    t.match((await acme.invite(['leaving@x.test'])).results, [{ result: 'invited' }])
    await removal
  })
})
