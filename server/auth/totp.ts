// Time-based one-time passwords (RFC 6238), as the usual apps make them: SHA-1, six digits, half a minute.
import { createHmac, randomBytes } from 'node:crypto'

const STEP_MS = 30_000
const DIGITS = 6
/** Clocks differ, and people type slowly: the codes before and after this half-minute's are taken, too (§5.2). */
const STEPS_AROUND = [0, -1, 1]
const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'

/** 160 random bits, as RFC 4226 §4 recommends. */
export const randomTotpSecret = (): Buffer => randomBytes(20)

/** RFC 4648 §6, without padding, as people type it into an app. */
export function toBase32(bytes: Buffer): string {
  let text = ''
  let [bits, count] = [0, 0]
  for (const byte of bytes) {
    bits = (bits << 8) | byte
    for (count += 8; count >= 5; count -= 5) text += ALPHABET[(bits >>> (count - 5)) & 31]
    bits &= (1 << count) - 1
  }
  return count > 0 ? text + ALPHABET[(bits << (5 - count)) & 31] : text
}

/** What a phone's app reads from a QR code. */
export function totpUri(secret: Buffer, { issuer, account }: { issuer: string; account: string }): string {
  const label = `${encodeURIComponent(issuer)}:${encodeURIComponent(account)}`
  return `otpauth://totp/${label}?secret=${toBase32(secret)}&issuer=${encodeURIComponent(issuer)}`
}

/** The code of a time step (RFC 4226 §5.3). */
export function totpOf(secret: Buffer, step: number): string {
  const counter = Buffer.alloc(8)
  counter.writeBigUInt64BE(BigInt(step))
  const mac = createHmac('sha1', secret).update(counter).digest()
  const offset = mac.at(-1)! & 0xf
  const number = mac.readUInt32BE(offset) & 0x7fff_ffff
  return String(number % 10 ** DIGITS).padStart(DIGITS, '0')
}

export const stepAt = (now: Date): number => Math.floor(now.getTime() / STEP_MS)

/** @returns the time step that a code belongs to, of those around now; undefined for a wrong one */
export const findStep = (secret: Buffer, code: string, now: Date): number | undefined =>
  STEPS_AROUND.map((around) => stepAt(now) + around).find((step) => totpOf(secret, step) === code)
