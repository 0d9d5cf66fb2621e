// What row-level security does if a statement forgets its tenant. The statements are the service's own: noted while it
// serves a tenant, and run again without their conditions on tenant_id.
import { CompiledQuery, type QueryResult, sql } from 'kysely'
import { type Test, test } from 'tap'
import { type Db, inTenant, type Trx } from '../../db/connect.ts'
import { seeTenant } from '../../db/tenants.ts'
import { appRouter } from '../../server/admin/router.ts'
import { ROUTES } from '../../server/scim/routes.ts'
import { isOnCluster, letStatementsCross } from '../support/cluster.ts'
import { noteStatements, type Statement } from '../support/statements.ts'
import {
  digestOf,
  freshCookie,
  type Neighbours,
  quietTables,
  startNeighbours,
  tenantTables,
  tracesIn,
  tracesOf
} from './neighbours.ts'
import { PROBES } from './procedures.ts'
import { ASKS } from './scim-routes.ts'

/** Such as `users.tenant_id = $3`. The parameter stays in the text, because PostgreSQL wants each one used. */
const CONDITION = /(?:"?\w+"?\.)?"?tenant_id"? = (\$\d+|\d+)(?:::int\b)?/g
const JOIN = /"?\w+"?\."?tenant_id"? = "?\w+"?\."?tenant_id"?/g
const strip = (text: string): string => text.replace(JOIN, 'true').replace(CONDITION, '($1::int is not null)')

class TakenBack extends Error {}

/** Runs `work` in a transaction that is rolled back. @returns undefined if one of its statements failed */
async function tried<T>(begin: (work: (trx: Trx) => Promise<never>) => Promise<never>, work: (trx: Trx) => Promise<T>) {
  let result: T | undefined
  await begin(async (trx) => {
    result = await work(trx)
    throw new TakenBack()
  }).catch((error: unknown) => {
    // if a constraint is violated, nothing was read or written, which is good, too
    if (!(error instanceof TakenBack) && !(error as { severity?: string }).severity) throw error
  })
  return result
}

const asOwner = (owner: Db) => (work: (trx: Trx) => Promise<never>) => owner.transaction().execute(work)
const run = (trx: Trx, { text, values }: Statement): Promise<QueryResult<unknown>> =>
  trx.executeQuery(CompiledQuery.raw(strip(text), [...values]))
const hasCondition = (text: string) => text.match(CONDITION) !== null

letStatementsCross()

test('a statement that forgets its tenant', async (t) => {
  const neighbours = await startNeighbours(t)
  const { app, acme, globex } = neighbours
  const statements = (await noteStatements(() => useEverything(neighbours))).filter(({ text }) => hasCondition(text))
  const traces = await tracesOf(app, globex)
  const tables = await tenantTables(app.owner)
  const quiet = await quietTables(app.owner)
  const globexAs = (trx: Trx) => seeTenant(trx, globex.tenant.id).then(() => digestOf(trx, globex.tenant.id, quiet))
  const before = await inTenant(app.db, globex.tenant.id, globexAs)
  const asAcme = (work: (trx: Trx) => Promise<never>) => inTenant(app.db, acme.tenant.id, work)

  t.test('is any statement that the service sends', async (t) => {
    t.ok(statements.length >= 100, `${statements.length} different ones`)
    const named = new Set(statements.flatMap(({ text }) => tables.filter((table) => text.includes(table))))
    for (const table of ['users', 'sessions', 'api_tokens', 'invitations', 'groups', 'group_members', 'audit_events']) {
      t.ok(named.has(table), table)
    }
    t.notOk(
      statements.some(({ text }) => hasCondition(strip(text))),
      'of which none is left with a condition'
    )
  })

  t.test('reads and changes nothing of another tenant', async (t) => {
    let completed = 0
    for (const statement of statements) {
      const outcome = await tried(asAcme, async (trx) => {
        const { rows } = await run(trx, statement)
        return { found: tracesIn(JSON.stringify(rows), traces, ''), after: await globexAs(trx) }
      })
      if (!outcome) continue
      completed++
      if (outcome.found.length > 0) t.same(outcome.found, [], statement.text)
      if (JSON.stringify(outcome.after) !== JSON.stringify(before)) t.same(outcome.after, before, statement.text)
    }
    t.ok(completed >= 80, `${completed} of ${statements.length} ran to their end`)
  })

  t.test(
    'would read and change another tenant’s rows without row-level security, which the owner bypasses',
    async (t) => {
      let reads = 0
      let writes = 0
      for (const statement of statements) {
        const outcome = await tried(asOwner(app.owner), async (trx) => {
          const { rows } = await run(trx, statement)
          return {
            found: tracesIn(JSON.stringify(rows), traces, ''),
            after: await digestOf(trx, globex.tenant.id, quiet)
          }
        })
        if (outcome?.found.length) reads++
        if (outcome && JSON.stringify(outcome.after) !== JSON.stringify(before)) writes++
      }
      // Citus plans few statements that name no tenant
      t.ok(reads >= (isOnCluster ? 4 : 10), `${reads} statements read`)
      t.ok(writes >= 1, `${writes} statements wrote`)
    }
  )

  for (const table of tables) {
    t.test(`on ${table} reaches only the rows of its own tenant`, (t) => meetsOwnRows(t, neighbours, table))
  }
})

