import { sql } from 'kysely'
import { test } from 'tap'
import { inTenant, readInTenant } from '../../db/connect.ts'
import { lockUser } from '../../db/users.ts'
import { GROUP_SCHEMA } from '../../server/provisioning/group-document.ts'
import type { MemberChange } from '../../server/provisioning/group-members.ts'
import { changeGroup, createGroup, removeGroup } from '../../server/provisioning/groups.ts'
import { remove } from '../../server/provisioning/user-states.ts'
import { openDatabase } from '../support/database.ts'
import { actorOf, connectionActor, insertUsers, membersOf, workOf } from '../support/groups.ts'
import { insertTenant, NOW } from '../support/tenants.ts'

const refs = (ids: readonly string[]) => ids.map((value) => ({ value }))
const NAMED = { schemas: [GROUP_SCHEMA], displayName: '' }

test('past memberships', async (t) => {
  const { db, owner } = await openDatabase(t)
  const tenantId = await insertTenant(owner, 'acme')
  const okta = await connectionActor(owner, tenantId, 'Okta')
  const people = workOf(db, tenantId, actorOf('administrator'))
  const machine = workOf(db, tenantId, okta)
  const users = await insertUsers(owner, tenantId, 6)
  const [first, second, third] = users as [string, string, string]
  let made = 0
  const groupOf = async (work = machine, ids: readonly string[] = users) =>
    createGroup(work, { ...NAMED, displayName: `Group ${++made}` }, refs(ids))
  interface Past {
    user_id: string
    connection_id: string | null
    added: string
    removed: string
    removed_event_id: string
  }
  /** Past memberships, with the actions of the events by which they began and ended. */
  const pastOf = (groupId: string) =>
    readInTenant<Past>(
      db,
      tenantId,
      sql<Past>`
        select p.user_id, p.connection_id, p.removed_event_id,
          (select action from audit_events e where e.tenant_id = ${tenantId} and e.id = p.added_event_id) as added,
          (select action from audit_events e where e.tenant_id = ${tenantId} and e.id = p.removed_event_id) as removed
        from past_memberships p where p.tenant_id = ${tenantId} and p.group_id = ${groupId} order by p.user_id`
    )
  const change = (groupId: string, ...members: MemberChange[]) => changeGroup(machine, groupId, { members })

  const ways: Record<string, { changes: MemberChange[]; gone: string[] }> = {
    one: { changes: [{ kind: 'remove', values: [first] }], gone: [first] },
    several: { changes: [{ kind: 'remove', values: [first, second] }], gone: [first, second] },
    chosen: {
      changes: [{ kind: 'removeWhere', chosen: sql`select ${third}::uuid as id` }],
      gone: [third]
    },
    'all but those that replace them': { changes: [{ kind: 'replace', members: refs([first]) }], gone: users.slice(1) },
    all: { changes: [{ kind: 'clear' }], gone: users }
  }
  for (const [way, { changes, gone }] of Object.entries(ways)) {
    t.test(`are kept exactly if ${way} of the members are removed`, async (t) => {
      const groupId = await groupOf()
      await change(groupId, ...changes)
      const past = await pastOf(groupId)
      t.same(
        past.map(({ removed_event_id: _, ...row }) => row),
        [...gone].sort().map((user_id) => ({
          user_id,
          connection_id: okta.id,
          added: 'group.created',
          removed: 'group.membersChanged'
        }))
      )
      t.equal(new Set(past.map(({ removed_event_id }) => removed_event_id)).size, 1, 'by one event')
    })
  }

  t.test('say who had added the member: a connection or people', async (t) => {
    const groupId = await groupOf(people, [first])
    await changeGroup(machine, groupId, { members: [{ kind: 'add', members: refs([first, second]) }] })
    await changeGroup(machine, groupId, { members: [{ kind: 'clear' }] })
    t.match(await pastOf(groupId), [
      { user_id: first, connection_id: null, added: 'group.created' },
      { user_id: second, connection_id: okta.id, added: 'group.membersChanged' }
    ])
  })

  t.test('are not kept if a membership began and ended in the same change', async (t) => {
    const groupId = await groupOf(people, [first])
    await change(groupId, { kind: 'clear' }, { kind: 'add', members: refs([first, second]) }, { kind: 'clear' })
    t.match(await pastOf(groupId), [{ user_id: first, added: 'group.created' }])
    t.same(await membersOf(db, tenantId, groupId), [])
  })

  t.test('are kept when the user is removed', async (t) => {
    const [userId] = (await insertUsers(owner, tenantId, 1, { prefix: 'leaver' })) as [string]
    const groupIds = [await groupOf(machine, [userId]), await groupOf(people, [userId])]
    await inTenant(db, tenantId, async (trx) => {
      const user = await lockUser(trx, tenantId, userId, 'for update')
      await remove({ trx, tenantId, actor: actorOf('administrator'), now: NOW }, user!, { withMemberships: true })
    })
    const past = [...(await pastOf(groupIds[0]!)), ...(await pastOf(groupIds[1]!))]
    t.match(past, [
      { user_id: userId, connection_id: okta.id, added: 'group.created', removed: 'user.removed' },
      { user_id: userId, connection_id: null, added: 'group.created', removed: 'user.removed' }
    ])
  })

  t.test('are kept when the group is removed, for groups that contained it and those in it', async (t) => {
    const inner = await groupOf(people, [])
    const groupId = await groupOf(people, [first, second, inner])
    const outer = await groupOf(machine, [groupId])
    await removeGroup(people, groupId)
    t.match(await pastOf(groupId), [
      { user_id: first, removed: 'group.removed' },
      { user_id: second, removed: 'group.removed' }
    ])
    const children = await readInTenant(
      db,
      tenantId,
      db
        .selectFrom('past_children')
        .select(['group_id', 'child_id', 'connection_id'])
        .where('tenant_id', '=', tenantId)
        .orderBy('connection_id')
    )
    t.same(children, [
      { group_id: outer, child_id: groupId, connection_id: okta.id },
      { group_id: groupId, child_id: inner, connection_id: null }
    ])
  })
})
