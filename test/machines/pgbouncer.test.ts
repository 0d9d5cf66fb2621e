// The server on PgBouncer in transaction mode: each transaction may use another connection than the one before.
import { randomUUID } from 'node:crypto'
import { sql } from 'kysely'
import { type Test, test } from 'tap'
import { createClient, reasonOf } from '../../client/index.ts'
import { fetchOf } from '../../client/transport-node.ts'
import { connect, type Db, inTenant, readInTenant } from '../../db/connect.ts'
import { SERVER_ROLE } from '../../db/migrate.ts'
import { prepareWrite } from '../../db/prepared.ts'
import { requireHeldUser } from '../../db/rights.ts'
import { OPERATOR_TOKEN, SECRET_KEY, startApp } from '../support/app.ts'
import { asMaintenance, createDatabase, openDatabase } from '../support/database.ts'
import { findPgBouncer, knowsStatements, startPgBouncer, versionOf } from '../support/pgbouncer.ts'
import { startProcess } from '../support/process.ts'
import { scimClient } from '../support/scim.ts'
import { addTenant, insertTenant } from '../support/tenants.ts'

const binary = findPgBouncer()
const skip = binary ? false : 'pgbouncer is not installed'
if (skip)
  process.stderr.write('SKIPPED: the tests of PgBouncer, which is not installed (REQUIRE_PGBOUNCER=1 insists)\n')

/** Whether statements are prepared through the pooler, which must support it. */
const WAYS = binary && knowsStatements(binary) ? [false, true] : [false]
const named = (title: string, prepares: boolean) => (prepares ? `${title}, with statements prepared` : title)

/** Connections of the pooler: fewer than there are clients, so that clients share them. */
const CONNECTIONS = 3

/** Makes an ordinary user of the database at `url`, as docs/operation.md describes. @returns the pooler's URL */
async function poolAs(t: Test, url: string): Promise<string> {
  const user = `app_${randomUUID().slice(0, 8)}`
  await asMaintenance((client) =>
    client.query(`create role ${user} login password 'of-the-test' in role ${SERVER_ROLE}`)
  )
  const direct = new URL(url)
  direct.username = user
  direct.password = 'of-the-test'
  t.teardown(() => asMaintenance((client) => client.query(`drop role if exists ${user}`)))
  return startPgBouncer(t, binary!, direct.href, CONNECTIONS)
}

const insertSchema = prepareWrite<{ urn: string }, { urn: string }>(
  (given) => sql`
    insert into scim_schemas (tenant_id, urn, resource_type, definition, created_at)
    values (${given.tenantId}::int, ${given.urn}::text, 'User', '{}', '2027-01-01') returning urn`
)
const readSchemas = (db: Db, tenantId: number) =>
  readInTenant<{ tenant_id: number; urn: string }>(db, tenantId, sql`select tenant_id, urn from scim_schemas`)

for (const prepares of WAYS) {
  test(named('tenants interleave on shared connections and never see one another', prepares), { skip }, async (t) => {
    t.comment(`PgBouncer ${versionOf(binary!)}`)
    const { owner, url } = await openDatabase(t)
    const pooled = await poolAs(t, url)
    const db = connect({ url: pooled, poolSize: 12, isPooled: true, prepares })
    t.teardown(() => db.destroy())
    const tenants = [await insertTenant(owner, 'acme'), await insertTenant(owner, 'globex')]
    const tenantOf = (index: number) => tenants[index % 2]!
    const times = Array.from({ length: 150 }, (_, index) => index)

    t.test('statements of every form see the tenant of their own call', async (t) => {
      const rows = await Promise.all(
        times.map(async (index) => {
          const tenantId = tenantOf(index)
          await insertSchema(db, tenantId, { urn: `urn:${index}` })
          const [read, inside] = await Promise.all([
            readSchemas(db, tenantId),
            inTenant(db, tenantId, async (trx) => {
              await trx.selectFrom('scim_schemas').select('urn').execute()
              return trx.selectFrom('scim_schemas').select(['tenant_id', 'urn']).execute()
            })
          ])
          return [read, inside].flat().map((row) => [tenantId, row.tenant_id])
        })
      )
      t.ok(rows.flat().length > times.length)
      t.ok(
        rows.flat().every(([asked, found]) => asked === found),
        'every row is of the tenant that was asked for'
      )
      for (const [index, tenantId] of tenants.entries()) {
        const urns = (await readSchemas(db, tenantId)).map(({ urn }) => urn)
        t.same(
          urns.sort(),
          times
            .filter((time) => time % 2 === index)
            .map((time) => `urn:${time}`)
            .sort()
        )
      }
    })

    t.test('and leave no tenant on any connection', async (t) => {
      const left = await Promise.all(times.map(() => db.selectFrom('scim_schemas').select('urn').execute()))
      t.ok(left.every((found) => found.length === 0))
      const { rows } = await sql<{ count: number }>`select count(distinct pid)::int as count from pg_stat_activity
        where datname = current_database() and application_name <> 'faults' and usename like 'app_%'`.execute(owner)
      t.ok(rows[0]!.count <= CONNECTIONS, 'all on the few connections of the pooler')
    })

    t.test('a statement that fails changes nothing and does not disturb those after it', async (t) => {
      const outcomes = await Promise.allSettled(
        times.flatMap((index) => [
          insertSchema(db, tenantOf(index), { urn: `urn:${index}` }),
          readSchemas(db, tenantOf(index))
        ])
      )
      t.equal(outcomes.filter(({ status }) => status === 'rejected').length, times.length)
      for (const outcome of outcomes) {
        if (outcome.status === 'rejected') t.match(outcome.reason, { constraint: 'scim_schemas_pkey' })
      }
    })

    t.test('a user without row-level security is refused', async (t) => {
      const superuser = connect({ url, isPooled: true })
      t.teardown(() => superuser.destroy())
      await t.rejects(requireHeldUser(superuser), { message: /passes row-level security by/ })
      await requireHeldUser(db)
    })
  })
}