async function meetsOwnRows(t: Test, { app, acme, globex }: Neighbours, table: string): Promise<void> {
  const { db, owner } = app
  const acmeId = acme.tenant.id
  const name = sql.table(table)
  const { rows: counted } = await sql<{ own: string; other: string }>`
    select count(*) filter (where tenant_id = ${acmeId}) as own,
      count(*) filter (where tenant_id = ${globex.tenant.id}) as other from ${name}`.execute(owner)
  const own = Number(counted[0]!.own)
  const asAcme = (work: (trx: Trx) => Promise<never>) => inTenant(db, acmeId, work)
  const count = async (trx: Db) =>
    Number((await sql<{ n: string }>`select count(*) as n from ${name}`.execute(trx)).rows[0]!.n)
  const affected = async (trx: Trx, statement: ReturnType<typeof sql>) =>
    Number((await statement.execute(trx)).numAffectedRows)
  const refusal = (statement: ReturnType<typeof sql>) =>
    inTenant(db, acmeId, (trx) => statement.execute(trx)).then(
      () => 'done',
      ({ code }) => code as string
    )

  t.equal(await tried(asAcme, count), own, 'select')
  if (table === 'audit_events') {
    // where Citus refuses before rights are checked; test/db checks them in the catalogue
    const code = isOnCluster ? '0A000' : '42501'
    t.equal(await refusal(sql`update ${name} set tenant_id = tenant_id`), code, 'nobody changes the audit log')
    t.equal(await refusal(sql`delete from ${name}`), '42501')
  } else {
    t.equal(await tried(asAcme, (trx) => affected(trx, sql`update ${name} set tenant_id = tenant_id`)), own, 'update')
    // rows that refer to these go first or prevent the change; either way no other tenant's row changes
    const deleted = await tried(asAcme, (trx) => affected(trx, sql`delete from ${name}`))
    t.ok(deleted === undefined || deleted === own, `delete: ${deleted}`)
    if (own > 0) {
      // Citus does not change a column that decides where a row lies
      const code = isOnCluster && table !== 'addresses' ? '0A000' : '42501'
      t.equal(await refusal(sql`update ${name} set tenant_id = ${globex.tenant.id}`), code, 'no row moves out')
    }
  }
  // tells Citus where the row would lie
  const insertInto = (tenantId: number) =>
    table === 'addresses'
      ? sql`insert into ${name} (tenant_id, address_key) values (${tenantId}, 'eve@globex.test')`
      : sql`insert into ${name} (tenant_id) values (${tenantId})`
  t.equal(await refusal(insertInto(globex.tenant.id)), '42501', 'none is put there')
  t.equal(await refusal(sql`truncate ${name} cascade`), '42501', 'truncate, which asks no policy, is not granted')

  t.equal(await count(db), 0, 'without a tenant there is nothing')
  const nobody = (work: (trx: Trx) => Promise<never>) => db.transaction().execute(work)
  if (table !== 'audit_events') {
    t.equal(await tried(nobody, (trx) => affected(trx, sql`update ${name} set tenant_id = tenant_id`)), 0)
    t.equal(await tried(nobody, (trx) => affected(trx, sql`delete from ${name}`)), 0)
  }
  await t.rejects(
    nobody(async (trx) => (await insertInto(acmeId).execute(trx)) as never),
    { code: '42501' }
  )
}

/**
 * Calls each procedure and SCIM route as somebody who may, on things of their own; those that remove things come last.
 */
async function useEverything({ app, acme }: Neighbours): Promise<void> {
  const procedures = Object.entries(
    appRouter._def.procedures as unknown as Record<string, { _def: { type: string } }>
  ).filter(([, { _def }]) => _def.type !== 'subscription')
  const names = (isWanted: (name: string, type: string) => boolean) =>
    procedures.filter(([name, { _def }]) => isWanted(name, _def.type)).map(([name]) => name)
  const takesAway = (name: string) => /\.(remove|revoke|deactivate)$/.test(name)

  const call = async (name: string) => {
    for (const input of PROBES[name]!.inputs(acme, acme, undefined)) {
      const caller = { cookie: await freshCookie(app, acme) }
      if (procedures.some(([each, { _def }]) => each === name && _def.type === 'query')) {
        await app.query('acme', name, input, caller)
      } else await app.mutate('acme', name, input, caller)
    }
  }
  const ask = async (isWanted: (method: string) => boolean) => {
    for (const [method, path] of ROUTES.filter(([each]) => isWanted(each))) {
      const asks = ASKS[`${method} ${path}`]!(acme, acme, { users: '', groups: '' })
      for (const { url, body } of asks) await acme.scim.ask(method, url, body)
    }
  }
  for (const name of names((_, type) => type === 'query')) await call(name)
  await ask((method) => method === 'GET' || method === 'POST')
  for (const name of names((each, type) => type === 'mutation' && !takesAway(each))) await call(name)
  await ask((method) => method === 'PUT' || method === 'PATCH')
  for (const name of names((each) => /^users\.(deactivate|remove)$/.test(each))) await call(name)
  await ask((method) => method === 'DELETE')
  for (const name of names((each) => takesAway(each) && each !== 'scimConnections.remove')) await call(name)
  await call('scimConnections.remove')
  await app.deps.auth.background.close()
}
