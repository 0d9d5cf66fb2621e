// What all lists have in common.
import { test } from 'tap'
import { OPERATOR, startApp } from '../support/app.ts'
import { insertTenant } from '../support/tenants.ts'

test('every list can be called without input', async (t) => {
  const { owner, query } = await startApp(t)
  await insertTenant(owner, 'acme')
  const lists = ['users', 'groups', 'invitations', 'scimTokens', 'apiTokens', 'audit'].map((name) => ['acme', name])
  for (const [host, name] of [...lists, ['', 'tenants']] as [string, string][]) {
    const { status, data } = await query(host, `${name}.list`, undefined, OPERATOR)
    t.equal(status, 200, name)
    t.ok(Array.isArray(data?.items), name)
    const { error } = await query(host, `${name}.list`, { colour: 'red' }, OPERATOR)
    t.match(error, { code: 'BAD_REQUEST', message: /colour/ }, `${name}: unknown fields are refused all the same`)
  }
})

test('every list takes the same fields to search, narrow, sort, count and page', async (t) => {
  const { owner, query, mutate } = await startApp(t)
  await insertTenant(owner, 'acme')
  await insertTenant(owner, 'globex')
  const ids: string[] = []
  for (const name of ['okta', 'entra', 'okta again']) {
    ids.push((await mutate('acme', 'scimTokens.create', { name }, OPERATOR)).data.scimToken.id)
  }
  await mutate('acme', 'scimTokens.revoke', { scimTokenId: ids[2] }, OPERATOR)
  const list = async (host: string, name: string, input: object) => (await query(host, name, input, OPERATOR)).data
  const idsOf = ({ items }: { items: { id: string }[] }) => items.map(({ id }) => id)
  const [okta, entra, again] = ids as [string, string, string]

  t.test('scimTokens.list takes them', async (t) => {
    const tokens = (input: object) => list('acme', 'scimTokens.list', input)
    t.same(idsOf(await tokens({})), [again, entra, okta], 'newest first')
    t.same(idsOf(await tokens({ sort: { by: 'createdAt', direction: 'asc' } })), ids)
    t.match(await tokens({ search: 'OKTA', includeTotal: true }), { items: [{ id: again }, { id: okta }], total: 2 })
    t.match(await tokens({ filter: { revoked: false }, includeTotal: true, limit: 1 }), {
      items: [{ id: entra }],
      total: 2
    })
    const { connectionId } = (await tokens({ search: 'entra' })).items[0]
    t.same(idsOf(await tokens({ filter: { connectionId } })), [entra])
    t.equal((await tokens({})).total, undefined, 'counted only where it is asked for')
  })

  t.test('pages lead to the next one in each direction, starting with a null cursor', async (t) => {
    const lists: [host: string, name: string, by: string][] = [
      ['acme', 'scimTokens.list', 'createdAt'],
      ['acme', 'audit.list', 'at'],
      ['', 'tenants.list', 'subdomain']
    ]
    for (const [host, name, by] of lists) {
      const all = idsOf(await list(host, name, { sort: { by, direction: 'asc' } }))
      t.ok(all.length > 1, name)
      for (const direction of ['asc', 'desc']) {
        const seen: string[] = []
        let cursor: string | null = null
        do {
          const page: { items: { id: string }[]; nextCursor: string | null; total: number } = await list(host, name, {
            sort: { by, direction },
            limit: 1,
            cursor,
            includeTotal: true
          })
          t.equal(page.total, all.length, name)
          seen.push(...idsOf(page))
          cursor = page.nextCursor
        } while (cursor !== null)
        t.same(seen, direction === 'asc' ? all : all.toReversed(), `${name} ${direction}`)
      }
    }
  })

  t.test('a cursor of the other direction is refused', async (t) => {
    const { nextCursor } = await list('acme', 'audit.list', { limit: 1 })
    const { error } = await query(
      'acme',
      'audit.list',
      { cursor: nextCursor, sort: { by: 'at', direction: 'asc' } },
      OPERATOR
    )
    t.equal(error?.reason, 'invalidCursor')
  })

  t.test('tenants.list shows all that a tenant has set', async (t) => {
    await mutate('acme', 'settings.update', { wireLogDays: 7, brake: { off: true } }, OPERATOR)
    const { items } = await list('', 'tenants.list', { search: 'acme' })
    t.match(items, [{ subdomain: 'acme', settings: { wireLogDays: 7, brake: { off: true } } }])
  })
})
