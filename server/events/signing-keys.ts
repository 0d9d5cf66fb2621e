// The keys that a tenant's security event tokens are signed with: ES256, made when the first one is needed.
import { exportJWK, generateKeyPair, importJWK, type JWK } from 'jose'
import { v7 as uuidv7 } from 'uuid'
import { readOneInTenant, type Trx } from '../../db/connect.ts'
import type { Deps } from '../deps.ts'

export const SIGNING_ALGORITHM = 'ES256'
const SEAL = 'signing-key'

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
  if (found) return
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

/** The newest key; undefined where there is none, or none of our SECRET_KEYs opens it. */
export async function readSigningKey(
  { db, sealer }: Pick<Deps, 'db' | 'sealer'>,
  tenantId: number
): Promise<SigningKey | undefined> {
  const row = await readOneInTenant<{ id: string; private_jwk_sealed: Buffer }>(
    db,
    tenantId,
    db
      .selectFrom('signing_keys')
      .select(['id', 'private_jwk_sealed'])
      .where('tenant_id', '=', tenantId)
      .orderBy('id', 'desc')
      .limit(1)
  )
  const jwk = row && sealer.open(SEAL, row.private_jwk_sealed)
  if (!jwk) return undefined
  return { id: row.id, key: (await importJWK(JSON.parse(jwk) as JWK, SIGNING_ALGORITHM)) as CryptoKey }
}
