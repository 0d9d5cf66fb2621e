// Who owns each attribute of a user, by the attributes' names in the API.
import type { UserDetails } from '../../db/user-details.ts'
import { isConnection, type Owner, ownersOf, PROFILE_PATHS, usualOwner } from '../provisioning/authority.ts'
import { reaches } from '../provisioning/managed.ts'
import type { UserDocument } from '../provisioning/user-document.ts'
import { type AuthorityOutput, toAuthority } from './shapes.ts'

const NAMES: Readonly<Record<string, string>> = {
  ...Object.fromEntries(Object.entries(PROFILE_PATHS).map(([name, path]) => [path, name])),
  roles: 'role',
  emails: 'email'
}

/** The attributes that are always listed. */
const ALWAYS = [...Object.values(PROFILE_PATHS), 'roles', 'emails', 'userName']

/**
 * @returns by attribute: those with a name in the API, `role` and `state` always; others of the document by their SCIM
 *   paths. An administrator may change the state whoever owns it.
 */
export function authorityOf(details: UserDetails): Record<string, AuthorityOutput> {
  const { user, connection_id, authority, doc } = details
  const reaching = details.connections.filter(({ highestRole }) => reaches({ highest_role: highestRole }, user.role))
  const connections = new Map(reaching.map((one) => [one.id, one]))
  const owners: Map<string, Owner> =
    doc === null ? new Map() : ownersOf({ connection_id, authority }, JSON.parse(doc) as UserDocument)
  // without e-mails the login address is the userName
  if (doc !== null && !owners.has('emails')) owners.set('emails', owners.get('userName')!)
  const shown: Record<string, AuthorityOutput> = {}
  for (const path of new Set([...ALWAYS, ...owners.keys()])) {
    const owner = owners.get(path) ?? usualOwner(path)
    const connection = connections.get(owner)
    shown[NAMES[path] ?? path] = connection
      ? { ...toAuthority(connection), ...(path === 'roles' && { highestRole: connection.highestRole }) }
      : { kind: (isConnection(owner) ? usualOwner(path) : owner) as 'person' | 'administrator' }
  }
  shown['state'] = toAuthority((connection_id !== null && connections.get(connection_id)) || null)
  return shown
}

/** A user's groups, with who owns each membership. */
export const withAuthority = ({ groups, connections }: UserDetails) =>
  groups.map(({ id, displayName, connectionId }) => ({
    id,
    displayName,
    authority: toAuthority(connections.find((one) => one.id === connectionId) ?? null)
  }))
