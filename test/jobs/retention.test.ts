// retention: what a tenant does not want to keep is deleted, and nothing else.
import { sql } from 'kysely'
import { test } from 'tap'
import { insertAuditEvents } from '../../db/audit.ts'
import { inTenant } from '../../db/connect.ts'
import { applyRetention } from '../../jobs/handlers/retention.ts'
import { systemActor } from '../../server/provisioning/actor.ts'
import { startInviting } from '../invitations/acme.ts'
import { giveEverything, insertPeople } from '../support/people.ts'
import { insertTenant } from '../support/tenants.ts'

const DAY_MS = 24 * 3_600_000
const { signal } = new AbortController()

test('retention', async (t) => {
  const acme = await startInviting(t)
  const { deps, owner } = acme
  const now = acme.clock.now()
  const daysAgo = (days: number) => new Date(now.getTime() - days * DAY_MS)
  const other = await insertTenant(owner, 'initech')
  const keep = (tenantId: number, settings: object) =>
    owner
      .updateTable('tenants')
      .set({ settings: JSON.stringify(settings) })
      .where('id', '=', tenantId)
      .execute()

  /** Makes events of these ages, in days, in both tenants. */
  const audit = async (...ages: number[]) => {
    for (const tenantId of [acme.acmeId, other]) {
      for (const age of ages) {
        await inTenant(deps.db, tenantId, (trx) =>
          insertAuditEvents(trx, tenantId, systemActor, daysAgo(age), [
            { action: 'user.locked', targetType: 'user', targetId: null, targetName: `${age}` }
          ])
        )
      }
    }
  }
  const agesOf = async (tenantId: number) => {
    const rows = await owner
      .selectFrom('audit_events')
      .select('target_name')
      .where('tenant_id', '=', tenantId)
      .where('action', '=', 'user.locked')
      .orderBy('id')
      .execute()
    return rows.map(({ target_name }) => Number(target_name))
  }

  t.test('deletes nothing without a setting', async (t) => {
    await audit(5_000, 101, 99, 45, 5)
    t.equal(await applyRetention(deps, signal), 0)
    t.same(await agesOf(acme.acmeId), [5_000, 101, 99, 45, 5])
  })

  t.test('deletes old entries of the audit log in batches, and logs it', async (t) => {
    await audit(...Array.from({ length: 7 }, () => 200))
    await keep(acme.acmeId, { auditRetentionDays: 100 })
    t.equal(await applyRetention(deps, signal, 3), 9)
    t.same(await agesOf(acme.acmeId), [99, 45, 5])
    t.equal((await agesOf(other)).length, 12, 'of that tenant alone')
    t.same(
      (await acme.auditOf('tenant.retentionApplied')).map(({ actor_kind, after }) => [actor_kind, JSON.parse(after!)]),
      Array.from({ length: 3 }, () => ['system', { auditEvents: 3 }])
    )
    t.equal(await applyRetention(deps, signal), 0, 'once')
  })

  t.test(
    'does not let the server’s role delete more than the setting says, nor what is younger than 30 days',
    async (t) => {
      const remove = async (told: Date) => {
        const { rows } = await inTenant(deps.db, acme.acmeId, (trx) =>
          sql<{ count: number }>`select remove_old_audit_events(${acme.acmeId}, ${told}, 1000) as count`.execute(trx)
        )
        return rows[0]!.count
      }
      t.equal(await remove(new Date(now.getTime() + 10_000 * DAY_MS)), 0, 'whatever time it tells')
      await keep(acme.acmeId, { auditRetentionDays: 1 })
      t.equal(await remove(now), 2, 'or sets')
      t.same(await agesOf(acme.acmeId), [5])
      const otherwise = inTenant(deps.db, acme.acmeId, (trx) =>
        sql`delete from audit_events where tenant_id = ${acme.acmeId}`.execute(trx)
      )
      await t.rejects(otherwise, { code: '42501' })
      const { rows } = await inTenant(deps.db, acme.acmeId, (trx) =>
        sql<{ count: number }>`select remove_old_audit_events(${other}, ${now}, 1000) as count`.execute(trx)
      )
      t.equal(rows[0]!.count, 0, 'nor another tenant’s')
    }
  )

  t.test('deletes people who were removed long ago, with all that is left of them', async (t) => {
    const [goneId, lateId, activeId] = (await insertPeople(owner, acme.acmeId, [
      { email: 'gone@acme.test', state: 'removed' },
      { email: 'late@acme.test', state: 'removed' },
      { email: 'here@acme.test' }
    ])) as [string, string, string]
    await giveEverything(owner, acme.acmeId, goneId)
    const changedAt = (id: string, at: Date) =>
      owner.updateTable('users').set({ updated_at: at }).where('id', '=', id).execute()
    await changedAt(goneId, daysAgo(31))
    await changedAt(lateId, daysAgo(29))
    await changedAt(activeId, daysAgo(500))
    await keep(acme.acmeId, { removedUserRetentionDays: 30 })
    t.equal(await applyRetention(deps, signal), 1)
    const left = await owner.selectFrom('users').select('id').where('id', 'in', [goneId, lateId, activeId]).execute()
    t.same(left.map(({ id }) => id).sort(), [lateId, activeId].sort())
    const keys = await owner
      .selectFrom('user_emails')
      .select('user_id')
      .where('user_id', 'in', [goneId, lateId])
      .execute()
    t.same(
      keys.map(({ user_id }) => user_id),
      [lateId]
    )
    const { results } = await acme.invite(['gone@acme.test'])
    t.match(results, [{ result: 'invited' }], 'and start anew when they are invited again')
    t.not(results[0]!.userId, goneId)
  })

  t.test('deletes mails that nobody needs to look up any more, and keeps waiting ones', async (t) => {
    await acme.invite(['a@x.test', 'b@x.test', 'c@x.test', 'd@x.test'])
    const set = (address: string, state: string, queued: Date, sent: Date | null) =>
      sql`update mails set state = ${state}, queued_at = ${queued}, sent_at = ${sent} where to_address = ${address}`.execute(
        owner
      )
    await set('a@x.test', 'sent', daysAgo(20), daysAgo(11))
    await set('b@x.test', 'sent', daysAgo(20), daysAgo(9))
    await set('c@x.test', 'queued', daysAgo(20), null)
    await set('d@x.test', 'failed', daysAgo(20), null)
    await keep(acme.acmeId, { mailRetentionDays: 10 })
    t.equal(await applyRetention(deps, signal), 2)
    const rows = await owner.selectFrom('mails').select('to_address').where('to_address', 'like', '_@x.test').execute()
    t.same(rows.map(({ to_address }) => to_address).sort(), ['b@x.test', 'c@x.test'])
  })

  t.test('leaves the rest for the next night if the process stops', async (t) => {
    await audit(400, 400)
    await keep(acme.acmeId, { auditRetentionDays: 100 })
    t.equal(await applyRetention(deps, AbortSignal.abort()), 0)
    t.equal((await agesOf(acme.acmeId)).length, 3)
  })
})
