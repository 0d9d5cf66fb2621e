// What the pages of groups say in more than one place.
import type { Me } from '../../shell.tsx'

/** What the service lets change groups; it decides, this only spares people a button that is refused. */
export const mayChangeGroups = (me: Me): boolean => me.role === 'administrator' || me.role === 'manager'

const count = new Intl.NumberFormat()

/** `1 member`, `12,345 members` */
export const membersInWords = (members: number) => `${count.format(members)} ${members === 1 ? 'member' : 'members'}`

export const peopleInWords = (people: number) => `${count.format(people)} ${people === 1 ? 'person' : 'people'}`

export const sourceInWords = ({ source, sourceName }: { source: string; sourceName: string | null }) =>
  source === 'scim' ? (sourceName ?? 'Identity provider') : 'Made here'
