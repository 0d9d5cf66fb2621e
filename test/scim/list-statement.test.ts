import { sql } from 'kysely'
import { test } from 'tap'
import { connect } from '../../db/connect.ts'
import type { SoughtRows } from '../../server/scim/filter/sought-users.ts'
import { groupSource } from '../../server/scim/groups.ts'
import type { Slice } from '../../server/scim/list.ts'
import { compilePage } from '../../server/scim/list-statement.ts'
import { userSource } from '../../server/scim/users.ts'

const CONNECTION = '00000000-0000-7000-8000-000000000001'
const OTHER_CONNECTION = '00000000-0000-7000-8000-000000000002'
const first = { tenantId: 101, baseUrl: 'http://first', connectionId: CONNECTION }
const second = { tenantId: 202, baseUrl: 'http://second', connectionId: OTHER_CONNECTION }

const slices: readonly (readonly [Slice, Slice])[] = [
  [
    { offset: 0, limit: 11 },
    { offset: 0, limit: 12 }
  ],
  [
    { offset: 3, limit: 11 },
    { offset: 4, limit: 12 }
  ],
  [
    { offset: 3_001, limit: 11 },
    { offset: 4_001, limit: 12 }
  ],
  [
    { offset: 0, limit: 0 },
    { offset: 0, limit: 0 }
  ],
  [
    { offset: 3, limit: 11, after: { key: null, ordinal: '51' } },
    { offset: 4, limit: 12, after: { key: null, ordinal: '52' } }
  ]
].flatMap(([a, b]) =>
  [true, false].map(
    (isBackward) =>
      [
        { ...a!, isBackward },
        { ...b!, isBackward }
      ] as const
  )
)

const soughtBy = (value: string): SoughtRows => ({
  shape: 'x is',
  values: [value],
  build: (tenantId, [x]) => sql`select * from users where tenant_id = ${tenantId} and x = ${x}`
})

test('the statement of a page', async (t) => {
  const db = connect({ url: 'postgres://nobody@127.0.0.1:1/none' })
  t.teardown(() => db.destroy())

  t.test('has one text for each shape of query, with the values of each query', async (t) => {
    const texts = new Set<string>()
    for (const source of [userSource, groupSource]) {
      for (const withRelated of [true, false]) {
        for (const isFiltered of [true, false]) {
          for (const [a, b] of slices) {
            const search = { source, withRelated, sort: undefined, isDescending: false }
            const filter = (value: string) =>
              isFiltered
                ? { condition: sql<boolean>`(x = ${value} or y = ${`${value}!`})`, rows: soughtBy(`${value}?`) }
                : undefined
            const one = compilePage(db, search, first, filter('v1'), a)
            const other = compilePage(db, search, second, filter('v2'), b)
            t.equal(other.sql, one.sql)
            const swapped = new Map<unknown, unknown>([
              [101, 202],
              ['http://first', 'http://second'],
              [CONNECTION, OTHER_CONNECTION],
              ['v1', 'v2'],
              ['v1!', 'v2!'],
              ['v1?', 'v2?'],
              ['51', '52'],
              [a.offset, b.offset],
              [a.limit, b.limit]
            ])
            t.same(
              other.parameters,
              one.parameters.map((value) => swapped.get(value) ?? value)
            )
            t.ok([...one.parameters, ...other.parameters].every((value) => typeof value !== 'object'))
            t.equal(other.parameters.includes('v2!'), isFiltered)
            texts.add(one.sql)
          }
        }
      }
    }
    t.ok(texts.size > 20, 'and another text for another shape')
  })

  t.test('does not take a name for a value', async (t) => {
    const search = { source: userSource, withRelated: false, sort: undefined, isDescending: false }
    const filterOf = (value: string) => sql<boolean>`doc -> 'pay$1' = ${value}`
    for (const value of ['one', 'two']) {
      const { sql: text, parameters } = compilePage(
        db,
        search,
        first,
        { condition: filterOf(value), rows: undefined },
        slices[0]![0]
      )
      t.match(text, /doc -> 'pay\$1' = \$3/)
      t.equal(parameters[2], value)
    }
  })
})
