import { test } from 'tap'
import { newEventId } from '../../db/audit.ts'
import { inTenant } from '../../db/connect.ts'
import { findGroupView } from '../../db/groups.ts'
import { lockUser } from '../../db/users.ts'
import { AppError } from '../../server/errors.ts'
import { endAccess } from '../../server/provisioning/ending.ts'
import { GROUP_SCHEMA } from '../../server/provisioning/group-document.ts'
import type { MemberChange } from '../../server/provisioning/group-members.ts'
import { changeGroup, createGroup, removeGroup } from '../../server/provisioning/groups.ts'
import { isOnCluster } from '../support/cluster.ts'
import { openDatabase } from '../support/database.ts'
import { actorOf, insertUsers, membersOf, workOf } from '../support/groups.ts'
import { countStatements } from '../support/statements.ts'
import { insertTenant, NOW } from '../support/tenants.ts'

const refs = (ids: readonly string[]) => ids.map((value) => ({ value }))
const shuffled = <T>(items: readonly T[]): T[] =>
  items
    .map((item) => ({ item, at: Math.random() }))
    .sort((a, b) => a.at - b.at)
    .map(({ item }) => item)

test('changes of one group at the same time', async (t) => {
  const { db, owner } = await openDatabase(t)
  const tenantId = await insertTenant(owner, 'acme')
  const work = workOf(db, tenantId, actorOf('administrator'))
  const users = await insertUsers(owner, tenantId, 5_000)
  let made = 0
  const make = (...members: string[]) =>
    createGroup(work, { schemas: [GROUP_SCHEMA], displayName: `group ${++made}` }, refs(members))
  const change = (groupId: string, ...members: MemberChange[]) => changeGroup(work, groupId, { members })
  const add = (groupId: string, ids: readonly string[]) => change(groupId, { kind: 'add', members: refs(ids) })
  const remove = (groupId: string, values: readonly string[]) => change(groupId, { kind: 'remove', values })
  const countOf = async (id: string) => (await findGroupView(db, tenantId, id))!.member_count

  t.test('thirty overlapping adds leave all members', async (t) => {
    const id = await make()
    await Promise.all(
      Array.from({ length: 30 }, (_, index) => add(id, shuffled(users.slice(index * 10, index * 10 + 50))))
    )
    t.strictSame(await membersOf(db, tenantId, id), users.slice(0, 340))
    t.equal(await countOf(id), 340)
  })

  t.test(
    'adds and removals of the same people, in any order, end without deadlock and with the right count',
    async (t) => {
      const id = await make(...users.slice(0, 20))
      await Promise.all(
        Array.from({ length: 60 }, (_, index) => {
          const some = shuffled(users.slice(0, 40)).slice(0, 1 + (index % 20))
          if (index % 3 === 0) return add(id, some)
          return index % 3 === 1
            ? remove(id, some)
            : change(id, { kind: 'remove', values: some }, { kind: 'add', members: refs(shuffled(users.slice(0, 10))) })
        })
      )
      t.equal(await countOf(id), (await membersOf(db, tenantId, id)).length)
    }
  )

  t.test('swaps in opposite directions leave what one of their orders would leave', async (t) => {
    const [a, b] = users as [string, string]
    const swap = (id: string, from: string, to: string) =>
      change(id, { kind: 'remove', values: [from] }, { kind: 'add', members: refs([to]) })
    for (let round = 0; round < 10; round++) {
      const id = await make(a)
      await Promise.all([swap(id, a, b), swap(id, b, a)])
      t.equal((await membersOf(db, tenantId, id)).length, 1)
    }
  })

  t.test('one of two lists that replace the members remains, and an add comes before or after', async (t) => {
    const lists = [users.slice(100, 150), users.slice(200, 260)]
    const late = users[300]!
    for (let round = 0; round < 10; round++) {
      const id = await make(...users.slice(0, 30))
      const replaces = lists.map((list) => change(id, { kind: 'replace', members: refs(list) }))
      await Promise.all([...replaces, add(id, [late])])
      const members = await membersOf(db, tenantId, id)
      const withoutLate = members.filter((member) => member !== late)
      t.ok(
        lists.some((list) => list.join() === withoutLate.join()),
        `${members.length} members`
      )
      t.equal(await countOf(id), members.length)
    }
  })

  t.test('adding two members and removing the same two leaves both or none', async (t) => {
    for (let round = 0; round < 40; round++) {
      // the existing member comes first or last in the order of locks
      const pair = users.slice(0, 2)
      const id = await make(pair[round % 2]!)
      await Promise.all(shuffled([add, add, remove, remove]).map((work) => work(id, pair)))
      t.not((await membersOf(db, tenantId, id)).length, 1)
    }
  })

  t.test('every change of members is a new version, in whatever order changes end', async (t) => {
    const id = await make()
    const versions: number[] = []
    const look = () => changeGroup(work, id, { precondition: (version) => void versions.push(version) })
    await Promise.all(users.slice(0, 20).map((user) => add(id, [user])))
    await look()
    t.strictSame(versions, [21])
  })

  t.test('somebody who is removed at the same time is a member of nothing', async (t) => {
    const removeUser = (userId: string) =>
      inTenant(db, tenantId, async (trx) => {
        await lockUser(trx, tenantId, userId, 'for update')
        await endAccess(trx, tenantId, [userId], NOW, 'removed', { leavesGroupsBy: [newEventId(NOW)] })
        await trx
          .updateTable('users')
          .set({ state: 'removed' })
          .where('tenant_id', '=', tenantId)
          .where('id', '=', userId)
          .execute()
      })
    const leavers = users.slice(4_000, 4_020)
    const ids = [await make(...leavers.slice(0, 10)), await make(...leavers)]
    const allowed = (promise: Promise<unknown>) =>
      promise.catch((error) => {
        if (!(error instanceof AppError) || error.reason !== 'unknownMember') throw error
      })
    await Promise.all([
      ...leavers.map(removeUser),
      ...ids.flatMap((id) => leavers.map((user) => allowed(add(id, [user, users[0]!])))),
      ...ids.map((id) => allowed(change(id, { kind: 'replace', members: refs(leavers) })))
    ])
    for (const id of ids) {
      const members = await membersOf(db, tenantId, id)
      t.strictSame(
        members.filter((member) => leavers.includes(member)),
        []
      )
      t.equal(await countOf(id), members.length)
    }
  })

  t.test(
    'members that are added to a group that is being removed are refused, never with a fault of ours',
    async (t) => {
      for (let round = 0; round < 5; round++) {
        const id = await make(...users.slice(0, 50))
        const outcomes = await Promise.all([
          removeGroup(work, id).then(() => 'removed'),
          ...users.slice(50, 60).map((user) =>
            add(id, [user]).then(
              () => 'added',
              (error) => (error as AppError).code
            )
          )
        ])
        t.strictSame(
          outcomes.filter((outcome) => !['removed', 'added', 'not_found'].includes(outcome)),
          []
        )
        t.strictSame(await membersOf(db, tenantId, id), [])
      }
    }
  )

  // on a cluster a combined statement first asks what there is to do
  const inFew = { skip: isOnCluster }
  t.test('a group of ten and one of 4,000 cost the same number of statements', inFew, async (t) => {
    const [small, large] = [await make(...users.slice(0, 10)), await make(...users.slice(0, 4_000))]
    const kinds: [name: string, members: MemberChange[]][] = [
      ['add one', [{ kind: 'add', members: refs([users[0]!]) }]],
      ['add a hundred', [{ kind: 'add', members: refs(users.slice(0, 100)) }]],
      ['remove one', [{ kind: 'remove', values: [users[1]!] }]],
      ['remove a hundred', [{ kind: 'remove', values: users.slice(2, 102) }]],
      [
        'remove one, add another',
        [
          { kind: 'remove', values: [users[0]!] },
          { kind: 'add', members: refs([users[201]!]) }
        ]
      ],
      ['replace', [{ kind: 'replace', members: refs(users.slice(0, 100)) }]],
      ['clear', [{ kind: 'clear' }]]
    ]
    for (const [name, members] of kinds) {
      const ofSmall = await countStatements(() => change(small, ...members))
      const ofLarge = await countStatements(() => change(large, ...members))
      t.equal(ofSmall, ofLarge, `${name}: ${ofSmall}`)
    }
    const added = await countStatements(() => add(large, [users[3_999]!]))
    t.equal(added, await countStatements(() => add(large, users.slice(0, 1_000))), 'one or a thousand')
  })
})
