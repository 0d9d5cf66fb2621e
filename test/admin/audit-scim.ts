// What the audit log must show of each SCIM write.
import { BULK_REQUEST, PATCH_OP, USER } from '../support/urns.ts'
import type { AuditCase, World } from './audit-case.ts'

const aScimUser = async ({ scim }: World) => (await scim.createUser({ userName: `${Math.random()}@x.test` })).id
const aScimGroup = async (world: World) => {
  const members = [{ value: await aScimUser(world) }]
  return (await world.scim.post('/Groups', { displayName: `Group ${Math.random()}`, members })).body.id
}
const rename = [{ op: 'replace', path: 'displayName', value: 'Another' }]

export const SCIM_WRITES: Record<string, AuditCase> = {
  'POST /Users': { actions: ['user.created'], run: ({ scim }) => scim.post('/Users', { userName: 'scim@x.test' }) },
  'PUT /Users/:id': {
    actions: ['user.updated'],
    prepare: aScimUser,
    run: ({ scim }, id) => scim.put(`/Users/${id}`, { schemas: [USER], userName: `put${id}@x.test` })
  },
  'PATCH /Users/:id': {
    actions: ['user.updated'],
    prepare: aScimUser,
    run: ({ scim }, id) => scim.patch(`/Users/${id}`, rename)
  },
  'DELETE /Users/:id': {
    actions: ['user.removed'],
    prepare: aScimUser,
    run: ({ scim }, id) => scim.delete(`/Users/${id}`)
  },
  'POST /Groups': {
    actions: ['group.created'],
    run: ({ scim }) => scim.post('/Groups', { displayName: 'By an identity provider' })
  },
  'PUT /Groups/:id': {
    actions: ['group.updated'],
    prepare: aScimGroup,
    run: ({ scim }, id) => scim.put(`/Groups/${id}`, { displayName: `Put ${id}` })
  },
  'PATCH /Groups/:id': {
    actions: ['group.updated'],
    prepare: aScimGroup,
    run: ({ scim }, id) => scim.patch(`/Groups/${id}`, rename)
  },
  'DELETE /Groups/:id': {
    actions: ['group.removed'],
    prepare: aScimGroup,
    run: ({ scim }, id) => scim.delete(`/Groups/${id}`)
  },
  'POST /Bulk': {
    actions: ['user.created', 'user.created', 'group.created'],
    run: ({ scim }) =>
      scim.post('/Bulk', {
        schemas: [BULK_REQUEST],
        Operations: [
          { method: 'POST', path: '/Users', bulkId: 'a', data: { userName: 'bulk1@x.test' } },
          { method: 'POST', path: '/Users', bulkId: 'b', data: { userName: 'bulk2@x.test' } },
          {
            method: 'POST',
            path: '/Groups',
            bulkId: 'c',
            data: { displayName: 'Of a bulk', members: [{ value: 'bulkId:a' }] }
          }
        ]
      })
  }
}

const anApiToken = async ({ call }: World) => (await call('apiTokens.create', { name: 'mine' })).data.token

/** /Me takes only a person's API token, no identity provider's. */
const asPerson =
  (method: 'PUT' | 'PATCH', body: object): AuditCase['run'] =>
  async ({ inject }, token) => {
    const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/scim+json' }
    const { statusCode } = await inject('acme', { method, url: '/scim/v2/Me', headers, payload: JSON.stringify(body) })
    return { status: statusCode }
  }

export const OF_A_PERSON: Record<string, AuditCase> = {
  'PUT /Me': {
    actions: ['user.updated'],
    by: 'apiToken',
    prepare: anApiToken,
    run: asPerson('PUT', { schemas: [USER], userName: 'ada@acme.test', displayName: 'Augusta' })
  },
  'PATCH /Me': {
    actions: ['user.updated'],
    by: 'apiToken',
    prepare: anApiToken,
    run: asPerson('PATCH', { schemas: [PATCH_OP], Operations: rename })
  }
}
