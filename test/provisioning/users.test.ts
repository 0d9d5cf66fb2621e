// The life of users: who may do what, what changes, and what the log shows.
import { type Test, test } from 'tap'
import { type Db, inTenant } from '../../db/connect.ts'
import type { Role, UserRow } from '../../db/schema.ts'
import {
  activateUser,
  deactivateUser,
  lockUser,
  removeUser,
  setUserRole,
  unlockUser,
  updateUserProfile
} from '../../server/provisioning/users.ts'
import { startApp } from '../support/app.ts'
import { actorOf, insertGroup } from '../support/groups.ts'
import { lockIsAwaited } from '../support/locks.ts'
import { aliveOf, giveEverything, insertPerson, type PersonSpec } from '../support/people.ts'
import { insertTenant } from '../support/tenants.ts'

const readRow = (owner: Db, id: string): Promise<UserRow> =>
  owner.selectFrom('users').selectAll().where('id', '=', id).executeTakeFirstOrThrow()

const auditOf = async (owner: Db, id: string) =>
  (
    await owner
      .selectFrom('audit_events')
      .select(['action', 'actor_name', 'before', 'after'])
      .where('target_id', '=', id)
      .orderBy('id')
      .execute()
  ).map((event) => ({ ...event, before: JSON.parse(event.before ?? 'null'), after: JSON.parse(event.after ?? 'null') }))

/** The sum of the counters of users. */
const countedUsers = async (owner: Db) => {
  const row = await owner
    .selectFrom('resource_counts')
    .select((of) => of.fn.sum<string>('total').as('total'))
    .executeTakeFirstOrThrow()
  return Number(row.total)
}

