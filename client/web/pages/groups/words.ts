// Words that several pages about groups share.
import { counted } from '../../counted.ts'
import type { Me } from '../../shell.tsx'

/** Who may change groups. The service decides; this only hides buttons that would be refused. */
export const mayChangeGroups = (me: Me): boolean => me.role === 'administrator' || me.role === 'manager'

/** `1 member`, `12,345 members` */
export const membersInWords = (members: number) => counted(members, 'member', 'members')

export const sourceInWords = ({ source, sourceName }: { source: string; sourceName: string | null }) =>
  source === 'scim' ? (sourceName ?? 'Identity provider') : 'Made here'
