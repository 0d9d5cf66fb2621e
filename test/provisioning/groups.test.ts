import { sql } from 'kysely'
import { test } from 'tap'
import { findGroupView } from '../../db/groups.ts'
import { AppError } from '../../server/errors.ts'
import type { GroupDocument } from '../../server/provisioning/group-document.ts'
import { GROUP_SCHEMA } from '../../server/provisioning/group-document.ts'
import type { MemberChange } from '../../server/provisioning/group-members.ts'
import { changeGroup, createGroup, removeGroup } from '../../server/provisioning/groups.ts'
import { openDatabase } from '../support/database.ts'
import { actorOf, closures, connectionActor, insertUsers, membersOf, workOf } from '../support/groups.ts'
import { insertTenant, NOW } from '../support/tenants.ts'

const named = (displayName: string, rest: Partial<GroupDocument> = {}): GroupDocument => ({
  schemas: [GROUP_SCHEMA],
  displayName,
  ...rest
})
const refs = (ids: readonly string[]) => ids.map((value) => ({ value }))

/** @returns the AppError that the promise rejects with */
const refusal = (promise: Promise<unknown>): Promise<AppError> =>
  promise.then(
    () => Promise.reject(new Error('it was not refused')),
    (error) => (error instanceof AppError ? error : Promise.reject(error))
  )

