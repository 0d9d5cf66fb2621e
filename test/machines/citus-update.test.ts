// Updates of a Citus cluster: a newer version's `muster db migrate`, which adds columns, a table and an index, while a
// server of this version answers; and this version's migrations on a cluster that an earlier one made.
import { execFile } from 'node:child_process'
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { promisify } from 'node:util'
import { sql } from 'kysely'
import { test } from 'tap'
import { connect } from '../../db/connect.ts'
import { migrations } from '../../db/migrations/index.ts'
import { createRest, createUsers, namesOf, openAgent, scim, tally } from '../faults/traffic.ts'
import { createOnCluster, isOnCluster, onNodes } from '../support/cluster.ts'
import { createDatabase } from '../support/database.ts'
import { insertUsers } from '../support/groups.ts'
import { readNodes } from '../support/nodes.ts'
import type { Teardown } from '../support/process.ts'
import { insertTenant } from '../support/tenants.ts'
import { addTenant, startServer } from './service.ts'

const ROOT = join(import.meta.dirname, '../..')
const NAME = '20991231T2359_add_later'
const MIGRATION = `
import { type Kysely, sql } from 'kysely'
import { isolateTenants } from '../isolation.ts'

export async function up(db: Kysely<unknown>): Promise<void> {
  await sql.raw('alter table users add column later_note text, add column later_flag boolean not null default false').execute(db)
  await sql.raw('create index users_later_idx on users (tenant_id, later_note)').execute(db)
  await sql.raw(\`alter table tenants add column later_plan text not null default 'basic'\`).execute(db)
  await sql.raw(\`create table later_things (tenant_id int not null, id uuid not null, user_id uuid not null,
    primary key (tenant_id, id), foreign key (tenant_id, user_id) references users on delete cascade)\`).execute(db)
  await isolateTenants(db, ['later_things'])
  await sql.raw(\`create function later_answer(of_tenant int) returns int language plpgsql as
    'begin return of_tenant + 42; end'\`).execute(db)
}
`
const USERS = 200
/** Lets creates go on until it is called. */
const BETWEEN_MS = 25

const INDEX = 'db/migrations/index.ts'
/** The last migration with which the first cluster is made. */
const FIRST_ON_CLUSTERS = '20261130T1632_add_second_factors'

/** Copies this program with other migrations. @param change edits the list @returns the folder */
function copyProgram(t: Teardown, change: (index: string) => string): string {
  const folder = mkdtempSync(join(tmpdir(), 'muster-copy-'))
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  for (const part of ['db', 'server', 'jobs', 'client', 'templates', 'package.json']) {
    cpSync(join(ROOT, part), join(folder, part), { recursive: true })
  }
  symlinkSync(join(ROOT, 'node_modules'), join(folder, 'node_modules'))
  writeFileSync(join(folder, INDEX), change(readFileSync(join(ROOT, INDEX), 'utf8')))
  return folder
}

function makeNewer(t: Teardown): string {
  const folder = copyProgram(
    t,
    (index) =>
      `import * as later from './${NAME}.ts'\n${index.replace(/(const migrations[^=]*= \{)/, `$1\n  '${NAME}': later,`)}`
  )
  writeFileSync(join(folder, 'db/migrations', `${NAME}.ts`), MIGRATION)
  return folder
}

const makeFirst = (t: Teardown): string =>
  copyProgram(t, (index) =>
    index.replace(/^ {2}'(\w+)': \w+,?$/gm, (line, name) => (name > FIRST_ON_CLUSTERS ? '' : line))
  )

const migrateWith = (folder: string, url: string) =>
  promisify(execFile)(process.execPath, ['client/cli/main.ts', 'db', 'migrate'], {
    cwd: folder,
    env: { PATH: process.env.PATH, DATABASE_URL: url }
  })

test('this version migrates a cluster that an earlier one has made', {
  skip: !isOnCluster,
  timeout: 110_000
}, async (t) => {
  const name = 'muster_earlier'
  const url = await createOnCluster(name)
  t.teardown(() => onNodes(url, (client) => client.query(`drop database if exists ${name} with (force)`)))
  await migrateWith(makeFirst(t), url)
  const owner = connect({ url, poolSize: 1, isCitus: true })
  t.teardown(() => owner.destroy())
  const tenantId = await insertTenant(owner, 'acme')
  await insertUsers(owner, tenantId, 20)
  const { stdout } = await migrateWith(ROOT, url)
  const newer = Object.keys(migrations).filter((migration) => migration > FIRST_ON_CLUSTERS)
  t.ok(newer.length > 0)
  for (const migration of newer) t.match(stdout, migration)
  const { coordinator, workers } = await readNodes(owner)
  for (const worker of workers) t.same(worker, coordinator)
  const { rows } = await sql`select from users where tenant_id = ${tenantId} and not is_name_unlisted`.execute(owner)
  t.equal(rows.length, 20)
})

test('a newer version migrates a cluster that is in use', { skip: !isOnCluster, timeout: 110_000 }, async (t) => {
  const url = await createDatabase(t)
  const owner = connect({ url, poolSize: 1, isCitus: true })
  t.teardown(() => owner.destroy())
  const agent = openAgent()
  t.teardown(() => agent.destroy())
  const server = await startServer(t, url)
  const acme = await addTenant(server.port, 'acme')

  const folder = makeNewer(t)
  const names = namesOf(acme, USERS)
  let isOver = false
  const traffic = createUsers(
    agent,
    () => server.port,
    acme,
    names,
    (index) => setTimeout(index * BETWEEN_MS)
  )
  await traffic.acknowledged(10)
  const reads = (async () => {
    const statuses: number[] = []
    while (!isOver) statuses.push((await scim(agent, server.port, acme, 'GET', '/Users?count=5')).status)
    return statuses
  })()
  const { stdout } = await migrateWith(folder, url)
  t.match(stdout, NAME)
  await traffic.done
  isOver = true

  t.strictSame(
    Object.keys(tally(traffic.answers.values())).filter((status) => !['201', '503'].includes(status)),
    [],
    `nothing but 201 and 503 is answered: ${JSON.stringify(tally(traffic.answers.values()))}`
  )
  t.strictSame(
    (await reads).filter((status) => status !== 200 && status !== 503),
    []
  )
  const rest = names.filter((name) => traffic.answers.get(name)!.status !== 201)
  await createRest(agent, server.port, acme, rest)
  const listed = await scim(agent, server.port, acme, 'GET', '/Users?count=1')
  t.equal(JSON.parse(listed.body).totalResults, USERS, 'everybody is there, by the older version')

  const { coordinator, workers } = await readNodes(owner)
  for (const worker of workers) t.same(worker, coordinator, 'what is new is on every node, too')
  const { rows } = await sql`
    select from citus_tables t join citus_tables u on u.colocation_id = t.colocation_id
    where t.table_name = 'later_things'::regclass and u.table_name = 'users'::regclass`.execute(owner)
  t.equal(rows.length, 1, 'and a new table lies beside the others')
})
