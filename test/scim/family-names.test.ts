// Users are found by their family name, however they got it, and a new one is written in place.
import { sql } from 'kysely'
import { test } from 'tap'
import { writeTogether } from '../../db/prepared.ts'
import { type ReadUser, readUsers, type WrittenProfile, writeProfiles } from '../../db/scim-user-writes.ts'
import { cleanUp } from '../../jobs/handlers/clean-up.ts'
import { applyRetention } from '../../jobs/handlers/retention.ts'
import { OPERATOR, OPERATOR_TOKEN, startApp } from '../support/app.ts'
import { isOnCluster } from '../support/cluster.ts'
import { findMisplaced } from '../support/family-names.ts'
import { clientOf, type Scim, scimClient } from '../support/scim.ts'
import { addTenant } from '../support/tenants.ts'

const NOBODY: string[] = []

interface ListBody {
  readonly startIndex: number
  readonly itemsPerPage: number
  readonly totalResults: number
  readonly nextCursor?: string
}
/** The part of a query that names the next page; undefined after the last one. */
type Next = (body: ListBody) => string | undefined

test('filters by family name', async (t) => {
  const app = await startApp(t)
  const { owner, deps } = app
  const acme = await addTenant(app, 'acme')
  const scim = await scimClient(app, acme)
  const other = await scimClient(app, await addTenant(app, 'globex'))
  const make = async (userName: string, familyName?: string, client = scim): Promise<string> =>
    (await client.post('/Users', { userName, ...(familyName && { name: { familyName } }) })).body.id
  const rename = async (id: string, familyName: string | null) => {
    const operation = familyName === null ? { op: 'remove' } : { op: 'replace', value: familyName }
    t.equal((await scim.patch(`/Users/${id}`, [{ ...operation, path: 'name.familyName' }])).status, 200)
  }
  const found = async (filter: string): Promise<string[]> => {
    const { status, body } = await scim.get(`/Users?filter=${encodeURIComponent(filter)}`)
    t.equal(status, 200)
    return (body.Resources ?? []).map(({ userName }: { userName: string }) => userName)
  }
  const named = (name: string) => found(`name.familyName eq "${name}"`)
  const stored = (id: string) =>
    owner
      .selectFrom('users')
      .select(['family_name_key', 'indexed_family_name', 'listed_family_name', 'is_name_unlisted'])
      .where('id', '=', id)
      .executeTakeFirstOrThrow()

  t.test('find a user by every new name', async (t) => {
    const id = await make('ann', 'Berg')
    t.same(await named('BERG'), ['ann'])
    await rename(id, 'Curie')
    // on a cluster nobody is renamed in place
    if (!isOnCluster) {
      t.match(await stored(id), { indexed_family_name: 'berg', listed_family_name: `${acme.id} curie` })
    }
    t.same([await named('berg'), await named('Curie')], [NOBODY, ['ann']])
    await rename(id, 'Doe')
    t.same([await named('berg'), await named('Curie'), await named('doe')], [NOBODY, NOBODY, ['ann']])
    t.same(await findMisplaced(owner), [], 'the list has the last one alone')
    await rename(id, 'Berg')
    t.same([await named('Berg'), await named('Doe')], [['ann'], NOBODY], 'back to the first')
    await rename(id, null)
    t.same([await named('Berg'), await named('Doe')], [NOBODY, NOBODY], 'to none')
    await rename(id, 'Doe')
    t.same(await named('Doe'), ['ann'], 'and to one that they had')
    t.same(await findMisplaced(owner), [])
  })

  t.test('compare other than by equality, too', async (t) => {
    const id = await make('kim', 'Lang')
    await make('lou', 'Lange')
    await rename(id, 'Langer')
    t.same((await found('name.familyName sw "Lang"')).sort(), ['kim', 'lou'])
    t.same(await found('name.familyName sw "Langer"'), ['kim'])
    t.same(await found('name.familyName ew "ger"'), ['kim'])
    t.same(await found('not (name.familyName ne "langer")'), ['kim'])
    await rename(id, 'Σωκράτης')
    t.same(await named('ΣΩΚΡΆΤΗΣ'), ['kim'], 'a letter that has two lower cases')
  })

  t.test('find whoever was renamed in any other way', async (t) => {
    const ids = await Promise.all(['p', 'q', 'r'].map((name) => make(name, `first of ${name}`)))
    for (const id of ids) await rename(id, 'Second')
    const [p, q, r] = ids as [string, string, string]
    const replaced = { userName: 'p', name: { familyName: 'Third' }, emails: [{ value: 'p@x.test' }] }
    t.equal((await scim.put(`/Users/${p}`, replaced)).status, 200)
    const patched = { op: 'add', value: { name: { familyName: 'Third' }, roles: [{ value: 'stakeholder' }] } }
    t.equal((await scim.patch(`/Users/${q}`, [patched])).status, 200)
    await sql`insert into sessions (tenant_id, id, token_hash, user_id, method, created_at, last_seen_at, expires_at)
      values (${acme.id}, gen_random_uuid(), 'x', ${r}, 'password', now(), now(), now() + interval '1 day')`.execute(
      owner
    )
    const renamed = [
      { op: 'replace', path: 'name.familyName', value: 'Third' },
      { op: 'replace', path: 'active', value: false }
    ]
    t.equal((await scim.patch(`/Users/${r}`, renamed)).status, 200)
    t.same((await named('third')).sort(), ['p', 'q', 'r'])
    t.same(await named('second'), NOBODY)
    t.same(await findMisplaced(owner), [])
  })

  t.test('find users made or renamed by a version that does not know the list', async (t) => {
    const id = await make('old', 'Before')
    await rename(id, 'Between')
    await sql`update users set family_name_key = 'after' where id = ${id}`.execute(owner)
    await sql`
      insert into users (tenant_id, id, state, role, user_name, user_name_key, family_name_key, doc, created_at, updated_at)
      values (${acme.id}, gen_random_uuid(), 'active', 'responder', 'older', 'older', 'after', '{"userName":"older"}',
        now(), now())`.execute(owner)
    t.same((await named('After')).sort(), ['old', 'older'])
    t.same(await named('Between'), NOBODY)
    t.equal((await findMisplaced(owner)).length, 2)
    await cleanUp(deps, new AbortController().signal)
    t.same(await findMisplaced(owner), [], 'clean-up has the index find them')
    t.same((await named('After')).sort(), ['old', 'older'])
    await sql`update users set family_name_key = 'later' where id = ${id}`.execute(owner)
    await rename(id, 'Last')
    t.same([await named('later'), await named('last')], [NOBODY, ['old']])
    t.same(await findMisplaced(owner), [], 'and so has the next rename')
  })

  t.test('find a renamed user even if the list has lost them', async (t) => {
    const id = await make('lost', 'Here')
    await rename(id, 'There')
    await sql`delete from user_family_names where user_id = ${id}`.execute(owner)
    await rename(id, 'Everywhere')
    t.same([await named('There'), await named('Everywhere')], [NOBODY, ['lost']])
    await sql`update users set listed_family_name = null where id = ${id}`.execute(owner)
  })

  t.test('find nobody by another tenant’s list', async (t) => {
    const theirs = await make('theirs', 'One', other)
    const path = 'name.familyName'
    t.equal((await other.patch(`/Users/${theirs}`, [{ op: 'replace', path, value: 'Shared' }])).status, 200)
    t.same(await named('shared'), NOBODY)
    const copied = await make('copied', 'One')
    await sql`update users set family_name_key = 'shared', listed_family_name = u.listed_family_name
      from (select listed_family_name from users where id = ${theirs}) u where id = ${copied}`.execute(owner)
    t.same(await named('shared'), ['copied'], 'nor miss somebody whose row was copied from there')
  })

  t.test('leave nothing of users who are deleted for good', async (t) => {
    const id = await make('gone', 'Short')
    await rename(id, 'Stay')
    t.equal((await scim.delete(`/Users/${id}`)).status, 204)
    t.same(await named('stay'), NOBODY)
    await sql`update tenants set settings = settings || '{"removedUserRetentionDays": 30}' where id = ${acme.id}`.execute(
      owner
    )
    await sql`update users set updated_at = now() - interval '31 days' where id = ${id}`.execute(owner)
    await applyRetention(deps, new AbortController().signal)
    const left = await owner.selectFrom('user_family_names').selectAll().where('user_id', '=', id).execute()
    t.same(left, [])
  })
})

