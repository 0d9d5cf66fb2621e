// What becomes of memberships when a shadow goes live: only those that came or went there change.
import { lockUsersShared } from '../../../db/group-members.ts'
import type { Pair } from '../../../db/history.ts'
import { readGroups, readPresentPairs, readPresentUsers } from '../../../db/shadow-groups.ts'
import { readShadowPairs, type ShadowPair } from '../../../db/shadow-members.ts'
import { seeTenant } from '../../../db/tenants.ts'
import { findCircles, lockGroups, rebuildNesting } from '../../../db/undo-groups.ts'
import { writeMemberChanges } from '../history/member-changes.ts'
import type { ShadowRun } from './run.ts'

export interface MemberCounts {
  added: number
  removed: number
  /** Those whose user or group does not exist, or whose groups would contain each other. */
  refused: number
}

/** Memberships per statement. */
const CHUNK = 2_000

/** What became of memberships, and the groups that lack some of those that they have in the shadow. */
interface MembersMoved {
  readonly counts: MemberCounts
  readonly incomplete: ReadonlySet<string>
}

/**
 * Goes through all memberships that differ in the shadow, and writes them unless it is a preview.
 * @param made users and groups to be created, which a preview has not written
 */
export async function moveMembers(run: ShadowRun, made: ReadonlySet<string>): Promise<MembersMoved> {
  const counts: MemberCounts = { added: 0, removed: 0, refused: 0 }
  const incomplete = new Set<string>()
  for (const kind of ['users', 'groups'] as const) {
    for (const what of ['removed', 'added'] as const) {
      for (let after: ShadowPair | undefined; ; ) {
        const pairs = await readPairs(run, kind, what, after)
        const moved = await (what === 'added' ? addable(run, kind, pairs, made) : removable(run, kind, pairs))
        counts[what] += moved.pairs.length
        counts.refused += moved.refused.length
        for (const { group_id } of moved.refused) incomplete.add(group_id)
        if (!run.isPreview && moved.pairs.length > 0) await write(run, kind, what, moved.pairs)
        after = pairs.at(-1)
        if (pairs.length < CHUNK) break
      }
    }
  }
  if (!run.isPreview) await rebuildNesting(run.trx, run.tenantId)
  return { counts, incomplete }
}

async function readPairs(
  { trx, tenantId, shadowId }: ShadowRun,
  kind: 'users' | 'groups',
  what: 'added' | 'removed',
  after: ShadowPair | undefined
): Promise<ShadowPair[]> {
  await seeTenant(trx, shadowId)
  const pairs = await readShadowPairs(trx, shadowId, kind, what, { limit: CHUNK, ...(after && { after }) })
  await seeTenant(trx, tenantId)
  return pairs
}

interface Moved {
  readonly pairs: readonly ShadowPair[]
  readonly refused: readonly ShadowPair[]
}
const NONE: Moved = { pairs: [], refused: [] }

const keyOf = ({ group_id, member_id }: Pair) => `${group_id} ${member_id}`
const idsOf = (pairs: readonly Pair[], name: keyof Pair) => [...new Set(pairs.map((pair) => pair[name]))].sort()

async function removable({ trx, tenantId }: ShadowRun, kind: 'users' | 'groups', pairs: readonly ShadowPair[]) {
  if (pairs.length === 0) return NONE
  const present = new Set((await readPresentPairs(trx, tenantId, kind, pairs)).map(keyOf))
  // somebody else has ended the others
  return { pairs: pairs.filter((pair) => present.has(keyOf(pair))), refused: [] }
}

async function addable(
  run: ShadowRun,
  kind: 'users' | 'groups',
  pairs: readonly ShadowPair[],
  made: ReadonlySet<string>
) {
  if (pairs.length === 0) return NONE
  const { trx, tenantId, isPreview } = run
  const memberIds = idsOf(pairs, 'member_id')
  const groupIds =
    kind === 'users' ? idsOf(pairs, 'group_id') : [...new Set([...idsOf(pairs, 'group_id'), ...memberIds])].sort()
  const users =
    kind === 'groups'
      ? []
      : await (isPreview
          ? readPresentUsers(trx, tenantId, memberIds)
          : lockUsersShared(trx, tenantId, memberIds, undefined))
  const groups = await (isPreview ? readGroups : lockGroups)(trx, tenantId, groupIds)
  const there = new Set([...users, ...groups.map(({ id }) => id)])
  const isThere = (id: string) => there.has(id) || made.has(id)
  const possible = pairs.filter(({ group_id, member_id }) => isThere(group_id) && isThere(member_id))
  const present = new Set((await readPresentPairs(trx, tenantId, kind, possible)).map(keyOf))
  const fresh = possible.filter((pair) => !present.has(keyOf(pair)))
  const circles = kind === 'groups' ? new Set((await findCircles(trx, tenantId, fresh)).map(keyOf)) : new Set<string>()
  const refused = pairs.filter(
    (pair) => !(isThere(pair.group_id) && isThere(pair.member_id)) || circles.has(keyOf(pair))
  )
  return { pairs: fresh.filter((pair) => !circles.has(keyOf(pair))), refused }
}

async function write(
  run: ShadowRun,
  kind: 'users' | 'groups',
  what: 'added' | 'removed',
  pairs: readonly ShadowPair[]
): Promise<void> {
  const { trx, tenantId } = run
  const groups = await lockGroups(trx, tenantId, idsOf(pairs, 'group_id'))
  const changes = pairs.map(({ group_id, member_id, connection_id }) => {
    const membership = { connection_id }
    const [from, to] = what === 'added' ? [undefined, membership] : [membership, undefined]
    return { pair: { group_id, member_id }, from, to }
  })
  await writeMemberChanges(trx, run, kind, changes, groups)
}
