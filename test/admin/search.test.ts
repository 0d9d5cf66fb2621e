// Search by parts of names among enough users that the index is used. Its results are compared with reading everybody.
import { sql } from 'kysely'
import { type Test, test } from 'tap'
import { indexNames, isIndexBehind } from '../../db/search-indexing.ts'
import { estimateSearch, probesOf, waysToPage, wayToAll } from '../../db/search-plan.ts'
import { countUsers, listUsers, USER_SORT_KEYS, type UserListQuery, wordsOf } from '../../db/users-list.ts'
import { indexNoted } from '../../jobs/handlers/index-names.ts'
import { OPERATOR, startApp } from '../support/app.ts'
import { insertPeople, type PersonSpec } from '../support/people.ts'
import { scimClient } from '../support/scim.ts'
import { findUnsearchable } from '../support/search.ts'
import { addTenant } from '../support/tenants.ts'

const GIVEN = ['Ada', 'Grace', 'Zoë', 'Émile', 'Joan', 'Łukasz', '李', 'Mary Ann']
const FAMILY = ['Lovelace', 'Hopper', 'Õun', 'Ångström', '100%', 'O’Neil', 'x_y', '😀']
const COUNT = 1_500
const STATES = ['active', 'active', 'active', 'deactivated', 'removed'] as const

const person = (subdomain: string, n: number): PersonSpec => ({
  email: `p${n}.${n % 7 === 0 ? 'seven' : 'other'}@${subdomain}.test`,
  state: STATES[n % STATES.length]!,
  ...(n % 3 !== 0 && { givenName: GIVEN[n % GIVEN.length]! }),
  // many have the parts of these words, and few have the words
  familyName: n % 4 !== 0 ? `${FAMILY[n % FAMILY.length]}-${n % 50}` : n % 24 === 0 ? 'Abcd' : 'Bcd Abc',
  ...(n % 5 === 0 && { displayName: `Dr. ${GIVEN[(n * 3) % GIVEN.length]} ${n}` })
})

const SEARCHES = [
  'ada',
  'ADA love',
  'zoë',
  'émile',
  'éMILE',
  '李',
  '😀',
  '😀-1',
  'å',
  '%',
  '_',
  'x_y-2',
  'p',
  'q',
  'zz',
  'p12',
  '7',
  'p1234',
  'p1234.other@',
  'dr.',
  'ann',
  'ryann',
  'mary ann',
  'hopper grace',
  'o’neil-4',
  'no such',
  'joan zoë',
  'seven 77',
  '@',
  'test',
  'ñ',
  'e-1',
  'lovelace-17',
  '.o',
  'other seven',
  'abcd'
]

