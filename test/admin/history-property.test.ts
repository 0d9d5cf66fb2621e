// After any sequence of changes, undoing every event, newest first, restores the beginning; undoing the undos restores
// the end.
import { isDeepStrictEqual } from 'node:util'
import { test } from 'tap'
import { newEventId } from '../../db/audit.ts'
import { indexNames } from '../../db/search-indexing.ts'
import { hashToken } from '../../server/secrets.ts'
import { startApp } from '../support/app.ts'
import { findMisplaced } from '../support/family-names.ts'
import fc from '../support/fuzz.ts'
import { type HistoryTenant, openHistory, type Snapshot } from '../support/history.ts'
import type { Scim } from '../support/scim.ts'
import { noteTokens } from '../support/sealed.ts'
import { findUnsearchable } from '../support/search.ts'
import { ENTERPRISE, GROUP, USER } from '../support/urns.ts'

const PEOPLE = ['ann', 'bea', 'cem', 'dov']
const NAMES = ['Red', 'Green', 'Blue']
const ROLES = ['stakeholder', 'responder', 'manager', 'administrator']

interface World extends HistoryTenant {
  okta: Scim
  entra: Scim
  /** Ids by name, of the users made last. */
  users: Map<string, string>
  groups: Map<string, string>
  tokens: Map<string, string>
}

interface Step {
  what: string
  who: string
  other: string
  group: string
  inner: string
  value: number
}

function requireSame(found: Snapshot, wanted: Snapshot, about: string): void {
  for (const part of Object.keys(wanted)) {
    const [one, other] = [found[part] ?? {}, wanted[part] ?? {}]
    const keys = [...new Set([...Object.keys(one), ...Object.keys(other)])]
    const different = keys.filter((key) => !isDeepStrictEqual(one[key], other[key]))
    if (different.length === 0) continue
    const shown = different.map((key) => `${key}: ${JSON.stringify(one[key])}, not ${JSON.stringify(other[key])}`)
    throw new Error(`${part}: ${shown.join('; ')}: ${about}`)
  }
}

const refs = (ids: (string | undefined)[]) => ids.filter((id) => id !== undefined).map((value) => ({ value }))

