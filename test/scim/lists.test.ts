// Lists: filters, order, pages by index and by cursor, and POST /.search.

import { test } from 'tap'
import { startApp } from '../support/app.ts'
import { EMPTY } from '../support/empty.ts'
import fc from '../support/fuzz.ts'
import { type Scim, scimClient } from '../support/scim.ts'
import { addTenant } from '../support/tenants.ts'
import { ENTERPRISE, SEARCH_REQUEST, USER } from '../support/urns.ts'

const LIST = 'urn:ietf:params:scim:api:messages:2.0:ListResponse'

const namesOf = (body: { Resources: { userName: string }[] }) => body.Resources.map(({ userName }) => userName)
type Parameters = Record<string, string | number | undefined>
const query = (parameters: Parameters) =>
  Object.entries(parameters)
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => `${name}=${encodeURIComponent(value!)}`)
    .join('&')
const list = async (scim: Scim, parameters: Parameters) => (await scim.get(`/Users?${query(parameters)}`)).body

const PEOPLE = [
  {
    userName: 'eve',
    displayName: 'bravo',
    name: { familyName: 'Zulu', givenName: 'a' },
    [ENTERPRISE]: { department: 'x' }
  },
  {
    userName: 'Ada',
    displayName: 'Alpha',
    name: { familyName: 'yankee', givenName: 'C' },
    emails: [{ value: 'z@x.test' }, { value: 'a@x.test', primary: true }]
  },
  { userName: 'cy', name: { familyName: 'Xray', givenName: 'b' }, emails: [{ value: 'b@x.test' }], externalId: 'E' },
  { userName: 'Bob', displayName: 'charlie', active: false, [ENTERPRISE]: { department: 'A' } },
  { userName: 'dee', displayName: 'alpha', externalId: 'e' }
]