test('search among many users', async (t) => {
  const app = await startApp(t, {})
  const { db, owner } = app
  const tenant = await addTenant(app, 'acme')
  const other = await addTenant(app, 'globex')
  const scim = await scimClient(app, tenant)
  const { signal } = new AbortController()
  for (const { id, subdomain } of [tenant, other]) {
    await insertPeople(
      owner,
      id,
      Array.from({ length: COUNT }, (_, n) => person(subdomain, n))
    )
  }
  const everyone = { filter: {}, sort: 'displayName', isDescending: false, after: undefined, limit: 2_000 } as const
  const idsOf = async (query: UserListQuery) => (await listUsers(db, tenant.id, query)).map(({ user }) => user.id)
  const searched = async (search: string) => {
    const { data } = await app.query('acme', 'users.list', { search, includeTotal: true, limit: 200 }, OPERATOR)
    t.equal(data.total, data.items.length)
    return data.items.map(({ userName }: { userName: string }) => userName)
  }

  t.test('finds people before they are indexed', async (t) => {
    t.ok(await isIndexBehind(db, tenant.id))
    t.same(await searched('p1231'), ['p1231.other@acme.test'])
    const { rows } = await sql<{ count: number }>`
      select count(*)::int as count from pgboss.job where name = 'index-names'`.execute(owner)
    t.same(rows, [{ count: 1 }], 'and a search has a worker see to it')
  })

  t.test('has a job that indexes until few people are left', async (t) => {
    await indexNoted(app.deps, [{ data: { tenantId: tenant.id } }], signal)
    t.notOk(await isIndexBehind(db, tenant.id))
    await indexNames(db, other.id, signal, { kept: 0 })
    t.same(await findUnsearchable(owner, tenant.id), [])
    t.same(await findUnsearchable(owner, other.id), [])
  })

  /** Compares each way of searching with reading everybody, in every order, page by page. */
  const compareWays = async (t: Test, { byNameAlone = false } = {}) => {
    const kinds = new Set<string>()
    for (const [place, search] of SEARCHES.entries()) {
      const estimate = await estimateSearch(db, tenant.id, wordsOf(search))
      const plain = { ...everyone, search }
      // with such numbers of hits, walking the list looks expensive
      const more = place % 2 ? 40 : 1
      const probes = estimate.probes.map((probe) => ({ ...probe, count: probe.count * more }))
      const dear = { ...estimate, users: 200_000, probes }
      t.equal(await countUsers(db, tenant.id, { ...plain, estimate: dear }), (await idsOf(plain)).length, search)
      const others = byNameAlone ? [] : [USER_SORT_KEYS[1 + (place % 5)]!]
      for (const sort of ['displayName', ...others] as const) {
        for (const isDescending of [false, true]) {
          const whole = await idsOf({ ...plain, sort, isDescending })
          for (const limit of [3, 40]) {
            if (sort === 'displayName')
              for (const way of waysToPage(dear, limit, 'name')) kinds.add(JSON.stringify(way))
            const paged: string[] = []
            let after: UserListQuery['after']
            for (let page = 0; page < 4; page++) {
              const rows = await listUsers(db, tenant.id, {
                ...plain,
                sort,
                isDescending,
                limit,
                after,
                estimate: dear
              })
              paged.push(...rows.map(({ user }) => user.id))
              const last = rows.at(-1)
              if (!last || rows.length < limit) break
              after = [last.sortValue, last.user.id]
            }
            t.same(
              paged,
              whole.slice(0, 4 * limit),
              `${search} by ${sort} ${isDescending ? 'desc' : 'asc'}, ${limit} a page`
            )
          }
        }
      }
    }
    return [...kinds]
  }

  t.test('finds the same in every way, in every order, page by page', async (t) => {
    const kinds = await compareWays(t)
    t.ok(kinds.length >= 4, kinds.join())
  })

  t.test('finds the same while the index is being sorted, and afterwards', async (t) => {
    const sorting = { kept: 0, unsorted: 1_000, segmentUsers: 100 }
    const segments = async () => {
      const { rows } = await sql<{ of: string; count: number; users: number }>`
        select case when sweep is null then 'unsorted' else 'sorted' end as of, count(*)::int, sum(users)::int as users
        from search_segments where tenant_id = ${tenant.id} group by 1 order by 1`.execute(owner)
      return rows
    }
    await indexNames(db, tenant.id, signal, { ...sorting, steps: 7 })
    t.match(await segments(), [{ of: 'sorted', count: 7, users: 600 }, { of: 'unsorted' }])
    t.ok(await isIndexBehind(db, tenant.id), 'a sweep that has begun is work to be done')
    t.same(await findUnsearchable(owner, tenant.id), [])
    await compareWays(t, { byNameAlone: true })
    // these names move between what the sweep has read and what it has not
    const { rows: people } = await sql<{ id: string }>`
      select id from users where tenant_id = ${tenant.id} and not is_removed order by shown_name_key`.execute(owner)
    const rename = (places: number[], name: string) =>
      Promise.all(
        places.map((place) =>
          app.mutate('acme', 'users.update', { userId: people[place]!.id, displayName: `${name} ${place}` }, OPERATOR)
        )
      )
    await rename([1_000, 1_001, 1_002], 'Aaron Lovelace')
    await rename([0, 1, 2, 3], 'Zuzana Hopper')
    await indexNames(db, tenant.id, signal, sorting)
    t.same(await findUnsearchable(owner, tenant.id), [])
    t.notOk(await isIndexBehind(db, tenant.id))
    const sorted = await segments()
    t.match(sorted, [
      { of: 'sorted', count: Math.floor(COUNT / 100) + 2 },
      { of: 'unsorted', count: 1 }
    ])
    t.ok(sorted[0]!.users <= COUNT + 7, 'and what the sweep has replaced is gone')
    await rename([500, 501], 'Aaron Hopper')
    const few = Array.from({ length: 24 }, (_, place) => 10 + place)
    await rename(few, 'Zuzana Abcd')
    const kinds = await compareWays(t, { byNameAlone: true })
    t.ok(
      kinds.some((kind) => kind.includes('likely')),
      kinds.join()
    )
    // the next sweep stops in the middle of a slice of the previous one, while people in that slice wait
    await indexNames(db, tenant.id, signal, sorting)
    await rename([20, 900], 'Grace Hopper')
    await indexNames(db, tenant.id, signal, sorting)
    const { rows: between } = await sql<{ shown_name_key: string }>`
      select shown_name_key from users where tenant_id = ${tenant.id} order by shown_name_key, id offset 511 limit 1`.execute(
      owner
    )
    await rename([901], between[0]!.shown_name_key)
    await sql`
      insert into search_pending (tenant_id, user_id)
      select tenant_id, id from users where tenant_id = ${tenant.id}`.execute(owner)
    await indexNames(db, tenant.id, signal, { ...sorting, segmentUsers: 130, steps: 5 })
    await sql`delete from search_pending where tenant_id = ${tenant.id}`.execute(owner)
    t.match(await segments(), [{ of: 'sorted', count: Math.floor(COUNT / 100) + 2 + 5 }, { of: 'unsorted' }])
    await compareWays(t, { byNameAlone: true })
    for (const isDescending of [false, true]) {
      const query = { ...everyone, search: 'test', isDescending }
      const estimate = { ...(await estimateSearch(db, tenant.id, ['test'])), users: 200_000 }
      const found: string[] = []
      for (let after: UserListQuery['after']; ; ) {
        const rows = await listUsers(db, tenant.id, { ...query, limit: 20, after, estimate })
        found.push(...rows.map(({ user }) => user.id))
        const last = rows.at(-1)
        if (!last || rows.length < 20) break
        after = [last.sortValue, last.user.id]
      }
      t.same(found, await idsOf(query), 'also from page to page over the whole list')
    }
  })

  t.test('sweeps over those who wait, and never twice at the same time', async (t) => {
    const noted = async () => {
      const { rows } = await sql<{ count: number }>`
        select count(*)::int as count from search_pending where tenant_id = ${other.id}`.execute(owner)
      return rows[0]!.count
    }
    await sql`insert into search_pending (tenant_id, user_id)
      select tenant_id, id from users where tenant_id = ${other.id}`.execute(owner)
    const sorting = { kept: 0, unsorted: 1_000, segmentUsers: 200 }
    await Promise.all([indexNames(db, other.id, signal, sorting), indexNames(db, other.id, signal, sorting)])
    await indexNames(db, other.id, signal, sorting)
    t.equal(await noted(), 0)
    t.same(await findUnsearchable(owner, other.id), [])
    const { rows } = await sql<{ swept: number; older: boolean }>`
      select sum(users) filter (where sweep is not null)::int as swept, bool_or(segment < newest.sweep_number) as older
      from search_segments, (select max(sweep) as sweep_number from search_segments where tenant_id = ${other.id}) as newest
      where tenant_id = ${other.id}`.execute(owner)
    t.same(rows, [{ swept: COUNT, older: false }])
  })

  t.test('finds people with their present names at once after every change', async (t) => {
    const ada = await scim.createUser({ userName: 'wanderer@acme.test', displayName: 'Wanderer Qwxyz' })
    t.same(await searched('qwxyz'), ['wanderer@acme.test'])
    await scim.patch(`/Users/${ada.id}`, [{ op: 'replace', path: 'displayName', value: 'Settler' }])
    t.same(await searched('qwxyz'), [])
    t.same(await searched('settler'), ['wanderer@acme.test'])
    await indexNames(db, tenant.id, signal, { kept: 0 })
    t.same(await searched('settler'), ['wanderer@acme.test'])
    await scim.patch(`/Users/${ada.id}`, [{ op: 'replace', path: 'displayName', value: 'Aardvark Settler' }])
    const first = await listUsers(db, tenant.id, {
      ...everyone,
      search: 'settler',
      limit: 1,
      estimate: { ...(await estimateSearch(db, tenant.id, ['settler'])), users: 1e6 }
    })
    t.equal(first[0]?.user.id, ada.id)
    await scim.delete(`/Users/${ada.id}`)
    t.same(await searched('settler'), [])
    await app.mutate('acme', 'invitations.create', { invites: [{ email: 'guest.zyxw@acme.test' }] }, OPERATOR)
    t.same(await searched('zyxw'), ['guest.zyxw@acme.test'])
    const { id: userId } = await owner
      .selectFrom('users')
      .select('id')
      .where('email_key', '=', 'guest.zyxw@acme.test')
      .executeTakeFirstOrThrow()
    await app.mutate('acme', 'users.update', { userId, displayName: 'Returner' }, OPERATOR)
    t.same(await searched('returner'), ['guest.zyxw@acme.test'])
    t.same(await findUnsearchable(owner, tenant.id), [])
  })

  t.test('notes nobody for a change that leaves names alone', async (t) => {
    const { rows: before } = await sql`select place from search_pending`.execute(owner)
    const user = await scim.createUser({ userName: 'still@acme.test', displayName: 'Still' })
    await Promise.all(
      ['title', 'nickName', 'userType'].map((path) =>
        scim.patch(`/Users/${user.id}`, [{ op: 'add', path, value: 'x' }])
      )
    )
    await scim.patch(`/Users/${user.id}`, [{ op: 'replace', path: 'active', value: false }])
    const { rows: after } = await sql`select place from search_pending`.execute(owner)
    t.equal(after.length - before.length, 1, 'only the one of the person who is new')
  })

  t.test('merges small segments', async (t) => {
    await indexNames(db, tenant.id, signal, { kept: 0 })
    const { rows: segments } = await sql`
      select segment from search_segments where tenant_id = ${tenant.id} and sweep is null`.execute(owner)
    t.equal(segments.length, 1)
    t.same(await findUnsearchable(owner, tenant.id), [])
  })

  t.test('loses nobody while names are written and indexed at the same time', async (t) => {
    const users = await Promise.all(
      Array.from({ length: 40 }, (_, n) =>
        scim.createUser({ userName: `race${n}@acme.test`, displayName: `Race ${n}` })
      )
    )
    let isOver = false
    const indexing = async () => {
      while (!isOver) await indexNames(db, tenant.id, signal, { kept: 0, steps: 1 })
    }
    const indexers = [indexing(), indexing()]
    for (let round = 0; round < 5; round++) {
      await Promise.all(
        users.map(({ id }, n) =>
          scim.patch(`/Users/${id}`, [{ op: 'replace', path: 'name.familyName', value: `Racer${round}x${n}` }])
        )
      )
    }
    isOver = true
    await Promise.all(indexers)
    await indexNames(db, tenant.id, signal, { kept: 0 })
    t.same(await findUnsearchable(owner, tenant.id), [])
  })

  t.test('cuts words into parts of at most three characters, as people see them', async (t) => {
    const parts = (...words: string[]) => probesOf(words).map(({ from }) => from)
    t.same(parts('abcd', '😀xé', 'q'), ['abc', 'bcd', '😀xé', 'q'])
    t.same(probesOf(['a\u{d7ff}'])[0]?.below, 'a\u{e000}')
    t.same(probesOf(['a\u{10ffff}'])[0]?.below, 'b')
    t.equal(wayToAll({ tenantId: 1, users: 1e6, pending: 0, slices: 0, probes: [], isBehind: false }).kind, 'walk')
  })
})