test('the life of users', async (t) => {
  const { deps, owner } = await startApp(t)
  const tenantId = await insertTenant(owner, 'acme')
  const otherTenantId = await insertTenant(owner, 'globex')
  const adaId = await insertPerson(owner, tenantId, { email: 'ada@acme.test', role: 'administrator' })
  const ada = actorOf('administrator', adaId)
  let count = 0
  const person = async (spec: Partial<PersonSpec> = {}) => {
    return insertPerson(owner, tenantId, { email: `person${++count}@acme.test`, ...spec })
  }
  const refused = async (t: Test, call: () => Promise<unknown>, reason: string, id: string) => {
    const before = await readRow(owner, id)
    t.match(await call().catch((error) => error), { name: 'AppError', reason })
    t.same(await readRow(owner, id), before, 'and nothing changed')
  }

  t.test('deactivate ends access, keeps password and address, and is logged', async (t) => {
    const id = await person()
    await giveEverything(owner, tenantId, id)
    const user = await deactivateUser(deps, tenantId, ada, id)
    t.match(user, { state: 'deactivated', version: 2 })
    t.match(await aliveOf(owner, tenantId, id), {
      sessions: 0,
      apiTokens: 0,
      invitations: 0,
      passwords: 1,
      addresses: 1
    })
    t.match(await auditOf(owner, id), [
      { action: 'user.deactivated', actor_name: ada.name, before: { state: 'active' }, after: { state: 'deactivated' } }
    ])
  })

  t.test('deactivating somebody who is only invited revokes the invitation, and the log says so', async (t) => {
    const id = await person({ state: 'invited' })
    await giveEverything(owner, tenantId, id)
    await deactivateUser(deps, tenantId, ada, id)
    const { id: invitationId } = await owner
      .selectFrom('invitations')
      .select('id')
      .where('user_id', '=', id)
      .executeTakeFirstOrThrow()
    t.match(await auditOf(owner, invitationId), [{ action: 'invitation.revoked', after: { state: 'revoked' } }])
  })

  t.test('activate gives access again, even to somebody who never accepted', async (t) => {
    const id = await person({ state: 'invited' })
    await deactivateUser(deps, tenantId, ada, id)
    const user = await activateUser(deps, tenantId, ada, id)
    t.equal(user.state, 'active')
    t.ok(user.activated_at, 'they are active for the first time')
  })

  t.test('activate refuses somebody who is invited', async (t) => {
    const id = await person({ state: 'invited' })
    await refused(t, () => activateUser(deps, tenantId, ada, id), 'notDeactivated', id)
  })

  t.test('locked is a flag besides the state', async (t) => {
    const id = await person()
    await giveEverything(owner, tenantId, id)
    t.match(await lockUser(deps, tenantId, ada, id), { state: 'active', locked: true })
    t.match(await aliveOf(owner, tenantId, id), { sessions: 0, apiTokens: 0, invitations: 1 })
    t.match(await unlockUser(deps, tenantId, ada, id), { state: 'active', locked: false })
    t.same(
      (await auditOf(owner, id)).map(({ action }) => action),
      ['user.locked', 'user.unlocked']
    )
  })

  t.test('remove requires a deactivated user who is in no group', async (t) => {
    const id = await person()
    await refused(t, () => removeUser(deps, tenantId, ada, id), 'notDeactivated', id)
    await deactivateUser(deps, tenantId, ada, id)
    for (const name of ['Zoo', 'Art']) await insertGroup(owner, tenantId, name, [id])
    const error = await removeUser(deps, tenantId, ada, id).catch((caught) => caught)
    t.match(error, { reason: 'memberOfGroups', message: /Art, Zoo/ })
    t.match(error.data, { groupCount: 2, groups: [{ displayName: 'Art' }, { displayName: 'Zoo' }] })

    await owner.deleteFrom('group_members').where('user_id', '=', id).execute()
    await giveEverything(owner, tenantId, id)
    const counted = await countedUsers(owner)
    t.match(await removeUser(deps, tenantId, ada, id), { state: 'removed' })
    const alive = await aliveOf(owner, tenantId, id)
    t.same(
      Object.values(alive).filter((left) => left > 0),
      [],
      'nothing is left alive'
    )
    t.equal(await countedUsers(owner), counted - 1, 'and the users are one fewer')
  })

  t.test('remove refers to the invitation of somebody who is only invited', async (t) => {
    const id = await person({ state: 'invited' })
    const error = await removeUser(deps, tenantId, ada, id).catch((caught) => caught)
    t.match(error, { reason: 'notDeactivated', message: /revoke the invitation/ })
  })

  t.test('asking again for what is done changes nothing', async (t) => {
    for (const [step, spec] of [
      [deactivateUser, { state: 'deactivated' }],
      [activateUser, { state: 'active' }],
      [lockUser, { locked: true }],
      [unlockUser, { locked: false }],
      [removeUser, { state: 'removed' }]
    ] as const) {
      const id = await person(spec)
      t.match(await step(deps, tenantId, ada, id), { ...spec, version: 1 })
      t.same(await auditOf(owner, id), [])
    }
    const id = await person({ role: 'manager' })
    t.match(await setUserRole(deps, tenantId, ada, id, 'manager'), { version: 1 })
    t.match(await setUserRole(deps, tenantId, ada, adaId, 'administrator'), { version: 1 })
  })

  t.test('a removed user comes back only by an invitation', async (t) => {
    const id = await person({ state: 'removed' })
    for (const step of [deactivateUser, activateUser, lockUser, unlockUser]) {
      await refused(t, () => step(deps, tenantId, ada, id), 'userRemoved', id)
    }
    await refused(t, () => setUserRole(deps, tenantId, ada, id, 'manager'), 'userRemoved', id)
    await refused(t, () => updateUserProfile(deps, tenantId, ada, id, { displayName: 'X' }), 'userRemoved', id)
  })

  t.test('setRole changes the column, the document and a pending invitation', async (t) => {
    const id = await person({ state: 'invited' })
    await giveEverything(owner, tenantId, id)
    t.match(await setUserRole(deps, tenantId, ada, id, 'manager'), { role: 'manager', version: 2 })
    t.same(JSON.parse((await readRow(owner, id)).doc).roles, [{ value: 'manager', primary: true }])
    const invitation = await owner.selectFrom('invitations').select('role').where('user_id', '=', id).execute()
    t.same(invitation, [{ role: 'manager' }])
    t.match(await auditOf(owner, id), [
      { action: 'user.roleChanged', before: { role: 'responder' }, after: { role: 'manager' } }
    ])
  })

  t.test('a profile is changed by its owner or an administrator, in columns and document', async (t) => {
    const id = await person({ displayName: 'Old', givenName: 'Olga', role: 'stakeholder' })
    const changed = await updateUserProfile(deps, tenantId, actorOf('stakeholder', id), id, {
      displayName: 'New',
      givenName: '',
      timeZone: 'Europe/Zurich'
    })
    t.match(changed, { display_name: 'New', display_name_key: 'new', given_name: null, time_zone: 'Europe/Zurich' })
    const document = JSON.parse((await readRow(owner, id)).doc)
    t.match(document, { displayName: 'New', timezone: 'Europe/Zurich' })
    t.notOk(document.name)
    t.match(await auditOf(owner, id), [
      {
        action: 'user.updated',
        before: { displayName: 'Old', name: { givenName: 'Olga' } },
        after: { displayName: 'New', timezone: 'Europe/Zurich' }
      }
    ])
    t.match(await updateUserProfile(deps, tenantId, ada, id, { displayName: 'Newer' }), { display_name: 'Newer' })
    t.match(
      await updateUserProfile(deps, tenantId, ada, id, { displayName: 'Newer' }),
      { version: 3 },
      'the same again'
    )
    await refused(
      t,
      () => updateUserProfile(deps, tenantId, actorOf('manager', adaId), id, { displayName: 'X' }),
      'administratorOnly',
      id
    )
  })

  t.test('only administrators act on others, and not on themselves', async (t) => {
    const id = await person()
    for (const role of ['stakeholder', 'responder', 'manager'] as Role[]) {
      for (const step of [deactivateUser, activateUser, lockUser, unlockUser, removeUser]) {
        await refused(t, () => step(deps, tenantId, actorOf(role, adaId), id), 'administratorOnly', id)
      }
      await refused(
        t,
        () => setUserRole(deps, tenantId, actorOf(role, adaId), id, 'stakeholder'),
        'administratorOnly',
        id
      )
    }
    for (const step of [deactivateUser, lockUser, removeUser]) {
      await refused(t, () => step(deps, tenantId, ada, adaId), 'notYourself', adaId)
    }
    await refused(t, () => setUserRole(deps, tenantId, ada, adaId, 'manager'), 'notYourself', adaId)
  })

  t.test('the user of another tenant does not exist', async (t) => {
    const id = await person()
    for (const step of [deactivateUser, activateUser, lockUser, unlockUser, removeUser]) {
      await refused(t, () => step(deps, otherTenantId, ada, id), 'notFound', id)
    }
    await refused(t, () => setUserRole(deps, otherTenantId, ada, id, 'manager'), 'notFound', id)
    await refused(t, () => updateUserProfile(deps, otherTenantId, ada, id, { displayName: 'X' }), 'notFound', id)
  })

  t.test('a change waits for a membership that is being added', async (t) => {
    const id = await person({ state: 'deactivated' })
    const groupId = await insertGroup(owner, tenantId, 'Late')
    let removing: Promise<unknown> | undefined
    await inTenant(deps.db, tenantId, async (trx) => {
      await trx.insertInto('group_members').values({ tenant_id: tenantId, group_id: groupId, user_id: id }).execute()
      removing = removeUser(deps, tenantId, ada, id).catch((error) => error)
      await lockIsAwaited(owner)
    })
    t.match(await removing, { reason: 'memberOfGroups' })
  })
})