test('lists in the order of family names have everybody once, however they got their name', async (t) => {
  const app = await startApp(t)
  const acme = await addTenant(app, 'acme')
  const scim = await scimClient(app, acme)
  const rename = (id: string, operation: object) =>
    scim.patch(`/Users/${id}`, [{ path: 'name.familyName', ...operation }])
  const ids: string[] = []
  for (const [at, familyName] of [
    'Berg',
    'Adler',
    undefined,
    'Curie',
    'Berg',
    'Doe',
    'Eco',
    undefined,
    'Fry'
  ].entries()) {
    const user = { userName: `u${at}`, ...(familyName && { name: { familyName } }) }
    ids.push((await scim.post('/Users', user)).body.id)
  }
  const idOf = (at: number) => ids[at] as string
  await rename(idOf(3), { op: 'replace', value: 'Abel' })
  await rename(idOf(5), { op: 'remove' })
  await rename(idOf(6), { op: 'replace', value: 'Zola' })
  await rename(idOf(6), { op: 'replace', value: 'Berg' })
  await rename(idOf(7), { op: 'add', value: 'Berg' })
  await rename(idOf(4), { op: 'replace', value: 'Cole' })
  // written as a whole, so that the index has the name as well as the list
  await scim.put(`/Users/${idOf(4)}`, {
    userName: 'u4',
    name: { familyName: 'Cole' },
    emails: [{ value: 'u4@x.test' }]
  })
  await scim.delete(`/Users/${idOf(8)}`)
  // as a version that does not know the list does
  await sql`update users set family_name_key = 'bell' where id = ${idOf(1)}`.execute(app.owner)
  const expected = ['u3', 'u1', 'u0', 'u6', 'u7', 'u4', 'u2', 'u5']

  const paged = async (query: string, next: Next) => {
    const names: string[] = []
    for (let place: string | undefined = query; place !== undefined; ) {
      const { status, body } = await scim.get(`/Users?sortBy=name.familyName&count=3${place}`)
      t.equal(status, 200)
      names.push(...(body.Resources ?? []).map(({ userName }: { userName: string }) => userName))
      place = next(body)
    }
    return names
  }
  const byIndex: Next = ({ startIndex, itemsPerPage, totalResults }) => {
    const following = startIndex + itemsPerPage
    return following > totalResults ? undefined : `&startIndex=${following}`
  }
  const byCursor: Next = ({ nextCursor }) =>
    nextCursor === undefined ? undefined : `&cursor=${encodeURIComponent(nextCursor)}`
  for (const order of ['ascending', 'descending']) {
    const inOrder = order === 'ascending' ? expected : expected.toReversed()
    const withOrder =
      (next: Next): Next =>
      (body) => {
        const place = next(body)
        return place && `${place}&sortOrder=${order}`
      }
    t.same(await paged(`&sortOrder=${order}`, withOrder(byIndex)), inOrder, `${order}, by index`)
    t.same(await paged(`&cursor&sortOrder=${order}`, withOrder(byCursor)), inOrder, `${order}, by cursor`)
  }
  const filter = encodeURIComponent('name.familyName sw "b" and active eq true')
  t.same(
    await paged(`&filter=${filter}`, byIndex).then((names) => names.slice(0, 3)),
    ['u1', 'u0', 'u6'],
    'and a filter'
  )
})

