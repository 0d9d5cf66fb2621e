// Puts a shadow's changes into words.
import type { Inputs, Outputs } from '../../api.ts'
import { counted, peopleInWords } from '../../counted.ts'
import { fieldName } from '../audit/words.ts'
import { isSilent, itemChanges, type UndoItem, valueInWords } from '../history/words.ts'

export type Counts = Outputs['scimShadow']['summary']['counts']
export type ShadowItem = Outputs['scimShadow']['list']['items'][number]
/** Whose value wins where both sides changed it. */
export type Preference = NonNullable<Inputs['scimShadow']['summary']['prefer']>
export type Filter = NonNullable<ShadowItem['effect']> | 'conflict'

export const EFFECTS = ['create', 'link', 'change', 'deactivate', 'remove'] as const

/** For the filter of the list. */
export const FILTER_LABELS: Record<Filter, string> = {
  create: 'Created',
  link: 'Linked',
  change: 'Changed',
  deactivate: 'Deactivated',
  remove: 'Removed',
  conflict: 'In conflict'
}

/** `create 212 people, link 3 groups, leave 2 conflicts as they are`; omits zeros. */
export function countsInWords({ users, groups, memberships, conflicts }: Counts): string {
  const parts = [
    ...EFFECTS.filter((effect) => users[effect] > 0).map((effect) => `${effect} ${peopleInWords(users[effect])}`),
    ...EFFECTS.filter((effect) => groups[effect] > 0).map(
      (effect) => `${effect} ${counted(groups[effect], 'group', 'groups')}`
    ),
    memberships.added > 0 && `add ${counted(memberships.added, 'membership', 'memberships')}`,
    memberships.removed > 0 && `end ${counted(memberships.removed, 'membership', 'memberships')}`,
    conflicts > 0 && `leave ${counted(conflicts, 'conflict', 'conflicts')} as they are`
  ].filter((part) => part !== false)
  return parts.join(', ') || 'change nothing'
}

/** The facts worth showing of a new person or group. */
const OF_NEW = new Set(['userName', 'displayName', 'role', 'state', 'title'])

/** One line for each change. */
export function changesInWords({ effect, changes, kind }: ShadowItem): string[] {
  if (effect === 'remove') return ['is removed']
  const told = effect === 'create' ? changes.filter(({ attribute, from }) => from || OF_NEW.has(attribute)) : changes
  const lines = itemChanges({ kind, id: '', name: null, changes: told, conflicts: [] } as UndoItem)
  return effect === 'link' ? ['is managed by this connection from then on', ...lines] : lines
}

/** Who joins and leaves a group, or which groups a person joins and leaves. */
export function membershipsInWords({ kind, memberships, membershipCounts: counts }: ShadowItem): string[] {
  return (['joined', 'left'] as const)
    .filter((change) => counts[change] > 0)
    .map((change) => {
      const names = memberships.filter((one) => one.change === change).map(({ name }) => name)
      const rest = counts[change] - names.length
      const listed = rest > 0 ? `${names.join(', ')} and ${rest.toLocaleString()} more` : names.join(', ')
      if (kind === 'user') return change === 'joined' ? `joins ${listed}` : `leaves ${listed}`
      return `${change === 'joined' ? 'joined' : 'left'} by ${listed}`
    })
}

export function conflictsInWords({ conflicts }: ShadowItem): string[] {
  const told = conflicts.filter(({ attribute }) => !isSilent(attribute))
  return (told.length > 0 ? told : conflicts).map(({ attribute, reason, detail, wanted, current }) => {
    if (attribute === 'exists') return detail
    if (reason !== 'changedSince') return `${fieldName(attribute)}: ${detail}`
    return `${fieldName(attribute)} ${valueInWords(current)}, not ${valueInWords(wanted)}: it was changed here since`
  })
}
