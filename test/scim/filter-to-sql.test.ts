import assert from 'node:assert/strict'
import { type RawBuilder, sql } from 'kysely'
import { type Test, test } from 'tap'
import { type Db, inTenant, readInTenant } from '../../db/connect.ts'
import { isVisibleUser } from '../../db/scim-users.ts'
import { matches } from '../../server/scim/filter/matches.ts'
import { parseFilter } from '../../server/scim/filter/parse.ts'
import { hasPrefix } from '../../server/scim/filter/sql-text.ts'
import { filterToRows, filterToSql } from '../../server/scim/filter/to-sql.ts'
import type { ResourceType } from '../../server/scim/schemas/types.ts'
import { foldCase } from '../../server/scim/text.ts'
import { openDatabase } from '../support/database.ts'
import fc, { FUZZ_SEED } from '../support/fuzz.ts'
import { BASE_URL, fill, groupType, type Resource, userType, uuid } from './filter-resources.ts'
import { filters, groupPaths, userPaths } from './filter-texts.ts'

const TENANT_ID = 1
function selectIds(db: Db, resourceType: ResourceType, text: string, connectionId?: string) {
  const table = resourceType.name === 'User' ? 'users' : 'groups'
  const filter = parseFilter(text, resourceType, { lenient: true })
  const context = { tenantId: TENANT_ID, baseUrl: BASE_URL, connectionId }
  return db
    .selectFrom(table)
    .select(`${table}.id`)
    .where(`${table}.tenant_id`, '=', TENANT_ID)
    .where(filterToSql(filter, resourceType, context))
}

async function find(db: Db, resourceType: ResourceType, text: string, connectionId?: string): Promise<string[]> {
  const idsOf = async (query: Parameters<typeof readInTenant<{ id: string }>>[2]) =>
    (await readInTenant(db, TENANT_ID, query)).map(({ id }) => id).sort()
  const ids = await idsOf(selectIds(db, resourceType, text, connectionId))
  const filter = parseFilter(text, resourceType, { lenient: true })
  const { rows, condition } = filterToRows(filter, resourceType, {
    tenantId: TENANT_ID,
    baseUrl: BASE_URL,
    connectionId
  })
  if (rows) {
    const among = sql<{
      id: string
    }>`select id from (${rows.build(TENANT_ID, rows.values)}) as users where tenant_id = ${TENANT_ID} and ${condition}`
    assert.deepEqual(await idsOf(among), ids, `${text}: among the rows that are chosen first`)
  }
  return ids
}

function expected(resources: readonly Resource[], resourceType: ResourceType, text: string): string[] {
  const filter = parseFilter(text, resourceType, { lenient: true })
  return resources
    .filter((resource) => matches(filter, resource))
    .map(({ id }) => id)
    .sort()
}

test('The SQL of a filter finds what matches() finds', async (t) => {
  const { db, owner } = await openDatabase(t)
  const seed = FUZZ_SEED
  t.comment(`seed ${seed}`)
  const { userResources, groupResources } = await fill(owner, TENANT_ID, seed)
  await fill(owner, TENANT_ID + 1, seed)

  const agree = async (
    t: Test,
    resourceType: ResourceType,
    resources: readonly Resource[],
    texts: fc.Arbitrary<string>
  ) => {
    let telling = 0
    const property = fc.asyncProperty(texts, async (text) => {
      const found = await find(db, resourceType, text)
      const wanted = expected(resources, resourceType, text)
      if (found.join() !== wanted.join()) throw new Error(`SQL finds ${found.length}, matches() ${wanted.length}`)
      if (found.length > 0 && found.length < resources.length) telling++
    })
    await fc.assert(property, { numRuns: 800, seed })
    t.ok(telling > 60, `${telling} of the filters told some from others`)
  }

  t.test('for random filters on users', async (t) => {
    const complexes = ['emails', 'name', 'manager', 'groups', 'meta']
    await agree(t, userType, userResources, filters(userResources, userPaths, complexes))
  })

  t.test('for random filters on groups', async (t) => {
    await agree(t, groupType, groupResources, filters(groupResources, groupPaths, ['members', 'meta']))
  })

  t.test('for texts with a meaning in SQL', async (t) => {
    const someone = userResources[0]!
    const group = uuid(1, 0)
    const texts = [
      `title eq "'; drop table users; --"`,
      String.raw`title co "$1" or title sw "%" or title ew "\\"`,
      `userName sw ${JSON.stringify('\ud7ff')} or userName sw ${JSON.stringify('\u{10ffff}')}`,
      `displayName sw ${JSON.stringify('a\ud7ff')}`,
      `userName eq ${JSON.stringify(String(someone.userName).toUpperCase())}`,
      `id eq "${someone.id}" and groups.value eq "${group.toUpperCase()}"`,
      `id eq "${someone.id.toUpperCase()}"`,
      `groups eq "${group}" and not (groups[value eq "${group}" and type eq "direct"])`,
      `groups ne "${group}" or groups.type eq "INDIRECT"`,
      'groups eq "no id" or id sw "0000"',
      Array(300).fill('title pr').join(' and '),
      `${'not ('.repeat(50)}title pr${')'.repeat(50)}`
    ]
    for (const text of texts) {
      t.same(await find(db, userType, text), expected(userResources, userType, text), text.slice(0, 80))
    }
  })
})

