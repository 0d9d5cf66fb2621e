// Passwords that an identity provider sets, and what ends with the previous ones.
import { sql } from 'kysely'
import { test } from 'tap'
import { startApp } from '../support/app.ts'
import { lockIsAwaited } from '../support/locks.ts'
import { aliveOf, giveEverything, insertPerson, signInAs } from '../support/people.ts'
import { scimClient } from '../support/scim.ts'
import { addTenant } from '../support/tenants.ts'
import { USER } from '../support/urns.ts'

const FIRST = 'walnut-glacier-1'
const OTHER = 'walnut-glacier-2'

test('a password that an identity provider sets', async (t) => {
  const app = await startApp(t)
  const acme = await addTenant(app, 'acme')
  const scim = await scimClient(app, acme)
  const patch = (value: string | null) => [{ op: 'replace', path: 'password', value }]
  const isSignedIn = async (cookie: string) =>
    (await app.query('acme', 'auth.me', undefined, { cookie })).status === 200
  const hashOf = (id: string) =>
    app.owner.selectFrom('user_credentials').select('password_hash').where('user_id', '=', id).executeTakeFirstOrThrow()
  /** What ends with a password, and what does not. */
  async function aliveBeside(id: string) {
    const { sessions, apiTokens, mails, passwords } = await aliveOf(app.owner, acme.id, id)
    const { rows } = await sql<{ count: number }>`
      select count(*)::int as count from password_resets where user_id = ${id} and expires_at > now()`.execute(
      app.owner
    )
    return { sessions, apiTokens, mails, passwords, resets: rows[0]!.count }
  }

  /** A person signed in twice with the identity provider's first password, with an API token and an open reset link. */
  async function member(name: string): Promise<{ id: string; cookie: string }> {
    const { id } = await scim.createUser({ userName: `${name}@acme.test`, password: FIRST })
    const { password_hash } = await hashOf(id)
    await app.owner.deleteFrom('user_credentials').where('user_id', '=', id).execute()
    await giveEverything(app.owner, acme.id, id)
    await app.owner.updateTable('user_credentials').set({ password_hash }).where('user_id', '=', id).execute()
    await app.owner
      .updateTable('password_resets')
      .set({ expires_at: new Date(Date.now() + 3_600_000) })
      .where('user_id', '=', id)
      .execute()
    const cookie = await signInAs(app.owner, acme.id, id)
    t.ok(await isSignedIn(cookie))
    t.same(await aliveBeside(id), ALIVE)
    return { id, cookie }
  }
  const ALIVE = { sessions: 2, apiTokens: 1, mails: 2, passwords: 1, resets: 1 }
  const ENDED = { sessions: 0, apiTokens: 1, mails: 1, passwords: 1, resets: 0 }

  t.test('ends sessions and reset links at once, but no API token', async (t) => {
    const ada = await member('ada')
    t.equal((await scim.patch(`/Users/${ada.id}`, patch(OTHER))).status, 200)
    t.notOk(await isSignedIn(ada.cookie))
    t.same(await aliveBeside(ada.id), ENDED)

    const bob = await member('bob')
    await scim.put(`/Users/${bob.id}`, { schemas: [USER], userName: 'bob@acme.test', password: OTHER })
    t.notOk(await isSignedIn(bob.cookie))
    t.same(await aliveBeside(bob.id), ENDED)
  })

  t.test('ends nothing if it is the present one, though the answer is the same', async (t) => {
    const { id, cookie } = await member('cleo')
    const hash = await hashOf(id)
    const same = await scim.patch(`/Users/${id}`, patch(FIRST))
    await scim.put(`/Users/${id}`, { schemas: [USER], userName: 'cleo@acme.test', password: FIRST })
    t.ok(await isSignedIn(cookie))
    t.same(await aliveBeside(id), ALIVE)
    t.same(await hashOf(id), hash, 'a sign-in that compares with it goes on')
    const other = await scim.patch(`/Users/${id}`, patch(OTHER))
    const versions = [same, other].map(({ body }) => body.meta.version)
    t.same(versions, ['W/"2"', 'W/"4"'], 'each is a change')
  })

  t.test('ends them with other changes, too, and if it is removed', async (t) => {
    const dan = await member('dan')
    await scim.patch(`/Users/${dan.id}`, [
      ...patch(OTHER),
      { op: 'replace', path: 'userName', value: 'daniel@acme.test' }
    ])
    t.notOk(await isSignedIn(dan.cookie))
    const eve = await member('eve')
    await scim.patch(`/Users/${eve.id}`, [{ op: 'remove', path: 'password' }])
    t.notOk(await isSignedIn(eve.cookie))
    t.same(await aliveBeside(eve.id), { ...ENDED, passwords: 0 })
  })

  t.test('ends nothing if one is removed from somebody who has none', async (t) => {
    const { id } = await scim.createUser({ userName: 'kim@acme.test' })
    const cookie = await signInAs(app.owner, acme.id, id)
    for (const operation of [...patch(null), { op: 'remove', path: 'password' }]) {
      t.equal((await scim.patch(`/Users/${id}`, [operation])).status, 200)
      t.ok(await isSignedIn(cookie))
    }
  })

  t.test('ends them for a member whom a POST links', async (t) => {
    for (const [name, password, isKept] of [
      ['fay', OTHER, false],
      ['gus', undefined, true]
    ] as const) {
      const email = `${name}@acme.test`
      const id = await insertPerson(app.owner, acme.id, { email })
      const cookie = await signInAs(app.owner, acme.id, id)
      t.ok(await isSignedIn(cookie))
      const linked = await scim.createUser({ userName: email, emails: [{ value: email, primary: true }], password })
      t.equal(linked.id, id)
      t.equal(await isSignedIn(cookie), isKept, name)
    }
  })

  t.test('ends them if the person has set another one at the same time', async (t) => {
    const { id, cookie } = await member('ian')
    // they have just set it, and signed in with it
    const patching = await app.owner.transaction().execute(async (trx) => {
      await trx
        .selectFrom('users')
        .select('id')
        .where('tenant_id', '=', acme.id)
        .where('id', '=', id)
        .forUpdate()
        .execute()
      const sent = scim.patch(`/Users/${id}`, patch(FIRST))
      await lockIsAwaited(app.owner)
      const other = await app.deps.auth.passwords.hash(OTHER)
      await trx.updateTable('user_credentials').set({ password_hash: other }).where('user_id', '=', id).execute()
      return { sent }
    })
    t.equal((await patching.sent).status, 200)
    t.ok(await app.deps.auth.passwords.verify(FIRST, (await hashOf(id)).password_hash))
    t.notOk(await isSignedIn(cookie))
  })

  t.test('ends nothing if it is refused', async (t) => {
    const { id, cookie } = await member('hal')
    t.equal((await scim.patch(`/Users/${id}`, patch('short'))).status, 400)
    t.ok(await isSignedIn(cookie))
    t.same(await aliveBeside(id), ALIVE)
  })
})
