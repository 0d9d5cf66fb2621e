import { test } from 'tap'
import { startApp } from '../support/app.ts'
import { EMPTY } from '../support/empty.ts'
import { scimClient } from '../support/scim.ts'
import { addTenant } from '../support/tenants.ts'
import { GROUP, SEARCH_REQUEST } from '../support/urns.ts'

test('GET /Groups', async (t) => {
  const app = await startApp(t)
  const scim = await scimClient(app, await addTenant(app, 'acme'))
  t.strictSame((await scim.get('/Groups')).body, {
    schemas: ['urn:ietf:params:scim:api:messages:2.0:ListResponse'],
    totalResults: 0,
    itemsPerPage: 0,
    startIndex: 1,
    Resources: []
  })
  const ada = await scim.createUser({ userName: 'ada' })
  const bob = await scim.createUser({ userName: 'bob' })
  const groups: { id: string; displayName: string }[] = []
  for (let i = 0; i < 5; i++) {
    const answer = await scim.post('/Groups', {
      schemas: [GROUP],
      displayName: `Group ${'CABED'[i]}`,
      externalId: `ext-${i}`,
      members: [...(i < 2 ? [{ value: ada.id }] : []), ...(i === 4 ? [{ value: groups[0]!.id }] : [])]
    })
    groups.push(answer.body)
  }
  const names = async (query: string) => {
    const { status, body } = await scim.get(`/Groups?${query}`)
    return status === 200
      ? body.Resources.map((group: { displayName: string }) => group.displayName.slice(-1)).join('')
      : body
  }
  const filter = (text: string) => names(`filter=${encodeURIComponent(text)}`)

  t.test('finds groups by filters', async (t) => {
    t.equal(await filter('displayName eq "group a"'), 'A')
    t.equal(await filter('DISPLAYNAME EQ "GROUP A"'), 'A')
    t.equal(await filter('displayName sw "group" and not (displayName ew "C")'), 'ABED')
    t.equal(await filter('externalId eq "ext-3"'), 'E')
    t.equal(await filter('externalId eq "EXT-3"'), '')
    t.equal(await filter(`id eq "${groups[2]!.id}"`), 'B')
    t.equal(await filter(`members eq "${ada.id}"`), 'CA')
    t.equal(await filter(`members.value eq "${ada.id}"`), 'CA')
    t.equal(await filter(`members[value eq "${ada.id}" and type eq "User"]`), 'CA')
    t.equal(await filter(`members.value eq "${groups[0]!.id}"`), 'D')
    t.equal(await filter(`members.value eq "${bob.id}"`), '')
    t.equal(await filter('members pr'), 'CAD')
    t.equal(await filter(`id eq "${groups[0]!.id}" and members eq "${ada.id}"`), 'C')
    t.equal(await filter(`id eq "${groups[3]!.id}" and members eq "${ada.id}"`), '')
    t.equal(await filter('meta.created gt "2020-01-01T00:00:00Z"'), 'CABED')
    t.equal(await filter('meta.lastModified lt "2020-01-01T00:00:00Z"'), '')
    t.equal(await filter('meta.version eq "W/\\"2\\""'), 'CAD')
    t.match(await filter('nonsense eq 1'), { status: '400', scimType: 'invalidFilter' })
  })

  t.test('pages by index, in a stable order, with the right total', async (t) => {
    t.equal(await names('startIndex=1&count=2'), 'CA')
    t.equal(await names('startIndex=3&count=2'), 'BE')
    const last = (await scim.get('/Groups?startIndex=5&count=2')).body
    t.match(last, { totalResults: 5, startIndex: 5, itemsPerPage: 1 })
    t.match((await scim.get('/Groups?count=0')).body, { totalResults: 5, itemsPerPage: 0, Resources: EMPTY })
    t.equal(await names('sortBy=displayName'), 'ABCDE')
    t.equal(await names('sortBy=displayName&sortOrder=descending&count=3'), 'EDC')
    t.equal(await names('sortBy=externalId&sortOrder=descending'), 'DEBAC')
    t.equal(await names('sortBy=meta.lastModified&sortOrder=descending&count=1'), 'D')
    t.match(await names('sortBy=members'), { status: '400' })
  })

  t.test('pages by cursor, forwards and backwards', async (t) => {
    const seen: string[] = []
    let query = 'cursor=&count=2&sortBy=displayName'
    let previous: string | undefined
    for (;;) {
      const { body } = await scim.get(`/Groups?${query}`)
      seen.push(body.Resources.map((group: { displayName: string }) => group.displayName.slice(-1)).join(''))
      t.equal(body.totalResults, 5)
      if (!body.nextCursor) {
        previous = body.previousCursor
        break
      }
      query = `cursor=${body.nextCursor}&count=2&sortBy=displayName`
    }
    t.strictSame(seen, ['AB', 'CD', 'E'])
    t.equal(await names(`cursor=${previous}&count=2&sortBy=displayName`), 'CD')
  })

  t.test('shows members unless they are left out', async (t) => {
    const { body } = await scim.get('/Groups?count=2')
    t.match(body.Resources[0].members, [{ value: ada.id, type: 'User', display: 'ada' }])
    const without = (await scim.get('/Groups?excludedAttributes=members&filter=displayName eq "Group C"')).body
    t.notOk('members' in without.Resources[0])
    t.strictSame((await scim.get('/Groups?attributes=id&count=1')).body.Resources, [
      { id: groups[0]!.id, schemas: [GROUP] }
    ])
  })

  t.test('answers the same to POST /.search, at the endpoint and at the root', async (t) => {
    const search = {
      schemas: [SEARCH_REQUEST],
      filter: 'displayName sw "group"',
      sortBy: 'displayName',
      attributes: ['displayName'],
      startIndex: 2,
      count: 2
    }
    const { body } = await scim.post('/Groups/.search', search)
    t.match(body, { totalResults: 5, startIndex: 2, itemsPerPage: 2 })
    t.strictSame(
      body.Resources.map(({ displayName }: { displayName: string }) => displayName),
      ['Group B', 'Group C']
    )
    const root = (await scim.post('/.search', { ...search, filter: 'meta.resourceType eq "Group"' })).body
    t.equal(root.totalResults, 5)
  })

  t.test('has a total that follows as groups come and go', async (t) => {
    const { body } = await scim.post('/Groups', { schemas: [GROUP], displayName: 'Passing' })
    t.equal((await scim.get('/Groups?count=1')).body.totalResults, 6)
    await scim.delete(`/Groups/${body.id}`)
    t.equal((await scim.get('/Groups?count=1')).body.totalResults, 5)
  })
})