for (const prepares of WAYS) {
  test(named('SCIM, in two tenants at once', prepares), { skip }, async (t) => {
    const { owner, url } = await openDatabase(t)
    const db = connect({ url: await poolAs(t, url), poolSize: 12, isPooled: true, prepares })
    t.teardown(() => db.destroy())
    const app = await startApp(t, { database: { db, owner, url } })
    const clients = []
    for (const name of ['acme', 'globex']) clients.push(await scimClient(app, await addTenant(app, name)))

    await Promise.all(
      clients.map(async (scim) => {
        const { subdomain } = scim.tenant
        const users = await Promise.all(
          Array.from({ length: 20 }, (_, index) => scim.createUser({ userName: `user${index}@${subdomain}.test` }))
        )
        const group = await scim.post('/Groups', { displayName: 'Everyone' })
        t.equal(group.status, 201)
        const patched = await Promise.all(
          users.map(({ id }) =>
            scim.patch(`/Groups/${group.body.id}`, [{ op: 'add', path: 'members', value: [{ value: id }] }])
          )
        )
        t.ok(
          patched.every(({ status }) => status < 300),
          'members are added at once'
        )
        const reads = await Promise.all([
          ...users.map(({ id }) => scim.get(`/Users/${id}`)),
          ...users.map(({ userName }) => scim.get(`/Users?filter=${encodeURIComponent(`userName eq "${userName}"`)}`))
        ])
        t.ok(reads.every(({ status, text }) => status === 200 && text.includes(`@${subdomain}.test`)))
        const all = await scim.get('/Users?count=100')
        t.equal(all.body.totalResults, users.length)
        const everyone = await scim.get(`/Groups/${group.body.id}`)
        t.equal(everyone.body.members.length, users.length)
        const changed = await scim.patch(`/Users/${users[0].id}`, [{ op: 'replace', path: 'active', value: false }])
        t.equal(changed.body.active, false)
      })
    )
    const [acme, globex] = clients
    const { body } = await acme!.get('/Users?count=1')
    t.equal((await globex!.get(`/Users/${body.Resources[0].id}`)).status, 404, 'another tenant’s user is not there')
  })
}

for (const prepares of WAYS) {
  test(named('the process runs on it: sign-up, mail, and what is revoked is heard of', prepares), {
    skip
  }, async (t) => {
    const url = await createDatabase(t)
    const service = await startProcess(t, {
      DATABASE_URL: await poolAs(t, url),
      DATABASE_DIRECT_URL: url,
      DATABASE_PREPARED_STATEMENTS: String(prepares),
      SECRET_KEY,
      OPERATOR_TOKEN
    })
    const operator = createClient({ url: `http://localhost:${service.port}`, token: OPERATOR_TOKEN })
    await operator.tenants.create.mutate({ subdomain: 'pooled', name: 'Pooled', admin: 'ada@pooled.test' })
    const host = `http://pooled.localhost:${service.port}`
    const admin = createClient({ url: host, token: OPERATOR_TOKEN })
    for (;;) {
      const { items } = await admin.invitations.list.query({})
      if (items[0]?.mail?.state === 'sent') break
      await new Promise((done) => setTimeout(done, 50))
    }
    t.pass('the worker took the job and wrote the mail')
    const { token, scimToken } = await admin.scimTokens.create.mutate({ name: 'okta' })
    const ask = async () =>
      (await fetchOf()(`${host}/scim/v2/Users`, { headers: { authorization: `Bearer ${token}` } })).status
    t.equal(await ask(), 200)
    await admin.scimTokens.revoke.mutate({ scimTokenId: scimToken.id })
    t.equal(await ask(), 401)
    t.equal(await admin.users.get.query({ userId: randomUUID() }).catch((error) => reasonOf(error)), 'notFound')
    t.equal(await service.stop(), 0)
  })
}