test('a rename is written in place', { skip: isOnCluster }, async (t) => {
  const app = await startApp(t)
  const acme = await addTenant(app, 'acme')
  const scim = await scimClient(app, acme)
  const { id } = (await scim.post('/Users', { userName: 'ann', displayName: 'Ann', name: { familyName: 'Berg' } })).body
  const view = { tenantId: acme.id, groupsUrl: '', connectionId: undefined, withGroups: false }
  const isInPlace = async (change: (user: ReadUser) => Partial<WrittenProfile>): Promise<boolean> => {
    const [user] = await readUsers(app.deps.db, view, [id], { ending: [], leaving: [] })
    const written = { ...user!, is_renamed: true, listed_before: user!.listed_family_name, ...change(user!) }
    const counted = sql`select pg_stat_get_xact_tuples_hot_updated('users'::regclass)`.compile(app.deps.db)
    const answers = await writeTogether(app.deps.db, acme.id, [
      counted,
      writeProfiles(app.deps.db, acme.id, [written as WrittenProfile]),
      counted
    ])
    return answers[2]![0]![0] !== answers[0]![0]![0]
  }
  const listed = (name: string) => ({ family_name_key: name, listed_family_name: `${acme.id} ${name}` })
  t.ok(await isInPlace(() => listed('curie')), 'the first')
  t.ok(await isInPlace(() => listed('doe')), 'and one after it')
  t.notOk(await isInPlace(() => ({ display_name_key: 'anna' })), 'other than a change that an index sees')
})

