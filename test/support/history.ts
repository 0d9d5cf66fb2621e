// Set-up for tests of history and undo: a tenant with two administrators and identity providers, and snapshots of all
// that an undo restores. Snapshots are read past the rules; they are equal if nothing has changed.
import { sql } from 'kysely'
import type { Test } from 'tap'
import type { Db } from '../../db/connect.ts'
import { systemActor } from '../../server/provisioning/actor.ts'
import { createScimToken } from '../../server/provisioning/scim-tokens.ts'
import { startApp, type TestApp, type TrpcAnswer } from './app.ts'
import { insertPeople, signInAs } from './people.ts'
import { clientOf, type Scim } from './scim.ts'
import { addTenant, type Tenant } from './tenants.ts'
import { BULK_REQUEST, GROUP, USER } from './urns.ts'

export interface HistoryTenant {
  app: TestApp
  tenant: Tenant
  /** The administrator who sends the requests. */
  adaId: string
  /** Another administrator. */
  rootId: string
  connect(name: string): Promise<{ scim: Scim; connectionId: string }>
  query(procedure: string, input: unknown): Promise<TrpcAnswer>
  mutate(procedure: string, input: unknown): Promise<TrpcAnswer>
  snapshot(): Promise<Snapshot>
}

export async function openHistory(t: Test, subdomain = 'acme', started?: TestApp): Promise<HistoryTenant> {
  const app = started ?? (await startApp(t))
  // the brake would hold most of what these tests do
  const tenant = await addTenant(app, subdomain, { brake: { off: true } })
  const [adaId, rootId] = (await insertPeople(app.owner, tenant.id, [
    { email: `ada@${subdomain}.test`, role: 'administrator', displayName: 'Ada' },
    { email: `root@${subdomain}.test`, role: 'administrator', displayName: 'Root' }
  ])) as [string, string]
  const cookie = await signInAs(app.owner, tenant.id, adaId)
  return {
    app,
    tenant,
    adaId,
    rootId,
    async connect(name) {
      const made = await createScimToken(app.deps, tenant, systemActor, { name, highestRole: 'administrator' })
      return { scim: clientOf(app, tenant, made.token), connectionId: made.scimToken.connection_id }
    },
    query: (procedure, input) => app.query(subdomain, procedure, input, { cookie }),
    mutate: (procedure, input) => app.mutate(subdomain, procedure, input, { cookie }),
    snapshot: () => snapshotOf(app.owner, tenant.id)
  }
}

// biome-ignore lint/suspicious/noExplicitAny: snapshots are compared as a whole
export type Snapshot = Record<string, any>

/**
 * Users who are not removed, groups, memberships with their owners, addresses, e-mail keys and counts of a tenant,
 * without versions.
 */
export async function snapshotOf(owner: Db, tenantId: number): Promise<Snapshot> {
  const { rows } = await sql<{ snapshot: Snapshot }>`select jsonb_build_object(
    'users', (select jsonb_object_agg(id, jsonb_build_object('state', state, 'locked', locked, 'role', role, 'userName', user_name,
        'userNameKey', user_name_key, 'externalId', external_id, 'connection', connection_id, 'email', email,
        'emailKey', email_key, 'shown', shown_name_key, 'zone', time_zone, 'locale', locale, 'authority', authority::jsonb, 'doc', doc::jsonb))
      from users where tenant_id = ${tenantId} and state <> 'removed'),
    'groups', (select jsonb_object_agg(id, jsonb_build_object('name', display_name, 'key', display_name_key,
        'externalId', external_id, 'connection', connection_id, 'keptBy', kept_by, 'doc', doc::jsonb, 'createdAt', created_at))
      from groups where tenant_id = ${tenantId}),
    'members', (select jsonb_agg(jsonb_build_array(group_id, user_id, connection_id) order by group_id, user_id)
      from group_members where tenant_id = ${tenantId}),
    'children', (select jsonb_agg(jsonb_build_array(group_id, child_id, connection_id) order by group_id, child_id)
      from group_children where tenant_id = ${tenantId}),
    'ancestors', (select jsonb_agg(jsonb_build_array(group_id, ancestor_id) order by group_id, ancestor_id)
      from group_ancestors where tenant_id = ${tenantId}),
    'counts', (select jsonb_object_agg(group_id, count) from (
      select r.group_id, sum(r.member_delta) as count from group_revisions r where r.tenant_id = ${tenantId}
      group by r.group_id having sum(r.member_delta) <> 0) counted),
    'totals', (select jsonb_object_agg(resource_type, total) from (
      select resource_type, sum(total) as total from resource_counts where tenant_id = ${tenantId} group by 1
      having sum(total) <> 0) totals),
    'addresses', (select jsonb_object_agg(address_key, user_id) from addresses where tenant_id = ${tenantId}),
    'emails', (select jsonb_agg(jsonb_build_array(e.user_id, e.value_key) order by e.user_id, e.value_key)
      from user_emails e join users u on u.tenant_id = e.tenant_id and u.id = e.user_id
      where e.tenant_id = ${tenantId} and u.state <> 'removed'),
    'invited', (select jsonb_object_agg(user_id, role) from invitations
      where tenant_id = ${tenantId} and state = 'pending')
  ) as snapshot`.execute(owner)
  return rows[0]!.snapshot
}

/** Creates engineers `<prefix>0@acme.test`, … in one bulk request. @returns their ids, in order */
export const createUsers = async (scim: Scim, count: number, prefix: string): Promise<string[]> => {
  const operations = Array.from({ length: count }, (_, index) => ({
    method: 'POST',
    path: '/Users',
    bulkId: `u${index}`,
    data: {
      schemas: [USER],
      userName: `${prefix}${index}@acme.test`,
      title: 'Engineer',
      externalId: `${prefix}${index}`
    }
  }))
  const { body } = await scim.post('/Bulk', {
    schemas: [BULK_REQUEST],
    Operations: operations
  })
  return body.Operations.map(({ location }: { location: string }) => location.split('/').at(-1))
}

/** @returns the id of the group, which the connection provisions */
export const createGroup = async (scim: Scim, displayName: string, members: string[]): Promise<string> => {
  const { body } = await scim.post('/Groups', {
    schemas: [GROUP],
    displayName,
    externalId: displayName,
    members: members.map((value) => ({ value }))
  })
  return body.id
}
