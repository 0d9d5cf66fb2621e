// What the pages of groups say in more than one place.
import { counted } from '../../counted.ts'
import type { Me } from '../../shell.tsx'

/** What the service lets change groups; it decides, this only spares people a button that is refused. */
export const mayChangeGroups = (me: Me): boolean => me.role === 'administrator' || me.role === 'manager'

/** `1 member`, `12,345 members` */
export const membersInWords = (members: number) => counted(members, 'member', 'members')

export const sourceInWords = ({ source, sourceName }: { source: string; sourceName: string | null }) =>
  source === 'scim' ? (sourceName ?? 'Identity provider') : 'Made here'
