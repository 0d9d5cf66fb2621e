// The ES256 keys that sign a tenant's security event tokens; made when the first one is needed.
import { exportJWK, generateKeyPair, importJWK, type JWK } from 'jose'
import { v7 as uuidv7 } from 'uuid'
import { inTenant, readInTenant, readOneInTenant, type Trx } from '../../db/connect.ts'
import type { Deps } from '../deps.ts'

export const SIGNING_ALGORITHM = 'ES256'
const SEAL = 'signing-key'

const DAY_MS = 24 * 3_600_000
/** How long a key signs before another one is made. */
const SIGNS_MS = 365 * DAY_MS
/** How long a new key is published before it signs: receivers cache the set of keys for a while. */
const PUBLISHED_FIRST_MS = DAY_MS
/** How long an old key stays published after it has last signed, for tokens that are verified late. */
const PUBLISHED_AFTER_MS = 30 * DAY_MS

export interface SigningKey {
  /** The key's `kid`. */
  readonly id: string
  readonly key: CryptoKey
}

/** Makes a key unless the tenant has one. */
export async function ensureSigningKey(
  trx: Trx,
  { sealer }: Pick<Deps, 'sealer'>,
  tenantId: number,
  now: Date
): Promise<void> {
  const found = await trx.selectFrom('signing_keys').select('id').where('tenant_id', '=', tenantId).executeTakeFirst()
  if (!found) await insertSigningKey(trx, sealer, tenantId, now)
}

/**
 * Replaces the key of a tenant that has one, once it has signed for a year; the old one goes when nobody needs it.
 * @returns how many were made and deleted
 */
export async function renewSigningKey(
  { db, sealer }: Pick<Deps, 'db' | 'sealer'>,
  tenantId: number,
  now: Date
): Promise<number> {
  const ages = await readInTenant<{ id: string; created_at: Date }>(
    db,
    tenantId,
    db.selectFrom('signing_keys').select(['id', 'created_at']).where('tenant_id', '=', tenantId).orderBy('id', 'desc')
  )
  const ageMs = ages.map(({ created_at }) => now.getTime() - created_at.getTime())
  const isDue = ageMs.length > 0 && ageMs[0]! >= SIGNS_MS
  // the key after it has signed in its place for long enough
  const isOver = (index: number) => index > 0 && ageMs[index - 1]! >= PUBLISHED_FIRST_MS + PUBLISHED_AFTER_MS
  const over = ages.filter((_, index) => isOver(index)).map(({ id }) => id)
  if (!isDue && over.length === 0) return 0
  await inTenant(db, tenantId, async (trx) => {
    if (isDue) await insertSigningKey(trx, sealer, tenantId, now)
    if (over.length === 0) return
    await trx.deleteFrom('signing_keys').where('tenant_id', '=', tenantId).where('id', 'in', over).execute()
  })
  return Number(isDue) + over.length
}

async function insertSigningKey(trx: Trx, sealer: Deps['sealer'], tenantId: number, now: Date): Promise<void> {
  const { privateKey, publicKey } = await generateKeyPair(SIGNING_ALGORITHM, { extractable: true })
  const id = uuidv7({ msecs: now.getTime() })
  const publicJwk = { ...(await exportJWK(publicKey)), kid: id, alg: SIGNING_ALGORITHM, use: 'sig' }
  await trx
    .insertInto('signing_keys')
    .values({
      tenant_id: tenantId,
      id,
      private_jwk_sealed: sealer.seal(SEAL, JSON.stringify(await exportJWK(privateKey))),
      public_jwk: JSON.stringify(publicJwk),
      created_at: now
    })
    .execute()
}

/**
 * The newest key that has been published for a day, or the only one.
 * @returns undefined where there is none, or none of our SECRET_KEYs opens it
 */
export async function readSigningKey(
  { db, sealer, now }: Pick<Deps, 'db' | 'sealer' | 'now'>,
  tenantId: number
): Promise<SigningKey | undefined> {
  const publishedBy = new Date(now().getTime() - PUBLISHED_FIRST_MS)
  const row = await readOneInTenant<{ id: string; private_jwk_sealed: Buffer }>(
    db,
    tenantId,
    db
      .selectFrom('signing_keys')
      .select(['id', 'private_jwk_sealed'])
      .where('tenant_id', '=', tenantId)
      .orderBy((eb) => eb('created_at', '<=', publishedBy), 'desc')
      .orderBy('id', 'desc')
      .limit(1)
  )
  const jwk = row && sealer.open(SEAL, row.private_jwk_sealed)
  if (!jwk) return undefined
  return { id: row.id, key: (await importJWK(JSON.parse(jwk) as JWK, SIGNING_ALGORITHM)) as CryptoKey }
}