test('groups', async (t) => {
  const { db, owner } = await openDatabase(t)
  const tenantId = await insertTenant(owner, 'acme')
  const otherTenantId = await insertTenant(owner, 'other')
  const users = await insertUsers(owner, tenantId, 20)
  const [stranger] = await insertUsers(owner, otherTenantId, 1, { prefix: 'stranger' })
  const work = workOf(db, tenantId, actorOf('manager'))
  const view = async (id: string) => (await findGroupView(db, tenantId, id))!
  const versionOf = async (id: string) => {
    const seen: number[] = []
    await changeGroup(work, id, { precondition: (version) => void seen.push(version) })
    return seen[0]!
  }

  t.test('a group is created with its members and read back', async (t) => {
    const id = await createGroup(work, named('Engineers'), refs(users.slice(0, 3)))
    t.strictSame(await membersOf(db, tenantId, id), users.slice(0, 3))
    t.match(await view(id), {
      display_name: 'Engineers',
      member_count: 3,
      external_id: null,
      connection_id: null,
      created_at: NOW
    })
  })

  t.test('a name is taken in any letter case, and an externalId within one connection', async (t) => {
    await createGroup(work, named('Sales'))
    t.match(await refusal(createGroup(work, named('SALES'))), { code: 'conflict', scimType: 'uniqueness' })
    const okta = workOf(db, tenantId, await connectionActor(owner, tenantId, 'okta'))
    const entra = workOf(db, tenantId, await connectionActor(owner, tenantId, 'entra'))
    const id = await createGroup(okta, named('Okta 1', { externalId: 'x' }))
    t.match(await refusal(createGroup(okta, named('Okta 2', { externalId: 'x' }))), {
      scimType: 'uniqueness',
      message: /externalId/
    })
    await createGroup(okta, named('Okta 3', { externalId: 'X' }))
    await createGroup(entra, named('Entra 1', { externalId: 'x' }))
    t.match(await refusal(changeGroup(okta, id, { document: (d) => ({ ...d, displayName: 'sales' }) })), {
      code: 'conflict',
      message: /displayName/
    })
  })

  t.test('a group of no connection belongs to the one that gives it an externalId', async (t) => {
    const id = await createGroup(work, named('Found by name'))
    const actor = await connectionActor(owner, tenantId, 'jumpcloud')
    const scim = workOf(db, tenantId, actor)
    await changeGroup(scim, id, { document: (d) => ({ ...d, displayName: 'Found' }) })
    t.equal((await view(id)).connection_id, null)
    await changeGroup(scim, id, { document: (d) => ({ ...d, externalId: 'j1' }) })
    t.match(await view(id), { connection_id: actor.id, external_id: 'j1', source_name: 'jumpcloud' })
  })

  t.test('a document that stays the same is no change', async (t) => {
    const id = await createGroup(work, named('Steady'))
    t.equal(await versionOf(id), 1)
    await changeGroup(work, id, { document: (d) => ({ ...d }) })
    t.equal(await versionOf(id), 1)
    await changeGroup(work, id, { document: (d) => ({ ...d, displayName: 'Unsteady' }) })
    t.equal(await versionOf(id), 2)
  })

  t.test('adding a member and removing somebody who is none succeed and change nothing', async (t) => {
    const id = await createGroup(work, named('Idempotent'))
    const add = (ids: string[]) => changeGroup(work, id, { members: [{ kind: 'add', members: refs(ids) }] })
    const remove = (ids: string[]) => changeGroup(work, id, { members: [{ kind: 'remove', values: ids }] })
    await add(users.slice(0, 4))
    await add(users.slice(2, 4))
    await add([users[0]!, users[0]!])
    t.equal(await versionOf(id), 2)
    await remove([users[9]!])
    await remove(users.slice(8, 10))
    await remove(['nobody', stranger!])
    await remove(['nobody'])
    t.equal(await versionOf(id), 2)
    t.equal((await view(id)).member_count, 4)
    await remove([users[0]!])
    await remove([users[0]!, users[1]!])
    t.strictSame(await membersOf(db, tenantId, id), users.slice(2, 4))
    t.equal((await view(id)).member_count, 2)
    t.equal(await versionOf(id), 4)
  })

  t.test('members are replaced and cleared', async (t) => {
    const id = await createGroup(work, named('Replaced'), refs(users.slice(0, 5)))
    await changeGroup(work, id, { members: [{ kind: 'replace', members: refs(users.slice(3, 8)) }] })
    t.strictSame(await membersOf(db, tenantId, id), users.slice(3, 8))
    t.equal((await view(id)).member_count, 5)
    await changeGroup(work, id, { members: [{ kind: 'clear' }] })
    t.strictSame(await membersOf(db, tenantId, id), [])
    t.equal((await view(id)).member_count, 0)
  })

  t.test('several changes are made in order, together with the attributes', async (t) => {
    const id = await createGroup(work, named('Ordered'), refs(users.slice(0, 2)))
    const chosen = sql`select user_id as id from group_members where tenant_id = ${tenantId} and group_id = ${id}`
    await changeGroup(work, id, {
      document: (d) => ({ ...d, displayName: 'In order' }),
      members: [
        { kind: 'add', members: refs([users[5]!]) },
        { kind: 'removeWhere', chosen },
        { kind: 'add', members: refs([users[6]!, users[7]!]) },
        { kind: 'remove', values: [users[7]!] }
      ]
    })
    t.strictSame(await membersOf(db, tenantId, id), [users[6]])
    t.match(await view(id), { display_name: 'In order', member_count: 1 })
  })

  t.test('unknown members are named, up to five, and nothing changes', async (t) => {
    const id = await createGroup(work, named('Known only'), refs([users[0]!]))
    const [gone] = await insertUsers(owner, tenantId, 1, { prefix: 'gone' })
    await owner.updateTable('users').set({ state: 'removed' }).where('id', '=', gone!).execute()
    for (const bad of [stranger!, gone!, 'bjensen', '', '0190cafe-0000-7000-8000-000000000000']) {
      const error = await refusal(
        changeGroup(work, id, { members: [{ kind: 'add', members: refs([users[1]!, bad]) }] })
      )
      t.match(error, { code: 'invalid', scimType: 'invalidValue', reason: 'unknownMember' })
      t.match(error.message, JSON.stringify(bad))
    }
    const many = Array.from({ length: 8 }, (_, index) => `nobody ${index}`)
    const error = await refusal(changeGroup(work, id, { members: [{ kind: 'replace', members: refs(many) }] }))
    t.match(error.message, /"nobody 4" and 3 more$/)
    t.match(await refusal(createGroup(work, named('Never made'), refs(many))), { reason: 'unknownMember' })
    t.strictSame(await membersOf(db, tenantId, id), [users[0]])
  })

  t.test('a member whose type differs from what the client says is unknown', async (t) => {
    const id = await createGroup(work, named('Typed'))
    const child = await createGroup(work, named('Typed child'))
    const add = (value: string, type: 'User' | 'Group') =>
      changeGroup(work, id, { members: [{ kind: 'add', members: [{ value, type }] }] })
    t.match(await refusal(add(users[0]!, 'Group')), { reason: 'unknownMember' })
    t.match(await refusal(add(child, 'User')), { reason: 'unknownMember' })
    await add(users[0]!, 'User')
    await add(child, 'Group')
    t.strictSame(await membersOf(db, tenantId, id), [users[0]!, child].sort())
  })

  t.test('a missing group or another tenant’s is not found', async (t) => {
    const id = await createGroup(work, named('Mine'))
    const elsewhere = workOf(db, otherTenantId, actorOf('administrator'))
    const add = { members: [{ kind: 'add' as const, members: refs([stranger!]) }] }
    t.match(await refusal(changeGroup(elsewhere, id, add)), { code: 'not_found' })
    t.match(await refusal(changeGroup(elsewhere, id, { document: (d) => ({ ...d, displayName: 'x' }) })), {
      code: 'not_found'
    })
    t.match(await refusal(changeGroup(elsewhere, id, { members: [{ kind: 'remove', values: [users[0]!] }] })), {
      code: 'not_found'
    })
    t.match(await refusal(removeGroup(elsewhere, id)), { code: 'not_found' })
    t.match(await refusal(removeGroup(work, 'no-id')), { code: 'not_found' })
    await removeGroup(work, id)
    t.match(await refusal(removeGroup(work, id)), { code: 'not_found' })
  })

  t.test('administrators and managers change groups, and others do not', async (t) => {
    for (const role of ['stakeholder', 'responder'] as const) {
      const low = workOf(db, tenantId, actorOf(role))
      t.match(await refusal(createGroup(low, named('Low'))), { code: 'forbidden', reason: 'groupsNotAllowed' })
      t.match(await refusal(changeGroup(low, users[0]!, {})), { reason: 'groupsNotAllowed' })
      t.match(await refusal(removeGroup(low, users[0]!)), { reason: 'groupsNotAllowed' })
    }
    await createGroup(workOf(db, tenantId, actorOf('administrator')), named('High'))
  })

  t.test('a token may put people with a higher role than it may grant into groups, which gives no role', async (t) => {
    const [chief] = await insertUsers(owner, tenantId, 1, { prefix: 'chief' })
    await owner.updateTable('users').set({ role: 'administrator' }).where('id', '=', chief!).execute()
    const scim = workOf(db, tenantId, await connectionActor(owner, tenantId, 'low'))
    const id = await createGroup(scim, named('With the chief'), refs([chief!]))
    await changeGroup(scim, id, { members: [{ kind: 'remove', values: [chief!] }] })
    t.strictSame(await membersOf(db, tenantId, id), [])
  })

  t.test('a precondition gets the version and may refuse', async (t) => {
    const id = await createGroup(work, named('Versioned'), refs([users[0]!]))
    t.equal(await versionOf(id), 2, 'one for the group, one for its members')
    const refuse = () => {
      throw new AppError('stale', 'stale')
    }
    const members = [{ kind: 'add' as const, members: refs([users[1]!]) }]
    t.match(await refusal(changeGroup(work, id, { members, precondition: refuse })), { code: 'stale' })
    t.match(await refusal(removeGroup(work, id, refuse)), { code: 'stale' })
    t.strictSame(await membersOf(db, tenantId, id), [users[0]])
  })

  t.test(
    'a connection that sees only its own does not know others’ groups and users, and leaves them alone',
    async (t) => {
      const actor = await connectionActor(owner, tenantId, 'own')
      const own = workOf(db, tenantId, actor, { ownScope: actor.id! })
      const mine = await insertUsers(owner, tenantId, 3, { prefix: 'mine', connectionId: actor.id! })
      const foreign = await createGroup(work, named('Foreign'))
      const id = await createGroup(own, named('Own'), refs(mine))
      const add = (value: string) => changeGroup(own, id, { members: [{ kind: 'add', members: refs([value]) }] })
      t.match(await refusal(changeGroup(own, foreign, { document: (d) => ({ ...d, displayName: 'x' }) })), {
        code: 'not_found'
      })
      t.match(await refusal(add(users[0]!)), { reason: 'unknownMember' })
      t.match(await refusal(add(foreign)), { reason: 'unknownMember' })
      await changeGroup(work, id, { members: [{ kind: 'add', members: refs([users[0]!, foreign]) }] })
      await changeGroup(own, id, { members: [{ kind: 'remove', values: [users[0]!] }] })
      await changeGroup(own, id, { members: [{ kind: 'remove', values: [users[0]!, foreign] }] })
      await changeGroup(own, id, { members: [{ kind: 'replace', members: refs([mine[1]!]) }] })
      t.strictSame(await membersOf(db, tenantId, id), [users[0]!, foreign, mine[1]!].sort())
      t.equal((await view(id)).member_count, 3)
    }
  )

  t.test('each change leaves one audit event that shows it', async (t) => {
    let minutes = 0
    // a later time for each, because events are read by time
    const later = () => workOf(db, tenantId, actorOf('manager'), { now: new Date(NOW.getTime() + 60_000 * minutes++) })
    const id = await createGroup(later(), named('Audited'), refs(users.slice(0, 2)))
    const change = (members: MemberChange) => changeGroup(later(), id, { members: [members] })
    await changeGroup(later(), id, { document: (d) => ({ ...d, displayName: 'Watched' }) })
    await change({ kind: 'add', members: refs(users.slice(1, 4)) })
    await change({ kind: 'add', members: refs(users.slice(1, 4)) })
    await change({ kind: 'remove', values: [users[0]!] })
    await change({ kind: 'replace', members: refs(users.slice(2, 5)) })
    await removeGroup(later(), id)
    const events = await owner
      .selectFrom('audit_events')
      .selectAll()
      .where('target_id', '=', id)
      .orderBy('id')
      .execute()
    const facts = events.map(({ action, target_name, actor_name, before, after }) => ({
      action,
      target_name,
      actor_name,
      before: before && JSON.parse(before),
      after: after && JSON.parse(after)
    }))
    const event = (action: string, targetName: string, after: unknown, before: unknown = null) => ({
      action: `group.${action}`,
      target_name: targetName,
      actor_name: 'the manager',
      before,
      after
    })
    t.strictSame(facts, [
      event('created', 'Audited', { displayName: 'Audited', addedCount: 2, added: users.slice(0, 2) }),
      event('updated', 'Watched', { displayName: 'Watched' }, { displayName: 'Audited' }),
      event('membersChanged', 'Watched', { addedCount: 2, added: users.slice(2, 4) }),
      event('membersChanged', 'Watched', { removedCount: 1, removed: [users[0]] }),
      event('membersChanged', 'Watched', {
        addedCount: 1,
        added: [users[4]],
        removedCount: 1,
        removed: [users[1]]
      }),
      event('removed', 'Watched', null, { displayName: 'Watched', createdAt: NOW.toISOString(), version: 6 })
    ])
  })

  t.test('names are limited to what an index can hold', async (t) => {
    t.match(await refusal(createGroup(work, named('x'.repeat(501)))), { scimType: 'invalidValue' })
    t.match(await refusal(createGroup(work, named('x', { externalId: 'x'.repeat(501) }))), { scimType: 'invalidValue' })
    t.match(await refusal(createGroup(work, named('  '))), { scimType: 'invalidValue' })
    await createGroup(work, named('İ€'.repeat(250), { externalId: '€'.repeat(500) }))
  })

  t.test('the closure is right after everything above', async (t) => {
    const { stored, expected } = await closures(db, tenantId)
    t.strictSame(stored, expected)
  })
})
