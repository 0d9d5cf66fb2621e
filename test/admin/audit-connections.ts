// What the audit log must show of each tRPC procedure about identity providers and event streams.
import { OPERATOR } from '../support/app.ts'
import { USER } from '../support/urns.ts'
import type { AuditCase, World } from './audit-case.ts'

const aToken = async ({ call }: World) =>
  (await call('scimTokens.create', { name: `idp ${Math.random()}` })).data.scimToken
const aShadow = async ({ call }: World) =>
  (await call('scimTokens.create', { name: `idp ${Math.random()}`, shadow: true })).data.scimToken
const aStream = async ({ call }: World) =>
  (await call('eventStreams.create', { kind: 'webhook', name: 'backend', url: 'https://hooks.acme.test/' })).data.stream
    .id
const URN = 'urn:ietf:params:scim:schemas:extension:acme:2.0:User'
const aSchema = ({ call }: World, urn = URN) =>
  call('scimSchemas.create', {
    definition: { id: urn, name: 'Acme', attributes: [{ name: 'badge', type: 'string' }] }
  })

export const CONNECTIONS: Record<string, AuditCase> = {
  'scimConflicts.decide': {
    actions: ['scimConnection.conflictDecided'],
    prepare: async ({ scim, call, ids }) => {
      await call('users.deactivate', { userId: ids.cleo })
      await scim.post('/Users', { schemas: [USER], userName: 'cleo@acme.test' })
      await call('users.activate', { userId: ids.cleo })
    },
    run: async ({ call, query, cookies }) => {
      const { data } = await query('acme', 'scimConflicts.list', undefined, { cookie: cookies.administrator })
      return call('scimConflicts.decide', { conflictId: data.items[0].id, decision: 'ignore' })
    }
  },
  'brake.update': {
    actions: ['tenant.settingsChanged'],
    run: ({ call }) => call('brake.update', { settings: { percent: 50 } })
  },
  // nothing is held here; test/admin/brake.test.ts has the events of held, released and rejected changes
  'brake.release': {
    actions: ['scimConnection.released'],
    prepare: aToken,
    run: ({ call }, { connectionId }) => call('brake.release', { connectionId })
  },
  'brake.reject': {
    actions: [],
    prepare: aToken,
    run: ({ call }, { connectionId }) => call('brake.reject', { connectionId })
  },
  'brake.lift': {
    actions: [],
    prepare: aToken,
    run: ({ call }, { connectionId }) => call('brake.lift', { connectionId })
  },
  'eventStreams.create': {
    actions: ['eventStream.created'],
    run: ({ call }) => call('eventStreams.create', { kind: 'set', name: 'siem', url: 'https://siem.acme.test/' })
  },
  'eventStreams.update': {
    actions: ['eventStream.updated'],
    prepare: aStream,
    run: ({ call }, streamId) => call('eventStreams.update', { streamId, name: 'renamed' })
  },
  'eventStreams.remove': {
    actions: ['eventStream.removed'],
    prepare: aStream,
    run: ({ call }, streamId) => call('eventStreams.remove', { streamId })
  },
  'eventStreams.rotateSecret': {
    actions: ['eventStream.secretRotated'],
    prepare: aStream,
    run: ({ call }, streamId) => call('eventStreams.rotateSecret', { streamId })
  },
  'eventStreams.test': {
    actions: ['eventStream.tested'],
    prepare: aStream,
    run: ({ call }, streamId) => call('eventStreams.test', { streamId })
  },
  'eventStreams.replay': {
    // no delivery was given up
    actions: [],
    prepare: aStream,
    run: ({ call }, streamId) => call('eventStreams.replay', { streamId })
  },
  'scimConnections.update': {
    actions: ['scimConnection.updated'],
    prepare: aToken,
    run: ({ call }, { connectionId }) => call('scimConnections.update', { connectionId, name: 'renamed' })
  },
  'scimConnections.remove': {
    actions: ['scimConnection.removed'],
    prepare: aToken,
    run: ({ call }, { connectionId }) => call('scimConnections.remove', { connectionId })
  },
  'scimShadow.open': {
    actions: ['scimConnection.shadowOpened'],
    prepare: aToken,
    run: ({ call }, { connectionId }) => call('scimShadow.open', { connectionId })
  },
  'scimShadow.refresh': {
    actions: ['scimConnection.shadowRefreshed'],
    prepare: aShadow,
    run: ({ call }, { connectionId }) => call('scimShadow.refresh', { connectionId })
  },
  'scimShadow.decide': {
    actions: ['scimConnection.shadowDecided'],
    // an existing shadow, since a tenant can have only three
    prepare: async ({ query }) =>
      (await query('acme', 'scimConnections.list', {}, OPERATOR)).data.items.find(
        (one: { shadow: unknown }) => one.shadow
      ),
    run: ({ call, ids }, { id: connectionId }) =>
      call('scimShadow.decide', { connectionId, kind: 'user', id: ids.ben, prefer: 'provider' })
  },
  'scimShadow.goLive': {
    actions: ['scimConnection.wentLive'],
    prepare: aShadow,
    run: ({ call }, { connectionId }) => call('scimShadow.goLive', { connectionId })
  },
  'scimShadow.discard': {
    actions: ['scimConnection.shadowDiscarded'],
    prepare: aShadow,
    run: ({ call }, { connectionId }) => call('scimShadow.discard', { connectionId })
  },
  'scimConnections.release': {
    actions: ['scimConnection.keptReleased'],
    async prepare(world) {
      const { connectionId } = await aToken(world)
      await world.call('scimConnections.remove', { connectionId, afterwards: 'keep' })
      return connectionId
    },
    run: ({ call }, connectionId) => call('scimConnections.release', { connectionId })
  },
  'scimTokens.create': {
    actions: ['scimToken.created'],
    run: ({ call }) => call('scimTokens.create', { name: 'okta' })
  },
  'scimTokens.rotate': {
    actions: ['scimToken.rotated'],
    prepare: aToken,
    run: ({ call }, { id }) => call('scimTokens.rotate', { scimTokenId: id })
  },
  'scimTokens.revoke': {
    actions: ['scimToken.revoked'],
    prepare: aToken,
    run: ({ call }, { id }) => call('scimTokens.revoke', { scimTokenId: id })
  },
  'scimSchemas.create': {
    actions: ['scimSchema.created'],
    run: (world) => aSchema(world)
  },
  'scimSchemas.remove': {
    actions: ['scimSchema.removed'],
    prepare: (world) => aSchema(world, `${URN}2`),
    run: ({ call }) => call('scimSchemas.remove', { urn: `${URN}2` })
  }
}
