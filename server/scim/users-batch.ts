// POST /Users for many at once, as /Bulk asks: whoever can be made together is, with the answers of single ones.
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
 * @returns for each the user that it makes; undefined where that has to be made by itself, because of an error or of
 * somebody in the way
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
 * Makes users in one transaction.
 * @returns their answers, without bodies; undefined where somebody got in the way meanwhile, or another tenant has an
 * address: nothing was changed then
 */
export async function createUsersTogether(
  context: ScimContext,
  users: readonly NewUser[]
): Promise<ScimAnswer[] | undefined> {
  const made = await createUsers(writerFor(context), users)
  return made?.map(({ id, version }) => ({ status: 201, etag: etagOf(version), location: userLocation(context, id) }))
}

/** Results carry no resources. */
const writerFor = (context: ScimContext) =>
  writerOf(context, parseProjection({ attributes: 'id' }, context.schemas.User))
