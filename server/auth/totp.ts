// Time-based one-time passwords (RFC 6238), as the usual apps make them: SHA-1, six digits, half a minute.
import { randomBytes } from 'node:crypto'
import { Secret, TOTP } from 'otpauth'

const PERIOD_SECONDS = 30
/** Clocks differ, and people type slowly: the codes before and after this half-minute's are taken, too (§5.2). */
const STEPS_AROUND = 1

/** 160 random bits, as RFC 4226 §4 recommends. */
export const randomTotpSecret = (): Buffer => randomBytes(20)

const secretOf = (bytes: Buffer): Secret => Secret.fromHex(bytes.toString('hex'))

const totp = (secret: Buffer, names: { issuer?: string; label?: string } = {}): TOTP =>
  new TOTP({ ...names, secret: secretOf(secret), period: PERIOD_SECONDS })

/** RFC 4648 §6, without padding, as people type it into an app. */
export const toBase32 = (bytes: Buffer): string => secretOf(bytes).base32

/** What a phone's app reads from a QR code. */
export const totpUri = (secret: Buffer, { issuer, account }: { issuer: string; account: string }): string =>
  totp(secret, { issuer, label: account }).toString()

export const stepAt = (now: Date): number => TOTP.counter({ period: PERIOD_SECONDS, timestamp: now.getTime() })

/** The code of a time step. */
export const totpOf = (secret: Buffer, step: number): string =>
  totp(secret).generate({ timestamp: step * PERIOD_SECONDS * 1_000 })

/** @returns the time step around now that a code belongs to; undefined for a wrong code */
export function findStep(secret: Buffer, code: string, now: Date): number | undefined {
  const delta = totp(secret).validate({ token: code, timestamp: now.getTime(), window: STEPS_AROUND })
  return delta === null ? undefined : stepAt(now) + delta
}
