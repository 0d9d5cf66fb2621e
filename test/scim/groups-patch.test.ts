import { test } from 'tap'
import { startApp } from '../support/app.ts'
import { scimClient } from '../support/scim.ts'
import { addTenant } from '../support/tenants.ts'
import { GROUP } from '../support/urns.ts'

const NOBODY = '0190cafe-0000-7000-8000-000000000000'

test('PATCH /Groups/{id}', async (t) => {
  const app = await startApp(t)
  const acme = await addTenant(app, 'acme', { brake: { off: true } })
  const scim = await scimClient(app, acme)
  const strict = await scimClient(app, acme, { profile: 'strict' })
  const ids: string[] = []
  for (let i = 0; i < 6; i++) {
    ids.push((await scim.createUser({ userName: `u${i}`, displayName: i < 3 ? `A${i}` : `B${i}` })).id)
  }
  const [u0, u1, u2, u3, u4, u5] = ids as [string, string, string, string, string, string]
  const refs = (...members: string[]) => members.map((value) => ({ value }))
  let made = 0
  const make = async (...members: string[]) =>
    (await scim.post('/Groups', { schemas: [GROUP], displayName: `group ${++made}`, members: refs(...members) })).body
      .id as string
  const read = async (id: string) => (await scim.get(`/Groups/${id}`)).body
  const members = async (id: string) => (await read(id)).members.map(({ value }: { value: string }) => value)

  /** The group before, the operations, and the group after. */
  const CASES: [what: string, before: string[], operations: object[], after: string[]][] = [
    ['adds one', [u0], [{ op: 'add', path: 'members', value: refs(u1) }], [u0, u1]],
    ['adds several', [], [{ op: 'add', path: 'members', value: refs(u2, u0, u1) }], [u0, u1, u2]],
    ['adds in several operations', [], ids.map((id) => ({ op: 'add', path: 'members', value: refs(id) })), ids],
    ['adds who is a member', [u0], [{ op: 'add', path: 'members', value: refs(u0, u0) }], [u0]],
    ['adds one object', [], [{ op: 'Add', path: 'members', value: { value: u1 } }], [u1]],
    ['adds without a path', [], [{ op: 'add', value: { members: refs(u1) } }], [u1]],
    ['adds nobody', [u0], [{ op: 'add', path: 'members', value: [] }], [u0]],
    ['removes by filter', [u0, u1], [{ op: 'remove', path: `members[value eq "${u0}"]` }], [u1]],
    ['removes by a list', [u0, u1, u2], [{ op: 'remove', path: 'members', value: refs(u0, u2) }], [u1]],
    ['removes who is no member', [u0], [{ op: 'remove', path: `members[value eq "${u5}"]` }], [u0]],
    [
      'removes nobody by a list that names nobody',
      [u0],
      [[], [{}], [{ value: null }], {}, '', [''], [{ type: 'User' }]].map((value) => ({
        op: 'remove',
        path: 'members',
        value
      })),
      [u0]
    ],
    ['removes whoever does not exist', [u0], [{ op: 'remove', path: 'members', value: refs(NOBODY, 'x') }], [u0]],
    ['removes everybody', [u0, u1], [{ op: 'remove', path: 'members' }], []],
    ['removes by name', ids, [{ op: 'remove', path: 'members[display sw "a"]' }], [u3, u4, u5]],
    ['removes by type', [u0, u1], [{ op: 'remove', path: 'members[type eq "Group"]' }], [u0, u1]],
    [
      'removes by an expression',
      ids,
      [{ op: 'remove', path: `members[display co "1" or value eq "${u5}"]` }],
      [u0, u2, u3, u4]
    ],
    ['replaces', [u0, u1], [{ op: 'replace', path: 'members', value: refs(u1, u2) }], [u1, u2]],
    ['replaces by nobody', [u0, u1], [{ op: 'replace', path: 'members', value: [] }], []],
    [
      'removes one and adds another',
      [u0],
      [
        { op: 'remove', path: `members[value eq "${u0}"]` },
        { op: 'add', path: 'members', value: [{ value: u1, display: 'x' }] }
      ],
      [u1]
    ],
    [
      'does what the last operation says',
      [u0],
      [
        { op: 'add', path: 'members', value: refs(u1) },
        { op: 'replace', path: 'members', value: refs(u2) },
        { op: 'remove', path: 'members', value: refs(u2) },
        { op: 'add', path: 'members', value: refs(u3) }
      ],
      [u3]
    ],
    [
      'filters among those who are members by then',
      [u0],
      [
        { op: 'add', path: 'members', value: refs(u1, u3) },
        { op: 'remove', path: 'members[display sw "A"]' },
        { op: 'add', path: 'members', value: refs(u2) }
      ],
      [u2, u3]
    ]
  ]
  for (const [what, before, operations, after] of CASES) {
    t.test(what, async (t) => {
      const id = await make(...before)
      const answer = await scim.patch(`/Groups/${id}`, operations)
      t.strictSame([answer.status, answer.text], [204, ''])
      t.strictSame(await members(id), [...after].sort())
    })
  }

  t.test('changes attributes and members together, or not at all', async (t) => {
    const id = await make(u0)
    const rename = { op: 'replace', path: 'displayName', value: 'Renamed' }
    const add = (value: string) => ({ op: 'add', path: 'members', value: refs(value) })
    t.equal((await scim.patch(`/Groups/${id}`, [add(u1), rename])).status, 204)
    t.match(await read(id), { displayName: 'Renamed', members: refs(u0, u1) })
    const before = await read(id)
    const other = await make()
    await scim.patch(`/Groups/${other}`, [{ op: 'replace', path: 'displayName', value: 'Taken' }])
    for (const operations of [
      [{ ...rename, value: 'Again' }, add(NOBODY)],
      [add(u2), { ...rename, value: 'taken' }],
      [add(u2), { op: 'remove', path: 'displayName' }],
      [add(u2), { op: 'replace', path: 'nonsense', value: 1 }],
      [add(u2), { op: 'replace', path: 'id', value: 'x' }],
      [add(u2), { op: 'replace', path: `members[value eq "${u0}"].display`, value: 'x' }]
    ]) {
      const answer = await scim.patch(`/Groups/${id}`, operations)
      t.ok([400, 409].includes(answer.status), answer.text)
      t.strictSame(await read(id), before)
    }
  })

  t.test('accepts the group’s own id and name', async (t) => {
    const id = await make(u0)
    const { displayName } = await read(id)
    const send = (value: object) => scim.patch(`/Groups/${id}`, [{ op: 'replace', value }])
    t.equal((await send({ id, displayName: 'X' })).status, 204)
    t.equal((await send({ id, displayName: 'X', members: [] })).status, 204)
    t.strictSame(await members(id), [])
    t.match(await send({ id: NOBODY, displayName }), { status: 400, body: { scimType: 'mutability' } })
    t.match((await read(id)).displayName, 'X')
  })

  t.test('answers 200 with the group if attributes are requested', async (t) => {
    const id = await make(u0)
    const answer = await scim.patch(`/Groups/${id}?attributes=displayName,members.value`, [
      { op: 'add', path: 'members', value: refs(u1) }
    ])
    t.equal(answer.status, 200)
    t.match(answer.body, { id, members: refs(u0, u1) })
    t.equal(answer.headers.etag, (await read(id)).meta.version)
  })

  t.test('adds and removes groups with the same operations', async (t) => {
    const [inner, other] = [await make(u0), await make()]
    const id = await make(u1, inner)
    await scim.patch(`/Groups/${id}`, [{ op: 'add', path: 'members', value: [{ value: other, type: 'Group' }] }])
    t.strictSame(await members(id), [u1, inner, other].sort())
    await scim.patch(`/Groups/${id}`, [{ op: 'remove', path: 'members[type eq "User"]' }])
    t.strictSame(await members(id), [inner, other].sort())
    await scim.patch(`/Groups/${id}`, [{ op: 'remove', path: `members[value eq "${inner}"]` }])
    t.strictSame(await members(id), [other])
    t.match(await scim.patch(`/Groups/${other}`, [{ op: 'add', path: 'members', value: refs(id) }]), {
      status: 400,
      body: { scimType: 'invalidValue' }
    })
    await scim.patch(`/Groups/${id}`, [{ op: 'remove', path: 'members' }])
    t.strictSame(await members(id), [])
  })

  t.test('answers a strict token as the RFC says', async (t) => {
    const id = await make(u0)
    const refused = await strict.patch(`/Groups/${id}`, [{ op: 'remove', path: 'members', value: refs(u0) }])
    t.match(refused, { status: 400, body: { scimType: 'invalidValue' } })
    t.match(await strict.patch(`/Groups/${id}`, [{ op: 'Add', path: 'members', value: refs(u1) }]), { status: 400 })
    t.strictSame(await members(id), [u0])
  })

  t.test('thirty parallel PATCHes leave all members', async (t) => {
    const id = await make()
    const people = await Promise.all(
      Array.from({ length: 30 }, async (_, index) => (await scim.createUser({ userName: `parallel${index}` })).id)
    )
    const answers = await Promise.all(
      people.map((person) => scim.patch(`/Groups/${id}`, [{ op: 'Add', path: 'members', value: refs(person, u0) }]))
    )
    t.strictSame([...new Set(answers.map(({ status }) => status))], [204])
    t.strictSame(await members(id), [u0, ...people].sort())
    await Promise.all(
      people.map((person) => scim.patch(`/Groups/${id}`, [{ op: 'remove', path: 'members', value: refs(person) }]))
    )
    t.strictSame(await members(id), [u0])
  })
})

