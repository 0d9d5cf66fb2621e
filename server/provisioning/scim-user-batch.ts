// Creates many users of an identity provider in one transaction: those who collide with nobody. scim-user-create.ts
// creates each of the others, and resolves the collision.
import { type Db, inTenant, isCitus, type Trx } from '../../db/connect.ts'
import { isOutdated, writeTogether } from '../../db/prepared.ts'
import { retryRaces } from '../../db/races.ts'
import { findTakenKeys, insertUsers } from '../../db/scim-user-batch.ts'
import { insertUserParts } from '../../db/scim-user-parts.ts'
import type { ScimUserRow } from '../../db/scim-users.ts'
import { isAbove } from './actor.ts'
import { Gathering, type Outcome } from './gathering.ts'
import { conflictOf } from './scim-conflicts.ts'
import { roleOfNew } from './scim-roles.ts'
import { madeRow, type NewUser, newUserRows } from './scim-user-new.ts'
import type { ScimWriter } from './scim-users.ts'
import { documentColumns, type UserDocument } from './user-document.ts'

/**
 * Tells which new users may be created together: those whose role may be given, and whose userName, externalId and
 * login address no user has and no earlier one in the list.
 */
export async function findPlainUsers(writer: ScimWriter, documents: readonly UserDocument[]): Promise<boolean[]> {
  const { deps, tenant, actor } = writer
  const keys = documents.map((document) => {
    const { user_name_key, email_key, external_id } = documentColumns(document)
    return { userName: user_name_key, address: email_key, externalId: external_id }
  })
  const present = (values: (string | null)[]) => values.filter((value) => value !== null)
  const taken = await findTakenKeys(deps.db, tenant.id, actor.scim?.connectionId ?? null, {
    userNames: keys.map(({ userName }) => userName),
    addresses: present(keys.map(({ address }) => address)),
    externalIds: present(keys.map(({ externalId }) => externalId))
  })
  const userNames = new Set(taken.userNames)
  const addresses = new Set(taken.addresses)
  const externalIds = new Set(taken.externalIds)
  return keys.map(({ userName, address, externalId }, index) => {
    const isTaken =
      userNames.has(userName) ||
      (address !== null && addresses.has(address)) ||
      (externalId !== null && externalIds.has(externalId))
    userNames.add(userName)
    if (address !== null) addresses.add(address)
    if (externalId !== null) externalIds.add(externalId)
    return !isTaken && !isAbove(roleOfNew(documents[index]!, actor.role).role, actor.role)
  })
}

/**
 * Creates users in one transaction.
 * @returns in the order given; undefined where one of them collides with somebody: nothing was changed then
 */
export const createUsers = (writer: ScimWriter, users: readonly NewUser[]): Promise<ScimUserRow[] | undefined> =>
  createAll(users.map((user) => ({ writer, user })))

interface Item {
  readonly writer: ScimWriter
  readonly user: NewUser
}

class InTheWay extends Error {}

/** All of one tenant. */
async function createAll(items: readonly Item[]): Promise<ScimUserRow[] | undefined> {
  const { deps, tenant } = items[0]!.writer
  const made = items.map(({ writer, user }) => newUserRows(writer, user, roleOfNew(user.document, writer.actor.role)))
  const rows = made.map(madeRow)
  const statement = isCitus(deps.db) ? undefined : insertUsers(deps.db, tenant.id, made)
  const withWhatFollows = async (trx: Trx) => {
    if (statement) await trx.executeQuery(statement)
    else if (!(await insertUserParts(trx, tenant.id, made))) throw new InTheWay()
    await Promise.all(items.map(({ user }, index) => user.afterwards?.(trx, rows[index]!, made[index]!.row.email)))
  }
  try {
    await retryRaces<unknown>(() =>
      !statement || items.some(({ user }) => user.afterwards)
        ? inTenant(deps.db, tenant.id, withWhatFollows)
        : writeTogether(deps.db, tenant.id, [statement])
    )
    return rows
  } catch (error) {
    if (error instanceof InTheWay || isOutdated(error) || conflictOf(error)) return undefined
    throw error
  }
}

const gatherings = new WeakMap<Db, Gathering<Item, ScimUserRow | undefined>>()

/**
 * Creates a user together with others that arrive at this moment.
 * @returns undefined where the user collides with somebody: nothing was done then
 */
export function createTogether(writer: ScimWriter, user: NewUser): Promise<ScimUserRow | undefined> {
  const { deps, tenant } = writer
  let gathering = gatherings.get(deps.db)
  if (!gathering) {
    gathering = new Gathering(createEach)
    gatherings.set(deps.db, gathering)
  }
  // a second user of the same name goes into the next batch, which finds that it is taken
  return gathering.add(String(tenant.id), user.document.userName.toLowerCase(), { writer, user })
}

async function createEach(items: readonly Item[]): Promise<Outcome<ScimUserRow | undefined>[]> {
  const made = await createAll(items)
  if (made || items.length === 1) return items.map((_, index) => ({ value: made?.[index] }))
  // somebody is in the way of one of them
  const alone = await Promise.allSettled(items.map((item) => createAll([item])))
  return alone.map((one) => (one.status === 'fulfilled' ? { value: one.value?.[0] } : { error: one.reason }))
}