test('Filters on memberships do not find what is provisioned by another connection and out of sight', async (t) => {
  const { db, owner } = await openDatabase(t)
  const { userResources, groupResources } = await fill(owner, TENANT_ID, 1)
  // in these samples each user and group has a connection of its own, with the same id
  const user = userResources.find(({ groups }) => (groups as unknown[]).length > 0)!
  const group = groupResources.find(({ members }) => JSON.stringify(members).includes(user.id))!
  const child = groupResources.find(({ id }) => groupResources.some((g) => JSON.stringify(g.members).includes(id)))!
  const nobody = uuid(9, 0)
  for (const condition of [`members eq "${user.id}"`, `members[display pr and value eq "${user.id}"]`]) {
    t.ok((await find(db, groupType, condition, user.id)).includes(group.id), condition)
    t.same(await find(db, groupType, condition, nobody), [], condition)
  }
  t.equal((await find(db, groupType, `members.value eq "${child.id}"`, child.id)).length, 1)
  t.same(await find(db, groupType, `members.value eq "${child.id}"`, nobody), [])
  t.same(await find(db, groupType, 'members pr', nobody), [])
  for (const condition of [`groups eq "${group.id}"`, `groups[type eq "direct" and value eq "${group.id}"]`]) {
    t.ok((await find(db, userType, condition, group.id)).includes(user.id), condition)
    t.same(await find(db, userType, condition, nobody), [], condition)
  }
  t.same(await find(db, userType, 'groups.display pr', nobody), [])
})

test('A prefix as a range contains exactly the texts that start with it', async (t) => {
  const { owner } = await openDatabase(t)
  const edges = [
    'a',
    'a\ud7ff',
    'a\ue000',
    'a\uffff',
    'a😀',
    'a\u{10ffff}',
    'b',
    '\u{10ffff}',
    '\u{10ffff}\u{10ffff}',
    ''
  ]
  const pairs = edges.flatMap((text) => edges.map((prefix) => ({ text: `${text}x`, prefix })))
  const conditions = pairs.map(({ text, prefix }) => hasPrefix(sql`(${text}::text collate "C")`, prefix))
  const { rows } = await sql<{ holds: boolean[] }>`select array[${sql.join(conditions)}] as holds`.execute(owner)
  t.same(
    rows[0]!.holds,
    pairs.map(({ text, prefix }) => text.startsWith(prefix))
  )
})

test('Folding character by character gives the same as folding the text', async (t) => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (text) => {
      const folded = foldCase(text)
      return folded === Array.from(text, foldCase).join('') && foldCase(folded) === folded
    }),
    { numRuns: 2000 }
  )
  for (let codePoint = 0; codePoint <= 0x10ffff; codePoint++) {
    const character = String.fromCodePoint(codePoint)
    const isKnown = foldCase(character) === character || codePoint <= 0x1ffff
    if (!isKnown || (Array.from(foldCase(character)).length > 1 && character !== 'İ')) t.fail(codePoint.toString(16))
  }
  t.pass('no script beyond those that the SQL knows has case, and only İ becomes two characters')
})