test('lists', async (t) => {
  const app = await startApp(t)
  const acme = await addTenant(app, 'acme')
  const scim = await scimClient(app, acme)
  for (const person of PEOPLE) await scim.createUser(person)

  t.test('page by index, with totals, in the order in which users were made', async (t) => {
    const all = await list(scim, {})
    t.match(all, { schemas: [LIST], totalResults: 5, itemsPerPage: 5, startIndex: 1 })
    t.same(namesOf(all), ['eve', 'Ada', 'cy', 'Bob', 'dee'])
    const second = await list(scim, { startIndex: 3, count: 2 })
    t.match(second, { totalResults: 5, itemsPerPage: 2, startIndex: 3 })
    t.same(namesOf(second), ['cy', 'Bob'])
    t.match(await list(scim, { startIndex: 9, count: 2 }), {
      totalResults: 5,
      itemsPerPage: 0,
      startIndex: 9,
      Resources: EMPTY
    })
  })

  t.test('give only totals for count 0 and less; startIndex less than 1 is 1, and count has a maximum', async (t) => {
    for (const count of [0, -1, -1000]) {
      t.match(await list(scim, { count }), { totalResults: 5, itemsPerPage: 0, startIndex: 1, Resources: EMPTY })
    }
    for (const startIndex of [0, -5])
      t.match(await list(scim, { startIndex, count: 1 }), { startIndex: 1, itemsPerPage: 1 })
    t.match(await list(scim, { count: 100_000 }), { itemsPerPage: 5 })
    t.match(await list(scim, { count: 0, filter: 'userName sw "a"' }), { totalResults: 1, Resources: EMPTY })
  })

  t.test('have the filter’s total, whatever the page', async (t) => {
    t.match(await list(scim, { filter: 'displayName pr' }), { totalResults: 4, itemsPerPage: 4 })
    t.match(await list(scim, { filter: 'displayName pr', count: 2 }), { totalResults: 4, itemsPerPage: 2 })
    t.match(await list(scim, { filter: 'displayName pr', startIndex: 4 }), { totalResults: 4, itemsPerPage: 1 })
    t.match(await list(scim, { filter: 'displayName pr', startIndex: 9 }), { totalResults: 4, itemsPerPage: 0 })
    t.same(namesOf(await list(scim, { filter: 'active eq false' })), ['Bob'])
    t.same(namesOf(await list(scim, { filter: 'not (active eq true) or name.familyName co "a"' })), [
      'Ada',
      'cy',
      'Bob'
    ])
    t.same(namesOf(await list(scim, { filter: 'emails[value eq "A@x.test" and primary eq true]' })), ['Ada'])
    t.same(namesOf(await list(scim, { filter: `${ENTERPRISE}:department eq "a"` })), ['Bob'])
    t.same(namesOf(await list(scim, { filter: 'meta.resourceType eq "User" and externalId eq "e"' })), ['dee'])
  })

  t.test('find people by their manager’s $ref as answers show it', async (t) => {
    const boss = await scim.createUser({ userName: 'boss-of-one' })
    const led = await scim.createUser({
      userName: 'led',
      schemas: [USER, ENTERPRISE],
      [ENTERPRISE]: { manager: { value: boss.id } }
    })
    const { $ref } = led[ENTERPRISE].manager
    t.equal($ref, boss.meta.location)
    const found = async (condition: string) => {
      const filter = encodeURIComponent(`userName eq "led" and ${ENTERPRISE}:manager.$ref ${condition}`)
      return (await scim.get(`/Users?filter=${filter}`)).body.totalResults
    }
    for (const condition of [`eq "${$ref}"`, `co "/Users/${boss.id}"`, 'sw "http"', `ew "${boss.id}"`, 'pr']) {
      t.equal(await found(condition), 1, condition)
    }
    t.equal(await found('sw ".."'), 0)
    await scim.delete(`/Users/${led.id}`)
    await scim.delete(`/Users/${boss.id}`)
  })

  t.test('are sorted by any attribute, in its letter case, those without a value last', async (t) => {
    const sorted = async (sortBy: string, sortOrder = 'ascending') => namesOf(await list(scim, { sortBy, sortOrder }))
    t.same(await sorted('userName'), ['Ada', 'Bob', 'cy', 'dee', 'eve'])
    t.same(await sorted('userName', 'descending'), ['eve', 'dee', 'cy', 'Bob', 'Ada'])
    t.same(await sorted('displayName'), ['Ada', 'dee', 'eve', 'Bob', 'cy'], 'alike: as they were made')
    t.same(await sorted('displayName', 'descending'), ['cy', 'Bob', 'eve', 'dee', 'Ada'], 'and first when it descends')
    t.same(await sorted('name.familyName'), ['cy', 'Ada', 'eve', 'Bob', 'dee'])
    t.same(await sorted('name.givenName'), ['eve', 'cy', 'Ada', 'Bob', 'dee'])
    t.same(await sorted('emails'), ['Ada', 'cy', 'eve', 'Bob', 'dee'], 'the primary value')
    t.same(await sorted('externalId'), ['cy', 'dee', 'eve', 'Ada', 'Bob'], 'caseExact')
    t.same(await sorted('active'), ['Bob', 'eve', 'Ada', 'cy', 'dee'])
    t.same(await sorted(`${ENTERPRISE}:department`), ['Bob', 'eve', 'Ada', 'cy', 'dee'])
    t.same(await sorted('meta.created', 'Descending'), ['dee', 'Bob', 'cy', 'Ada', 'eve'])
    t.same(await sorted('urn:ietf:params:scim:schemas:core:2.0:User:userName'), ['Ada', 'Bob', 'cy', 'dee', 'eve'])
    t.equal((await sorted('id')).length, 5)
    t.equal((await sorted('meta.lastModified')).length, 5)
  })

  t.test('are sorted only by externalIds that the connection sees', async (t) => {
    const beta = await addTenant(app, 'beta')
    const [okta, entra] = [await scimClient(app, beta), await scimClient(app, beta)]
    for (const [client, userName, externalId] of [
      [okta, 'o1', 'd'],
      [entra, 'e1', 'c'],
      [okta, 'o2', 'a'],
      [entra, 'e2', 'b']
    ] as const) {
      await client.createUser({ userName, externalId })
    }
    const sorted = async (client: Scim, parameters: Parameters = {}) =>
      namesOf(await list(client, { sortBy: 'externalId', ...parameters }))
    t.same(await sorted(okta), ['o2', 'o1', 'e1', 'e2'], 'those of others have none')
    t.same(await sorted(entra), ['e2', 'e1', 'o1', 'o2'])
    t.same(await sorted(entra, { sortOrder: 'descending' }), ['o2', 'o1', 'e1', 'e2'])
    const first = await list(entra, { sortBy: 'externalId', cursor: '', count: 1 })
    t.same(namesOf(first), ['e2'])
    t.same(await sorted(entra, { cursor: first.nextCursor, count: 3 }), ['e1', 'o1', 'o2'])
  })

  t.test('are not changed by sortOrder without sortBy', async (t) => {
    t.same(namesOf(await list(scim, { sortOrder: 'descending' })), ['eve', 'Ada', 'cy', 'Bob', 'dee'])
  })

  t.test('contain only the chosen attributes', async (t) => {
    const { Resources } = await list(scim, { attributes: 'userName', count: 1 })
    t.same(Object.keys(Resources[0]).sort(), ['id', 'schemas', 'userName'])
    const except = await list(scim, { excludedAttributes: 'emails,name', filter: 'userName eq "ada"' })
    t.notOk('emails' in except.Resources[0])
    t.ok('displayName' in except.Resources[0])
  })

  t.test('page by cursor, forwards and backwards, in every order', async (t) => {
    for (const order of [
      {},
      { sortBy: 'userName' },
      { sortBy: 'userName', sortOrder: 'descending' },
      { sortBy: 'displayName' },
      { sortBy: 'displayName', sortOrder: 'descending' },
      { sortBy: 'name.givenName' },
      { sortBy: 'active', sortOrder: 'descending' },
      { sortBy: 'meta.created' },
      { sortBy: 'id' },
      { filter: 'displayName pr', sortBy: 'displayName' }
    ]) {
      const expected = namesOf(await list(scim, order))
      for (const count of [1, 2, 3, 5]) {
        const what = JSON.stringify({ ...order, count })
        const pages: string[][] = []
        let page = await list(scim, { ...order, count, cursor: '' })
        t.notOk('previousCursor' in page, what)
        t.notOk('startIndex' in page, what)
        pages.push(namesOf(page))
        while (page.nextCursor) {
          page = await list(scim, { ...order, count, cursor: page.nextCursor })
          t.equal(page.totalResults, expected.length, what)
          pages.push(namesOf(page))
        }
        t.same(pages.flat(), expected, what)
        t.ok(
          pages.every((names) => names.length > 0),
          `no page is empty: ${what}`
        )
        const back: string[][] = [pages.at(-1)!]
        while (page.previousCursor) {
          page = await list(scim, { ...order, count, cursor: page.previousCursor })
          back.unshift(namesOf(page))
        }
        t.same(back.flat(), expected, `back: ${what}`)
      }
    }
  })

  t.test('have cursors that belong to one query and tenant, and expire after an hour', async (t) => {
    const { nextCursor } = await list(scim, { cursor: '', count: 2, sortBy: 'userName' })
    t.match(nextCursor, /^[A-Za-z0-9_-]+$/)
    t.match(await list(scim, { cursor: `${nextCursor}A`, count: 2, sortBy: 'userName' }), { scimType: 'invalidCursor' })
    t.match(
      await list(scim, { cursor: nextCursor, count: 3, sortBy: 'userName' }),
      { itemsPerPage: 3 },
      'of another length'
    )
    for (const other of [
      {},
      { sortBy: 'displayName' },
      { sortBy: 'userName', sortOrder: 'descending' },
      { sortBy: 'userName', filter: 'active eq true' }
    ]) {
      t.match(await list(scim, { ...other, cursor: nextCursor }), { status: '400', scimType: 'invalidCursor' })
    }
    const globex = await scimClient(app, await addTenant(app, 'globex'))
    t.match(await list(globex, { cursor: nextCursor, sortBy: 'userName' }), { scimType: 'invalidCursor' })
    const changed = `${nextCursor.slice(0, -1)}${nextCursor.endsWith('A') ? 'B' : 'A'}`
    t.match(await list(scim, { cursor: changed.replace(/^./, 'x'), sortBy: 'userName' }), { scimType: 'invalidCursor' })
    app.clock.advance({ minutes: 59 })
    t.match(await list(scim, { cursor: nextCursor, sortBy: 'userName' }), { totalResults: 5 })
    app.clock.advance({ minutes: 2 })
    t.match(await list(scim, { cursor: nextCursor, sortBy: 'userName' }), { status: '400', scimType: 'expiredCursor' })
  })

  t.test('page by cursor without repeating or skipping anybody while others come and go', async (t) => {
    const globex = await scimClient(app, await addTenant(app, 'initech'))
    const made = []
    for (const userName of ['a', 'b', 'c', 'd', 'e', 'f']) made.push(await globex.createUser({ userName }))
    const first = await list(globex, { cursor: '', count: 2 })
    await globex.delete(`/Users/${made[0].id}`)
    await globex.delete(`/Users/${made[2].id}`)
    await globex.createUser({ userName: 'g' })
    const second = await list(globex, { cursor: first.nextCursor, count: 10 })
    t.same(namesOf(second), ['d', 'e', 'f', 'g'])
    t.equal(second.totalResults, 5)
  })

  t.test('are the same by POST /Users/.search', async (t) => {
    const { status, body } = await scim.post('/Users/.search', {
      schemas: [SEARCH_REQUEST],
      filter: 'displayName pr',
      sortBy: 'userName',
      sortOrder: 'descending',
      startIndex: 2,
      count: 2,
      attributes: ['userName', 'displayName']
    })
    t.equal(status, 200)
    t.match(body, { schemas: [LIST], totalResults: 4, startIndex: 2, itemsPerPage: 2 })
    t.same(
      body.Resources.map(({ id: _, ...rest }: { id: string }) => rest),
      [
        { schemas: [USER], userName: 'dee', displayName: 'alpha' },
        { schemas: [USER, ENTERPRISE], userName: 'Bob', displayName: 'charlie' }
      ]
    )
    const paged = await scim.post('/Users/.search', { schemas: [SEARCH_REQUEST], cursor: '', count: 3 })
    const next = await scim.post('/Users/.search', {
      schemas: [SEARCH_REQUEST],
      cursor: paged.body.nextCursor,
      count: 3
    })
    t.same([...namesOf(paged.body), ...namesOf(next.body)], ['eve', 'Ada', 'cy', 'Bob', 'dee'])
    t.match((await scim.post('/Users/.search', { schemas: [USER] })).body, { scimType: 'invalidSyntax' })
    t.match((await scim.post('/Users/.search', [])).body, { scimType: 'invalidSyntax' })
  })

  t.test('take parameters in any letter case, for strict tokens, too', async (t) => {
    for (const profile of ['auto', 'strict'] as const) {
      const client = await scimClient(app, acme, { profile })
      t.match(await list(client, { Filter: 'userName eq "nobody"', count: 1 }), { totalResults: 0, Resources: EMPTY })
      t.same(namesOf(await list(client, { FILTER: 'userName eq "ada"', other: 1 })), ['Ada'])
      t.match(await list(client, { fILTER: 'nosuch eq "x"' }), { status: '400', scimType: 'invalidFilter' })
      const ordered = await list(client, { SortBy: 'userName', sortorder: 'descending', STARTINDEX: 2, Count: 2 })
      t.match(ordered, { startIndex: 2, itemsPerPage: 2 })
      t.same(namesOf(ordered), ['dee', 'cy'])
      t.ok((await list(client, { Cursor: '', count: 1 })).nextCursor)
      const [ada] = (await list(client, { filter: 'userName eq "ada"', Attributes: 'displayName' })).Resources
      t.same(Object.keys(ada).sort(), ['displayName', 'id', 'schemas'])
      const [rest] = (await list(client, { filter: 'userName eq "ada"', EXCLUDEDattributes: 'emails,name' })).Resources
      t.same(Object.keys(rest).sort(), ['active', 'displayName', 'id', 'meta', 'schemas', 'userName'])
    }
  })

  t.test('treat two spellings of a parameter as giving it twice', async (t) => {
    const twice = async (parameters: Parameters) => {
      const body = { schemas: [SEARCH_REQUEST], ...parameters }
      const [got, posted] = [await list(scim, parameters), (await scim.post('/Users/.search', body)).body]
      t.same(posted, got, 'in either form')
      return got
    }
    for (const [one, other] of [
      ['eq "ada"', 'eq "nobody"'],
      ['eq "ada"', 'eq "ada"']
    ]) {
      const filters = { filter: `userName ${one}`, Filter: `userName ${other}` }
      t.match(await twice(filters), { status: '400', scimType: 'invalidFilter', detail: /filter must be given once/ })
    }
    t.match(await twice({ Count: '1', count: '1' }), { status: '400', scimType: 'invalidValue' })
    const { Resources } = await twice({ attributes: 'userName', Attributes: 'active', count: 1 })
    t.same(Object.keys(Resources[0]).sort(), ['active', 'id', 'schemas', 'userName'])
  })

  t.test('are complete as all pages together, whatever the page’s length', async (t) => {
    const sorts = fc.constantFrom('userName', 'displayName', 'name.familyName', 'emails', 'active', 'externalId')
    const orders = fc.constantFrom('ascending', 'descending')
    await fc.assert(
      fc.asyncProperty(sorts, orders, fc.integer({ min: 1, max: 6 }), async (sortBy, sortOrder, count) => {
        const expected = namesOf(await list(scim, { sortBy, sortOrder }))
        const seen: string[] = []
        for (let startIndex = 1; startIndex <= 5; startIndex += count) {
          seen.push(...namesOf(await list(scim, { sortBy, sortOrder, startIndex, count })))
        }
        if (seen.join() !== expected.join()) throw new Error(`${seen} instead of ${expected}`)
      }),
      { numRuns: 30 }
    )
    t.pass()
  })
})
