// People and administrators cannot change what a connection owns: checked on the locked row, refused with the reason.
import { type Authority, findAuthorities, findEndedMemberships } from '../../db/authority.ts'
import type { EndedMemberships } from '../../db/brakes.ts'
import type { Trx } from '../../db/connect.ts'
import type { GroupRow, Role, UserRow } from '../../db/schema.ts'
import { type AppError, forbidden } from '../errors.ts'
import { isAbove } from './actor.ts'
import { isConnection, type OwnProfile, ownerOf, withOwnProfile } from './authority.ts'
import type { Profile, UserDocument } from './user-document.ts'

/** Whether these roles are within a connection's reach; people above its highest role own even what it has sent. */
export const reaches = ({ highest_role }: Pick<Authority, 'highest_role'>, ...roles: readonly Role[]): boolean =>
  roles.every((role) => !isAbove(role, highest_role))

/**
 * @param what as in `${what} is managed by Okta`
 * @param data what is affected, beside the connection
 */
function refusal({ id, name, is_removed }: Authority, what: string, data: Record<string, unknown>): AppError {
  const how = is_removed ? `${name}, which was removed: release it to change this here` : `${name}: change it there`
  return forbidden(`${what} is managed by ${how}`, 'managedByConnection', {
    connection: { id, name, isRemoved: is_removed },
    ...data
  })
}

const WORDS: Record<keyof Profile, string> = {
  displayName: 'The display name',
  givenName: 'The given name',
  familyName: 'The family name',
  timeZone: 'The time zone',
  locale: 'The language'
}

/**
 * Checks that a profile may be written as a whole.
 * @param user locked
 * @throws AppError forbidden `managedByConnection` with `connection: { id, name, isRemoved }` and `attributes`, by the
 *   names that they have in the API
 */
export async function requireOwnProfile(
  trx: Trx,
  user: UserRow,
  profile: Profile,
  by: 'person' | 'administrator'
): Promise<OwnProfile> {
  const own = withOwnProfile(user, profile, by)
  if (own.managed.size === 0) return own
  const found = await findAuthorities(trx, user.tenant_id, [...own.managed.keys()])
  const having = found.filter((connection) => reaches(connection, user.role))
  const [first] = having
  if (!first) return withOwnProfile(user, profile, by, () => false)
  const attributes = having.flatMap(({ id }) => own.managed.get(id)!)
  throw refusal(first, attributes.map((name) => WORDS[name]).join(', '), { attributes })
}

/**
 * @param user locked
 * @param role the new role
 * @throws AppError forbidden `managedByConnection` where a connection has sent the role and may give the new one
 */
export async function requireOwnRole(trx: Trx, user: UserRow, document: UserDocument, role: Role): Promise<void> {
  const owner = ownerOf(user, document, 'roles')
  if (!isConnection(owner)) return
  const [found] = await findAuthorities(trx, user.tenant_id, [owner])
  if (found && reaches(found, user.role, role)) throw refusal(found, 'The role', { attributes: ['role'] })
}

/**
 * Refuses people's writes over SCIM to what connections own.
 * @param user locked
 * @param managed by connection, the paths that it owns and the write would change
 * @param role the user's role after the write
 * @throws AppError forbidden `managedByConnection` with `attributes`, by their SCIM paths
 */
export async function requireOwnAttributes(
  trx: Trx,
  user: UserRow,
  managed: ReadonlyMap<string, readonly string[]>,
  role: Role
): Promise<void> {
  if (managed.size === 0) return
  const found = await findAuthorities(trx, user.tenant_id, [...managed.keys()])
  for (const connection of found.filter((one) => reaches(one, user.role))) {
    const attributes = managed.get(connection.id)!.filter((path) => path !== 'roles' || reaches(connection, role))
    if (attributes.length > 0) throw refusal(connection, `The attribute ${attributes.join(', ')}`, { attributes })
  }
}

/**
 * @param group locked
 * @param what names what would change, as in `The group`
 * @throws AppError forbidden `managedByConnection`
 */
export async function requireOwnGroup(trx: Trx, group: GroupRow, what: string, attributes: string[]): Promise<void> {
  const owner = group.connection_id ?? group.kept_by
  if (owner === null) return
  const [found] = await findAuthorities(trx, group.tenant_id, [owner])
  if (found) throw refusal(found, what, { attributes })
}

/** How many the error names in its data, and in its text. */
const NAMED = 50
const NAMED_IN_WORDS = 3

/**
 * Checks the members whom an event of this transaction has taken out of a group: people and groups that a connection
 * put there must stay. A deactivated person may always be taken out, so that they can be removed.
 * @throws AppError forbidden `managedByConnection` with `userIds` and `userCount`, and where groups are among them with
 *   `groupIds` and `groupCount`: up to 50 ids in all
 */
export async function requireOwnMemberships(trx: Trx, tenantId: number, ended: EndedMemberships): Promise<void> {
  const all = await findEndedMemberships(trx, tenantId, ended, NAMED)
  const [first] = all
  if (!first) return
  // of several connections, one is named with what is its own
  const found = all.filter(({ id }) => id === first.id)
  const names = found.slice(0, NAMED_IN_WORDS).map((member) => member.shown_name.slice(0, 100))
  const others = first.user_count + first.child_count - names.length
  const more = others > 0 ? ` and ${others} more` : ''
  throw refusal(first, `The membership of ${names.join(', ')}${more}`, {
    attributes: ['members'],
    userIds: found.flatMap(({ user_id }) => user_id ?? []),
    userCount: first.user_count,
    ...(first.child_count > 0 && {
      groupIds: found.flatMap(({ child_id }) => child_id ?? []),
      groupCount: first.child_count
    })
  })
}