/** The possible steps; some of them are refused at times. */
const STEPS: Record<string, (world: World, step: Step) => Promise<unknown>> = {
  async scimCreates(world, { who, value }) {
    const scim = value % 2 ? world.okta : world.entra
    const { body, status } = await scim.post('/Users', {
      schemas: [USER],
      userName: `${who}@${world.tenant.subdomain}.test`,
      active: value % 5 !== 0,
      ...(value % 3 && { externalId: `${who}-${value}` })
    })
    if (status === 201) world.users.set(who, body.id)
  },
  scimPatches: ({ okta, entra, users, tenant }, { who, value }) =>
    (value % 2 ? okta : entra).patch(`/Users/${users.get(who)}`, [
      [
        { op: 'replace', path: 'title', value: `Title ${value}` },
        { op: 'add', path: `${ENTERPRISE}:department`, value: `Department ${value % 3}` },
        { op: 'remove', path: `${ENTERPRISE}:department` },
        {
          op: 'add',
          path: 'emails',
          value: [{ value: `x${value}@${tenant.subdomain}.test`, type: 'work', primary: true }]
        },
        { op: 'replace', path: 'userName', value: `${who}${value % 2}@${tenant.subdomain}.test` },
        { op: 'replace', path: 'active', value: value % 2 === 0 },
        { op: 'add', path: 'roles', value: [{ value: ROLES[value % 4], primary: true }] },
        { op: 'replace', path: 'externalId', value: `external ${value % 3}` },
        { op: 'remove', path: 'title' }
      ][value % 9]
    ]),
  scimReplaces: ({ okta, entra, users, tenant }, { who, value }) =>
    (value % 2 ? okta : entra).put(`/Users/${users.get(who)}`, {
      schemas: [USER],
      userName: `${who}@${tenant.subdomain}.test`,
      ...(value % 3 && { displayName: `Sent ${value % 5}`, name: { givenName: 'Sent' } }),
      ...(value % 5 && { externalId: `${who}-${value % 2}` }),
      ...(value % 7 === 0 && { timezone: 'Europe/Rome', roles: [{ value: ROLES[value % 4], primary: true }] })
    }),
  scimRemoves: ({ okta, users }, { who }) => okta.delete(`/Users/${users.get(who)}`),
  async scimMakesGroup(world, { group, who, other, value }) {
    const { body, status } = await (value % 2 ? world.okta : world.entra).post('/Groups', {
      schemas: [GROUP],
      displayName: group,
      externalId: group,
      members: refs([world.users.get(who), world.users.get(other)])
    })
    if (status === 201) world.groups.set(group, body.id)
  },
  scimPatchesGroup: ({ okta, entra, users, groups }, { group, inner, who, other, value }) =>
    (value % 2 ? okta : entra).patch(
      `/Groups/${groups.get(group)}`,
      [
        [{ op: 'replace', path: 'displayName', value: `${group} ${value % 2}` }],
        [{ op: 'add', path: 'members', value: refs([users.get(who)]) }],
        [{ op: 'add', path: 'members', value: refs([users.get(who), users.get(other)]) }],
        [{ op: 'remove', path: `members[value eq "${users.get(who)}"]` }],
        [{ op: 'remove', path: 'members' }],
        [{ op: 'replace', path: 'members', value: refs([users.get(other)]) }],
        [{ op: 'add', path: 'members', value: refs([groups.get(inner)]) }],
        [
          { op: 'remove', path: 'members' },
          { op: 'add', path: 'members', value: refs([users.get(who), groups.get(inner)]) }
        ]
      ][value % 8]!
    ),
  scimRemovesGroup: ({ okta, groups }, { group }) => okta.delete(`/Groups/${groups.get(group)}`),
  updates: ({ mutate, users }, { who, value }) =>
    mutate('users.update', {
      userId: users.get(who),
      displayName: value % 4 ? `Name ${value}` : '',
      givenName: value % 3 ? 'Given' : '',
      timeZone: value % 2 ? 'Europe/Zurich' : ''
    }),
  setsRole: ({ mutate, users }, { who, value }) =>
    mutate('users.setRole', { userId: users.get(who), role: ROLES[value % 4] }),
  deactivates: ({ mutate, users }, { who }) => mutate('users.deactivate', { userId: users.get(who) }),
  activates: ({ mutate, users }, { who }) => mutate('users.activate', { userId: users.get(who) }),
  locks: ({ mutate, users }, { who }) => mutate('users.lock', { userId: users.get(who) }),
  unlocks: ({ mutate, users }, { who }) => mutate('users.unlock', { userId: users.get(who) }),
  removes: ({ mutate, users }, { who }) => mutate('users.remove', { userId: users.get(who) }),
  async makesGroup(world, { group, who, other }) {
    const members = [world.users.get(who), world.users.get(other)].filter((id) => id !== undefined)
    const { data } = await world.mutate('groups.create', { displayName: group, members: [...new Set(members)] })
    if (data) world.groups.set(group, data.group.id)
  },
  renamesGroup: ({ mutate, groups }, { group, value }) =>
    mutate('groups.update', { groupId: groups.get(group), displayName: `${group} ${value % 2}` }),
  addsMembers: ({ mutate, groups, users }, { group, who }) =>
    mutate('groups.addMembers', { groupId: groups.get(group), userIds: [users.get(who)] }),
  removesMembers: ({ mutate, groups, users }, { group, who }) =>
    mutate('groups.removeMembers', { groupId: groups.get(group), userIds: [users.get(who)] }),
  removesGroup: ({ mutate, groups }, { group }) => mutate('groups.remove', { groupId: groups.get(group) }),
  async invites(world, { who, value }) {
    const email = `${who}@${world.tenant.subdomain}.test`
    const { data } = await world.mutate('invitations.create', { invites: [{ email, role: ROLES[value % 4] }] })
    const [result] = data.results
    if (result.userId) world.users.set(who, result.userId)
  },
  async revokes(world, { who }) {
    const { data } = await world.query('users.get', { userId: world.users.get(who) })
    if (data?.invitation) await world.mutate('invitations.revoke', { invitationId: data.invitation.id })
  },
  accepts: (world, { who }) =>
    world.app.mutate(world.tenant.subdomain, 'invitations.accept', {
      token: world.tokens.get(`${who}@${world.tenant.subdomain}.test`) ?? 'none',
      password: 'a long enough password 1',
      profile: { displayName: `Accepted ${who}`, timeZone: 'Europe/Paris' }
    })
}

