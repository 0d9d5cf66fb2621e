// Trials of an identity provider: played at the real edge, and rolled back.
import { sql } from 'kysely'
import { test } from 'tap'
import { OPERATOR, startApp, type TestApp } from '../support/app.ts'
import { insertPerson, signInAs } from '../support/people.ts'
import { scimClient } from '../support/scim.ts'
import { addTenant } from '../support/tenants.ts'

/** The content of every table of ours and of the queue, without the wire log, which records the tests' own requests. */
async function checksums(app: TestApp): Promise<Record<string, string>> {
  const { rows: tables } = await sql<{ name: string }>`
    select schemaname || '.' || tablename as name from pg_tables
    where (schemaname = 'public' and tablename <> 'wire_log') or (schemaname = 'pgboss' and tablename like 'job%')
    order by name`.execute(app.owner)
  const sums: Record<string, string> = {}
  for (const { name } of tables) {
    const { rows } = await sql<{ sum: string }>`
      select count(*) || ' ' || md5(coalesce(string_agg(row_to_json(t)::text, ',' order by row_to_json(t)::text), ''))
        as sum from ${sql.table(name)} t`.execute(app.owner)
    sums[name] = rows[0]!.sum
  }
  return sums
}

interface Step {
  id: string
  title: string
  outcome: string
  problems: string[]
  hint: string | null
  leniences: { name: string }[]
}
const stepsOf = (report: { conversations: { steps: Step[] }[] }) => report.conversations.flatMap(({ steps }) => steps)

test('the acceptance runner', async (t) => {
  const app = await startApp(t)
  // people and groups with the names that providers like to use in trials
  const acme = await addTenant(app, 'acme', { scimWelcomeMail: true })
  const real = await scimClient(app, acme, { name: 'real', profile: 'okta' })
  await real.createUser({ userName: 'u01', externalId: 'e-ada', emails: [{ value: 'ada@acme.test' }] })
  await real.createUser({ userName: 'jumpcloud-test', externalId: 'jc1' })
  for (const displayName of ['Sales Team', 'Engineering', 'Test SCIMv2', 'Google', 'Renamed', 'Everybody']) {
    await real.post('/Groups', { displayName })
  }
  const run = (input: object) => app.mutate('acme', 'scimAcceptance.run', input, OPERATOR)

  t.test('passes every provider’s exchanges, and changes no table and no queue', async (t) => {
    const before = await checksums(app)
    t.ok(Object.keys(before).length > 25)
    for (const as of ['entra', 'okta', 'onelogin', 'jumpcloud', 'google', 'auto']) {
      const { data, error } = await run({ as })
      t.equal(error, undefined)
      const bad = stepsOf(data).filter(({ outcome }) => outcome !== 'passed')
      t.strictSame(bad, [], as)
      t.match(data, { as, connection: { name: null, profile: as }, counts: { failed: 0, skipped: 0 } })
      t.ok(data.counts.passed >= 10)
    }
    t.strictSame(await checksums(app), before)
    const { rows } = await sql<{ exchanges: number }>`
      select sum(exchanges)::int as exchanges from wire_log`.execute(app.owner)
    t.equal(rows[0]!.exchanges, 8, 'and the wire log holds what was sent in earnest alone')
  })

  t.test('shows for each step what was sent, answered and expected', async (t) => {
    const { data } = await run({ as: 'okta' })
    const [users, groups] = data.conversations
    t.match([users.title, groups.title], ['Okta: users', 'Okta: groups'])
    const created = users.steps.find(({ title }: Step) => title === 'A user is created')
    t.match(created, { id: 'R6', sent: { method: 'POST', path: '/scim/v2/Users' }, got: { status: 201 }, hint: null })
    t.match(JSON.parse(created.sent.body).userName, /^first@trial-[0-9a-f]{12}\.test$/)
    t.match(JSON.parse(created.got.body), { active: true })
    t.match(created.expected, { statuses: [201], body: /"active": true/ })
  })

  t.test('says what a connection with other settings lacks', async (t) => {
    const strict = await scimClient(app, acme, { name: 'careful', profile: 'strict' })
    const [row] = await app.owner.selectFrom('scim_connections').selectAll().where('name', '=', 'careful').execute()
    const before = await checksums(app)
    const { data } = await run({ as: 'entra', connectionId: row!.id })
    t.match(data.connection, { name: 'careful', profile: 'strict', highestRole: 'responder' })
    const steps: Step[] = stepsOf(data)
    const disabled = steps.find(({ title, outcome }) => title === 'A user is disabled' && outcome === 'failed')
    t.match(disabled!.hint, /“strict”.*for booleans.*“entra” or “auto”/)
    t.match(disabled!.problems[0], 'status 400 instead of 200')
    t.ok(data.counts.failed > 5)
    t.ok(
      steps.every(({ outcome, hint }) => (outcome === 'passed') === (hint === null)),
      'every step that did not pass says what to do'
    )
    const skipped = steps.filter(({ outcome }) => outcome === 'skipped')
    t.ok(skipped.length > 0 && skipped.every(({ hint }) => hint!.startsWith('Not tried')))
    t.strictSame(await checksums(app), before)
    t.equal((await strict.get('/Users')).status, 200, 'and the connection’s own token still works')
  })

  t.test('names the rule if a role is too high', async (t) => {
    await scimClient(app, acme, { name: 'low', profile: 'okta', highestRole: 'stakeholder' })
    const [row] = await app.owner.selectFrom('scim_connections').selectAll().where('name', '=', 'low').execute()
    const { data } = await run({ as: 'okta', connectionId: row!.id })
    t.equal(data.connection.highestRole, 'stakeholder')
    t.ok(data.counts.passed > 0)
  })

  t.test('works beside real requests, and neither sees the other', async (t) => {
    let isOver = false
    let made = 0
    const traffic = Promise.all(
      Array.from({ length: 4 }, async (_, client) => {
        for (let i = 0; !isOver; i++) {
          const user = await real.createUser({ userName: `real-${client}-${i}@acme.test` })
          const changed = await real.patch(`/Users/${user.id}`, [{ op: 'replace', path: 'title', value: 'x' }])
          t.equal(changed.status, 200)
          const listed = await real.get('/Users?filter=userName%20co%20%22trial%22')
          t.equal(listed.body.totalResults, 0)
          made++
        }
      })
    )
    const reports = await Promise.all([run({ as: 'entra' }), run({ as: 'okta' }), run({ as: 'onelogin' })])
    isOver = true
    await traffic
    for (const { data, error } of reports) {
      t.equal(error, undefined)
      t.match(data.counts, { failed: 0, skipped: 0 })
    }
    t.ok(made > 0)
    const { rows } = await sql<{ count: number }>`select count(*)::int as count from users
      where user_name like 'real-%'`.execute(app.owner)
    t.equal(rows[0]!.count, made)
    const { body } = await real.get('/Users?count=0')
    t.equal(body.totalResults, made + 2, 'and the tenant’s count is right')
  })

  t.test('is for administrators', async (t) => {
    const ben = await insertPerson(app.owner, acme.id, { email: 'ben@acme.test', role: 'manager' })
    const cookie = await signInAs(app.owner, acme.id, ben)
    t.match(await app.mutate('acme', 'scimAcceptance.run', { as: 'entra' }, { cookie }), { status: 403 })
    t.match(await run({ as: 'sap' }), { status: 400 })
    t.match(await run({ as: 'entra', connectionId: '00000000-0000-7000-8000-000000000000' }), { status: 404 })
  })
})
