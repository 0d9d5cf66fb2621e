// What all lists have in common.
import { test } from 'tap'
import { OPERATOR, startApp } from '../support/app.ts'
import { insertTenant } from '../support/groups.ts'

test('every list can be asked for without any input', async (t) => {
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
