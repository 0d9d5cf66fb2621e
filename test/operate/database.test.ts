// `muster db`, and what a version does on a database that a newer one has migrated.
import { sql } from 'kysely'
import { test } from 'tap'
import { createClient } from '../../client/index.ts'
import { fetchOf } from '../../client/transport-node.ts'
import { connect } from '../../db/connect.ts'
import { migrate } from '../../db/migrate.ts'
import { migrations } from '../../db/migrations/index.ts'
import { OPERATOR_TOKEN, SECRET_KEY } from '../support/app.ts'
import { createDatabase, openDatabase } from '../support/database.ts'
import { runMuster, startProcess } from '../support/process.ts'

const NAMES = Object.keys(migrations).sort()

test('muster db', async (t) => {
  const DATABASE_URL = await createDatabase(t, 'template0')
  const run = (...args: string[]) => runMuster(['db', ...args, '--json'], { DATABASE_URL })

  t.test('status lists pending migrations, changes nothing and ends with status 3', async (t) => {
    const { status, stdout, stderr } = await run('status')
    t.same([status, stderr], [3, ''])
    t.same(JSON.parse(stdout), {
      isUpToDate: false,
      migrations: NAMES.map((name) => ({ name, executedAt: null, state: 'pending' }))
    })
    const db = connect({ url: DATABASE_URL })
    const { rows } = await sql`select relname from pg_class where relnamespace = 'public'::regnamespace`.execute(db)
    await db.destroy()
    t.same(rows, [])
  })

  t.test('migrate runs each migration once, however many processes run it at the same time', async (t) => {
    const runs = await Promise.all([run('migrate'), run('migrate')])
    t.same(
      runs.map(({ status, stderr }) => [status, stderr]),
      [
        [0, ''],
        [0, '']
      ]
    )
    t.same(
      runs.flatMap(({ stdout }) => JSON.parse(stdout).applied),
      NAMES
    )
  })

  t.test('status ends with 0 afterwards', async (t) => {
    const { status, stdout } = await run('status')
    t.equal(status, 0)
    const answer = JSON.parse(stdout)
    t.equal(answer.isUpToDate, true)
    t.ok(answer.migrations.length > 10)
    for (const { state, executedAt } of answer.migrations) {
      t.equal(state, 'applied')
      t.ok(Date.parse(executedAt) > 0)
    }
    t.match(await runMuster(['db', 'status'], { DATABASE_URL }), { status: 0, stdout: /create_tables.*applied/ })
  })

  t.test('a missing setting ends with status 2, a missing database with status 1', async (t) => {
    t.match(await runMuster(['db', 'status'], { DATA_DIR: '/nowhere' }), {
      status: 2,
      stdout: '',
      stderr: /DATABASE_URL/
    })
    t.match(await runMuster(['db', 'status'], { DATABASE_URL: 'mysql://x' }), {
      status: 2,
      stderr: /DATABASE_URL must/
    })
    const gone = await runMuster(['db', 'status'], { DATABASE_URL: 'postgres://127.0.0.1:1/x' })
    t.match(gone, { status: 1, stdout: '', stderr: /./ })
  })
})

// one by one, as Citus needs
const OF_A_NEWER_VERSION = [
  'alter table users add column future_note text, add column future_flag boolean not null default false',
  `alter table tenants add column future_plan text not null default 'basic'`,
  'alter table audit_events add column future_trace text',
  `create table future_things (tenant_id int not null, id uuid not null,
    user_id uuid not null, primary key (tenant_id, id),
    foreign key (tenant_id, user_id) references users on delete cascade)`,
  'alter table future_things enable row level security',
  'alter table future_things force row level security',
  'create index users_future_idx on users (tenant_id, future_note)',
  `insert into kysely_migration (name, timestamp) values ('20991231T2359_add_future', now()::text)`
]

test('a version runs beside a newer one, and starts beside it', async (t) => {
  const { owner, url } = await openDatabase(t)
  // what a newer version may add: columns that are null or have a default, tables, indexes
  for (const statement of OF_A_NEWER_VERSION) await sql.raw(statement).execute(owner)

  const env = { DATABASE_URL: url, SECRET_KEY, OPERATOR_TOKEN, BASE_DOMAIN: 'localhost' }
  const service = await startProcess(t, env)
  t.match(service.output(), /SCIM token: mst_scim_/, 'the demo tenant was made')
  const token = /mst_scim_[\w-]+/.exec(service.output())![0]
  const scim = (path: string, init: object = {}) =>
    fetchOf()(`http://acme.localhost:${service.port}/scim/v2${path}`, {
      ...init,
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/scim+json' }
    })
  const made = await scim('/Users', { method: 'POST', body: JSON.stringify({ userName: 'cleo@acme.test' }) })
  t.equal(made.status, 201)
  const { id } = (await made.json()) as { id: string }
  const patch = { Operations: [{ op: 'replace', path: 'active', value: false }] }
  t.equal((await scim(`/Users/${id}`, { method: 'PATCH', body: JSON.stringify(patch) })).status, 200)
  t.equal((await scim('/Users')).status, 200)
  const acme = createClient({ url: `http://acme.localhost:${service.port}`, token: OPERATOR_TOKEN })
  t.match(await acme.invitations.create.mutate({ invites: [{ email: 'dan@x.test' }] }), { counts: { invited: 1 } })
  t.match((await acme.users.list.query({})).items.length, 3)
  t.equal((await scim(`/Users/${id}`, { method: 'DELETE' })).status, 204)

  const { status, stdout } = await runMuster(['db', 'status', '--json'], { DATABASE_URL: url })
  t.equal(status, 0)
  t.match(JSON.parse(stdout).migrations.at(-1), { name: '20991231T2359_add_future', state: 'later' })
  t.same((await migrate(url)).applied, [], 'and migrating leaves what is later alone')
})
