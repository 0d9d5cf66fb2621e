// What ends with a person's access, and what does not.
import { type EventEmitter, once } from 'node:events'
import { sql } from 'kysely'
import { test } from 'tap'
import { newEventId } from '../../db/audit.ts'
import { inTenant } from '../../db/connect.ts'
import { type Change, listen } from '../../db/listen.ts'
import { endAccess } from '../../server/provisioning/ending.ts'
import { openDatabase } from '../support/database.ts'
import { insertGroup } from '../support/groups.ts'
import { ACCESS_TABLES, aliveOf, EVERYTHING, giveEverything, insertPeople, insertPerson } from '../support/people.ts'
import { insertTenant, NOW } from '../support/tenants.ts'

const LOCKED = { ...EVERYTHING, sessions: 0, apiTokens: 0, codes: 0, resets: 0, mails: 1 }
const DEACTIVATED = { ...LOCKED, invitations: 0, mails: 0 }
const REMOVED = { ...DEACTIVATED, passwords: 0, secondFactors: 0, google: 0, addresses: 0 }

test('each table with rows of people ends with their access, or is listed with what happens to it', async (t) => {
  const { owner } = await openDatabase(t)
  const { rows } = await sql<{ name: string }>`
    select table_name as name from information_schema.columns
    where table_schema = 'public' and column_name = 'user_id' order by 1`.execute(owner)
  const elsewhere = [
    'addresses',
    'brake_people',
    'group_members',
    'held_changes',
    'past_memberships',
    'search_pending',
    'shadow_members',
    'user_emails',
    'user_family_names'
  ]
  t.same(
    rows.map(({ name }) => name),
    [...ACCESS_TABLES, ...elsewhere].sort()
  )
})

test('endAccess', async (t) => {
  const { db, owner, url } = await openDatabase(t)
  const tenantId = await insertTenant(owner, 'acme')
  const otherTenantId = await insertTenant(owner, 'globex')
  const people = async (prefix: string) => {
    const ids = await insertPeople(owner, tenantId, [
      { email: `${prefix}1@acme.test` },
      { email: `${prefix}2@acme.test` },
      { email: `${prefix}3@acme.test` }
    ])
    for (const id of ids) await giveEverything(owner, tenantId, id)
    return ids as [string, string, string]
  }

  for (const [what, expected] of [
    ['locked', LOCKED],
    ['deactivated', DEACTIVATED],
    ['removed', REMOVED]
  ] as const) {
    t.test(`${what}: ends what it should, for all who are named and for nobody else`, async (t) => {
      const [first, second, other] = await people(what)
      const ended = await inTenant(db, tenantId, (trx) => endAccess(trx, tenantId, [first, second], NOW, what))
      t.same(await aliveOf(owner, tenantId, first), expected)
      t.same(await aliveOf(owner, tenantId, second), expected)
      t.same(await aliveOf(owner, tenantId, other), EVERYTHING)
      t.equal(ended.hadCredentials, true)
      t.equal(ended.invitations.length, what === 'locked' ? 0 : 2)
    })
  }

  t.test('keeps links of an ended invitation, so that they can say what happened', async (t) => {
    const [first] = await people('links')
    await inTenant(db, tenantId, (trx) => endAccess(trx, tenantId, [first], NOW, 'deactivated'))
    const invitation = await owner
      .selectFrom('invitations')
      .innerJoin('invitation_links', (join) =>
        join
          .onRef('invitation_links.tenant_id', '=', 'invitations.tenant_id')
          .onRef('invitation_links.invitation_id', '=', 'invitations.id')
      )
      .select(['state', 'ended_at'])
      .where('user_id', '=', first)
      .execute()
    t.same(invitation, [{ state: 'revoked', ended_at: NOW }])
  })

  t.test('keeps a used reset, which is history', async (t) => {
    const [first] = await people('used')
    await owner.updateTable('password_resets').set({ used_at: NOW }).where('user_id', '=', first).execute()
    await inTenant(db, tenantId, (trx) => endAccess(trx, tenantId, [first], NOW, 'removed'))
    t.equal((await aliveOf(owner, tenantId, first))['resets'], 1)
  })

  t.test('removes people from their groups only if asked to, and counts it', async (t) => {
    const [first, second, other] = await people('member')
    const groupId = await insertGroup(owner, tenantId, 'Team', [first, second, other])
    const membersLeft = async () =>
      (await owner.selectFrom('group_members').select('user_id').where('group_id', '=', groupId).execute()).length

    await inTenant(db, tenantId, (trx) => endAccess(trx, tenantId, [first], NOW, 'removed'))
    t.equal(await membersLeft(), 3)
    const ended = await inTenant(db, tenantId, (trx) =>
      endAccess(trx, tenantId, [first, second], NOW, 'removed', { leavesGroupsBy: [newEventId(NOW), newEventId(NOW)] })
    )
    t.equal(await membersLeft(), 1)
    t.same(new Set(ended.memberships.map(({ userId }) => userId)), new Set([first, second]))
    const revisions = await owner.selectFrom('group_revisions').select('member_delta').execute()
    t.same(revisions, [{ member_delta: -2 }], 'one change of the group')
  })

  t.test('tells other processes only if a session or an API token was alive', async (t) => {
    const listener = await listen(url)
    t.teardown(() => listener.close())
    const changes: Change[] = []
    listener.on('change', (change) => changes.push(change))
    const bare = await insertPerson(owner, tenantId, { email: 'bare@acme.test' })
    const [signedIn] = await people('signed')
    await inTenant(db, tenantId, (trx) => endAccess(trx, tenantId, [bare], NOW, 'deactivated'))
    const heard = once(listener as EventEmitter, 'change')
    await inTenant(db, tenantId, (trx) => endAccess(trx, tenantId, [signedIn], NOW, 'deactivated'))
    await heard
    t.same(changes, [{ kind: 'credentials', tenantId }])
  })

  t.test('does nothing for an empty list, and nothing in another tenant', async (t) => {
    const [first] = await people('far')
    await inTenant(db, otherTenantId, (trx) => endAccess(trx, otherTenantId, [first], NOW, 'removed'))
    await inTenant(db, tenantId, (trx) => endAccess(trx, tenantId, [], NOW, 'removed'))
    t.same(await aliveOf(owner, tenantId, first), EVERYTHING)
  })
})