/** Enough rows of two tenants that a plan without the index is dearer. */
async function fillWithMany(owner: Db): Promise<void> {
  const doc = '{"emails":[{"value":"x"}]}'
  await sql`
    insert into tenants (subdomain, name, created_at, updated_at) values ('a', 'A', now(), now()), ('b', 'B', now(), now());
    insert into users (tenant_id, id, state, role, user_name, user_name_key, external_id, display_name_key,
        family_name_key, indexed_family_name, doc, created_at, updated_at)
      select 1 + n % 2, gen_random_uuid(), 'active', 'responder', n, n, n, n, n, n, ${sql.lit(doc)}, now(), now()
      from generate_series(1, 8000) n;
    insert into user_emails select tenant_id, id, user_name_key from users;
    insert into groups (tenant_id, id, display_name, display_name_key, doc, created_at, updated_at)
      select 1 + n % 2, gen_random_uuid(), n, n, '{}', now(), now() from generate_series(1, 4000) n;
    insert into group_ancestors select tenant_id, id, id from groups;
    insert into group_members select u.tenant_id, g.id, u.id from users u
      join groups g on g.tenant_id = u.tenant_id and g.display_name = (u.user_name::int / 2)::text;
    analyze users, user_emails, groups, group_members, group_children, group_ancestors`.execute(owner)
}

test('An index serves equality and prefix on what identity providers look for, under row-level security', async (t) => {
  const { db, owner } = await openDatabase(t)
  await fillWithMany(owner)
  const [member, group] = [uuid(2, 0), uuid(1, 0)]

  /** The conditions that the plan passes to indexes. */
  const conditionsOf = async (trx: Db, query: RawBuilder<unknown>): Promise<string> => {
    const { rows } = await sql<Record<string, string>>`explain (costs off) ${query}`.execute(trx)
    return rows
      .map((row) => row['QUERY PLAN']!)
      .filter((line) => line.includes('Index Cond:'))
      .join('\n')
  }
  const indexConditions = (resourceType: ResourceType, text: string): Promise<string> =>
    inTenant(db, TENANT_ID, (trx) => {
      const query = selectIds(trx, resourceType, text)
      return conditionsOf(trx, sql`${resourceType.name === 'User' ? query.where(isVisibleUser(undefined)) : query}`)
    })

  const table: [ResourceType, string, RegExp][] = [
    [userType, 'userName eq "Ada"', /user_name_key = /],
    [userType, 'userName sw "Ada"', /user_name_key >= .*user_name_key < /],
    [userType, 'displayName eq "Ada"', /display_name_key = /],
    [userType, 'displayName sw "Ada"', /display_name_key >= /],
    [userType, 'name.familyName eq "L"', /indexed_family_name = [\s\S]*\bid = ANY/],
    [userType, 'name.familyName sw "L"', /\bfamily_name_key >= [\s\S]*indexed_family_name >= /],
    [userType, 'externalId eq "Ada"', /external_id = /],
    [userType, `id eq "${member}"`, /\bid = /],
    [userType, 'emails eq "ada@x"', /value_key = /],
    [userType, 'emails.value sw "ada@x"', /value_key >= /],
    [userType, 'emails[type eq "work"].value eq "ada@x"', /value_key = /],
    [
      userType,
      'userName eq "Ada" or emails[value eq "ada@x"]',
      /user_name_key = [\s\S]*\bid = ANY|\bid = ANY[\s\S]*user_name_key = /
    ],
    [userType, `groups eq "${group}"`, /ancestor_id = /],
    [groupType, 'displayName eq "Staff"', /display_name_key = /],
    [groupType, 'displayName sw "Staff"', /display_name_key >= /],
    [groupType, `id eq "${group}" and members eq "${member}"`, /\bid = [\s\S]*user_id = |user_id = [\s\S]*\bid = /]
  ]
  for (const [resourceType, text, condition] of table)
    t.match(await indexConditions(resourceType, text), condition, text)
  const filter = parseFilter('name.familyName sw "L" and active eq true', userType, { lenient: true })
  const { rows, condition } = filterToRows(filter, userType, { tenantId: TENANT_ID, baseUrl: BASE_URL })
  const among = sql`select id from (${rows!.build(TENANT_ID, rows!.values)}) as users where tenant_id = ${TENANT_ID} and ${condition}`
  const conditions = await inTenant(db, TENANT_ID, (trx) => conditionsOf(trx, among))
  t.match(conditions, /indexed_family_name >= [\s\S]*\bfamily_name_key >= [\s\S]*\bid = /, 'rows to look among')
})

test('A null byte is in no statement', async (t) => {
  t.throws(() => parseFilter('title eq "\\u0000"', userType, { lenient: true }), { message: /cannot be stored/ })
  t.throws(() => parseFilter('title eq a\u0000', userType, { lenient: true }), { message: /no string/ })
})
