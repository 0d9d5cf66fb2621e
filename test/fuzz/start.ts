// A tenant for fuzzing the edges: an administrator, a token that may do everything, some people and a group.
import type { Test } from 'tap'
import { startApp } from '../support/app.ts'
import { insertPeople, signInAs } from '../support/people.ts'
import { scimClient } from '../support/scim.ts'
import { addTenant } from '../support/tenants.ts'
import { GROUP } from '../support/urns.ts'
import type { Edges } from './edges.ts'

export async function startEdges(t: Test): Promise<Edges> {
  const app = await startApp(t, { env: { SCIM_REQUESTS_PER_SECOND: '0' } })
  const tenant = await addTenant(app, 'acme')
  const people = await insertPeople(app.owner, tenant.id, [
    { email: 'ada@acme.test', role: 'administrator' },
    { email: 'zoe@acme.test', role: 'administrator' },
    { email: 'ben@acme.test' }
  ])
  const scim = await scimClient(app, tenant, { highestRole: 'administrator' })
  const group = await scim.post('/Groups', {
    schemas: [GROUP],
    displayName: 'Rota',
    members: [{ value: people[2] }]
  })
  const cookie = await signInAs(app.owner, tenant.id, people[0]!)
  return { app, scim, cookie, ids: [...people.slice(1), group.body.id, ''] }
}
