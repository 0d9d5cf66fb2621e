// What becomes of groups when a shadow goes live: their attributes, and whether they exist. members.ts moves members.

import { insertAuditEvents } from '../../../db/audit.ts'
import type { GroupRow, Preference } from '../../../db/schema.ts'
import { insertShadowGroups, readGroups } from '../../../db/shadow-groups.ts'
import { type GroupBase, readGoneGroups, readShadowGroups, type ShadowGroup } from '../../../db/shadows.ts'
import { seeTenant } from '../../../db/tenants.ts'
import {
  findTakenGroupNames,
  lockGroups,
  parkGroupNames,
  readGroupVersions,
  updateGroups
} from '../../../db/undo-groups.ts'
import { type GroupDocument, groupColumns } from '../group-document.ts'
import { type Facts, factsOfGroup, withFacts } from '../history/facts.ts'
import { takeGroupsAway } from '../history/groups.ts'
import { changedNames, conflictOf, eventFacts, put } from '../history/run.ts'
import {
  areSame,
  type Merged,
  merge,
  refuseAll,
  type ShadowItem,
  type ShadowRun,
  toShadowItem,
  versionAfter
} from './run.ts'

interface PlannedGroup {
  readonly id: string
  readonly name: string
  /** Undefined where the group is removed. */
  readonly shadow: ShadowGroup | undefined
  /** Undefined where the group is to be created, and where it is gone. */
  readonly real: GroupRow | undefined
  readonly realVersion: number
  readonly merged: Merged
  /** What was decided for this group alone. */
  readonly prefer: Preference | null
}

/** Plans every group that differs in the shadow. */
export async function planGroups(run: ShadowRun): Promise<PlannedGroup[]> {
  const { trx, tenantId, shadowId } = run
  await seeTenant(trx, shadowId)
  const changed = await readShadowGroups(trx, shadowId)
  const gone = await readGoneGroups(trx, shadowId)
  await seeTenant(trx, tenantId)
  const ids = [...changed.map(({ row }) => row.id), ...gone.map(({ id }) => id)].sort()
  const rows = await (run.isPreview ? readGroups : lockGroups)(trx, tenantId, ids)
  const real = new Map(rows.map((row) => [row.id, row]))
  const versions = await readGroupVersions(trx, tenantId, ids)
  const planned = [
    ...changed.map((shadow): PlannedGroup => {
      const { id, display_name: name } = shadow.row
      const own = real.get(id)
      return {
        id,
        name,
        shadow,
        real: own,
        realVersion: versions.get(id) ?? 0,
        merged: mergeGroup(run, shadow, own),
        prefer: shadow.base?.prefer ?? null
      }
    }),
    ...gone.flatMap((base): PlannedGroup[] => {
      const own = real.get(base.id)
      // both sides have removed it
      if (!own) return []
      const merged = merge(factsOfGroup(base), new Map([['exists', false]]), factsOfGroup(own))
      const name = own.display_name
      return [
        {
          id: base.id,
          name,
          shadow: undefined,
          real: own,
          realVersion: versions.get(base.id)!,
          merged: gonePlan(run, base, own, merged),
          prefer: base.prefer
        }
      ]
    })
  ]
  await refuseTakenNames(run, planned)
  return planned
}

const NOT_THERE: Facts = new Map([['exists', false]])

function mergeGroup(run: ShadowRun, { row, base }: ShadowGroup, real: GroupRow | undefined): Merged {
  const wanted = factsOfGroup(row)
  if (!base) return merge(NOT_THERE, wanted, NOT_THERE)
  const merged = merge(factsOfGroup(base), wanted, real ? factsOfGroup(real) : NOT_THERE, base.prefer ?? run.prefer)
  if (real) return merged
  merged.conflicts.length = 0
  merged.after.clear()
  merged.after.set('exists', false)
  merged.conflicts.push(conflictOf('exists', 'groupRemoved', true))
  return merged
}

/** A removed group whose attributes somebody has changed meanwhile stays, unless the provider is preferred. */
function gonePlan(run: ShadowRun, base: GroupBase, real: GroupRow, merged: Merged): Merged {
  const isChanged = !areSame(factsOfGroup(base), factsOfGroup(real))
  merged.conflicts.length = 0
  merged.after.clear()
  if (isChanged && (base.prefer ?? run.prefer) === 'tenant') {
    for (const [name, value] of merged.before) merged.after.set(name, value)
    merged.conflicts.push(conflictOf('exists', 'changedSince', false))
    return merged
  }
  put(merged.after, 'exists', false)
  if (isChanged) merged.overruled.add('exists')
  return merged
}

const isLeaving = ({ shadow, merged }: PlannedGroup) => !shadow && merged.after.get('exists') === false
const isMade = ({ shadow, merged }: PlannedGroup) =>
  shadow?.base === undefined && merged.after.get('exists') === true && merged.before.get('exists') === false
