// No tenant loses its last administrator, however many try at the same time.
import { test } from 'tap'
import { type Db, inTenant } from '../../db/connect.ts'
import { updateUser } from '../../db/users.ts'
import { requireNotSelf, requireOtherAdministrator, requireRoleWithin } from '../../server/provisioning/guards.ts'
import { deactivateUser, lockUser, setUserRole, type UserDeps } from '../../server/provisioning/users.ts'
import { startApp } from '../support/app.ts'
import { actorOf } from '../support/groups.ts'
import { lockIsAwaited } from '../support/locks.ts'
import { insertPeople } from '../support/people.ts'
import { insertTenant, NOW } from '../support/tenants.ts'

const administrators = async (owner: Db, tenantId: number): Promise<string[]> =>
  (
    await owner
      .selectFrom('users')
      .select('id')
      .where('tenant_id', '=', tenantId)
      .where('role', '=', 'administrator')
      .where('state', '=', 'active')
      .where('locked', '=', false)
      .execute()
  ).map(({ id }) => id)

/** Ways in which one administrator ends another's administration. */
const WAYS: Record<string, (deps: UserDeps, tenantId: number, by: string, whom: string) => Promise<unknown>> = {
  demote: (deps, tenantId, by, whom) => setUserRole(deps, tenantId, actorOf('administrator', by), whom, 'manager'),
  deactivate: (deps, tenantId, by, whom) => deactivateUser(deps, tenantId, actorOf('administrator', by), whom),
  lock: (deps, tenantId, by, whom) => lockUser(deps, tenantId, actorOf('administrator', by), whom)
}

test('the last administrator', async (t) => {
  const { deps, owner } = await startApp(t)
  let count = 0
  const tenantWith = async (administratorCount: number) => {
    const tenantId = await insertTenant(owner, `tenant${++count}`)
    const ids = await insertPeople(
      owner,
      tenantId,
      Array.from({ length: administratorCount }, (_, index) => ({
        email: `ada${index}@tenant${count}.test`,
        role: 'administrator' as const
      }))
    )
    return { tenantId, ids }
  }

  for (const [name, end] of Object.entries(WAYS)) {
    t.test(`stays if two administrators ${name} each other at the same time`, async (t) => {
      for (let round = 0; round < 10; round++) {
        const { tenantId, ids } = await tenantWith(2)
        const [first, second] = ids as [string, string]
        const outcomes = await Promise.allSettled([
          end(deps, tenantId, first, second),
          end(deps, tenantId, second, first)
        ])
        t.equal((await administrators(owner, tenantId)).length, 1)
        const refused = outcomes.filter((outcome) => outcome.status === 'rejected')
        t.match(refused, [{ reason: { code: 'forbidden', reason: 'lastAdministrator' } }])
      }
    })
  }

  t.test('stays if five administrators end each other in different ways', async (t) => {
    const ways = Object.values(WAYS)
    for (let round = 0; round < 5; round++) {
      const { tenantId, ids } = await tenantWith(5)
      const calls = ids.flatMap((by, i) =>
        ids.filter((whom) => whom !== by).map((whom, k) => ways[(i + k) % ways.length]!(deps, tenantId, by, whom))
      )
      const outcomes = await Promise.allSettled(calls)
      t.equal((await administrators(owner, tenantId)).length, 1)
      for (const outcome of outcomes) {
        if (outcome.status === 'rejected') t.equal(outcome.reason.reason, 'lastAdministrator')
      }
    }
  })

  t.test('stays because the second change waits for the first and sees it, whichever locks first', async (t) => {
    const { tenantId, ids } = await tenantWith(2)
    const [first, second] = ids as [string, string]
    let demoting: Promise<unknown> | undefined
    await inTenant(deps.db, tenantId, async (trx) => {
      await requireOtherAdministrator(trx, tenantId, [first])
      demoting = WAYS['demote']!(deps, tenantId, first, second).catch((error) => error)
      await lockIsAwaited(owner)
      await updateUser(trx, tenantId, first, { role: 'manager' }, NOW)
    })
    t.match(await demoting, { reason: 'lastAdministrator' })
  })

  t.test('is not one who is locked, deactivated, invited or removed', async (t) => {
    const { tenantId, ids } = await tenantWith(1)
    await insertPeople(owner, tenantId, [
      { email: 'a@other.test', role: 'administrator', locked: true },
      { email: 'b@other.test', role: 'administrator', state: 'deactivated' },
      { email: 'c@other.test', role: 'administrator', state: 'invited' },
      { email: 'd@other.test', role: 'administrator', state: 'removed' },
      { email: 'e@other.test', role: 'manager' }
    ])
    for (const end of Object.values(WAYS)) {
      const outcome = await end(deps, tenantId, 'somebody', ids[0]!).catch((error) => error)
      t.match(outcome, { reason: 'lastAdministrator' })
    }
  })

  t.test('is not one of another tenant', async (t) => {
    const { tenantId, ids } = await tenantWith(1)
    await tenantWith(3)
    const outcome = await WAYS['lock']!(deps, tenantId, 'somebody', ids[0]!).catch((error) => error)
    t.match(outcome, { reason: 'lastAdministrator' })
  })

  t.test('may leave with others if somebody else stays', async (t) => {
    const { tenantId, ids } = await tenantWith(3)
    const leave = (leaving: string[]) =>
      inTenant(deps.db, tenantId, (trx) => requireOtherAdministrator(trx, tenantId, leaving))
    await t.resolves(leave(ids.slice(1)))
    await t.rejects(leave(ids), { message: /at least one active administrator/ })
  })

  t.test('does not make new users wait while the guard is held', async (t) => {
    const { tenantId, ids } = await tenantWith(2)
    await inTenant(deps.db, tenantId, async (trx) => {
      await requireOtherAdministrator(trx, tenantId, [ids[0]!])
      await insertPeople(owner, tenantId, [{ email: 'new@acme.test' }])
    })
    t.pass('the insert went through before the guard was given back')
  })
})

test('requireNotSelf and requireRoleWithin refuse oneself and too high a role', async (t) => {
  const ada = actorOf('manager', '018f0000-0000-7000-8000-000000000001')
  t.throws(() => requireNotSelf(ada, ada.id!, 'remove yourself'), { message: 'You cannot remove yourself' })
  t.doesNotThrow(() => requireNotSelf(ada, '018f0000-0000-7000-8000-000000000002', 'remove yourself'))
  t.doesNotThrow(() => requireRoleWithin('manager', 'manager'))
  t.throws(() => requireRoleWithin('manager', 'administrator'), { message: /above manager/ })
})