for (const brake of [{ off: true }, {}]) {
  test(`members who leave at the same time, with the brake ${brake.off ? 'off' : 'on'}`, async (t) => {
    const app = await startApp(t)
    const acme = await addTenant(app, 'acme', { brake })
    const scim = await scimClient(app, acme)
    const ids = await Promise.all(
      Array.from({ length: 12 }, async (_, index) => (await scim.createUser({ userName: `u${index}` })).id)
    )
    const make = async (displayName: string, members: readonly string[]) =>
      (await scim.post('/Groups', { schemas: [GROUP], displayName, members: members.map((value) => ({ value })) })).body
        .id as string
    const [first, second, inner] = [await make('First', ids), await make('Second', ids), await make('Inner', [])]
    await scim.patch(`/Groups/${first}`, [{ op: 'add', path: 'members', value: [{ value: inner }] }])
    const versionOf = async (id: string) => Number(/\d+/.exec((await scim.get(`/Groups/${id}`)).body.meta.version)![0])
    const before = [await versionOf(first), await versionOf(second)]
    const leave = (groupId: string, id: string) =>
      scim.patch(`/Groups/${groupId}`, [{ op: 'remove', path: `members[value eq "${id}"]` }])
    const answers = await Promise.all([
      ...ids.slice(0, 8).map((id) => leave(first, id)),
      ...ids.slice(4, 8).map((id) => leave(second, id)),
      leave(first, ids[0]!),
      leave(first, inner),
      leave(first, NOBODY),
      leave(NOBODY, ids[0]!)
    ])
    t.same(
      answers.map(({ status }) => status),
      [...Array.from({ length: 15 }, () => 204), 404]
    )
    const left = async (groupId: string) =>
      ((await scim.get(`/Groups/${groupId}`)).body.members as { value: string }[]).map(({ value }) => value).sort()
    t.same(await left(first), ids.slice(8).sort())
    t.same(await left(second), [...ids.slice(0, 4), ...ids.slice(8)].sort())
    t.same([await versionOf(first), await versionOf(second)], [before[0]! + 9, before[1]! + 4], 'a version for each')
    const events = await app.owner
      .selectFrom('audit_events')
      .selectAll()
      .where('action', '=', 'group.membersChanged')
      .where('target_id', 'in', [first, second])
      .orderBy('id')
      .execute()
    const removals = events.filter(({ after }) => JSON.parse(after!).removedCount)
    t.equal(removals.length, 13)
    t.equal(new Set(removals.map(({ request_id }) => request_id)).size, 13, 'an event for each, with its own request')
    t.match(removals[0], { target_name: /First|Second/, actor_kind: 'scimToken', connection_id: /-/ })
    const past = await app.owner.selectFrom('past_memberships').selectAll().execute()
    const named = new Map(removals.map(({ id, target_id, after }) => [id, [target_id, ...JSON.parse(after!).removed]]))
    t.equal(past.length, 12)
    t.ok(
      past.every(({ group_id, user_id, removed_event_id }) => {
        const [groupId, userId] = named.get(removed_event_id) ?? []
        return groupId === group_id && userId === user_id
      }),
      'which says what ended by it'
    )
    t.equal((await app.owner.selectFrom('brake_people').selectAll().execute()).length, brake.off ? 0 : 8)
  })
}