const isChanged = (plan: PlannedGroup) =>
  plan.real !== undefined && !isLeaving(plan) && changedNames(plan.merged).length > 0
const NAMES = ['displayName', 'externalId', 'connectionId']
const isRenamed = ({ merged }: PlannedGroup) => changedNames(merged).some((name) => NAMES.includes(name))

const documentOf = ({ shadow, real, merged }: PlannedGroup): GroupDocument => {
  const document = JSON.parse((real ?? shadow!.row).doc) as GroupDocument
  return real
    ? withFacts(
        document,
        changedNames(merged).map((name) => [name, merged.after.get(name)])
      )
    : document
}

const columnsOf = (plan: PlannedGroup) => ({
  ...groupColumns(documentOf(plan)),
  id: plan.id,
  connection_id: (plan.merged.after.get('connectionId') as string | undefined) ?? null,
  version: 1,
  created_at: (plan.real ?? plan.shadow!.row).created_at
})

async function refuseTakenNames(run: ShadowRun, planned: readonly PlannedGroup[]): Promise<void> {
  const { trx, tenantId } = run
  const wanted = planned.filter((plan) => isMade(plan) || (isChanged(plan) && isRenamed(plan)))
  if (wanted.length === 0) return
  // names are unique in the shadow, too: only one group gets a name that is given up
  const givers = new Set(
    planned.filter((plan) => isLeaving(plan) || (isChanged(plan) && isRenamed(plan))).map(({ id }) => id)
  )
  const taken = (await findTakenGroupNames(trx, tenantId, wanted.map(columnsOf))).filter(
    ({ holder_id }) => !givers.has(holder_id)
  )
  for (const [id, reasons] of Map.groupBy(taken, (one) => one.id)) {
    const { merged } = wanted.find((one) => one.id === id)!
    merged.conflicts.length = 0
    refuseAll(merged, `${reasons[0]!.what}Taken`)
    merged.conflicts.splice(1)
  }
  // a refused group keeps its name after all, which another one may have been planned to get
  if (taken.length > 0) await refuseTakenNames(run, planned)
}

/** Writes what is planned, removals first. @returns the versions that groups shall have when all is done */
export async function writeGroups(
  run: ShadowRun,
  planned: readonly PlannedGroup[]
): Promise<{ id: string; version: number }[]> {
  const { trx, tenantId, actor } = run
  const now = run.now()
  await takeAway(run, planned.filter(isLeaving))
  const changed = planned.filter(isChanged)
  const renamed = changed.filter(isRenamed).map(({ id }) => id)
  if (renamed.length > 0) await parkGroupNames(trx, tenantId, renamed)
  if (changed.length > 0) await updateGroups(trx, tenantId, changed.map(columnsOf), now)
  const made = planned.filter(isMade)
  if (made.length > 0) {
    await insertShadowGroups(
      trx,
      tenantId,
      made.map(({ shadow }) => shadow!.row),
      now
    )
  }
  await insertAuditEvents(trx, tenantId, actor, now, [
    ...changed.map(({ id, name, merged }) => ({
      action: 'group.updated',
      targetType: 'group' as const,
      targetId: id,
      targetName: name,
      ...eventFacts(merged)
    })),
    ...made.map(({ id, name, shadow }) => {
      const { external_id, connection_id } = shadow!.row
      return {
        action: 'group.created',
        targetType: 'group' as const,
        targetId: id,
        targetName: name,
        after: {
          displayName: name,
          ...(external_id && { externalId: external_id }),
          ...(connection_id !== run.connectionId && { connectionId: connection_id })
        }
      }
    })
  ])
  return planned.flatMap(({ id, shadow, real, realVersion, merged }) => {
    if (!shadow || merged.after.get('exists') === false) return []
    const isSame = areSame(factsOfGroup(shadow.row), merged.after)
    return [{ id, version: versionAfter(shadow.row, shadow.base, real && { version: realVersion }, isSame) }]
  })
}

async function takeAway(run: ShadowRun, planned: readonly PlannedGroup[]): Promise<void> {
  if (planned.length === 0) return
  const rows = planned.map(({ real, realVersion: version }) => ({ ...real!, version }))
  await takeGroupsAway(run.trx, run, rows)
}

/** @param members set where users come or go, which alone makes the group worth listing */
export function toGroupItem(plan: PlannedGroup, members?: ShadowItem['membershipCounts']): ShadowItem | undefined {
  const { id, name, merged, prefer } = plan
  if (changedNames(merged).length + merged.conflicts.length === 0 && !members) return undefined
  const effect = isMade(plan) ? 'create' : isLeaving(plan) ? 'remove' : isChanged(plan) ? 'change' : null
  const item = toShadowItem('group', id, name, merged, effect, prefer)
  return members && effect !== 'remove' ? { ...item, membershipCounts: members } : item
}
