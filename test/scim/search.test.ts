// Searches at the root go through users and groups.
import { test } from 'tap'
import { startApp } from '../support/app.ts'
import { EMPTY } from '../support/empty.ts'
import { scimClient } from '../support/scim.ts'
import { addTenant } from '../support/tenants.ts'
import { GROUP, SEARCH_REQUEST, USER } from '../support/urns.ts'

interface Found {
  userName?: string
  displayName?: string
}

test('a search at the root', async (t) => {
  const app = await startApp(t)
  const scim = await scimClient(app, await addTenant(app, 'acme'))
  const ids: string[] = []
  for (const displayName of ['Alpha', 'Bravo', 'Charlie']) {
    ids.push((await scim.createUser({ userName: `u-${displayName}`, displayName })).id)
  }
  for (const displayName of ['Alpha', 'Delta', 'Echo']) {
    await scim.post('/Groups', { schemas: [GROUP], displayName, members: [{ value: ids[0] }] })
  }
  const search = async (message: Record<string, unknown>) =>
    (await scim.post('/.search', { schemas: [SEARCH_REQUEST], ...message })).body
  const names = (body: { Resources: Found[] }) =>
    body.Resources.map(({ userName, displayName }) => userName ?? displayName)
  const all = ['u-Alpha', 'u-Bravo', 'u-Charlie', 'Alpha', 'Delta', 'Echo']

  t.test('answers users, then groups', async (t) => {
    const body = await search({})
    t.match(body, { totalResults: 6, itemsPerPage: 6, startIndex: 1 })
    t.same(names(body), all)
    t.same(
      body.Resources.map((resource: { meta: { resourceType: string } }) => resource.meta.resourceType),
      ['User', 'User', 'User', 'Group', 'Group', 'Group']
    )
    t.match(body.Resources[3].members, [{ value: ids[0] }])
    t.same(names((await scim.get('/?count=100')).body), all, 'by GET too')
  })

  t.test('pages through both by index', async (t) => {
    const seen: (string | undefined)[] = []
    for (let startIndex = 1; startIndex <= 6; startIndex += 2) {
      const body = await search({ startIndex, count: 2 })
      t.match(body, { totalResults: 6, itemsPerPage: 2, startIndex })
      seen.push(...names(body))
    }
    t.same(seen, all)
    t.same(names(await search({ startIndex: 3, count: 2 })), ['u-Charlie', 'Alpha'], 'a page of both')
    t.match(await search({ count: 0 }), { totalResults: 6, Resources: EMPTY })
    t.match(await search({ startIndex: 7 }), { totalResults: 6, Resources: EMPTY })
  })

  t.test('pages through both by cursor, there and back', async (t) => {
    for (const count of [1, 2, 4, 5]) {
      let page = await search({ cursor: '', count })
      const there = [names(page)]
      while (page.nextCursor) {
        page = await search({ cursor: page.nextCursor, count })
        t.equal(page.totalResults, 6)
        there.push(names(page))
      }
      t.same(there.flat(), all)
      const back = [names(page)]
      while (page.previousCursor) {
        page = await search({ cursor: page.previousCursor, count })
        back.unshift(names(page))
      }
      t.same(back.flat(), all)
    }
    const { nextCursor } = await search({ cursor: '', count: 1 })
    t.match((await scim.get(`/Users?cursor=${nextCursor}`)).body, { scimType: 'invalidCursor' }, 'only there')
  })

  t.test('filters both; an attribute that a resource lacks has no value', async (t) => {
    t.same(names(await search({ filter: 'displayName eq "alpha"' })), ['u-Alpha', 'Alpha'])
    t.same(names(await search({ filter: 'userName eq "U-BRAVO"' })), ['u-Bravo'])
    t.same(names(await search({ filter: 'userName sw "u-b" or displayName eq "Echo"' })), ['u-Bravo', 'Echo'])
    t.same(names(await search({ filter: `members eq "${ids[0]}"` })), ['Alpha', 'Delta', 'Echo'])
    t.same(names(await search({ filter: 'not (userName pr)' })), ['Alpha', 'Delta', 'Echo'])
    t.same(names(await search({ filter: 'meta.resourceType eq "Group" and displayName gt "d"' })), ['Delta', 'Echo'])
    t.same(names(await search({ filter: 'groups.display eq "Delta"' })), ['u-Alpha'])
    t.same(names(await search({ filter: `${GROUP}:displayName eq "Echo"` })), ['Echo'])
    t.match(await search({ filter: 'nosuch eq "x"' }), { scimType: 'invalidFilter' })
  })

  t.test('sorts each kind, and chooses attributes of each', async (t) => {
    const body = await search({ sortBy: 'displayName', sortOrder: 'descending', attributes: 'displayName,userName' })
    t.same(names(body), ['u-Charlie', 'u-Bravo', 'u-Alpha', 'Echo', 'Delta', 'Alpha'])
    t.same(Object.keys(body.Resources[0]).sort(), ['displayName', 'id', 'schemas', 'userName'])
    t.same(Object.keys(body.Resources[3]).sort(), ['displayName', 'id', 'schemas'])
    t.same(names(await search({ sortBy: 'userName', count: 3 })), ['u-Alpha', 'u-Bravo', 'u-Charlie'])
  })

  t.test('takes its parameters in any letter case', async (t) => {
    const message = {
      Schemas: [SEARCH_REQUEST],
      FILTER: 'displayName eq "Alpha"',
      Count: 1,
      startindex: 2,
      sortby: 'displayName'
    }
    const { status, body } = await scim.post('/.search', message)
    t.match({ status, ...body }, { status: 200, totalResults: 2, startIndex: 2, itemsPerPage: 1 })
    t.strictSame(names(body), ['Alpha'])
    t.strictSame(names((await scim.get('/?Filter=displayName%20eq%20%22Echo%22')).body), ['Echo'], 'by GET too')
  })

  t.test('requires a SearchRequest', async (t) => {
    t.match((await scim.post('/.search', { schemas: [USER] })).body, { status: '400', scimType: 'invalidSyntax' })
    t.match((await scim.ask('POST', '/.search', '')).body, { status: '400', scimType: 'invalidSyntax' })
    t.equal((await scim.post('/.search', {}, { authorization: null })).status, 401)
  })
})