const step: fc.Arbitrary<Step> = fc.record({
  what: fc.constantFrom(
    ...Object.keys(STEPS),
    'scimCreates',
    'scimPatches',
    'scimPatchesGroup',
    'scimMakesGroup',
    'updates'
  ),
  who: fc.constantFrom(...PEOPLE),
  other: fc.constantFrom(...PEOPLE),
  group: fc.constantFrom(...NAMES),
  inner: fc.constantFrom(...NAMES),
  value: fc.nat(1_000)
})

const made = (what: string, who: string, group = 'Red', value = 3): Step => ({
  what,
  who,
  other: 'ann',
  group,
  inner: 'Red',
  value
})
/** The steps that make what exists at the beginning. */
const BEGINNING = [
  made('scimCreates', 'ann'),
  made('scimCreates', 'bea'),
  made('invites', 'cem'),
  made('scimMakesGroup', 'bea'),
  made('makesGroup', 'cem', 'Green')
]

test('undoing every event, newest first, restores the beginning, and undoing the undos restores the end', async (t) => {
  const app = await startApp(t)
  const tokens = new Map<string, string>()
  const sealed = noteTokens(app)
  async function keepTokens(tenantId: number): Promise<void> {
    if (sealed.length === 0) return
    const rows = await app.owner
      .selectFrom('invitation_links')
      .innerJoin('invitations', 'invitations.id', 'invitation_links.invitation_id')
      .innerJoin('users', 'users.id', 'invitations.user_id')
      .select(['token_hash', 'users.email'])
      .where('invitation_links.tenant_id', '=', tenantId)
      .where('invitations.tenant_id', '=', tenantId)
      .where('users.tenant_id', '=', tenantId)
      .execute()
    for (const token of sealed.splice(0)) {
      const row = rows.find(({ token_hash }) => token_hash.equals(hashToken(token)))
      if (row?.email) tokens.set(row.email, token)
    }
  }

  const { signal } = new AbortController()
  let runs = 0
  const seen = new Set<string>()
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 20, maxLength: 40 }), async (steps) => {
      const base = await openHistory(t, `acme${++runs}`, app)
      const okta = await base.connect('Okta')
      const entra = await base.connect('Entra')
      const world: World = {
        ...base,
        okta: okta.scim,
        entra: entra.scim,
        users: new Map(),
        groups: new Map(),
        tokens
      }
      const read = (began: string) =>
        app.owner
          .selectFrom('audit_events')
          .select(['id', 'action', 'target_type'])
          .where('tenant_id', '=', base.tenant.id)
          .where('target_type', 'in', ['user', 'group'])
          .where('id', '>', began)
          .orderBy('id', 'desc')
          .execute()
      for (const one of BEGINNING) await STEPS[one.what]!(world, one)
      await keepTokens(base.tenant.id)
      const began = newEventId(app.clock.now())
      const before = await base.snapshot()
      for (const one of steps) {
        await STEPS[one.what]!(world, one)
        await keepTokens(base.tenant.id)
      }
      const after = await base.snapshot()
      const events = await read(began)
      const undoIds: string[] = []
      const undo = async (eventId: string, about: string) => {
        const { data, error } = await base.mutate('history.undo', { eventId })
        if (error?.reason === 'notUndoable') return
        const told = `${about} of ${JSON.stringify(steps)}`
        if (error) throw new Error(`${error.message}: ${told}`)
        if (data.counts.refused > 0) throw new Error(`${JSON.stringify(data.items)}: ${told}`)
        if (data.undoId) undoIds.push(data.undoId)
      }
      for (const { id, action } of events) {
        seen.add(action)
        await undo(id, action)
      }
      await indexNames(app.db, base.tenant.id, signal, { kept: 0 })
      requireSame(await base.snapshot(), before, `back from ${JSON.stringify(steps)}`)
      for (const id of undoIds.splice(0).reverse()) await undo(id, 'undone')
      requireSame(await base.snapshot(), after, `on from ${JSON.stringify(steps)}`)
      t.same(await findUnsearchable(app.owner, base.tenant.id), [], `found after ${JSON.stringify(steps)}`)
      t.same(await findMisplaced(app.owner), [], `listed after ${JSON.stringify(steps)}`)
    }),
    // a failure shows its steps, and shrinking would take minutes
    { numRuns: Number(process.env['HISTORY_RUNS'] ?? 8), endOnFailure: !process.env['HISTORY_SHRINK'] }
  )
  t.ok(seen.size > 12, [...seen].join(', '))
})
