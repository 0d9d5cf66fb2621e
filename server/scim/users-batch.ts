// POST /Users for many users at once, as /Bulk needs: creates together those who can be, with the same answers.
import { AppError } from '../errors.ts'
import { createUsers, findPlainUsers } from '../provisioning/scim-user-batch.ts'
import type { NewUser } from '../provisioning/scim-user-new.ts'
import type { ScimAnswer, ScimContext } from './context.ts'
import { etagOf } from './etag.ts'
import { parseProjection } from './projection.ts'
import { userLocation } from './user-text.ts'
import { readNewUser, writerOf } from './users.ts'

/**
 * Reads bodies of POST /Users.
 * @returns the new user of each; undefined where it must be created by itself, because of an error or a conflict
 */
export async function readPlainUsers(
  context: ScimContext,
  bodies: readonly unknown[]
): Promise<(NewUser | undefined)[]> {
  const users = await Promise.all(bodies.map((body) => readUnlessRefused(context, body)))
  const read = users.filter((user) => user !== undefined)
  const arePlain = await findPlainUsers(
    writerFor(context),
    read.map(({ document }) => document)
  )
  const plain = new Set(read.filter((_, index) => arePlain[index]))
  return users.map((user) => (user && plain.has(user) ? user : undefined))
}

async function readUnlessRefused(context: ScimContext, body: unknown): Promise<NewUser | undefined> {
  try {
    return await readNewUser(context, body)
  } catch (error) {
    if (error instanceof AppError) return undefined
    throw error
  }
}

/**
 * Creates users in one transaction.
 * @returns their answers without bodies; undefined, with nothing changed, where a conflict arose meanwhile or another
 *   tenant has an address
 */
export async function createUsersTogether(
  context: ScimContext,
  users: readonly NewUser[]
): Promise<ScimAnswer[] | undefined> {
  const made = await createUsers(writerFor(context), users)
  return made?.map(({ id, version }) => ({ status: 201, etag: etagOf(version), location: userLocation(context, id) }))
}

/** Results include no resources. */
const writerFor = (context: ScimContext) =>
  writerOf(context, parseProjection({ attributes: 'id' }, context.schemas.User))
