// A list shows a user as GET does, including groups around groups.
import { test } from 'tap'
import { startApp } from '../support/app.ts'
import { scimClient } from '../support/scim.ts'
import { addTenant } from '../support/tenants.ts'

test('a list of users', async (t) => {
  const app = await startApp(t)
  const scim = await scimClient(app, await addTenant(app, 'acme'))
  const userNames = ['ada', 'grace', 'hedy', 'joan']
  const ids: string[] = []
  for (const userName of userNames) ids.push((await scim.post('/Users', { userName, emails: [] })).body.id)
  const group = async (displayName: string, ...members: string[]) => {
    const { body } = await scim.post('/Groups', { displayName, members: members.map((value) => ({ value })) })
    return body.id as string
  }
  const pair = await group('The "pair" \\ é', ids[0]!, ids[1]!)
  const single = await group('Single', ids[0]!, ids[2]!)
  const around = await group('Around', pair)
  await group('Around both', around, single, ids[0]!)

  t.test('shows each user as GET does', async (t) => {
    const { body } = await scim.get('/Users?count=10')
    for (const resource of body.Resources) t.same(resource, (await scim.get(`/Users/${resource.id}`)).body)
    const groups = body.Resources.map((resource: { groups?: unknown[] }) => resource.groups?.length)
    t.same(groups, [4, 3, 2, undefined])
  })

  t.test('shows the same whichever way it is requested', async (t) => {
    const plain = (await scim.get('/Users?count=10')).body.Resources
    const sorted = (await scim.get('/Users?count=10&sortBy=userName')).body.Resources
    t.same(sorted, plain)
    const filtered = (await scim.get(`/Users?filter=${encodeURIComponent('userName sw "gr"')}`)).body.Resources
    t.same(filtered, [plain[1]])
    const byCursor = (await scim.get('/Users?count=10&cursor')).body.Resources
    t.same(byCursor, plain)
    const { body } = await scim.get('/Users?count=10&attributes=groups.display')
    t.same(
      body.Resources[1].groups.map(({ display }: { display: string }) => display),
      ['The "pair" \\ é', 'Around', 'Around both']
    )
    const without = (await scim.get('/Users?count=10&excludedAttributes=groups')).body.Resources
    t.same(
      without,
      plain.map(({ groups: _, ...rest }: { groups?: unknown }) => rest)
    )
  })
})
