// Database passwords that change while the service runs.
import { randomUUID } from 'node:crypto'
import { rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { sql } from 'kysely'
import { test } from 'tap'
import { connect } from '../../db/connect.ts'
import { SERVER_ROLE } from '../../db/migrate.ts'
import { serverAddress } from '../../db/server-address.ts'
import { openQueue } from '../../jobs/queue.ts'
import { isOnCluster } from '../support/cluster.ts'
import { openDatabase } from '../support/database.ts'

test('?passwordfile is read for each new connection', async (t) => {
  const { owner, url } = await openDatabase(t)
  const role = `short_lived_${randomUUID().replaceAll('-', '')}`
  const file = join(t.testdir(), 'password')
  const replace = async (password: string) => {
    await sql`alter role ${sql.id(role)} password ${sql.lit(password)}`.execute(owner)
    writeFileSync(file, `${password}\n`)
  }
  await sql`create role ${sql.id(role)} login in role ${sql.id(SERVER_ROLE)}`.execute(owner)
  t.teardown(async () => {
    const again = connect({ url })
    await sql`drop role ${sql.id(role)}`.execute(again)
    await again.destroy()
  })
  const address = new URL(url)
  address.username = role
  address.password = ''
  address.searchParams.set('passwordfile', file)
  const db = connect({ url: address.href, poolSize: 4, isCitus: isOnCluster })
  t.teardown(() => db.destroy())
  const whoAmI = async () => (await sql<{ name: string }>`select current_user as name`.execute(db)).rows[0]?.name

  await replace('the first')
  t.equal(await whoAmI(), role)
  await replace('the second')
  t.same(await Promise.all([whoAmI(), whoAmI(), whoAmI()]), [role, role, role], 'new connections beside the old one')
  writeFileSync(file, 'a wrong one')
  const other = connect({ url: address.href, poolSize: 1 })
  t.teardown(() => other.destroy())
  await t.rejects(sql`select 1`.execute(other), { code: '28P01' }, 'it is asked for')
  rmSync(file)
  await t.rejects(sql`select 1`.execute(other), { code: '28P01' })

  await replace('the third')
  const errors: Error[] = []
  const queue = await openQueue({ url: address.href, role: undefined, isWorker: false, onError: (e) => errors.push(e) })
  await queue.close()
  t.same(errors, [], 'the queue signs in by it, too')
})

test('a URL without it is left to pg', async (t) => {
  t.same(serverAddress('postgres://a:b@h/d?sslmode=verify-full'), {
    connectionString: 'postgres://a:b@h/d?sslmode=verify-full'
  })
})

test('a URL with it keeps its TLS settings and host', async (t) => {
  const folder = t.testdir({ ca: 'CA', cert: 'CERT', key: 'KEY' })
  const read = (query: string, host = 'a@db.test:6432') => serverAddress(`postgres://${host}/d?passwordfile=/x${query}`)
  t.match(read(''), { host: 'db.test', port: 6432, user: 'a', database: 'd', ssl: false })
  t.match(read('&sslmode=verify-full'), { ssl: { rejectUnauthorized: true } })
  t.match(read('&sslmode=no-verify'), { ssl: { rejectUnauthorized: false } })
  t.match(read(`&sslmode=verify-full&sslrootcert=${folder}/ca&sslcert=${folder}/cert&sslkey=${folder}/key`), {
    ssl: { ca: 'CA', cert: 'CERT', key: 'KEY' }
  })
  t.match(read('&host=/run/postgresql', ''), { host: '/run/postgresql', user: undefined })
})
