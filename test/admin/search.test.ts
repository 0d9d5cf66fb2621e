// Search by parts of names among so many users that the index is used; what it finds is compared with reading everybody.
import { sql } from 'kysely'
import { test } from 'tap'
import { indexNames, isIndexBehind } from '../../db/search-index.ts'
import { estimateSearch, probesOf, waysToPage, wayToAll } from '../../db/search-plan.ts'
import { countUsers, listUsers, USER_SORT_KEYS, type UserListQuery, wordsOf } from '../../db/users-list.ts'
import { indexNoted } from '../../jobs/handlers/index-names.ts'
import { OPERATOR, startApp } from '../support/app.ts'
import { insertPeople, type PersonSpec } from '../support/people.ts'
import { addTenant, scimClient } from '../support/scim.ts'
import { findUnsearchable } from '../support/search.ts'

const GIVEN = ['Ada', 'Grace', 'Zoë', 'Émile', 'Joan', 'Łukasz', '李', 'Mary Ann']
const FAMILY = ['Lovelace', 'Hopper', 'Õun', 'Ångström', '100%', 'O’Neil', 'x_y', '😀']
const COUNT = 1_500
const STATES = ['active', 'active', 'active', 'deactivated', 'removed'] as const

const person = (subdomain: string, n: number): PersonSpec => ({
  email: `p${n}.${n % 7 === 0 ? 'seven' : 'other'}@${subdomain}.test`,
  state: STATES[n % STATES.length]!,
  ...(n % 3 !== 0 && { givenName: GIVEN[n % GIVEN.length]! }),
  ...(n % 4 !== 0 && { familyName: `${FAMILY[n % FAMILY.length]}-${n % 50}` }),
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
  'other seven'
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

  t.test('nobody has to be indexed to be found', async (t) => {
    t.ok(await isIndexBehind(db, tenant.id))
    t.same(await searched('p1231'), ['p1231.other@acme.test'])
    const { rows } = await sql<{ count: number }>`
      select count(*)::int as count from pgboss.job where name = 'index-names'`.execute(owner)
    t.same(rows, [{ count: 1 }], 'and a search has a worker see to it')
  })

  t.test('the job indexes until few are left', async (t) => {
    await indexNoted(app.deps, [{ data: { tenantId: tenant.id } }], signal)
    t.notOk(await isIndexBehind(db, tenant.id))
    await indexNames(db, other.id, signal, { kept: 0 })
    t.same(await findUnsearchable(owner, tenant.id), [])
    t.same(await findUnsearchable(owner, other.id), [])
  })

  t.test('every way finds the same as reading everybody, in every order, page by page', async (t) => {
    const kinds = new Set<string>()
    for (const [place, search] of SEARCHES.entries()) {
      const estimate = await estimateSearch(db, tenant.id, wordsOf(search))
      const plain = { ...everyone, search }
      // as if there were so many that walking is dear
      const more = place % 2 ? 40 : 1
      const probes = estimate.probes.map((probe) => ({ ...probe, count: probe.count * more }))
      const dear = { ...estimate, users: 200_000, probes }
      t.equal(await countUsers(db, tenant.id, { ...plain, estimate: dear }), (await idsOf(plain)).length, search)
      for (const sort of ['displayName', USER_SORT_KEYS[1 + (place % 5)]!] as const) {
        for (const isDescending of [false, true]) {
          const whole = await idsOf({ ...plain, sort, isDescending })
          for (const limit of [3, 40]) {
            if (sort === 'displayName')
              for (const isFirst of [true, false])
                for (const way of waysToPage(dear, limit, 'name', isFirst)) kinds.add(JSON.stringify(way))
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
    t.ok(kinds.size >= 4, [...kinds].join())
    t.ok(
      [...kinds].some((kind) => kind.includes('heads')),
      'also by the heads of postings'
    )
  })

  t.test('whoever is made, renamed or removed is found, or not, at once', async (t) => {
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

  t.test('a change that touches no name leaves no note', async (t) => {
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

  t.test('segments are merged, and what renaming leaves behind goes by and by', async (t) => {
    await indexNames(db, tenant.id, signal, { kept: 0 })
    const { rows: segments } = await sql`select segment from search_segments where tenant_id = ${tenant.id}`.execute(
      owner
    )
    t.equal(segments.length, 1)
    t.same(await findUnsearchable(owner, tenant.id), [])
  })

  t.test('while names are written and indexed side by side, nobody is lost', async (t) => {
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

  t.test('words become parts of three characters at most, as people see them', async (t) => {
    const parts = (...words: string[]) => probesOf(words).map(({ from }) => from)
    t.same(parts('abcd', '😀xé', 'q'), ['abc', 'bcd', '😀xé', 'q'])
    t.same(probesOf(['a\u{d7ff}'])[0]?.below, 'a\u{e000}')
    t.same(probesOf(['a\u{10ffff}'])[0]?.below, 'b')
    t.equal(wayToAll({ tenantId: 1, users: 1e6, pending: 0, probes: [], isBehind: false }).kind, 'walk')
  })
})
