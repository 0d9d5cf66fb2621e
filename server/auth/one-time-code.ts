// Codes that sign somebody in once, and the link that carries one.
import type { Db } from '../../db/connect.ts'
import { insertOneTimeCode, takeOneTimeCode } from '../../db/one-time-codes.ts'
import type { OneTimeCodesTable } from '../../db/schema.ts'
import { publicUrl } from '../config.ts'
import type { Deps } from '../deps.ts'
import { hashToken, randomToken } from '../secrets.ts'
import type { Tenant } from '../tenancy.ts'

const LINK_MS = 24 * 60 * 60_000

interface NewOneTimeCode {
  purpose: OneTimeCodesTable['purpose']
  userId: string
  /** SHA-256 of a cookie: the code then works only in that browser. */
  browserHash?: Buffer
  expiresAt: Date
}

/** @returns the code: 256 random bits, base64url */
export async function createOneTimeCode(
  deps: { db: Db },
  tenantId: number,
  { purpose, userId, browserHash, expiresAt }: NewOneTimeCode
): Promise<string> {
  const code = randomToken()
  await insertOneTimeCode(deps.db, tenantId, {
    code_hash: hashToken(code),
    purpose,
    user_id: userId,
    browser_hash: browserHash ?? null,
    expires_at: expiresAt
  })
  return code
}

/**
 * Uses a code up.
 * @returns undefined where it was used, has expired, is for another purpose, or belongs to another browser (then it
 *   stays usable)
 */
export async function consumeOneTimeCode(
  deps: Deps,
  tenantId: number,
  { purpose, code, browserHash }: { purpose: OneTimeCodesTable['purpose']; code: string; browserHash?: Buffer }
): Promise<{ userId: string } | undefined> {
  const taken = await takeOneTimeCode(deps.db, tenantId, {
    hash: hashToken(code),
    purpose,
    browserHash,
    now: deps.now()
  })
  return taken && { userId: taken.user_id }
}

/** A link that signs a user in once within a day, for somebody at the service's console. */
export async function createSignInLink(
  deps: Pick<Deps, 'db' | 'config'>,
  tenant: Pick<Tenant, 'id' | 'subdomain'>,
  userId: string,
  now: Date
): Promise<string> {
  const expiresAt = new Date(now.getTime() + LINK_MS)
  const code = await createOneTimeCode(deps, tenant.id, { purpose: 'link', userId, expiresAt })
  return `${publicUrl(deps.config, tenant.subdomain)}/auth/link?code=${code}`
}