test('copies of a tenant find people by their names', async (t) => {
  const app = await startApp(t)
  const acme = await addTenant(app, 'acme')
  const scim = await scimClient(app, acme)
  const { id } = (await scim.post('/Users', { userName: 'ann', name: { familyName: 'Berg' } })).body
  const rename = (client: Scim, value: string) =>
    client.patch(`/Users/${id}`, [{ op: 'replace', path: 'name.familyName', value }])
  const named = async (client: Scim, name: string): Promise<number> =>
    (await client.get(`/Users?filter=name.familyName eq "${name}"`)).body.totalResults
  await rename(scim, 'Curie')

  t.test('as a shadow, and as the tenant that it becomes', async (t) => {
    const input = { name: 'Entra', profile: 'entra', highestRole: 'administrator', shadow: true }
    const { data } = await app.mutate('acme', 'scimTokens.create', input, OPERATOR)
    const shadow = clientOf(app, acme, data.token)
    t.same([await named(shadow, 'Curie'), await named(shadow, 'Berg')], [1, 0])
    t.same(await findMisplaced(app.owner), [])
    await rename(shadow, 'Doe')
    const bob = { userName: 'bob', externalId: 'bob', name: { familyName: 'Bell' } }
    const made = (await shadow.post('/Users', bob)).body
    await shadow.patch(`/Users/${made.id}`, [{ op: 'replace', path: 'name.familyName', value: 'Boll' }])
    t.same([await named(shadow, 'Doe'), await named(shadow, 'Boll'), await named(scim, 'Curie')], [1, 1, 1])
    const { connectionId } = data.scimToken
    const { error } = await app.mutate('acme', 'scimShadow.goLive', { connectionId }, OPERATOR)
    t.equal(error, undefined)
    t.same([await named(scim, 'Doe'), await named(scim, 'Boll'), await named(scim, 'Curie')], [1, 1, 0])
    t.same(await findMisplaced(app.owner), [])
  })

  t.test('as an imported tenant', async (t) => {
    await rename(scim, 'Edda')
    const headers = { authorization: `Bearer ${OPERATOR_TOKEN}` }
    const { payload } = await app.inject('', { url: '/operator/tenants/acme/export', headers })
    const target = await startApp(t)
    const url = '/operator/tenants/import'
    const imported = {
      method: 'POST',
      url,
      headers: { ...headers, 'content-type': 'application/jsonl' },
      payload
    } as const
    t.equal((await target.inject('', imported)).statusCode, 200)
    const { id: tenantId } = await target.owner.selectFrom('tenants').select('id').executeTakeFirstOrThrow()
    const moved = await scimClient(target, { id: tenantId, subdomain: 'acme' })
    t.same([await named(moved, 'Edda'), await named(moved, 'Berg')], [1, 0])
    t.same(await findMisplaced(target.owner), [])
  })
})
