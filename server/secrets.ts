// Random tokens, their hashes at rest, and the seal for what a job must read back.
import {
  createCipheriv,
  createDecipheriv,
  createSecretKey,
  hash,
  hkdfSync,
  randomBytes,
  timingSafeEqual
} from 'node:crypto'

/** 256 random bits, base64url: 43 characters. */
export const randomToken = () => randomBytes(32).toString('base64url')

/** SHA-256, 32 bytes: what is stored of a token. Tokens are random, so no salt or slow hash is needed. */
export const hashToken = (token: string): Buffer => hash('sha256', token, 'buffer')

/** The same as text, for what is remembered by a token: nothing that lives long holds the token itself. */
export const tokenKey = (token: string): string => hash('sha256', token, 'base64')

/** Compares without telling by the time it takes how much of a guess was right. */
export const isSameSecret = (left: string, right: string) => timingSafeEqual(hashToken(left), hashToken(right))

/** Seals and opens short texts (AES-256-GCM); `purpose` keeps a text sealed for one use from serving another. */
export interface Sealer {
  seal(purpose: string, text: string): Buffer
  /** @returns undefined where no key opens it, or it was changed, or it was sealed for another purpose */
  open(purpose: string, sealed: Buffer): string | undefined
}

const NONCE_BYTES = 12
const TAG_BYTES = 16
/** Else Node takes a tag of four bytes for good, which is one of few enough to try. */
const WHOLE_TAG = { authTagLength: TAG_BYTES }

/** @param keys SECRET_KEY's values, newest first: the first one seals, all of them open */
export function createSealer(keys: readonly string[]): Sealer {
  // a key as bytes would be made one anew each time
  const derived = keys.map((key) => createSecretKey(Buffer.from(hkdfSync('sha256', key, '', 'muster seal', 32))))
  return {
    seal(purpose, text) {
      const nonce = randomBytes(NONCE_BYTES)
      const cipher = createCipheriv('aes-256-gcm', derived[0]!, nonce).setAAD(Buffer.from(purpose))
      const body = Buffer.concat([cipher.update(text, 'utf8'), cipher.final()])
      return Buffer.concat([nonce, cipher.getAuthTag(), body])
    },
    open(purpose, sealed) {
      for (const key of derived) {
        try {
          const decipher = createDecipheriv('aes-256-gcm', key, sealed.subarray(0, NONCE_BYTES), WHOLE_TAG)
            .setAAD(Buffer.from(purpose))
            .setAuthTag(sealed.subarray(NONCE_BYTES, NONCE_BYTES + TAG_BYTES))
          return decipher.update(sealed.subarray(NONCE_BYTES + TAG_BYTES), undefined, 'utf8') + decipher.final('utf8')
        } catch {
          // another key may open it
        }
      }
      return undefined
    }
  }
}
