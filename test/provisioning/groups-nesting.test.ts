import { test } from 'tap'
import { findGroupView } from '../../db/groups.ts'
import { AppError } from '../../server/errors.ts'
import { GROUP_SCHEMA } from '../../server/provisioning/group-document.ts'
import { changeGroup, createGroup, removeGroup } from '../../server/provisioning/groups.ts'
import { openDatabase } from '../support/database.ts'
import { actorOf, closures, insertUsers, membersOf, workOf } from '../support/groups.ts'
import { insertTenant } from '../support/tenants.ts'

const refs = (ids: readonly string[]) => ids.map((value) => ({ value }))

test('groups in groups', async (t) => {
  const { db, owner } = await openDatabase(t)
  const tenantId = await insertTenant(owner, 'acme')
  const work = workOf(db, tenantId, actorOf('administrator'))
  const users = await insertUsers(owner, tenantId, 3)
  let made = 0
  const make = (...members: string[]) =>
    createGroup(work, { schemas: [GROUP_SCHEMA], displayName: `group ${++made}` }, refs(members))
  const add = (groupId: string, ...ids: string[]) =>
    changeGroup(work, groupId, { members: [{ kind: 'add', members: refs(ids) }] })
  const remove = (groupId: string, ...values: string[]) =>
    changeGroup(work, groupId, { members: [{ kind: 'remove', values }] })
  const outcome = (promise: Promise<unknown>) =>
    promise.then(
      () => 'done',
      (error) => (error instanceof AppError ? error.reason : Promise.reject(error))
    )
  const isClosed = async () => {
    const { stored, expected } = await closures(db, tenantId)
    return stored.join() === expected.join()
  }
  const countOf = async (id: string) => (await findGroupView(db, tenantId, id))!.member_count

  t.test('users and groups are members side by side', async (t) => {
    const child = await make(users[0]!)
    const parent = await make(users[1]!, child)
    t.strictSame(await membersOf(db, tenantId, parent), [users[1]!, child].sort())
    t.equal(await countOf(parent), 2)
    await changeGroup(work, parent, { members: [{ kind: 'replace', members: refs([users[2]!]) }] })
    t.strictSame(await membersOf(db, tenantId, parent), [users[2]])
    t.equal(await countOf(parent), 1)
    await add(parent, child)
    await changeGroup(work, parent, { members: [{ kind: 'clear' }] })
    t.equal(await countOf(parent), 0)
    t.ok(await isClosed())
  })

  t.test('a cycle of any length is refused, and the refusal names the group that closes it', async (t) => {
    const [a, b, c] = [await make(), await make(), await make()]
    t.equal(await outcome(add(a, a)), 'groupCycle')
    await add(a, b)
    await add(b, c)
    t.equal(await outcome(add(b, a)), 'groupCycle')
    t.equal(await outcome(add(c, users[0]!, a)), 'groupCycle')
    t.strictSame(await membersOf(db, tenantId, c), [])
    await remove(b, c)
    await add(c, a)
    t.equal(await outcome(add(b, c)), 'groupCycle')
    t.ok(await isClosed())
  })

  t.test('an ancestor that is reached in two ways stays until both have ended', async (t) => {
    const [top, left, right, bottom, below] = [await make(), await make(), await make(), await make(), await make()]
    await add(bottom, below)
    await add(top, left, right)
    await add(left, bottom)
    await add(right, bottom)
    t.ok(await isClosed())
    await remove(left, bottom)
    t.ok(await isClosed())
    t.equal(await outcome(add(below, top)), 'groupCycle')
    await remove(right, bottom, users[0]!)
    t.ok(await isClosed())
    await add(below, top)
    t.ok(await isClosed())
  })

  t.test('a removed group leaves the groups that contained it; its own members lose nothing else', async (t) => {
    const [top, middle, bottom] = [await make(users[0]!), await make(), await make()]
    await add(top, middle)
    await add(middle, bottom, users[1]!)
    await removeGroup(work, middle)
    t.strictSame(await membersOf(db, tenantId, top), [users[0]])
    t.equal(await countOf(top), 1)
    t.ok(await isClosed())
    await add(bottom, top)
    t.ok(await isClosed())
  })

  t.test('one of two groups that are put into each other at the same time is refused', async (t) => {
    for (let round = 0; round < 10; round++) {
      const [a, b] = [await make(), await make()]
      const outcomes = await Promise.all([outcome(add(a, b)), outcome(add(b, a))])
      t.strictSame(outcomes.sort(), ['done', 'groupCycle'])
    }
    t.ok(await isClosed())
  })

  t.test('random nesting at the same time never closes a cycle, and the closure is right', async (t) => {
    const ids = await Promise.all(Array.from({ length: 8 }, () => make()))
    const pick = () => ids[Math.floor(Math.random() * ids.length)]!
    const outcomes = await Promise.all(
      Array.from({ length: 120 }, (_, index) =>
        outcome(
          index % 4 === 0
            ? remove(pick(), pick())
            : index % 10 === 1
              ? add(pick(), pick(), users[0]!)
              : add(pick(), pick())
        )
      )
    )
    t.strictSame([...new Set(outcomes)].sort(), ['done', 'groupCycle'])
    const { stored, expected } = await closures(db, tenantId)
    t.strictSame(stored, expected)
    const pairs = new Set(stored)
    const cycles = stored.filter((pair) => {
      const [group, ancestor] = pair.split(' > ')
      return group !== ancestor && pairs.has(`${ancestor} > ${group}`)
    })
    t.strictSame(cycles, [])
    for (const id of ids) t.equal(await countOf(id), (await membersOf(db, tenantId, id)).length)
  })
})
